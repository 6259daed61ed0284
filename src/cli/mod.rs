//! What can be typed: commands, flags and their help. Types only; `config` gives them their meaning.

mod agent;
mod backfill;
mod choices;
mod connect;
mod convert;
mod explain;
mod heading;
mod input;
mod score;
mod values;
pub mod writer;

use clap::{Parser, Subcommand};

pub use agent::{
    AgentArgs, AnswerName, ConfigCommand, LateEventsName, LogName, MetadataName, SpanEventsName, StartName, StatusArgs,
    TapArgs, TapLogsName,
};
pub use backfill::{BackfillArgs, Carriers, CompressionName, EventFields, EventName, SpanEvents, View};
pub use choices::{AboutEventsName, ColorWhen, FieldsShown, JournalFields};
pub use connect::{DestinationArgs, TraceStoreArgs};
pub use convert::{ConvertArgs, FromFormat, ToFormat};
pub use explain::ExplainArgs;
pub use input::InputArgs;
pub use score::{ScoreArgs, ScoreBy};
pub use values::{parse_bytes, parse_duration};

/// Plain logs, lined up with the traces they belong to.
#[derive(Debug, Parser)]
#[command(
    name = "spanline",
    version,
    propagate_version = true,
    max_term_width = 80,
    after_help = "Examples:
  spanline backfill /var/log --traces traces.jsonl
  spanline backfill /var/log --traces jaeger=http://jaeger:16686 --only errors
  journalctl -u kubelet -o cat | spanline convert"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn klog, CRI, CRI-O, containerd, JSON and other log text into structured records, in a pipe
    Convert(ConvertArgs),
    /// Read a finished log directory, link its lines to traces, ship both
    Backfill(Box<BackfillArgs>),
    /// Follow logs as they are written, and deliver them
    Agent(Box<AgentArgs>),
    /// Print configurations
    #[command(after_help = "Examples:\n  spanline config default > agent.yaml")]
    Config {
        /// Which
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Show what a running agent reads, holds and delivers
    Status(StatusArgs),
    /// Say why a line, or all lines of a trace, are linked as they are
    Explain(Box<ExplainArgs>),
    /// Compare a links file with the truth: precision, recall, exact spans, calibration
    Score(ScoreArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Examples:\n  spanline completions zsh > ~/.zfunc/_spanline\n  \
                            source <(spanline completions bash)")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, of spanline or of one of its commands
    #[command(after_help = "Examples:\n  spanline man backfill | man -l -\n  \
                            spanline man --all /usr/local/share/man/man1")]
    Man {
        /// The command
        command: Option<String>,
        /// Write all pages to this folder: spanline.1, spanline-backfill.1, …
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        all: Option<std::path::PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }
}
