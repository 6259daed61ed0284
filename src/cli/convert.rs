//! What can be typed for `spanline convert`: types only, `config` gives them their meaning.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::choices::{ColorWhen, FieldsShown, JournalFields};
use super::heading::{INPUT, LIMITS, OUTPUT};
use super::values::parse_bytes;
use super::writer::WriterArgs;

/// Flags of `spanline convert`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  journalctl -u kubelet -o cat | spanline convert
  spanline convert --to text /var/log/pods/*/*/0.log
  kubectl logs web-0 | spanline convert --to logfmt")]
pub struct ConvertArgs {
    /// Who wrote the files. First, since a derived parser takes the files out of the matches.
    #[command(flatten)]
    pub writer: WriterArgs,
    /// Files, compressed or not; none or - for standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the lines are
    ///
    /// auto decides for each line: first its envelope, then its payload
    #[arg(long, value_enum, default_value = "auto", value_name = "FORMAT", help_heading = INPUT)]
    pub from: FromFormat,
    /// Only entries of journals that match (repeatable)
    ///
    /// unit=NAME, identifier=NAME, priority=warning (and more urgent, or FROM..TO), boot=ID (or 0, the last one; -1, the one
    /// before), or a field, FIELD=VALUE, as journalctl takes them: of one key any, of several keys all. With ! before it, what
    /// matches is left out. For a journal's own files, whose index finds the entries
    #[arg(short = 'j', long, value_name = "KEY=VALUE", allow_hyphen_values = true, help_heading = INPUT)]
    pub journal: Vec<String>,
    /// Formats of your own, and what is blacked out, as this file says: its parsers and redact, as in the agent's configuration,
    /// which may be the file
    #[arg(long, visible_alias = "parser", value_name = "FILE", help_heading = INPUT, hide_short_help = true)]
    pub rules: Option<PathBuf>,
    /// The zone of times that have none
    ///
    /// An IANA name or ±hh:mm
    #[arg(short, long, value_name = "ZONE", allow_hyphen_values = true, help_heading = INPUT)]
    pub zone: Option<String>,
    /// Leave the terminal sequences (colours) that a program wrote in the messages; they count for nothing else either way
    #[arg(long, help_heading = INPUT, hide_short_help = true)]
    pub keep_ansi: bool,
    /// Which fields of a journal's entries become attributes: some leaves out those that journald adds to every entry, whatever
    /// it says (_BOOT_ID, _CAP_EFFECTIVE, __CURSOR, …); without the flag, all in JSON, some in the other forms
    #[arg(long, value_enum, value_name = "WHICH", help_heading = INPUT, hide_short_help = true)]
    pub journal_fields: Option<JournalFields>,
    /// The year of every line that has none
    #[arg(long, value_name = "YEAR", help_heading = INPUT)]
    pub year: Option<i32>,
    /// What to write: one record per line
    #[arg(short = 'o', long, value_enum, default_value = "json", value_name = "FORMAT", help_heading = OUTPUT)]
    pub to: ToFormat,
    /// Which fields --to text shows after the message
    #[arg(short = 'f', long, value_enum, default_value = "some", value_name = "WHICH", help_heading = OUTPUT)]
    pub fields: FieldsShown,
    /// When to colour --to text
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN", help_heading = OUTPUT, hide_short_help = true)]
    pub color: ColorWhen,
    /// A longer line is cut into marked pieces
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = parse_bytes, help_heading = LIMITS,
          hide_short_help = true)]
    pub max_line_bytes: u64,
    /// A file whose decompressed size is beyond this is read up to this size, and reported as cut
    #[arg(long, value_name = "BYTES", default_value = "64GiB", value_parser = parse_bytes, help_heading = LIMITS,
          hide_short_help = true)]
    pub max_decompressed_bytes: u64,
}

/// `--from`: each name covers the text and the JSON form of its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum FromFormat {
    Auto,
    Cri,
    Docker,
    Journal,
    Kubectl,
    Stern,
    Compose,
    Fluentbit,
    Vector,
    Loki,
    Klog,
    Logrus,
    Logfmt,
    Json,
    Conmonrs,
    Conmon,
    Syslog,
    Text,
}

/// `--to` of convert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ToFormat {
    /// One JSON object per record
    Json,
    /// OTLP/JSON, one resourceLogs object per record
    OtlpJson,
    /// key=value
    Logfmt,
    /// For people, coloured on a terminal
    Text,
}
