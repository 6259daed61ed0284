//! Lines that look for their spans, in the order of their templates.
//!
//! In go lines, out come rows and what is known of each template. Rare templates are pooled by their coarse form; values that
//! many lines have make templates of their own. No span is looked up here.

use super::candidates::{CandidateRow, Templates};
use super::features::tables::FeatureTables;
use super::remembered::Remembered;
use super::written_time::{Delays, Written, when};
use crate::correlate::text::hash::NumberMap;

/// See the module.
#[derive(Debug)]
pub(crate) struct CandidateRows {
    /// In the order of their templates; without pairs so far.
    pub(crate) rows: Vec<CandidateRow>,
    pub(crate) templates: Templates,
}

impl CandidateRows {
    /// Of these lines. `before`: what a stream taught so far.
    pub(crate) fn new(tables: &FeatureTables<'_>, wanted: &[u32], before: Remembered<'_>) -> CandidateRows {
        let line_of = |at: &u32| &tables.lines.rows[*at as usize];
        let mut fine: NumberMap<(u32, u64), (u32, u8)> = NumberMap::default();
        let mut with_values: NumberMap<(u32, u64), u32> = NumberMap::default();
        for line in wanted.iter().map(line_of) {
            let service = tables.operations.service_of_writer(line.writer);
            let entry = fine.entry((service, line.template.fine)).or_default();
            entry.0 += 1;
            entry.1 = entry.1.max(line.digits);
            if line.template.values != 0 {
                *with_values.entry((service, line.template.with_values())).or_default() += 1;
            }
        }
        let (mut rows, mut templates) = (Vec::new(), Templates::default());
        let delays = Delays::new(wanted.iter().map(line_of));
        let mut numbers: NumberMap<(u32, u64), u32> = NumberMap::default();
        let mut families: NumberMap<(u32, u64), u32> = NumberMap::default();
        for at in wanted {
            let line = line_of(at);
            let service = tables.operations.service_of_writer(line.writer);
            let (count, digits) = fine.get(&(service, line.template.fine)).copied().unwrap_or_default();
            let digits = digits.max(before.digits_of(service, line.template.fine));
            let of_values = match line.template.values {
                0 => 0,
                _ => with_values.get(&(service, line.template.with_values())).copied().unwrap_or_default(),
            };
            let kind = before.kind_of(service, &line.template, (count, of_values));
            let delay = before.delay_of(line.writer).unwrap_or_else(|| delays.of(line.writer));
            let Some(Written { time, low, likely, slack, is_rounded }) = when(line, digits, delay) else { continue };
            let next = numbers.len() as u32;
            let template = *numbers.entry((service, kind)).or_insert(next);
            if template == next {
                templates.message.push(line.template.message_of(kind));
                templates.is_access.push(line.is_access);
                templates.key.push(kind);
                let family = if kind == line.template.coarse { kind } else { line.template.fine };
                templates.family.push(*families.entry((service, family)).or_insert(template));
                templates.family_key.push(family);
            }
            rows.push(CandidateRow {
                line: *at,
                template,
                time,
                low,
                likely,
                slack,
                is_rounded,
                delay: delay.median,
                first: 0,
                count: 0,
            });
        }
        rows.sort_by_key(|row: &CandidateRow| row.template);
        templates.lines = vec![0; numbers.len()];
        templates.service = vec![0; numbers.len()];
        for ((service, _), template) in &numbers {
            templates.service[*template as usize] = *service;
        }
        for row in &rows {
            templates.lines[row.template as usize] += 1;
        }
        CandidateRows { rows, templates }
    }
}

/// From the first to the last line of each writer.
pub(crate) fn ranges(rows: &[CandidateRow], tables: &FeatureTables<'_>) -> Vec<(i64, i64)> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for row in rows {
        let writer = tables.lines.rows[row.line as usize].writer as usize;
        if writer >= ranges.len() {
            ranges.resize(writer + 1, (i64::MAX, i64::MIN));
        }
        ranges[writer] = (ranges[writer].0.min(row.time), ranges[writer].1.max(row.time));
    }
    ranges
}
