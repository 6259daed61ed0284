//! The habit of one class (template, operation): where in a span its lines stand, and which clues they share with it.
//!
//! In go weighted histograms of pairs and of clutter, out come likelihood ratios of a pair against clutter. Distances are
//! smoothed over neighbouring bins. No line and no span is known here.

use super::approximate::{exp, ln};
use super::bins::BINS;
use super::clues::CLUES;
use super::histograms::{BinIndex, Distances, Histograms, clutter, smooth};
use super::tuning::{AFTER_RATIO, HABIT_BELONGS, HABIT_FLOOR, HABIT_OWN_COUNTS, HABIT_SIDE_LEAST};
use crate::correlate::stored::stored;

/// Habit and clutter of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Habit {
    pub(crate) start: Distances,
    pub(crate) end: Distances,
    pub(crate) edge: Distances,
    pub(crate) clues: [f32; CLUES],
    pub(crate) clutter_start: Distances,
    pub(crate) clutter_end: Distances,
    pub(crate) clutter_edge: Distances,
    pub(crate) clutter_clues: [f32; CLUES],
    /// Of each distance to the start, to the end and to the nearest edge below.
    start_likely: [Likely; BINS],
    end_likely: [Likely; BINS],
    edge_likely: [Likely; BINS],
    /// How many times likelier than by chance each clue is.
    clue_factors: [f32; CLUES],
    /// How much of the weight the distances to the start, to the end, and to the nearest edge below have.
    pub(crate) sides: [f32; 3],
    /// Its lines are written after the span's end, and so not in it.
    pub(crate) is_after: bool,
    /// Lines of the template.
    pub(crate) lines: f32,
    /// How much of the template this operation has, against the one that has most.
    pub(crate) preference: f32,
    /// How likely that makes the operation among all, wherever they are: less where next to no line of it is in its spans.
    among_all: f32,
}

stored!(Habit {
    start,
    end,
    edge,
    clues,
    clutter_start,
    clutter_end,
    clutter_edge,
    clutter_clues,
    start_likely,
    end_likely,
    edge_likely,
    clue_factors,
    sides,
    is_after,
    lines,
    preference,
    among_all
});

/// What each part of a habit adds to the weight of a pair: natural logarithms of likelihood ratios.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogFactors {
    pub(crate) start: f32,
    pub(crate) end: f32,
    pub(crate) edge: f32,
    pub(crate) clues: f32,
    pub(crate) preference: f32,
}

/// The likelihood ratio of a distance against chance, to the power that its side (start, end, edge) has in all; and how large
/// a part of what was learned a pair must be to count as having taught it itself.
#[derive(Debug, Clone, Copy)]
struct Likely {
    factor: f32,
    own_counts: f32,
}

stored!(Likely { factor, own_counts });

/// Where a side tells nothing.
const ANY: Likely = Likely { factor: 1.0, own_counts: f32::MAX };

impl Habit {
    /// From counts at shifted times: no likelihood ratio differs from 1 yet.
    pub(crate) fn from_clutter(counts: &Histograms, lines: u32) -> Habit {
        let lines = lines.max(1) as f32;
        let clutter_clues = shares(&counts.clues, &CLUE_PRIOR, 1.0);
        Habit {
            start: [0.0; BINS],
            end: [0.0; BINS],
            edge: [0.0; BINS],
            clues: clutter_clues,
            clutter_start: clutter(&counts.start, lines),
            clutter_end: clutter(&counts.end, lines),
            clutter_edge: clutter(&counts.edge, lines),
            clutter_clues,
            start_likely: [ANY; BINS],
            end_likely: [ANY; BINS],
            edge_likely: [ANY; BINS],
            clue_factors: [1.0; CLUES],
            is_after: false,
            sides: [0.5, 0.5, 0.0],
            lines,
            preference: 1.0,
            among_all: 1.0,
        }
    }

    /// One that tells nothing.
    pub(crate) fn blank(lines: u32) -> Habit {
        let even = [1.0 / BINS as f32; BINS];
        Habit {
            start: even,
            end: even,
            edge: even,
            clues: CLUE_PRIOR,
            clutter_start: even,
            clutter_end: even,
            clutter_edge: even,
            clutter_clues: CLUE_PRIOR,
            start_likely: [ANY; BINS],
            end_likely: [ANY; BINS],
            edge_likely: [ANY; BINS],
            clue_factors: [1.0; CLUES],
            is_after: false,
            sides: [0.0; 3],
            lines: lines.max(1) as f32,
            preference: 1.0,
            among_all: 1.0,
        }
    }

