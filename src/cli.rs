//! What can be typed: commands, flags and their help. Types only; `config` gives them their meaning.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Plain logs, lined up with the traces they belong to.
#[derive(Debug, Parser)]
#[command(name = "spanline", version, propagate_version = true, max_term_width = 100)]
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
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
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

/// Flags of `spanline convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// Files to read, .gz and .zst too; standard input when there is none
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the lines are; auto decides for each line: first its envelope, then its payload
    #[arg(long, value_enum, default_value = "auto", value_name = "FORMAT")]
    pub from: FromFormat,
    /// What to write: one record per line
    #[arg(long, value_enum, default_value = "json", value_name = "FORMAT")]
    pub to: ToFormat,
    /// The year of every line that has none
    #[arg(long, value_name = "YEAR")]
    pub year: Option<i32>,
    /// The zone of every time that has none: an IANA name or ±hh:mm
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    pub zone: Option<String>,
    /// A longer line is cut into marked pieces
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = parse_bytes)]
    pub max_line_bytes: u64,
    /// A file whose decompressed size is beyond this is read so far and said to be cut
    #[arg(long, value_name = "BYTES", default_value = "64GiB", value_parser = parse_bytes)]
    pub max_decompressed_bytes: u64,
    /// When to colour --to text
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: ColorWhen,
}

/// `--from`: each name covers the text and the JSON form of its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum FromFormat {
    Auto,
    Cri,
    Docker,
    Journal,
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

/// What logs and traces are read, and how: flags of every command that links.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// Log files and folders: a node's /var/log, a must-gather, rotated and .gz files
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Traces to link to (repeatable): a file of OTLP/JSON lines or OTLP protobuf, .gz and .zst too; or a running
    /// Jaeger, jaeger=http://HOST:16686 (HTTP) or jaeger=http://HOST:16685 (gRPC, also as grpc:// with any port)
    #[arg(long, value_name = "FILE|jaeger=URL")]
    pub traces: Vec<String>,
    /// Traces are asked of a Jaeger from so long before the first line on, and from further back (to 24h) where spans
    /// last longer: those that began then may still be open
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    pub look_back: std::time::Duration,
    /// Links below this confidence are not made
    #[arg(long, value_name = "C", default_value_t = 0.9)]
    pub min_confidence: f32,
    /// Where programs write their lines, as rows PROGRAM FILE in|async|out|any [START OF THE MESSAGE], before the rows that
    /// are known: PROGRAM is kubelet, crio, containerd, conmon-rs, conmon, pod (any container but the control plane's) or
    /// other, FILE a source file or *
    #[arg(long, value_name = "FILE")]
    pub call_sites: Option<PathBuf>,
    /// The year of every line that has none
    #[arg(long, value_name = "YEAR")]
    pub year: Option<i32>,
    /// The zone of every time that has none: an IANA name or ±hh:mm
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    pub zone: Option<String>,
    /// A header of every request (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub header: Vec<String>,
    /// PEM file of the authorities that a TLS destination is checked against
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// PEM file of the certificate shown to a TLS destination
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub cert_file: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    pub key_file: Option<PathBuf>,
    /// A longer line is cut into marked pieces
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = parse_bytes)]
    pub max_line_bytes: u64,
    /// A file whose decompressed size is beyond this is read so far and said to be cut
    #[arg(long, value_name = "BYTES", default_value = "64GiB", value_parser = parse_bytes)]
    pub max_decompressed_bytes: u64,
    /// Spans kept for linking; further ones are counted and left out
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    pub max_spans: usize,
    /// One request of a traces file; a larger one is counted and left out
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = parse_bytes)]
    pub max_traces_request_bytes: u64,
    /// When to colour
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: ColorWhen,
}

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
    /// Write one row for every record: its place, its span, how that was found
    #[arg(long, value_name = "FILE")]
    pub links: Option<PathBuf>,
    /// Remember here what each destination has acknowledged; started again, only the rest is sent
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
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
    /// How lines get onto spans with --to jaeger=: annotate sends the given spans with their lines on them, for a Jaeger
    /// that does not have them yet; carrier adds small child spans under spans that are stored [default: annotate for
    /// traces from files, carrier for traces from a Jaeger]
    #[arg(long, value_enum, value_name = "HOW")]
    pub span_events: Option<SpanEvents>,
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

/// Flags of `spanline score`.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// The truth: one JSON object for every physical line, with file, line, trace_id, span_id (null: none) and class
    #[arg(value_name = "TRUTH")]
    pub truth: PathBuf,
    /// What backfill --links wrote
    #[arg(value_name = "LINKS")]
    pub links: PathBuf,
    /// One JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// End with 1 if fewer of all links lead to the right trace
    #[arg(long, value_name = "P")]
    pub min_precision: Option<f64>,
    /// End with 1 if fewer of all lines with a span are linked to its trace
    #[arg(long, value_name = "R")]
    pub min_recall: Option<f64>,
}

/// `--span-events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SpanEvents {
    /// Send the given spans with their lines on them
    Annotate,
    /// Send the lines on small child spans of the given spans
    Carrier,
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
