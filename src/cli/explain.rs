//! What can be typed for `spanline explain`: types only, `config` gives them their meaning.

use clap::Args;

use super::InputArgs;

/// Flags of `spanline explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// What is read.
    #[command(flatten)]
    pub input: InputArgs,
    /// One line: its file, as it is or its end, and its number from 1
    #[arg(long, value_name = "FILE:LINE", required_unless_present = "trace", conflicts_with = "trace")]
    pub at: Option<String>,
    /// All lines of one trace: 32 hex digits
    #[arg(long, value_name = "ID")]
    pub trace: Option<String>,
}
