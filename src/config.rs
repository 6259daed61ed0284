//! From what was typed to what is meant: validated, resolved, one field per part.
//!
//! In go arguments, the environment and the clock, out come the commands' configurations, or an error that names the flag.
//! Nothing below this module reads the environment.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use crate::calendar::{CalendarSettings, Zone};
use crate::cli::{BackfillArgs, ColorWhen, CompressionName, ConvertArgs, EventName, View, parse_duration};
use crate::commands::convert::ConvertConfig;
use crate::input::read::ReadLimits;
use crate::otlp::Signal;
use crate::otlp::compress::Compression;
use crate::otlp::endpoint::Endpoint;

/// Why the arguments mean nothing.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: {reason}")]
pub struct ConfigError {
    /// The flag.
    pub flag: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl ConfigError {
    fn new(flag: &'static str, reason: impl ToString) -> ConfigError {
        ConfigError { flag, reason: reason.to_string() }
    }
}

/// The world outside that a configuration depends on.
pub struct Surroundings<'e> {
    /// Environment variables.
    pub variable: &'e dyn Fn(&str) -> Option<String>,
    /// ns since the epoch.
    pub now_nanos: i64,
    /// Columns of the terminal, where there is one.
    pub columns: Option<usize>,
}

/// What `backfill` does.
#[derive(Debug, Clone)]
pub struct BackfillConfig {
    /// Where to look for logs.
    pub paths: Vec<PathBuf>,
    /// Trace files.
    pub traces: Vec<PathBuf>,
    /// Where the result goes.
    pub destinations: Vec<Destination>,
    /// The links file.
    pub links: Option<PathBuf>,
    /// The state folder.
    pub state: Option<PathBuf>,
    /// First record time, ns since the epoch.
    pub since: Option<i64>,
    /// Record time to stop before.
    pub until: Option<i64>,
    /// This shard of so many.
    pub shard: Option<(u32, u32)>,
    /// Send nothing.
    pub dry_run: bool,
    /// Links below are not made.
    pub min_confidence: f32,
    /// What names a span event.
    pub event_name: EventName,
    /// How times without a year or zone are read.
    pub calendar: CalendarSettings,
    /// The zone was given.
    pub zone_given: bool,
    /// How long a request is tried.
    pub retry_for: Duration,
    /// How text is arranged.
    pub view: View,
    /// Limits of reading.
    pub limits: ReadLimits,
    /// Spans kept.
    pub spans_max: usize,
    /// Size of one request of a traces file.
    pub traces_request_bytes_max: u64,
    /// Lines and events held.
    pub held_bytes_max: u64,
    /// Threads that read and encode.
    pub workers: usize,
    /// Colour the text on stdout.
    pub colour: bool,
    /// Columns of the terminal; `None` where stdout is none.
    pub width: Option<usize>,
    /// ns since the epoch: `observed_time_unix_nano`.
    pub now_nanos: i64,
}

/// One `--to`.
#[derive(Debug, Clone)]
pub enum Destination {
    /// The terminal.
    Text,
    /// OTLP/JSON files in a folder.
    Files(PathBuf),
    /// Logs over OTLP.
    Logs(Box<Endpoint>),
    /// Annotated traces over OTLP.
    Traces(Box<Endpoint>),
}

/// What `convert` does.
pub fn convert(args: &ConvertArgs, around: &Surroundings<'_>) -> Result<ConvertConfig, ConfigError> {
    Ok(ConvertConfig {
        files: args.files.clone(),
        from: args.from,
        to: args.to,
        calendar: calendar(args.year, args.zone.as_deref(), around)?,
        limits: limits(args.max_line_bytes, args.max_decompressed_bytes)?,
        colour: colour(args.color, around),
    })
}

/// What `backfill` does.
pub fn backfill(args: &BackfillArgs, around: &Surroundings<'_>) -> Result<BackfillConfig, ConfigError> {
    if !(0.0..=1.0).contains(&args.min_confidence) {
        return Err(ConfigError::new("--min-confidence", "must lie between 0 and 1"));
    }
    let shard = args.shard.as_deref().map(shard).transpose()?;
    let destinations: Vec<Destination> =
        args.to.iter().map(|to| destination(to, args, around)).collect::<Result<_, _>>()?;
    let sends_traces = destinations.iter().any(|to| matches!(to, Destination::Traces(_)));
    if sends_traces && args.traces.is_empty() {
        return Err(ConfigError::new("--to jaeger=", "needs the traces that the lines go onto: give --traces FILE"));
    }
    if sends_traces && shard.is_some() {
        return Err(ConfigError::new(
            "--shard",
            "with --to jaeger= each shard would send every span: send them without --shard",
        ));
    }
    Ok(BackfillConfig {
        paths: args.paths.clone(),
        traces: args.traces.iter().map(|traces| traces_file(traces)).collect::<Result<_, _>>()?,
        destinations,
        links: args.links.clone(),
        state: args.state.clone(),
        since: args.since.as_deref().map(|text| time("--since", text, around)).transpose()?,
        until: args.until.as_deref().map(|text| time("--until", text, around)).transpose()?,
        shard,
        dry_run: args.dry_run,
        min_confidence: args.min_confidence,
        event_name: args.event_name,
        calendar: calendar(args.year, args.zone.as_deref(), around)?,
        zone_given: args.zone.is_some(),
        retry_for: args.retry_for,
        view: args.view,
        limits: limits(args.max_line_bytes, args.max_decompressed_bytes)?,
        spans_max: args.max_spans,
        traces_request_bytes_max: args.max_traces_request_bytes,
        held_bytes_max: args.max_held_bytes,
        workers: usize::from(args.workers),
        colour: colour(args.color, around),
        width: around.columns.filter(|_| std::io::stdout().is_terminal()),
        now_nanos: around.now_nanos,
    })
}

