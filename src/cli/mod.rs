//! What can be typed: commands, flags and their help. Types only; `config` gives them their meaning.

mod backfill;
mod connect;
mod convert;
mod explain;
mod input;
mod score;
pub mod writer;

use clap::{Parser, Subcommand, ValueEnum};

/// Groups of flags in the help.
mod heading {
    pub(super) const INPUT: &str = "Input";
    pub(super) const LINKING: &str = "Linking";
    pub(super) const OUTPUT: &str = "Output";
    pub(super) const TEXT: &str = "Text";
    pub(super) const SENDING: &str = "Sending";
    pub(super) const LIMITS: &str = "Limits";
    pub(super) const MESSAGES: &str = "Messages";
}

pub use backfill::{BackfillArgs, Carriers, CompressionName, EventFields, EventName, SpanEvents, View};
pub use connect::{DestinationArgs, TraceStoreArgs};
pub use convert::{ConvertArgs, FromFormat, ToFormat};
pub use explain::ExplainArgs;
pub use input::InputArgs;
pub use score::ScoreArgs;

/// Plain logs, lined up with the traces they belong to.
#[derive(Debug, Parser)]
#[command(
    name = "spanline",
    version,
    propagate_version = true,
    max_term_width = 100,
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
                            spanline man > /usr/local/share/man/man1/spanline.1")]
    Man {
        /// The command
        command: Option<String>,
    },
}

/// Which fields of a journal's entries become attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JournalFields {
    /// All of them
    All,
    /// Without those that journald adds to every entry
    Some,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// `--fields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FieldsShown {
    /// Every field of each line
    All,
    /// Not what stands in the heading, the column of the source or the line before; the place in the source as kubelet.go:2043
    Some,
    /// The message alone
    None,
}

/// bytes = number [ "K" / "M" / "G" ] [ "iB" / "B" ]   ; powers of 1024
fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let shift = match text[digits..].trim_end_matches('B').trim_end_matches('i') {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        unit => return Err(format!("unknown unit {unit:?}: use K, M or G")),
    };
    let number: u64 = text[..digits].parse().map_err(|_| format!("{text:?} is no size such as 64MiB"))?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(|| format!("{text:?} is out of range"))
}

/// duration = 1*( number ( "ms" / "s" / "m" / "h" / "d" ) )
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let bad = || format!("{text:?} is no duration such as 90s, 5m or 2h");
    let mut rest = text;
    let mut total = std::time::Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let millis: u64 = match &rest[digits..digits + letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        total += std::time::Duration::from_millis(number.checked_mul(millis).ok_or_else(bad)?);
        rest = &rest[digits + letters..];
    }
    if text.is_empty() { Err(bad()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_and_durations_have_units() {
        assert_eq!(parse_bytes("64MiB"), Ok(64 << 20));
        assert_eq!(parse_bytes("1K"), Ok(1024));
        assert_eq!(parse_bytes("7"), Ok(7));
        assert!(parse_bytes("MiB").is_err() && parse_bytes("1T").is_err() && parse_bytes("0").is_err());
        assert_eq!(parse_duration("1h30m"), Ok(std::time::Duration::from_secs(5400)));
        assert!(parse_duration("5").is_err() && parse_duration("").is_err() && parse_duration("m").is_err());
    }
}
