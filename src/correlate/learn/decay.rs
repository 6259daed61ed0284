//! Statistics of a stream that decay with time.
//!
//! In go candidates with what was learned of them, one window after the other, out comes the prior of the next: clutter,
//! habits, shares without a span, keys that name requests. Counts halve in each half-life; the templates with the fewest
//! lines go where there are too many. No line and no span is known here.

use super::association::Association;
use super::candidates::{Block, Candidates};
use super::factors::end_counts::EndCounts;
use super::histograms::Histograms;
use super::lines::Lines;
use super::operations::Operations;
use super::prior::{Prior, TemplateCounts};
use super::request_keys::Agreement;
use super::stream_tuning::{DECAY_CLASS_LEAST, DECAY_GROWTH, DECAY_LINES_LEAST, DECAY_STEP_NS};
use crate::correlate::stored::{Stored, stored};
use crate::correlate::text::hash::{NumberMap, mix};

/// Templates that are remembered.
const TEMPLATES_MAX: usize = 1 << 16;
/// Keys that may name requests.
const KEYS_MAX: usize = 1 << 14;

/// See the module.
#[derive(Debug)]
pub(crate) struct DecayedStatistics {
    /// Classes that are remembered: each takes two kilobytes.
    classes_max: usize,
    templates: NumberMap<u64, Template>,
    /// Lines of each kind that may make a template, whether or not it does.
    kinds: NumberMap<u64, f32>,
    /// How well the values of keys agreed on a trace.
    pub(crate) keys: Agreement,
    /// Of messages, whoever writes them: how lines stand to the ends of spans.
    messages: NumberMap<u64, EndCounts>,
    /// Counts have decayed up to here, ns since the epoch.
    until: Option<i64>,
    /// Lines before are learned from, and forgotten: all that may be known of them has come.
    from: i64,
}

/// Decayed statistics of a template.
#[derive(Debug, Default)]
struct Template {
    counts: TemplateCounts,
    /// How often it was learned of.
    times: f32,
    /// By operation.
    classes: NumberMap<u64, ClassCounts>,
}

stored!(Template { counts, times, classes });

#[derive(Debug, Default)]
struct ClassCounts {
    clutter: Histograms,
    pairs: Histograms,
    /// Its lines, and those that are certainly late.
    late: (f32, f32),
}

stored!(ClassCounts { clutter, pairs, late });

impl Stored for DecayedStatistics {
    fn put(&self, out: &mut Vec<u8>) {
        // All of them are named: one that is added is to be kept too, or to be left out for a reason.
        let DecayedStatistics {
            // How many there is room for, the next run decides.
            classes_max: _,
            templates,
            kinds,
            keys,
            messages,
            until,
            // Of lines, none of which is kept.
            from: _,
        } = self;
        templates.put(out);
        kinds.put(out);
        keys.put(out);
        messages.put(out);
        until.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<DecayedStatistics> {
        let DecayedStatistics { classes_max, from: lines_from, .. } = DecayedStatistics::new(0);
        Some(DecayedStatistics {
            classes_max,
            templates: Stored::take(from)?,
            kinds: Stored::take(from)?,
            keys: Stored::take(from)?,
            messages: Stored::take(from)?,
            until: Stored::take(from)?,
            from: lines_from,
        })
    }
}

impl Template {
    fn scale(&mut self, part: f32) {
        let TemplateCounts { lines, none, concurrent, ends } = &mut self.counts;
        [lines, none, concurrent].into_iter().for_each(|of| *of *= part);
        ends.scale(part);
        for class in self.classes.values_mut() {
            class.late = (class.late.0 * part, class.late.1 * part);
            class.clutter.scale(part);
            class.pairs.scale(part);
        }
    }
}

/// A template of a service, in all windows.
fn key(service: u32, template: u64) -> u64 {
    mix(u64::from(service), template)
}

fn key_of(candidates: &Candidates, template: usize) -> u64 {
    key(candidates.templates.service[template], candidates.templates.key[template])
}

impl DecayedStatistics {
    /// Nothing so far; so many classes are remembered.
    pub(crate) fn new(classes_max: usize) -> DecayedStatistics {
        let (templates, kinds, keys, messages, until, from) = Default::default();
        DecayedStatistics { classes_max, templates, kinds, keys, messages, until, from }
    }

