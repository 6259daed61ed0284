//! What is usual: per kind (template, operation) where in a span its lines stand, and which clues they share with it.
//!
//! In go counts of pairs with their weights, and what chance gives; out comes how many times likelier than by chance a
//! pair lies as it does. Distances are spread over neighbouring bins. No line and no span is known here.

use super::super::explain::{DISTANCE_TO_END, DISTANCE_TO_START, Factor};
use super::bins::BINS;
use super::scene::CLUES;

/// Weights by which a count is spread over its neighbours.
const KERNEL: [f32; 5] = [0.05, 0.2, 0.5, 0.2, 0.05];
/// Share of the clutter mixed into a habit, so that nothing is impossible.
const FLOOR: f32 = 0.2;

/// What a pair has taught itself counts from this share of the habit on.
const OWN_COUNTS: f32 = 1e-3;
/// A side counts from this part of the weight on.
const SIDE_LEAST: f32 = 0.01;

/// A histogram of distances.
pub(crate) type Distances = [f32; BINS];

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
}

/// How many times likelier than by chance a distance is, with the part that its side has of the weight; and from which own
/// part on a pair counts as having taught that itself.
#[derive(Debug, Clone, Copy)]
struct Likely {
    factor: f32,
    own_counts: f32,
}

/// Where a side tells nothing.
const ANY: Likely = Likely { factor: 1.0, own_counts: f32::MAX };

/// Where a pair lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: u8,
    pub(crate) end: u8,
    pub(crate) edge: u8,
    pub(crate) clues: u8,
}

/// Counts of one kind: of pairs by their weight, and of those that are others'.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    pub(crate) start: Distances,
    pub(crate) end: Distances,
    pub(crate) edge: Distances,
    pub(crate) clues: [f32; CLUES],
    pub(crate) sum: f32,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts { start: [0.0; BINS], end: [0.0; BINS], edge: [0.0; BINS], clues: [0.0; CLUES], sum: 0.0 }
    }
}

impl Counts {
    pub(crate) fn add(&mut self, place: Place, weight: f32) {
        self.start[usize::from(place.start)] += weight;
        self.end[usize::from(place.end)] += weight;
        self.edge[usize::from(place.edge)] += weight;
        self.clues[usize::from(place.clues)] += weight;
        self.sum += weight;
    }

    /// Adds a part of others.
    pub(crate) fn take_in(&mut self, others: &Counts, part: f32) {
        let of_others: [&[f32]; 4] = [&others.start, &others.end, &others.edge, &others.clues];
        for (sums, counts) in self.lists().into_iter().zip(of_others) {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += part * count);
        }
        self.sum += part * others.sum;
    }

    /// Takes all times a part.
    pub(crate) fn scale(&mut self, part: f32) {
        self.lists().into_iter().flatten().for_each(|count| *count *= part);
        self.sum *= part;
    }

    fn lists(&mut self) -> [&mut [f32]; 4] {
        [&mut self.start, &mut self.end, &mut self.edge, &mut self.clues]
    }

    /// How much weight lies elsewhere, as seen from the start.
    pub(crate) fn distance(&self, start: &Distances) -> f32 {
        self.start.iter().zip(start).map(|(a, b)| (a - b).abs()).sum()
    }
}

/// Spreads each bin over its neighbours.
pub(crate) fn smooth(counts: &Distances) -> Distances {
    const EACH_SIDE: usize = KERNEL.len() / 2;
    let mut padded = [0.0; BINS + 2 * EACH_SIDE];
    padded[EACH_SIDE..EACH_SIDE + BINS].copy_from_slice(counts);
    let mut spread = [0.0; BINS];
    for (step, share) in KERNEL.iter().enumerate() {
        for (spread, count) in spread.iter_mut().zip(&padded[step..step + BINS]) {
            *spread += count * share;
        }
    }
    spread
}