fn calendar(year: Option<i32>, zone: Option<&str>, around: &Surroundings<'_>) -> Result<CalendarSettings, ConfigError> {
    let zone = zone.map(Zone::parse).transpose().map_err(|error| ConfigError::new("--zone", error))?;
    if year.is_some_and(|year| !(1970..=2200).contains(&year)) {
        return Err(ConfigError::new("--year", "must lie between 1970 and 2200"));
    }
    Ok(CalendarSettings { year, zone, year_hint: None, now_nanos: around.now_nanos, fallback_zone: Zone::local() })
}

fn limits(line: u64, file: u64) -> Result<ReadLimits, ConfigError> {
    let line_bytes = usize::try_from(line).map_err(|error| ConfigError::new("--max-line-bytes", error))?;
    if line_bytes < 1024 {
        return Err(ConfigError::new("--max-line-bytes", "must be 1024 or more"));
    }
    Ok(ReadLimits { line_bytes, file_bytes: file })
}

fn colour(when: ColorWhen, around: &Surroundings<'_>) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            (around.variable)("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stdout().is_terminal()
        }
    }
}

/// shard = i "/" n   ; i < n
fn shard(text: &str) -> Result<(u32, u32), ConfigError> {
    let bad = || ConfigError::new("--shard", format!("{text:?} is no share such as 0/4 (the first of four)"));
    let (index, count) = text.split_once('/').ok_or_else(bad)?;
    let (index, count) = (index.parse().map_err(|_| bad())?, count.parse().map_err(|_| bad())?);
    if index < count { Ok((index, count)) } else { Err(bad()) }
}

fn traces_file(text: &str) -> Result<PathBuf, ConfigError> {
    if text.starts_with("jaeger=") {
        return Err(ConfigError::new(
            "--traces",
            "jaeger= is not supported yet; give a file of OTLP/JSON lines or protobuf",
        ));
    }
    Ok(PathBuf::from(text))
}

fn time(flag: &'static str, text: &str, around: &Surroundings<'_>) -> Result<i64, ConfigError> {
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return time.timestamp_nanos_opt().ok_or_else(|| ConfigError::new(flag, "is out of range"));
    }
    let back = parse_duration(text).map_err(|_| {
        ConfigError::new(flag, format!("{text:?} is neither an RFC 3339 time nor a span back such as 2h"))
    })?;
    Ok(around.now_nanos - i64::try_from(back.as_nanos()).map_err(|error| ConfigError::new(flag, error))?)
}

fn destination(to: &str, args: &BackfillArgs, around: &Surroundings<'_>) -> Result<Destination, ConfigError> {
    let endpoint = |url: Option<&str>, signal: Signal| -> Result<Box<Endpoint>, ConfigError> {
        let mut endpoint = match url {
            Some(url) => Endpoint::from_url(url, signal, around.variable),
            None => Endpoint::from_variables(signal, around.variable),
        }
        .map_err(|error| ConfigError::new("--to", error))?;
        endpoint.compression = args.compression.map(compression).or(endpoint.compression).or(Some(Compression::Gzip));
        for header in &args.header {
            endpoint.add_header(header).map_err(|error| ConfigError::new("--header", error))?;
        }
        endpoint.tls.authority = args.ca_file.clone().or(endpoint.tls.authority);
        endpoint.tls.certificate = args.cert_file.clone().or(endpoint.tls.certificate);
        endpoint.tls.key = args.key_file.clone().or(endpoint.tls.key);
        Ok(Box::new(endpoint))
    };
    match to.split_once('=') {
        None if to == "text" => Ok(Destination::Text),
        None if to == "otlp" => Ok(Destination::Logs(endpoint(None, Signal::Logs)?)),
        Some(("file", folder)) if !folder.is_empty() => Ok(Destination::Files(folder.into())),
        Some(("otlp", url)) => Ok(Destination::Logs(endpoint(Some(url), Signal::Logs)?)),
        Some(("jaeger", url)) => Ok(Destination::Traces(endpoint(Some(url), Signal::Traces)?)),
        _ => Err(ConfigError::new("--to", format!("{to:?} is none of text, file=DIR, otlp, otlp=URL, jaeger=URL"))),
    }
}

fn compression(name: CompressionName) -> Compression {
    match name {
        CompressionName::None => Compression::None,
        CompressionName::Gzip => Compression::Gzip,
        CompressionName::Zstd => Compression::Zstd,
    }
}