    /// The same, of which no more classes are remembered.
    pub(crate) fn remembering(self, classes_max: usize) -> DecayedStatistics {
        DecayedStatistics { classes_max, ..self }
    }

    /// Classes that may be remembered.
    pub(crate) fn classes_max(&self) -> usize {
        self.classes_max
    }

    /// Lines of a service so far that are of a kind which may make a template.
    pub(crate) fn lines_of(&self, service: u32, kind: u64) -> f32 {
        self.kinds.get(&key(service, kind)).copied().unwrap_or_default()
    }

    /// Bytes that are kept, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let classes: usize = self.templates.values().map(|of| of.classes.len()).sum();
        self.templates.len() * size_of::<(u64, Template)>()
            + classes * size_of::<(u64, ClassCounts)>()
            + self.kinds.len() * size_of::<(u64, f32)>()
            + self.keys.len() * size_of::<((u32, u32), (f32, f32))>()
    }

    /// Halves all counts in each `half_life`, ns. Lines before `from` are learned from for the last time next.
    pub(crate) fn decay(&mut self, now: i64, from: i64, half_life: i64) {
        self.from = from;
        let before = *self.until.get_or_insert(now);
        if now.saturating_sub(before) < DECAY_STEP_NS.min(half_life / 60) {
            return;
        }
        self.until = Some(now);
        let part = 0.5f32.powf(now.saturating_sub(before).max(0) as f32 / half_life.max(1) as f32);
        self.templates.retain(|_, of| {
            of.scale(part);
            of.classes
                .retain(|_, counts| counts.pairs.sum + counts.clutter.start.iter().sum::<f32>() >= DECAY_CLASS_LEAST);
            of.counts.lines >= DECAY_LINES_LEAST
        });
        self.kinds.retain(|_, lines| {
            *lines *= part;
            *lines >= DECAY_LINES_LEAST
        });
        self.messages.retain(|_, ends| {
            ends.scale(part);
            ends.all >= DECAY_LINES_LEAST
        });
        self.keys.retain(|_, of| {
            *of = (of.0 * part, of.1 * part);
            of.1 >= DECAY_LINES_LEAST
        });
    }

    /// Adds what is known of the templates and classes of these candidates, whose own clutter was just measured.
    pub(crate) fn recall(&self, candidates: &mut Candidates, operations: &Operations) {
        let mut prior = Prior::default();
        for block in &candidates.blocks {
            let known = self.templates.get(&key_of(candidates, block.template));
            let counts = known.map(|of| of.counts).unwrap_or_default();
            candidates.templates.lines[block.template] += counts.lines as u32;
            prior.templates.push(counts);
            let message = candidates.templates.message[block.template];
            if let Some(all) = self.messages.get(&message) {
                let others = prior.messages.entry(message).or_insert(*all);
                *others = others.less(&counts.ends);
            }
            for class in block.classes.clone() {
                let operation = operations.key(candidates.classes[class].1);
                let habits = known.and_then(|of| of.classes.get(&operation));
                prior.own_clutter.push(candidates.clutter[class].clone());
                prior.pairs.push(habits.map(|of| of.pairs.clone()).unwrap_or_default());
                prior.late.push(habits.map(|of| of.late).unwrap_or_default());
                if let Some(ClassCounts { clutter, .. }) = habits {
                    candidates.clutter[class].take_in(clutter, 1.0);
                }
            }
        }
        candidates.prior = prior;
    }

    /// How well the values of keys agreed on a trace before and now.
    pub(crate) fn agreement_with(&self, now: &Agreement) -> Agreement {
        let mut all = self.keys.clone();
        for (key, (agree, seen)) in now {
            let of = all.entry(*key).or_default();
            *of = (of.0 + agree, of.1 + seen);
        }
        all
    }

    /// Learns from the lines of these candidates that are learned from for the last time.
    pub(crate) fn learn(
        &mut self,
        candidates: &Candidates,
        association: &Association,
        lines: &Lines,
        operations: &Operations,
    ) {
        let from = self.from;
        let goes = |line: u32| {
            let line = &lines.rows[line as usize];
            line.is_learned || line.time < from
        };
        let mut gone = 0;
        for block in &candidates.blocks {
            let count = candidates.rows[block.rows.clone()].iter().filter(|row| goes(row.line)).count();
            if count > 0 {
                gone += count;
                self.learn_template(candidates, association, block, operations, &goes);
            }
        }
        for row in candidates.rows.iter().filter(|row| goes(row.line)) {
            let (template, service) =
                (lines.rows[row.line as usize].template, candidates.templates.service[row.template as usize]);
            *self.kinds.entry(key(service, template.fine)).or_default() += 1.0;
            if template.values != 0 {
                *self.kinds.entry(key(service, template.with_values())).or_default() += 1.0;
            }
        }
        let part = gone as f32 / candidates.rows.len().max(1) as f32;
        for (key, (agree, seen)) in &association.agreement {
            let of = self.keys.entry(*key).or_default();
            *of = (of.0 + part * agree, of.1 + part * seen);
        }
        self.bound();
    }

