//! Logs that are received over OTLP and passed on, as far as they are looked at.
//!
//! In go additions from whoever looks at them, out come sums.

use super::family::Counter;

/// See the module.
#[derive(Debug, Default)]
pub struct LogMetrics {
    /// Records in requests that were looked at.
    pub received: Counter,
    /// Of these, those that went on with a link that they did not have.
    pub linked: Counter,
}
