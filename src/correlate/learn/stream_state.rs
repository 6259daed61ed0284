//! What is kept of a stream between its steps, and when it is learned from.
//!
//! In go times and counts of lines, out comes what a step does: decide the lines that are due by the model, or estimate all
//! anew. Estimations follow each other in ratio to the lines that were learned from, until there are as many as are kept;
//! so each line is learned from a few times, however short the steps are.

use super::candidates::Candidates;
use super::decay::DecayedStatistics;
use super::earlier_lines::EarlierLines;
use super::lines::Lines;
use super::model::Model;
use super::stream_tuning::{
    CONTEXT_NS, ESTIMATE_GROWTH, ESTIMATE_LINES_ENOUGH, ESTIMATE_LINES_MAX, ESTIMATE_UNKNOWN_LINES,
    ESTIMATE_UNKNOWN_SHARE, ESTIMATES_PER_MEMORY,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct StreamState {
    pub(crate) decayed: DecayedStatistics,
    pub(crate) model: Model,
    pub(crate) earlier: EarlierLines,
    /// Lines that are not decided, and those that were just before: time and place among the lines kept.
    open: Vec<(i64, u32)>,
    /// Lines that fell due since the last estimation, and those of them that nothing was known of.
    new_lines: usize,
    unknown_lines: usize,
    /// Lines that it learned from, and when it was: ns since the epoch.
    learned_lines: usize,
    learned_at: Option<i64>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Decide the lines that are due among those of these times.
    Decide((i64, i64)),
    /// Learn from all lines that are kept, and decide those that are due; those before this time are forgotten then.
    Estimate(i64),
    /// The same where all lines and spans of a stretch of time are there: no line is decided by the model later.
    Window(i64),
}

impl StreamState {
    /// Nothing so far; so many classes are remembered.
    pub(crate) fn new(classes_max: usize) -> StreamState {
        let (model, earlier, open, new_lines, unknown_lines, learned_lines, learned_at) = Default::default();
        let decayed = DecayedStatistics::new(classes_max);
        StreamState { decayed, model, earlier, open, new_lines, unknown_lines, learned_lines, learned_at }
    }

    /// A line was added.
    pub(crate) fn add(&mut self, time: i64, row: u32) {
        self.open.push((time, row));
    }

    /// What to do with lines from `first` to `last` that are due. `memory`: lines are kept no longer, ns.
    pub(crate) fn task(&mut self, (first, last): (i64, i64), due: i64, memory: i64) -> Task {
        self.new_lines += self.open.iter().filter(|(time, _)| (first..=last).contains(time)).count();
        let from = due.saturating_sub(memory);
        let most = (self.learned_lines as f32 * ESTIMATE_GROWTH) as usize;
        let unknown = (self.learned_lines as f32 * ESTIMATE_UNKNOWN_SHARE) as usize;
        let is_new =
            self.new_lines > most.min(ESTIMATE_LINES_MAX) || self.unknown_lines > unknown.max(ESTIMATE_UNKNOWN_LINES);
        let Some(at) = self.learned_at.filter(|_| !is_new) else { return Task::Estimate(from) };
        if due.saturating_sub(at) >= memory / ESTIMATES_PER_MEMORY && self.new_lines > 0 {
            // Where there are many lines, the later half tells enough.
            let is_enough = self.learned_lines >= ESTIMATE_LINES_ENOUGH;
            return Task::Estimate(due.saturating_sub(if is_enough { memory / 2 } else { memory }));
        }
        Task::Decide((first.saturating_sub(CONTEXT_NS), last.saturating_add(CONTEXT_NS)))
    }

    /// Lines that were decided by the model, of some of which it may know nothing.
    pub(crate) fn count_unknown(&mut self, candidates: &Candidates) {
        self.unknown_lines += self.model.count_unknown(candidates);
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.open.capacity() * size_of::<(i64, u32)>()
            + self.decayed.bytes()
            + self.model.bytes()
            + self.earlier.bytes()
    }

    /// The lines of these times.
    pub(crate) fn lines_between(&self, lines: &Lines, (from, to): (i64, i64)) -> Lines {
        let within = |(time, _): &&(i64, u32)| (from..=to).contains(time);
        let places: Vec<u32> = self.open.iter().filter(within).map(|(_, row)| *row).collect();
        lines.copied(&places)
    }

    /// Lines up to `due` are decided.
    pub(crate) fn close(&mut self, lines: &mut Lines, due: i64) {
        self.open.retain(|(time, row)| {
            if *time <= due {
                lines.rows[*row as usize].is_decided = true;
            }
            *time > due.saturating_sub(CONTEXT_NS)
        });
    }

    /// All was learned from, `decided` lines of it that are decided: `lines` are left.
    pub(crate) fn learned(&mut self, lines: &Lines, decided: usize, due: i64) {
        let is_open = |time: i64| time > due.saturating_sub(CONTEXT_NS);
        let open = lines.rows.iter().zip(0..).filter(|(line, _)| !line.is_decided || is_open(line.time));
        self.open = open.map(|(line, row)| (line.time, row)).collect();
        (self.new_lines, self.unknown_lines) = (0, 0);
        (self.learned_lines, self.learned_at) = (decided, Some(due));
    }
}