    fn learn_template(
        &mut self,
        candidates: &Candidates,
        association: &Association,
        block: &Block,
        operations: &Operations,
        goes: &dyn Fn(u32) -> bool,
    ) {
        let rows = || candidates.rows[block.rows.clone()].iter().zip(&association.posteriors.none[block.rows.clone()]);
        let gone = || rows().filter(|(row, _)| goes(row.line));
        let count = gone().count() as f32;
        let part = count / block.rows.len() as f32;
        let of = self.templates.entry(key_of(candidates, block.template)).or_default();
        of.times += 1.0;
        of.scale((count * (of.times.powf(DECAY_GROWTH) - 1.0) / of.counts.lines.max(DECAY_LINES_LEAST)).min(1.0));
        of.counts.lines += count;
        of.counts.none += gone().map(|(_, none)| none).sum::<f32>();
        of.counts.concurrent += part * association.context.concurrency.spans[block.template];
        let lateness = &association.context.lateness;
        let ends = &lateness.templates[block.template];
        of.counts.ends.add_part(ends, part);
        self.messages.entry(candidates.templates.message[block.template]).or_default().add_part(ends, part);
        let mut pairs = vec![Histograms::default(); block.classes.len()];
        for (row, _) in gone() {
            for (pair, weight) in candidates.pairs[row.pairs()].iter().zip(&association.posteriors.weights[row.pairs()])
            {
                pairs[pair.class as usize - block.classes.start].add(pair.bins(), *weight);
            }
        }
        for (class, pairs) in block.classes.clone().zip(&pairs) {
            let habits = of.classes.entry(operations.key(candidates.classes[class].1)).or_default();
            habits.clutter.take_in(&candidates.prior.own_clutter[class], part);
            habits.pairs.take_in(pairs, 1.0);
            let late = lateness.classes[class];
            habits.late = (habits.late.0 + part * late.0, habits.late.1 + part * late.1);
        }
    }

    /// The half of the templates with fewer lines goes where there are too many.
    fn bound(&mut self) {
        let classes: usize = self.templates.values().map(|of| of.classes.len()).sum();
        if self.templates.len() > TEMPLATES_MAX || classes > self.classes_max {
            let mut lines: Vec<f32> = self.templates.values().map(|of| of.counts.lines).collect();
            let half = lines.len() / 2;
            let least = *lines.select_nth_unstable_by(half, f32::total_cmp).1;
            self.templates.retain(|_, of| of.counts.lines > least);
        }
        if self.kinds.len() > TEMPLATES_MAX {
            let mut lines: Vec<f32> = self.kinds.values().copied().collect();
            let half = lines.len() / 2;
            let least = *lines.select_nth_unstable_by(half, f32::total_cmp).1;
            self.kinds.retain(|_, lines| *lines > least);
        }
        if self.messages.len() > TEMPLATES_MAX {
            self.messages.clear();
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
        let mut past = DecayedStatistics::new(1);
        past.decay(0, 0, 10);
        let of = |lines: f32| Template {
            counts: TemplateCounts { lines, ..TemplateCounts::default() },
            ..Template::default()
        };
        past.templates.insert(1, of(8.0));
        past.templates.insert(2, of(0.5));
        past.keys.insert((1, 1), (4.0, 4.0));
        past.decay(20, 0, 10);
        assert_eq!(past.templates[&1].counts.lines, 2.0);
        assert!(!past.templates.contains_key(&2) && past.keys[&(1, 1)] == (1.0, 1.0));
        for number in 0..=TEMPLATES_MAX as u64 {
            past.templates.insert(number, of(number as f32));
        }
        past.bound();
        assert!(past.templates.len() <= TEMPLATES_MAX / 2 && past.templates.contains_key(&(TEMPLATES_MAX as u64)));
    }
}
