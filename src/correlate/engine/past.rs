//! What was learned of lines before those at hand: a stream goes on, its habits stay.
//!
//! In go scenes with their weights, one after the other, out comes for the next what is known already of its kinds of
//! lines: chance, habits, shares without a span, keys that name requests. It fades with time, and the kinds with the
//! fewest lines go where there are too many. No line and no span is known here.

use super::associate::Association;
use super::habits::Counts;
use super::lines::Lines;
use super::operations::Operations;
use super::request_keys::Agreement;
use super::scene::{Block, Scene};
use super::usual::place;
use crate::correlate::text::hash::{NumberMap, mix};

/// Kinds of lines, and of lines in operations, that are remembered: each of these takes two kilobytes.
const TEMPLATES_MAX: usize = 1 << 16;
const KINDS_MAX: usize = 1 << 14;
/// Keys that may name requests.
const KEYS_MAX: usize = 1 << 14;
/// What faded below so many lines is forgotten.
const LEAST: f32 = 0.2;
/// … and habits in an operation with so few, chance included.
const FADED: f32 = 0.02;
/// What was learned first was learned from little: after n times, the past counts like n to this power as many lines as the
/// last time brought.
const TIMES: f32 = 0.7;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Past {
    templates: NumberMap<u64, Template>,
    /// How well the values of keys agreed on a trace.
    pub(crate) keys: Agreement,
    /// It has faded up to here, ns since the epoch.
    until: Option<i64>,
    /// Lines before are learned from, and forgotten: all that may be known of them has come.
    from: i64,
}

/// A kind of line.
#[derive(Debug, Default)]
struct Template {
    lately: Lately,
    /// How often it was learned of.
    times: f32,
    /// By operation.
    kinds: NumberMap<u64, Habits>,
}

/// Numbers of lines.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lately {
    pub(crate) lines: f32,
    /// Without a span.
    pub(crate) none: f32,
    /// Spans of other traces beside them.
    pub(crate) seen: f32,
}

#[derive(Debug, Default)]
struct Habits {
    chance: Counts,
    pairs: Counts,
}

impl Template {
    fn scale(&mut self, part: f32) {
        let Lately { lines, none, seen } = &mut self.lately;
        [lines, none, seen].into_iter().for_each(|of| *of *= part);
        for kind in self.kinds.values_mut() {
            kind.chance.scale(part);
            kind.pairs.scale(part);
        }
    }
}

/// What is known of a scene's kinds from before it; nothing where no stream is followed.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    /// Of each template.
    pub(crate) templates: Vec<Lately>,
    /// Of each kind: habits, and what chance gives the scene's lines alone.
    pub(crate) pairs: Vec<Counts>,
    own_chance: Vec<Counts>,
}

impl Recalled {
    /// Of a template.
    pub(crate) fn of(&self, template: usize) -> Lately {
        self.templates.get(template).copied().unwrap_or_default()
    }
}

/// A kind of line of a service, in all scenes.
fn key(service: u32, kind: u64) -> u64 {
    mix(u64::from(service), kind)
}

fn key_of(scene: &Scene, template: usize) -> u64 {
    key(scene.template_group[template], scene.template_kind[template])
}

impl Past {
    /// Lines of a kind of a service, so far.
    pub(crate) fn lines_of(&self, service: u32, kind: u64) -> f32 {
        self.templates.get(&key(service, kind)).map_or(0.0, |of| of.lately.lines)
    }

    /// Half of what is known is forgotten in each `half_life`, ns. Lines before `from` are learned from next.
    pub(crate) fn fade(&mut self, now: i64, from: i64, half_life: i64) {
        self.from = from;
        let before = self.until.replace(now).unwrap_or(now);
        let part = 0.5f32.powf(now.saturating_sub(before).max(0) as f32 / half_life.max(1) as f32);
        self.templates.retain(|_, of| {
            of.scale(part);
            of.kinds.retain(|_, habits| habits.pairs.sum + habits.chance.start.iter().sum::<f32>() >= FADED);
            of.lately.lines >= LEAST
        });
        self.keys.retain(|_, of| {
            *of = (of.0 * part, of.1 * part);
            of.1 >= LEAST
        });
    }

