//! What shippers counted, told to the metrics.

use crate::counts::LinkCounts;
use crate::metrics::Metrics;

/// Tells links by method, and what came of the user's rules.
pub(super) fn count(metrics: &Metrics, counts: &LinkCounts) {
    for ((method, _), count) in counts.linked.iter() {
        metrics.links(method.name()).add(count);
    }
    counts.dropped.iter().for_each(|(reason, count)| metrics.dropped(reason).add(count));
    counts.redacted.iter().for_each(|(rule, count)| metrics.redactions(rule).add(count));
}
