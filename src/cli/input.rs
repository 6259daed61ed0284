//! What can be typed for every command that reads and links: types only, `config` gives them their meaning.

use std::path::PathBuf;

use clap::Args;

use super::choices::{ColorWhen, FieldsShown, JournalFields};
use super::connect::TraceStoreArgs;
use super::heading::{INPUT, LIMITS, LINKING, MESSAGES, TEXT};
use super::values::{parse_bytes, parse_duration};
use super::writer::WriterArgs;

/// What logs and traces are read, and how: flags of every command that links.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// Who wrote the paths. First, since a derived parser takes the paths out of the matches.
    #[command(flatten)]
    pub writer: WriterArgs,
    /// Log files, folders and tar archives; - for standard input
    ///
    /// A node's /var/log, a must-gather, a sosreport, rotated and compressed files
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Traces: a file, a folder or jaeger=URL (repeatable)
    ///
    /// A file of OTLP/JSON or OTLP protobuf, or of Jaeger, Tempo or Zipkin JSON, compressed or not; a folder of such files;
    /// standard input (-); or a running Jaeger, jaeger=http://HOST:16686 (HTTP) or jaeger=http://HOST:16685 (gRPC, also as
    /// grpc:// with any port)
    #[arg(short, long, value_name = "FROM", allow_hyphen_values = true, help_heading = INPUT)]
    pub traces: Vec<String>,
    /// Show and send only what meets this (repeatable)
    ///
    /// All of several must hold: errors (traces with a failed span or a line
    /// from ERROR on), trace=ID (its first digits are enough), span=NAME (traces with such a span), level=warn (from there
    /// on), pod=[NAMESPACE/]NAME[/CONTAINER], namespace=NAME, service=NAME (who wrote the line), grep=REGEX (message and
    /// fields), linked. All lines are read and learned from all the same, and the links file has all
    #[arg(short = 'O', long, value_name = "KEY[=VALUE]", help_heading = INPUT)]
    pub only: Vec<String>,
    /// Only entries of journals that match (repeatable)
    ///
    /// unit=NAME, identifier=NAME, priority=warning (and more urgent, or FROM..TO), boot=ID (or 0, the last one; -1, the one
    /// before), or a field, FIELD=VALUE, as journalctl takes them: of one key any, of several keys all. With ! before it, what
    /// matches is left out. For a journal's own files, whose index finds the entries
    #[arg(short = 'j', long, value_name = "KEY=VALUE", allow_hyphen_values = true, help_heading = INPUT)]
    pub journal: Vec<String>,
    /// Formats of your own, which records are kept, and what is blacked out, as this file says: its parsers, filter and redact, as
    /// in the agent's configuration, which may be the file
    #[arg(long, visible_alias = "parser", value_name = "FILE", help_heading = INPUT, hide_short_help = true)]
    pub rules: Option<PathBuf>,
    /// What is told of pods beside their lines, from a list of them (repeatable)
    ///
    /// What kubectl get pods -A -o json prints, or a must-gather with its namespaces/*/core/pods.yaml
    #[arg(long, value_name = "FILE", help_heading = INPUT, hide_short_help = true)]
    pub metadata: Vec<PathBuf>,
    /// The zone of times that have none
    ///
    /// An IANA name or ±hh:mm
    #[arg(short, long, value_name = "ZONE", allow_hyphen_values = true, help_heading = INPUT)]
    pub zone: Option<String>,
    /// The year of every line that has none
    #[arg(long, value_name = "YEAR", help_heading = INPUT, hide_short_help = true)]
    pub year: Option<i32>,
    /// How long before the first line traces are asked of a Jaeger, and longer (up to 24h) where spans
    /// last longer: those that began then may still be open
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration, help_heading = INPUT,
          hide_short_help = true)]
    pub look_back: std::time::Duration,
    /// Links below this confidence are not made
    #[arg(short = 'c', long, value_name = "C", default_value_t = 0.9, help_heading = LINKING, hide_short_help = true)]
    pub min_confidence: f32,
    /// Where programs write their lines, as rows PROGRAM FILE in|async|out|any [START OF THE MESSAGE], before the rows that
    /// are known: PROGRAM is kubelet, crio, containerd, conmon-rs, conmon, pod (any container but the control plane's) or
    /// other, FILE a source file or *
    #[arg(long, value_name = "FILE", help_heading = LINKING, hide_short_help = true)]
    pub call_sites: Option<PathBuf>,
    /// Leave the terminal sequences (colours) that a program wrote in the messages; they count for nothing else either way
    #[arg(long, help_heading = INPUT, hide_short_help = true)]
    pub keep_ansi: bool,
    /// Which fields of a journal's entries become attributes: some leaves out those that journald adds to every entry, whatever
    /// it says (_BOOT_ID, _CAP_EFFECTIVE, __CURSOR, …)
    #[arg(long, value_enum, default_value = "some", value_name = "WHICH", help_heading = INPUT, hide_short_help = true)]
    pub journal_fields: JournalFields,
    /// How stores of traces are reached.
    #[command(flatten)]
    pub store: TraceStoreArgs,
    /// A longer line is cut into marked pieces
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = parse_bytes, help_heading = LIMITS,
          hide_short_help = true)]
    pub max_line_bytes: u64,
    /// A file whose decompressed size is beyond this is read up to this size, and reported as cut
    #[arg(long, value_name = "BYTES", default_value = "64GiB", value_parser = parse_bytes, help_heading = LIMITS,
          hide_short_help = true)]
    pub max_decompressed_bytes: u64,
    /// What is kept in temporary files (in $TMPDIR, removed at the end): standard input, what must be unpacked, and, as much again
    /// for each, spans, span events and lines for the text output beyond --memory
    #[arg(long, value_name = "BYTES", default_value = "16GiB", value_parser = parse_bytes, help_heading = LIMITS,
          hide_short_help = true)]
    pub max_temporary_bytes: u64,
    /// Memory for spans, for records that wait for their links, and for what is learned of them; of more lines and spans than
    /// fit, a window of time is linked after the other, and spans, their events and lines for the text output lie in
    /// temporary files
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = parse_bytes, help_heading = LIMITS,
          hide_short_help = true)]
    pub memory: u64,
    /// Spans kept for linking; further ones are counted and left out
    #[arg(long, value_name = "N", default_value_t = 2_000_000, help_heading = LIMITS, hide_short_help = true)]
    pub max_spans: usize,
    /// One request of a traces file; a larger one is counted and left out
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = parse_bytes, help_heading = LIMITS,
          hide_short_help = true)]
    pub max_traces_request_bytes: u64,
    /// Show where each line is, FILE:LINE
    ///
    /// As explain --at takes it; spans are shown with their ids
    #[arg(short = 'w', long = "where", help_heading = TEXT)]
    pub places: bool,
    /// Which fields the text shows after messages
    #[arg(short = 'f', long, value_enum, default_value = "some", value_name = "WHICH",
          help_heading = TEXT, hide_short_help = true)]
    pub fields: FieldsShown,
    /// When to colour
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN", help_heading = TEXT, hide_short_help = true)]
    pub color: ColorWhen,
    /// Name every file that is left out, and why
    #[arg(short, long, help_heading = MESSAGES)]
    pub verbose: bool,
    /// No progress, no summary but failures
    #[arg(short, long, help_heading = MESSAGES)]
    pub quiet: bool,
}
