//! Errors of the configuration, and the surroundings that it depends on.

/// Why arguments are refused.
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

/// What a configuration depends on besides arguments.
pub struct Surroundings<'e> {
    /// Environment variables.
    pub variable: &'e dyn Fn(&str) -> Option<String>,
    /// ns since the epoch.
    pub now_nanos: i64,
    /// Columns of the terminal, where there is one.
    pub columns: Option<usize>,
}
