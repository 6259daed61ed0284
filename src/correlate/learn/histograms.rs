//! Histograms of pairs: data, and what is done to them as a whole.
//!
//! In go bin numbers with weights, out come counts, smoothed counts and clutter densities. What counts mean for a pair is
//! told in `habit`.

use super::bins::BINS;
use super::clues::CLUES;
use crate::correlate::stored::stored;

/// Weights by which a count is spread over its neighbours.
const KERNEL: [f32; 5] = [0.05, 0.2, 0.5, 0.2, 0.05];
/// A histogram of distances.
pub(crate) type Distances = [f32; BINS];

/// The bins of a pair: distances to the span's start, to its end and to the nearest edge of a span below; clue code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BinIndex {
    pub(crate) start: u8,
    pub(crate) end: u8,
    pub(crate) edge: u8,
    pub(crate) clues: u8,
}

/// Histograms of one kind: of pairs by their weight, and of those that are others'.
#[derive(Debug, Clone)]
pub(crate) struct Histograms {
    pub(crate) start: Distances,
    pub(crate) end: Distances,
    pub(crate) edge: Distances,
    pub(crate) clues: [f32; CLUES],
    pub(crate) sum: f32,
}

stored!(Histograms { start, end, edge, clues, sum });

impl Default for Histograms {
    fn default() -> Histograms {
        Histograms { start: [0.0; BINS], end: [0.0; BINS], edge: [0.0; BINS], clues: [0.0; CLUES], sum: 0.0 }
    }
}

impl Histograms {
    /// Adds a pair.
    pub(crate) fn add(&mut self, at: BinIndex, weight: f32) {
        self.start[usize::from(at.start)] += weight;
        self.end[usize::from(at.end)] += weight;
        self.edge[usize::from(at.edge)] += weight;
        self.clues[usize::from(at.clues)] += weight;
        self.sum += weight;
    }

    /// Adds a part of others.
    pub(crate) fn take_in(&mut self, others: &Histograms, part: f32) {
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

    /// L1 distance to other counts by distance to the start.
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

/// What chance gives of each distance, per line of the template. `counts`: at shifted times.
pub(crate) fn clutter(counts: &Distances, lines: f32) -> Distances {
    smooth(counts).map(|count| (count + 0.5 / BINS as f32) / lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreading_keeps_the_sum() {
        let mut counts = [0.0; BINS];
        counts[30] = 4.0;
        let spread = smooth(&counts);
        assert!((spread.iter().sum::<f32>() - 4.0).abs() < 1e-4 && spread[30] > spread[31] && spread[31] > spread[32]);
    }
}