    /// Tells a scene, whose own chances were just counted, what is known of its kinds.
    pub(crate) fn recall(&self, scene: &mut Scene, operations: &Operations) {
        let mut recalled = Recalled::default();
        for template in 0..scene.blocks.len() {
            let known = self.templates.get(&key_of(scene, template));
            let lately = known.map(|of| of.lately).unwrap_or_default();
            scene.template_lines[template] += lately.lines as u32;
            recalled.templates.push(lately);
            for kind in scene.blocks[template].kinds.clone() {
                let operation = operations.key(scene.kinds[kind].1);
                let habits = known.and_then(|of| of.kinds.get(&operation));
                recalled.own_chance.push(scene.chance[kind].clone());
                recalled.pairs.push(habits.map(|of| of.pairs.clone()).unwrap_or_default());
                if let Some(Habits { chance, .. }) = habits {
                    scene.chance[kind].take_in(chance, 1.0);
                }
            }
        }
        scene.recalled = recalled;
    }

    /// Learns from the lines of a scene that are forgotten now.
    pub(crate) fn learn(&mut self, scene: &Scene, result: &Association, lines: &Lines, operations: &Operations) {
        let from = self.from;
        let goes = |line: u32| lines.rows[line as usize].time < from;
        let mut gone = 0;
        for block in &scene.blocks {
            let count = scene.rows[block.rows.clone()].iter().filter(|row| goes(row.line)).count();
            if count > 0 {
                gone += count;
                self.learn_template(scene, result, block, operations, &goes);
            }
        }
        let part = gone as f32 / scene.rows.len().max(1) as f32;
        for (key, (agree, seen)) in &result.agreement {
            let of = self.keys.entry(*key).or_default();
            *of = (of.0 + part * agree, of.1 + part * seen);
        }
        self.bound();
    }

    fn learn_template(
        &mut self,
        scene: &Scene,
        result: &Association,
        block: &Block,
        operations: &Operations,
        goes: &dyn Fn(u32) -> bool,
    ) {
        let rows = || scene.rows[block.rows.clone()].iter().zip(&result.none[block.rows.clone()]);
        let gone = || rows().filter(|(row, _)| goes(row.line));
        let count = gone().count() as f32;
        let part = count / block.rows.len() as f32;
        let of = self.templates.entry(key_of(scene, block.template)).or_default();
        of.times += 1.0;
        of.scale((count * (of.times.powf(TIMES) - 1.0) / of.lately.lines.max(LEAST)).min(1.0));
        of.lately.lines += count;
        of.lately.none += gone().map(|(_, none)| none).sum::<f32>();
        of.lately.seen += part * result.seen[block.template];
        let mut pairs = vec![Counts::default(); block.kinds.len()];
        for (row, _) in gone() {
            for (pair, weight) in scene.pairs[row.pairs()].iter().zip(&result.weights[row.pairs()]) {
                pairs[pair.kind as usize - block.kinds.start].add(place(pair), *weight);
            }
        }
        for (kind, pairs) in block.kinds.clone().zip(&pairs) {
            let habits = of.kinds.entry(operations.key(scene.kinds[kind].1)).or_default();
            habits.chance.take_in(&scene.recalled.own_chance[kind], part);
            habits.pairs.take_in(pairs, 1.0);
        }
    }

    /// The half of the kinds with fewer lines goes where there are too many.
    fn bound(&mut self) {
        let kinds: usize = self.templates.values().map(|of| of.kinds.len()).sum();
        if self.templates.len() > TEMPLATES_MAX || kinds > KINDS_MAX {
            let mut lines: Vec<f32> = self.templates.values().map(|of| of.lately.lines).collect();
            let half = lines.len() / 2;
            let least = *lines.select_nth_unstable_by(half, f32::total_cmp).1;
            self.templates.retain(|_, of| of.lately.lines > least);
        }
        if self.keys.len() > KEYS_MAX {
            let mut seen: Vec<f32> = self.keys.values().map(|of| of.1).collect();
            let half = seen.len() / 2;
            let least = *seen.select_nth_unstable_by(half, f32::total_cmp).1;
            self.keys.retain(|_, of| of.1 > least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_fades_and_has_a_bound() {
        let mut past = Past::default();
        past.fade(0, 0, 10);
        let of = |lines: f32| Template { lately: Lately { lines, ..Lately::default() }, ..Template::default() };
        past.templates.insert(1, of(8.0));
        past.templates.insert(2, of(0.5));
        past.keys.insert((1, 1), (4.0, 4.0));
        past.fade(20, 0, 10);
        assert_eq!(past.templates[&1].lately.lines, 2.0);
        assert!(!past.templates.contains_key(&2) && past.keys[&(1, 1)] == (1.0, 1.0));
        for number in 0..=TEMPLATES_MAX as u64 {
            past.templates.insert(number, of(number as f32));
        }
        past.bound();
        assert!(past.templates.len() <= TEMPLATES_MAX / 2 && past.templates.contains_key(&(TEMPLATES_MAX as u64)));
    }
}