    /// From counts at shifted times, and all pairs as they are.
    pub(crate) fn new(clutter: &Histograms, pairs: &Histograms, lines: u32) -> Habit {
        let mut habit = Habit::from_clutter(clutter, lines);
        let lines = habit.lines;
        let beyond = |counts: &Distances, clutter: &Distances| {
            let mut beyond = smooth(counts);
            for (bin, clutter) in beyond.iter_mut().zip(clutter) {
                *bin = (*bin / lines - clutter).max(0.0);
            }
            beyond
        };
        habit.start = beyond(&pairs.start, &habit.clutter_start);
        habit.end = beyond(&pairs.end, &habit.clutter_end);
        habit.edge = beyond(&pairs.edge, &habit.clutter_edge);
        habit.clues = shares(&pairs.clues, &habit.clutter_clues, 0.1);
        habit.weigh_sides();
        habit
    }

    /// From the weights of the last round.
    pub(crate) fn learn(&mut self, pairs: &Histograms) {
        let lines = self.lines;
        let learned = |counts: &Distances, clutter: &Distances| {
            let mut habit = smooth(counts);
            for (bin, clutter) in habit.iter_mut().zip(clutter) {
                *bin = (*bin + HABIT_FLOOR * clutter) / lines;
            }
            habit
        };
        self.start = learned(&pairs.start, &self.clutter_start);
        self.end = learned(&pairs.end, &self.clutter_end);
        self.edge = learned(&pairs.edge, &self.clutter_edge);
        self.clues = shares(&pairs.clues, &self.clutter_clues, 0.3);
        self.weigh_sides();
    }

    /// How likely it is by the operation alone, against others. `most`: the highest preference among the operations of the
    /// same trace that are open.
    #[inline]
    pub(crate) fn preferred(&self, most: f32) -> f32 {
        let in_trace = self.preference / most.max(1e-9);
        in_trace * in_trace * self.among_all
    }

    /// Takes in how many lines of the template the operation has: `sum`, and the one that has most of them. In the `first`
    /// round nothing is known of that.
    pub(crate) fn prefer(&mut self, sum: f32, most: f32, first: bool) {
        let chance = self.clutter_start.iter().sum::<f32>() * self.lines;
        self.preference = (sum + 0.05) / (most + 0.05);
        let belongs = if first { 1.0 } else { (HABIT_BELONGS * (sum + 0.05) / chance).min(1.0) };
        self.among_all = self.preference.sqrt() * belongs;
    }

    /// How many times likelier than by chance, without what the pair itself (`own`) has taught.
    #[inline]
    pub(crate) fn weight(&self, at: BinIndex, own: f32) -> f32 {
        let preference = if self.is_after { AFTER_RATIO } else { 1.0 };
        let start = self.start_likely[usize::from(at.start)];
        let end = self.end_likely[usize::from(at.end)];
        let edge = self.edge_likely[usize::from(at.edge)];
        let sides = if own < start.own_counts.min(end.own_counts).min(edge.own_counts) {
            start.factor * end.factor * edge.factor
        } else {
            let [start, end, edge] = self.logs_of_sides(at, own);
            exp(start + end + edge)
        };
        preference * self.clue_factors[usize::from(at.clues)] * sides
    }

    /// What each distance adds to the weight, as logarithms.
    fn logs_of_sides(&self, at: BinIndex, own: f32) -> [f32; 3] {
        let own = own / self.lines;
        let [at_start, at_end, at_edge] = [at.start, at.end, at.edge].map(usize::from);
        let log = |share: f32, habit: f32, clutter: f32| match share > 0.0 {
            true => share * ln((habit - own).max(0.01 * clutter / self.lines) / clutter),
            false => 0.0,
        };
        [
            log(self.sides[0], self.start[at_start], self.clutter_start[at_start]),
            log(self.sides[1], self.end[at_end], self.clutter_end[at_end]),
            log(self.sides[2], self.edge[at_edge], self.clutter_edge[at_edge]),
        ]
    }

    /// The parts of [`Habit::weight`], as logarithms.
    pub(crate) fn log_factors(&self, at: BinIndex, own: f32) -> LogFactors {
        let [start, end, edge] = self.logs_of_sides(at, own);
        let preference = if self.is_after { AFTER_RATIO } else { self.preference * self.preference };
        LogFactors {
            start,
            end,
            edge,
            clues: self.clue_factors[usize::from(at.clues)].ln(),
            preference: preference.max(1e-9).ln(),
        }
    }

