//! What is wrong with arguments, and what they depend on besides.

/// Why the arguments mean nothing.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: {reason}")]
pub struct ConfigError {
    /// The flag.
    pub flag: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl ConfigError {
    pub(super) fn new(flag: &'static str, reason: impl ToString) -> ConfigError {
        ConfigError { flag, reason: reason.to_string() }
    }
}

/// The world outside that a configuration depends on.
pub struct Surroundings<'e> {
    /// Environment variables.
    pub variable: &'e dyn Fn(&str) -> Option<String>,
    /// ns since the epoch.
    pub now_nanos: i64,
    /// Columns of the terminal, where there is one.
    pub columns: Option<usize>,
}
