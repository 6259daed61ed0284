//! What can be typed for `spanline backfill`: types only, `config` gives them their meaning.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{DestinationArgs, InputArgs, parse_bytes, parse_duration};

/// Flags of `spanline backfill`.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// What is read.
    #[command(flatten)]
    pub input: InputArgs,
    /// Where the result goes (repeatable): text, file=DIR, otlp=URL (logs), otlp (OTEL_EXPORTER_OTLP_* variables),
    /// jaeger=URL (the lines as span events)
    #[arg(long, value_name = "DEST", default_value = "text")]
    pub to: Vec<String>,
    /// How destinations are reached.
    #[command(flatten)]
    pub connect: DestinationArgs,
    /// Write one row for every record: its place, its span, how that was found
    #[arg(long, value_name = "FILE")]
    pub links: Option<PathBuf>,
    /// Remember here what each destination has acknowledged; started again, only the rest is sent
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// With --state: send again what was sent without traces, now that there are any, and what was refused
    #[arg(long, requires = "state")]
    pub resend: bool,
    /// Only records from this time on: RFC 3339, or a span back such as 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only records before this time: RFC 3339, or a span back such as 30m
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only this share of the sources: i from 0 (JOB_COMPLETION_INDEX) of n
    #[arg(long, value_name = "I/N")]
    pub shard: Option<String>,
    /// Read and link, write links and summary, send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Go on where a --traces can't be read or holds no span; without it nothing is sent then, since lines would go out
    /// without their spans
    #[arg(long)]
    pub allow_no_traces: bool,
    /// How lines get onto spans with --to jaeger=: annotate sends the given spans with their lines on them, for a Jaeger
    /// that does not have them yet; carrier adds small child spans under spans that are stored [default: annotate for
    /// traces from files, carrier for traces from a Jaeger]
    #[arg(long, value_enum, value_name = "HOW")]
    pub span_events: Option<SpanEvents>,
    /// What small child spans hang under: span, the span that their lines belong to; service, the topmost span of its
    /// service; trace, the root. Of one that is gathered so, each line names its span; fewer rows come into the trace
    #[arg(long, value_enum, default_value = "span", value_name = "WHERE")]
    pub carriers: Carriers,
    /// What span events tell beside their name: some, what helps to read a line and to find it; all, every field, the
    /// message once more, and how the line was linked in three attributes
    #[arg(long, value_enum, default_value = "some", value_name = "WHICH")]
    pub event_fields: EventFields,
    /// What names a span event: its message, or the constant log for stores where names must be few
    #[arg(long, value_enum, default_value = "message", value_name = "WHAT")]
    pub event_name: EventName,
    /// Compression of what is sent [default: gzip, or OTEL_EXPORTER_OTLP_COMPRESSION]
    #[arg(long, value_enum, value_name = "HOW")]
    pub compression: Option<CompressionName>,
    /// How long a request is tried before what is left is given up
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    pub retry_for: std::time::Duration,
    /// How the text output is arranged
    #[arg(long, value_enum, default_value = "trace", value_name = "HOW")]
    pub view: View,
    /// Lines held for the text output and span events held for their spans; what is beyond is counted and left out
    #[arg(long, value_name = "BYTES", default_value = "1GiB", value_parser = parse_bytes)]
    pub max_held_bytes: u64,
    /// Threads that read and encode, beside the one that sends; more end sooner at more CPU time a line. Text, files and
    /// links need one order and take one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
}

/// `--span-events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SpanEvents {
    /// Send the given spans with their lines on them
    Annotate,
    /// Send the lines on small child spans of the given spans
    Carrier,
}

/// `--carriers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Carriers {
    /// Under the span that the lines belong to
    Span,
    /// Under the topmost span of that span's service
    Service,
    /// Under the root of the trace
    Trace,
}

/// `--event-fields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventFields {
    /// What is read
    Some,
    /// What is known
    All,
}

/// `--event-name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventName {
    /// The first line of the message
    Message,
    /// The word log
    Log,
}

/// `--compression`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum CompressionName {
    None,
    Gzip,
    Zstd,
}

/// `--view`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum View {
    /// Each trace with its spans, the lines under them
    Trace,
    /// All lines by time, each with its span
    Time,
}
