//! Lines that look for their spans, by what they say.
//!
//! In go lines, out come rows in the order of their templates. What too few lines say is taken together, what many lines say
//! with one value is told from the same with others; templates at whose lines nothing is open are left out again. No span is
//! looked up here.

use std::ops::Range;

use super::past::Past;
use super::scene::Scene;
use super::times::{Delays, when};
use super::view::View;
use crate::correlate::text::hash::NumberMap;

/// Rarer kinds of lines are taken together.
const RARE: f32 = 4.0;
/// Values that so many lines have tell kinds apart, as what is said does: a step, a stage, a reason.
const SAME_VALUES: f32 = 50.0;

/// A line that looks for its span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) line: u32,
    pub(crate) template: u32,
    /// When it was written, and how much earlier it may have been.
    pub(crate) time: i64,
    pub(crate) low: i64,
    pub(crate) slack: i64,
    /// How much later than written lines of its writer are usually stamped.
    pub(crate) delay: i64,
    /// Its pairs.
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl Row {
    /// The places of its pairs.
    pub(crate) fn pairs(&self) -> Range<usize> {
        self.first as usize..(self.first + self.count) as usize
    }
}

/// Lines in the order of their templates, and what is known of these.
pub(crate) fn place(scene: &mut Scene, view: &View<'_>, wanted: impl Iterator<Item = u32>, past: Option<&Past>) {
    let wanted: Vec<u32> = wanted.collect();
    let line_of = |at: &u32| &view.lines.rows[*at as usize];
    let mut fine: NumberMap<(u32, u64), (u32, u8)> = NumberMap::default();
    let mut with_values: NumberMap<(u32, u64), u32> = NumberMap::default();
    for line in wanted.iter().map(line_of) {
        let group = view.operations.group_of_writer(line.writer);
        let entry = fine.entry((group, line.template.fine)).or_default();
        entry.0 += 1;
        entry.1 = entry.1.max(line.digits);
        if line.template.values != 0 {
            *with_values.entry((group, line.template.with_values())).or_default() += 1;
        }
    }
    let delays = Delays::new(wanted.iter().map(line_of));
    let mut numbers: NumberMap<(u32, u64), u32> = NumberMap::default();
    let mut families: NumberMap<(u32, u64), u32> = NumberMap::default();
    let (mut messages, mut kinds) = (Vec::new(), Vec::new());
    for at in &wanted {
        let line = line_of(at);
        let group = view.operations.group_of_writer(line.writer);
        let (count, digits) = fine.get(&(group, line.template.fine)).copied().unwrap_or_default();
        let before = |kind: u64| past.map_or(0.0, |past| past.lines_of(group, kind));
        let values = match line.template.values {
            0 => 0.0,
            _ => {
                let kind = line.template.with_values();
                with_values.get(&(group, kind)).copied().unwrap_or_default() as f32 + before(kind)
            }
        };
        let kind = match () {
            () if values >= SAME_VALUES => line.template.with_values(),
            () if count as f32 + before(line.template.fine) < RARE => line.template.coarse,
            () => line.template.fine,
        };
        let Some((time, low, slack)) = when(line, digits) else { continue };
        let next = numbers.len() as u32;
        let template = *numbers.entry((group, kind)).or_insert(next);
        if template == next {
            messages.push(line.template.message_of(kind));
            kinds.push(kind);
            let family = if kind == line.template.coarse { kind } else { line.template.fine };
            scene.template_family.push(*families.entry((group, family)).or_insert(template));
        }
        scene.rows.push(Row {
            line: *at,
            template,
            time,
            low,
            slack,
            delay: delays.of(line.writer),
            first: 0,
            count: 0,
        });
    }
    scene.rows.sort_by_key(|row| row.template);
    scene.template_lines = vec![0; numbers.len()];
    scene.template_group = vec![0; numbers.len()];
    scene.template_message = messages;
    scene.template_kind = kinds;
    for ((group, _), template) in &numbers {
        scene.template_group[*template as usize] = *group;
    }
    for row in &scene.rows {
        scene.template_lines[row.template as usize] += 1;
    }
}

/// Gives the next template that is kept its number. Those before it are kept or gone: its place is free.
pub(crate) fn renumber(scene: &mut Scene, template: usize, rows: Range<usize>) {
    let number = scene.blocks.len();
    scene.template_lines[number] = scene.template_lines[template];
    scene.template_group[number] = scene.template_group[template];
    scene.template_family[number] = scene.template_family[template];
    scene.template_message[number] = scene.template_message[template];
    scene.template_kind[number] = scene.template_kind[template];
    scene.rows[rows].iter_mut().for_each(|row| row.template = number as u32);
}

/// Gives back the room of what was left out.
pub(crate) fn keep(scene: &mut Scene, rows: usize) {
    let templates = scene.blocks.len();
    for of_templates in [&mut scene.template_lines, &mut scene.template_group, &mut scene.template_family] {
        of_templates.truncate(templates);
        of_templates.shrink_to_fit();
    }
    for of_templates in [&mut scene.template_message, &mut scene.template_kind] {
        of_templates.truncate(templates);
        of_templates.shrink_to_fit();
    }
    scene.rows.truncate(rows);
    scene.rows.shrink_to_fit();
}

/// From the first to the last line of each writer.
pub(crate) fn ranges(rows: &[Row], view: &View<'_>) -> Vec<(i64, i64)> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for row in rows {
        let writer = view.lines.rows[row.line as usize].writer as usize;
        if writer >= ranges.len() {
            ranges.resize(writer + 1, (i64::MAX, i64::MIN));
        }
        ranges[writer] = (ranges[writer].0.min(row.time), ranges[writer].1.max(row.time));
    }
    ranges
}
