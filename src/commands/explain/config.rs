//! Configuration of `explain`.

use crate::export::config::TextConfig;
use crate::run::config::{ReadConfig, SelectConfig};

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The record that holds this line.
    Line {
        /// The file, as it is shown or its end.
        file: String,
        /// From 1.
        line: u64,
    },
    /// All lines of a trace.
    Trace([u8; 16]),
    /// All lines that the conditions leave.
    Chosen,
}

/// What `explain` does.
#[derive(Debug, Clone)]
pub struct ExplainConfig {
    /// What is read and linked.
    pub read: ReadConfig,
    /// Which records may be explained.
    pub select: SelectConfig,
    /// What is explained.
    pub wanted: Wanted,
    /// As JSON.
    pub as_json: bool,
    /// What text shows.
    pub text: TextConfig,
    /// What the user should know before the run begins.
    pub notices: Vec<String>,
}
