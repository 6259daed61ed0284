//! What can be typed for `spanline explain`: types only, `config` gives them their meaning.

use clap::Args;

use super::heading::OUTPUT;
use super::input::InputArgs;

/// Flags of `spanline explain`.
#[derive(Debug, Args)]
#[command(
    override_usage = "spanline explain -t <FROM> --at <FILE:LINE> <PATH>...
       spanline explain -t <FROM> --trace <ID> <PATH>...
       spanline explain -t <FROM> --only <KEY[=VALUE]> <PATH>...",
    after_help = "Examples:
  spanline explain /var/log -t traces.jsonl --at kubelet.log:1234
  spanline explain /var/log -t traces.jsonl --only errors --fields none
  spanline explain logs -t t.jsonl --at crio.log:7 --json | jq .candidates"
)]
pub struct ExplainArgs {
    /// What is read.
    #[command(flatten)]
    pub input: InputArgs,
    /// One line: its file or the end of its path, and its number
    ///
    /// Numbers begin with 1; a line of standard input is -:LINE
    #[arg(short, long, value_name = "FILE:LINE", allow_hyphen_values = true, required_unless_present_any = ["trace", "only"],
          conflicts_with_all = ["trace", "only"], help_heading = OUTPUT)]
    pub at: Option<String>,
    /// All lines of one trace: 32 hex digits
    ///
    /// --only trace=ID takes the beginning of an id
    #[arg(long, value_name = "ID", help_heading = OUTPUT)]
    pub trace: Option<String>,
    /// One JSON object for each line
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
