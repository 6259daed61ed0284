//! What can be typed for `spanline backfill`: types only, `config` gives them their meaning.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::choices::AboutEventsName;
use super::connect::DestinationArgs;
use super::heading::{INPUT, LIMITS, OUTPUT, SENDING, TEXT};
use super::input::InputArgs;
use super::values::parse_duration;

/// Flags of `spanline backfill`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spanline backfill /var/log -t traces.jsonl
  spanline backfill /var/log -t traces.jsonl --only errors
  spanline backfill /var/log -t traces.jsonl -o otlp=http://collector:4317
  spanline backfill logs -t jaeger=http://host:16686 -o jaeger=http://host:4317")]
pub struct BackfillArgs {
    /// What is read.
    #[command(flatten)]
    pub input: InputArgs,
    /// Only records from this time on
    ///
    /// Written as 2026-11-23T09:15:00Z, 2026-11-23, "2026-11-23 09:15", 09:15, today, yesterday,
    /// @1795425300, a span back such as 2h; in --zone where it names none. A record without a time goes with the one before
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true, help_heading = INPUT)]
    pub since: Option<String>,
    /// Only records before this time
    ///
    /// Written as for --since; a day is meant from its beginning on
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true, help_heading = INPUT)]
    pub until: Option<String>,
    /// Only this share of the sources: i from 0 (JOB_COMPLETION_INDEX) of n
    #[arg(long, value_name = "I/N", help_heading = INPUT, hide_short_help = true)]
    pub shard: Option<String>,
    /// To text, file=DIR, otlp=URL, jaeger=URL
    ///
    /// Where the result goes (repeatable): otlp takes the logs, otlp alone as the OTEL_EXPORTER_OTLP_* variables say; jaeger takes the lines as span events
    #[arg(short = 'o', long, value_name = "DEST", default_value = "text", help_heading = OUTPUT)]
    pub to: Vec<String>,
    /// How destinations are reached.
    #[command(flatten)]
    pub connect: DestinationArgs,
    /// Write one row for every record: its place, its span
    ///
    /// With how the span was found
    #[arg(short, long, value_name = "FILE", help_heading = OUTPUT)]
    pub links: Option<PathBuf>,
    /// Remember what was acknowledged, send only the rest
    ///
    /// For each destination, in this folder; for runs that are started again
    #[arg(long, value_name = "DIR", help_heading = OUTPUT)]
    pub state: Option<PathBuf>,
    /// With --state: send again what was sent without traces, now that there are any, and what was refused
    #[arg(long, requires = "state", help_heading = OUTPUT, hide_short_help = true)]
    pub resend: bool,
    /// Read and link, write links and summary, send nothing
    #[arg(short = 'n', long, help_heading = OUTPUT)]
    pub dry_run: bool,
    /// Go on where a --traces can't be read or holds no span; without it nothing is sent then, since lines would go out
    /// without their spans
    #[arg(long, help_heading = INPUT, hide_short_help = true)]
    pub allow_no_traces: bool,
    /// How the text output is arranged
    #[arg(long, value_enum, default_value = "trace", value_name = "HOW", help_heading = TEXT, hide_short_help = true)]
    pub view: View,
    /// Show traces without lines too
    #[arg(long, help_heading = TEXT)]
    pub all_traces: bool,
    /// How lines get onto spans with --to jaeger=
    ///
    /// annotate sends the given spans with their lines on them, for a Jaeger
    /// that does not have them yet; carrier adds small child spans under spans that are stored [default: annotate for
    /// traces from files, carrier for traces from a Jaeger]. With --only, annotate sends the traces that hold a line that is
    /// left; where only trace=, span= and errors are asked for, those without a line too
    #[arg(long, value_enum, value_name = "HOW", help_heading = SENDING, hide_short_help = true)]
    pub span_events: Option<SpanEvents>,
    /// What small child spans are put under: span, the span that their lines belong to; service, the topmost span of its
    /// service; trace, the root. Of one that is gathered so, each line names its span; fewer rows come into the trace
    #[arg(long, value_enum, default_value = "span", value_name = "WHERE", help_heading = SENDING, hide_short_help = true)]
    pub carriers: Carriers,
    /// What span events hold in addition to their name: some, what helps to read a line and to find it; all, every field, the
    /// message once more, and how the line was linked in three attributes
    #[arg(long, value_enum, default_value = "some", value_name = "WHICH", help_heading = SENDING, hide_short_help = true)]
    pub event_fields: EventFields,
    /// What names a span event: its message, or the constant log for stores where names must be few
    #[arg(long, value_enum, default_value = "message", value_name = "WHAT", help_heading = SENDING, hide_short_help = true)]
    pub event_name: EventName,
    /// Which lines about a request become events of its span, at their own time and marked about: all, such as an access line
    /// that was written after the end; or none
    #[arg(long, value_enum, default_value = "all", value_name = "WHICH", help_heading = SENDING, hide_short_help = true)]
    pub about_events: AboutEventsName,
    /// Compression of what is sent [default: gzip, or OTEL_EXPORTER_OTLP_COMPRESSION]
    #[arg(long, value_enum, value_name = "HOW", help_heading = SENDING, hide_short_help = true)]
    pub compression: Option<CompressionName>,
    /// How long a request is tried before what is left is given up
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration, help_heading = SENDING,
          hide_short_help = true)]
    pub retry_for: std::time::Duration,
    /// Threads that read and encode, in addition to the one that sends; more end sooner at more CPU time a line. Text, files and
    /// links need one order and take one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64),
          help_heading = LIMITS, hide_short_help = true)]
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
