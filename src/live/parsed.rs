//! What became of the records of one source in formats of the user's own, told to the metrics.
//!
//! In go counts that only grow, out goes what came since the last time.

use std::sync::Arc;

use crate::assemble::CustomCounts;
use crate::metrics::ParserMetrics;

/// See the module.
#[derive(Debug)]
pub(super) struct Parsed {
    /// By the places of the formats.
    metrics: Arc<[Arc<ParserMetrics>]>,
    told: Vec<CustomCounts>,
}

impl Parsed {
    /// Nothing told yet.
    pub(super) fn new(metrics: &Arc<[Arc<ParserMetrics>]>) -> Parsed {
        Parsed { metrics: metrics.clone(), told: Vec::new() }
    }

    /// Tells what came.
    #[inline]
    pub(super) fn tell(&mut self, counts: &[CustomCounts]) {
        if self.told != counts {
            self.tell_changed(counts);
        }
    }

    #[cold]
    fn tell_changed(&mut self, counts: &[CustomCounts]) {
        self.told.resize(counts.len(), CustomCounts::default());
        for ((told, counts), metrics) in self.told.iter_mut().zip(counts).zip(&*self.metrics) {
            let new = counts.since(told);
            metrics.matched.add(new.matched);
            metrics.bad_times.add(new.bad_times);
            metrics.unmatched.add(new.unmatched + new.too_long);
            *told = *counts;
        }
    }
}
