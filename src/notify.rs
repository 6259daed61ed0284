//! Words to the user at once, while a run goes on.

use std::sync::Arc;

/// Tells the user something; whoever runs a command decides where it is shown.
pub type Notify = Arc<dyn Fn(&str) + Send + Sync>;

/// So many of something: `1 line`, `2 entries`.
pub fn counted(count: u64, what: &str) -> String {
    match what.strip_suffix('y') {
        _ if count == 1 => format!("{count} {what}"),
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {what}s"),
    }
}

/// A time in UTC, to the second.
pub fn spelled_time(nanos: i64) -> String {
    chrono::DateTime::from_timestamp_nanos(nanos).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