    fn weigh_sides(&mut self) {
        let least = 0.01 / self.lines;
        let starts = logs(&self.start, &self.clutter_start, least);
        let ends = logs(&self.end, &self.clutter_end, least);
        let edges = logs(&self.edge, &self.clutter_edge, least);
        let gains = [
            gain(&self.start, &self.clutter_start, &starts),
            gain(&self.end, &self.clutter_end, &ends),
            gain(&self.edge, &self.clutter_edge, &edges),
        ];
        let most = gains.into_iter().fold(f32::MIN, f32::max);
        let parts = gains.map(|gain| exp(4.0 * (gain - most)));
        let all: f32 = parts.iter().sum();
        // One that tells next to nothing is left out.
        self.sides = parts.map(|part| if part < HABIT_SIDE_LEAST * all { 0.0 } else { part / all });
        self.start_likely = likely(self.sides[0], &starts, &self.start, self.lines);
        self.end_likely = likely(self.sides[1], &ends, &self.end, self.lines);
        self.edge_likely = likely(self.sides[2], &edges, &self.edge, self.lines);
        for (factor, (own, clutter)) in self.clue_factors.iter_mut().zip(self.clues.iter().zip(&self.clutter_clues)) {
            *factor = own / clutter;
        }
    }
}

fn likely(share: f32, logs: &Distances, habit: &Distances, lines: f32) -> [Likely; BINS] {
    let mut all = [ANY; BINS];
    if share > 0.0 {
        for (likely, (log, habit)) in all.iter_mut().zip(logs.iter().zip(habit)) {
            *likely = Likely { factor: exp(share * log), own_counts: HABIT_OWN_COUNTS * habit * lines };
        }
    }
    all
}

/// What is believed of clues by chance before anything is seen.
const CLUE_PRIOR: [f32; CLUES] = clue_prior();

const fn clue_prior() -> [f32; CLUES] {
    let (durations, words, sides) = ([0.5, 0.02], [1.0, 0.1, 0.04, 0.04], [1.0, 0.1, 0.04]);
    let mut clues = [0.0; CLUES];
    let mut at = 0;
    while at < CLUES {
        clues[at] = durations[at % 2] * words[at / 2 % 4] * sides[at / 8];
        at += 1;
    }
    clues
}

fn shares(counts: &[f32; CLUES], before: &[f32; CLUES], weight: f32) -> [f32; CLUES] {
    let mut shares = *counts;
    for (share, before) in shares.iter_mut().zip(before) {
        *share += weight * before;
    }
    let sum: f32 = shares.iter().sum();
    shares.map(|share| share / sum)
}

/// How many times likelier than by chance each distance is, as logarithms.
fn logs(habit: &Distances, clutter: &Distances, least: f32) -> Distances {
    let mut logs = [0.0; BINS];
    for ((log, habit), clutter) in logs.iter_mut().zip(habit).zip(clutter) {
        *log = ln((habit / clutter).max(least));
    }
    logs
}

/// Information of a habit against its clutter, in nats. `logs` = ln(habit / clutter), bin by bin.
fn gain(habit: &Distances, clutter: &Distances, logs: &Distances) -> f32 {
    let (habits, clutters) = (sum(habit).max(1e-12), sum(clutter));
    let mut parts = [0.0; BINS];
    for ((part, habit), log) in parts.iter_mut().zip(habit).zip(logs) {
        *part = habit * log;
    }
    sum(&parts) / habits - ln(habits / clutters)
}

/// In several sums at once.
fn sum(numbers: &Distances) -> f32 {
    let (eights, _) = numbers.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for eight in eights {
        for (sum, number) in sums.iter_mut().zip(eight) {
            *sum += number;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_more_often_than_chance_weighs() {
        let (mut clutter, mut pairs) = (Histograms::default(), Histograms::default());
        for number in 0..200 {
            clutter.add(BinIndex { start: 20 + number % 30, end: 20 + number % 40, edge: 40, clues: 0 }, 1.0);
            pairs.add(BinIndex { start: 20 + number % 30, end: 20 + number % 40, edge: 40, clues: 0 }, 1.0);
            pairs.add(BinIndex { start: 25, end: 20 + number % 40, edge: 40, clues: 2 }, 1.0);
        }
        let habit = Habit::new(&clutter, &pairs, 200);
        let usual = habit.weight(BinIndex { start: 25, end: 30, edge: 40, clues: 2 }, 0.5);
        let unusual = habit.weight(BinIndex { start: 40, end: 30, edge: 40, clues: 0 }, 0.5);
        assert!(usual > 20.0 && unusual < 0.5, "{usual} {unusual}");
        assert!(habit.sides[0] > 0.9);
    }

    #[test]
    fn a_single_line_does_not_explain_itself() {
        let mut pairs = Histograms::default();
        pairs.add(BinIndex { start: 25, end: 30, edge: 40, clues: 0 }, 1.0);
        let mut habit = Habit::new(&Histograms::default(), &pairs, 1);
        habit.learn(&pairs);
        assert!(
            habit.weight(BinIndex { start: 25, end: 30, edge: 40, clues: 0 }, 0.5)
                < habit.weight(BinIndex { start: 25, end: 30, edge: 40, clues: 0 }, 0.0) / 3.0
        );
    }
}