impl Habit {
    /// From counts at shifted times: nothing is usual yet.
    pub(crate) fn by_chance(chance: &Counts, lines: u32) -> Habit {
        let lines = lines.max(1) as f32;
        let clutter_clues = shares(&chance.clues, &CLUES_BY_CHANCE, 1.0);
        Habit {
            start: [0.0; BINS],
            end: [0.0; BINS],
            edge: [0.0; BINS],
            clues: clutter_clues,
            clutter_start: clutter(&chance.start, lines),
            clutter_end: clutter(&chance.end, lines),
            clutter_edge: clutter(&chance.edge, lines),
            clutter_clues,
            start_likely: [ANY; BINS],
            end_likely: [ANY; BINS],
            edge_likely: [ANY; BINS],
            clue_factors: [1.0; CLUES],
            is_after: false,
            sides: [0.5, 0.5, 0.0],
            lines,
            preference: 1.0,
        }
    }

    /// From counts at shifted times, and all pairs as they are.
    pub(crate) fn new(chance: &Counts, pairs: &Counts, lines: u32) -> Habit {
        let mut habit = Habit::by_chance(chance, lines);
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
    pub(crate) fn learn(&mut self, pairs: &Counts) {
        let lines = self.lines;
        let learned = |counts: &Distances, clutter: &Distances| {
            let mut habit = smooth(counts);
            for (bin, clutter) in habit.iter_mut().zip(clutter) {
                *bin = (*bin + FLOOR * clutter) / lines;
            }
            habit
        };
        self.start = learned(&pairs.start, &self.clutter_start);
        self.end = learned(&pairs.end, &self.clutter_end);
        self.edge = learned(&pairs.edge, &self.clutter_edge);
        self.clues = shares(&pairs.clues, &self.clutter_clues, 0.3);
        self.weigh_sides();
    }

    /// How many times likelier than by chance, without what the pair itself (`own`) has taught.
    #[inline]
    pub(crate) fn weight(&self, place: Place, own: f32) -> f32 {
        let preference = if self.is_after { 1e-4 } else { self.preference };
        let start = self.start_likely[usize::from(place.start)];
        let end = self.end_likely[usize::from(place.end)];
        let edge = self.edge_likely[usize::from(place.edge)];
        let sides = if own < start.own_counts.min(end.own_counts).min(edge.own_counts) {
            start.factor * end.factor * edge.factor
        } else {
            let [start, end, edge] = self.logs_of_sides(place, own);
            exp(start + end + edge)
        };
        preference * self.clue_factors[usize::from(place.clues)] * sides
    }

    /// What each distance adds to the weight, as logarithms.
    fn logs_of_sides(&self, place: Place, own: f32) -> [f32; 3] {
        let own = own / self.lines;
        let [at_start, at_end, at_edge] = [place.start, place.end, place.edge].map(usize::from);
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
    pub(crate) fn factors(&self, place: Place, own: f32) -> Vec<Factor> {
        let [start, end, edge] = self.logs_of_sides(place, own);
        let clues = self.clue_factors[usize::from(place.clues)].ln();
        let clue = match (place.clues % 2, place.clues / 2 % 4, place.clues / 8) {
            (0, 0, 0) => "no word or duration shared",
            (1, 0, 0) => "its duration stands in the text",
            (0, 1, 0) => "a common word of its attributes stands in the text",
            (0, 2, 0) => "a rare word of its trace stands in the text",
            (0, _, 0) => "a rare word of its attributes stands in the text",
            (1, _, 0) => "its duration and a word of its trace stand in the text",
            (0, 0, _) => "lines next to it are of the trace",
            (1, 0, _) => "its duration stands in the text, lines next to it are of the trace",
            (0, _, _) => "a word of its trace stands in the text, lines next to it are of the trace",
            _ => "duration and word stand in the text, lines next to it are of the trace",
        };
        let preference = if self.is_after { 1e-4 } else { self.preference };
        vec![
            Factor::new(DISTANCE_TO_START, start),
            Factor::new(DISTANCE_TO_END, end),
            Factor::new("distance to the spans below it", edge),
            Factor { tells_of_text: true, ..Factor::new(clue, clues) },
            Factor::new("operation that has most lines of the kind", preference.max(1e-9).ln()),
        ]
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
        self.sides = parts.map(|part| if part < SIDE_LEAST * all { 0.0 } else { part / all });
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
            *likely = Likely { factor: exp(share * log), own_counts: OWN_COUNTS * habit * lines };
        }
    }
    all
}

/// What chance gives of each distance, per line of the template. `counts`: at shifted times.
pub(crate) fn clutter(counts: &Distances, lines: f32) -> Distances {
    smooth(counts).map(|count| (count + 0.5 / BINS as f32) / lines)
}

/// What is believed of clues by chance before anything is seen.
const CLUES_BY_CHANCE: [f32; CLUES] = clues_by_chance();

const fn clues_by_chance() -> [f32; CLUES] {
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

/// Natural logarithm of a positive number to four digits, which is more than counts tell.
fn ln(number: f32) -> f32 {
    let bits = number.to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let part = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000);
    // ln(part) around 1.5, by the series of atanh.
    let step = (part - 1.5) / (part + 1.5);
    let square = step * step;
    let series = 2.0 * step * (1.0 + square * (1.0 / 3.0 + square * (0.2 + square / 7.0)));
    exponent as f32 * std::f32::consts::LN_2 + (0.405_465_1 + series)
}

/// e to a number, as exact as [`ln`].
pub(crate) fn exp(number: f32) -> f32 {
    // Adding it rounds to whole numbers.
    const ROUND: f32 = 12_582_912.0;
    let twos = (number * std::f32::consts::LOG2_E).clamp(-126.0, 126.0);
    let rounded = twos + ROUND;
    let rest = (twos - (rounded - ROUND)) * std::f32::consts::LN_2;
    let series = 1.0 + rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + rest / 120.0))));
    // The last bits of `rounded` are the whole number.
    f32::from_bits(rounded.to_bits().wrapping_add(127) << 23) * series
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
        let (mut chance, mut pairs) = (Counts::default(), Counts::default());
        for number in 0..200 {
            chance.add(Place { start: 20 + number % 30, end: 20 + number % 40, edge: 40, clues: 0 }, 1.0);
            pairs.add(Place { start: 20 + number % 30, end: 20 + number % 40, edge: 40, clues: 0 }, 1.0);
            pairs.add(Place { start: 25, end: 20 + number % 40, edge: 40, clues: 2 }, 1.0);
        }
        let habit = Habit::new(&chance, &pairs, 200);
        let usual = habit.weight(Place { start: 25, end: 30, edge: 40, clues: 2 }, 0.5);
        let unusual = habit.weight(Place { start: 40, end: 30, edge: 40, clues: 0 }, 0.5);
        assert!(usual > 20.0 && unusual < 0.5, "{usual} {unusual}");
        assert!(habit.sides[0] > 0.9);
    }

    #[test]
    fn a_single_line_does_not_explain_itself() {
        let mut pairs = Counts::default();
        pairs.add(Place { start: 25, end: 30, edge: 40, clues: 0 }, 1.0);
        let mut habit = Habit::new(&Counts::default(), &pairs, 1);
        habit.learn(&pairs);
        assert!(
            habit.weight(Place { start: 25, end: 30, edge: 40, clues: 0 }, 0.5)
                < habit.weight(Place { start: 25, end: 30, edge: 40, clues: 0 }, 0.0) / 3.0
        );
    }

    #[test]
    fn the_logarithm_is_exact_enough() {
        for number in [1e-30f32, 1e-9, 0.3, 0.999, 1.0, 1.5, 2.0, 17.3, 4e5, 1e30] {
            assert!((ln(number) - number.ln()).abs() < 2e-4 * number.ln().abs().max(1.0), "{number}: {}", ln(number));
        }
    }

    #[test]
    fn the_power_is_exact_enough() {
        for number in [-80.0f32, -9.0, -0.7, -0.3, 0.0, 0.2, 0.5, 1.0, 17.3, 80.0] {
            assert!((exp(number) / number.exp() - 1.0).abs() < 1e-4, "{number}: {}", exp(number));
        }
        assert!(exp(-1e9) > 0.0 && exp(1e9).is_finite());
    }

    #[test]
    fn spreading_keeps_the_sum() {
        let mut counts = [0.0; BINS];
        counts[30] = 4.0;
        let spread = smooth(&counts);
        assert!((spread.iter().sum::<f32>() - 4.0).abs() < 1e-4 && spread[30] > spread[31] && spread[31] > spread[32]);
    }
}
