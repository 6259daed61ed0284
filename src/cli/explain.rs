//! What can be typed for `spanline explain`: types only, `config` gives them their meaning.

use clap::Args;

use super::heading::OUTPUT;
use super::input::InputArgs;

/// Flags of `spanline explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spanline explain /var/log -t traces.jsonl --at kubelet.log:1234      why this line is linked so, or not
  spanline explain /var/log -t traces.jsonl --only errors --fields none
  spanline explain /var/log -t traces.jsonl --at crio.log:7 --json | jq .candidates")]
pub struct ExplainArgs {
    /// What is read.
    #[command(flatten)]
    pub input: InputArgs,
    /// One line: its file, as it is or its end, and its number from 1
    #[arg(short, long, value_name = "FILE:LINE", required_unless_present_any = ["trace", "only"],
          conflicts_with_all = ["trace", "only"], help_heading = OUTPUT)]
    pub at: Option<String>,
    /// All lines of one trace: 32 hex digits (--only trace=ID takes its beginning)
    #[arg(long, value_name = "ID", help_heading = OUTPUT)]
    pub trace: Option<String>,
    /// One JSON object for each line
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
