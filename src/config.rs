//! From what was typed to what is meant: validated, resolved, one field per part.
//!
//! In go arguments, the environment and the clock, out come the commands' configurations, or an error that names the flag.
//! Nothing below this module reads the environment.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::calendar::{CalendarSettings, Zone};
use crate::cli::{
    BackfillArgs, ColorWhen, CompressionName, ConvertArgs, EventName, ExplainArgs, InputArgs, ScoreArgs, SpanEvents,
    View, parse_duration,
};
use crate::commands::convert::ConvertConfig;
use crate::commands::score::ScoreConfig;
use crate::correlate::CallSites;
use crate::input::read::ReadLimits;
use crate::otlp::compress::Compression;
use crate::otlp::endpoint::Endpoint;
use crate::otlp::{Protocol, Signal};
use crate::pipeline::Wanted;

/// A store may have to read a whole day for one answer.
const QUERY_TIMEOUT: Duration = Duration::from_secs(120);

/// Of a file of call sites.
const CALL_SITES_BYTES_MAX: u64 = 8 << 20;

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
    /// Jaegers to bring traces from.
    pub stores: Vec<TraceStore>,
    /// How long before the first line spans may have begun.
    pub look_back: Duration,
    /// Lines go onto child spans made for them.
    pub carriers: bool,
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
    /// Where programs write their lines.
    pub call_sites: CallSites,
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

/// A `--traces jaeger=`.
#[derive(Debug, Clone)]
pub struct TraceStore {
    /// As the user wrote it.
    pub name: String,
    /// Where it answers.
    pub endpoint: Endpoint,
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
    let shard = args.shard.as_deref().map(shard).transpose()?;
    let destinations: Vec<Destination> =
        args.to.iter().map(|to| destination(to, args, around)).collect::<Result<_, _>>()?;
    let sends_traces = destinations.iter().any(|to| matches!(to, Destination::Traces(_)));
    if sends_traces && args.input.traces.is_empty() {
        return Err(ConfigError::new("--to jaeger=", "needs the traces that the lines go onto: give --traces"));
    }
    let input = input(&args.input, around)?;
    let carriers = match args.span_events {
        Some(how) => how == SpanEvents::Carrier,
        None => !input.stores.is_empty(),
    };
    if sends_traces && !carriers && shard.is_some() {
        return Err(ConfigError::new(
            "--shard",
            "with --span-events annotate each shard would send every span: send them without --shard",
        ));
    }
    Ok(BackfillConfig {
        carriers,
        destinations,
        links: args.links.clone(),
        state: args.state.clone(),
        since: args.since.as_deref().map(|text| time("--since", text, around)).transpose()?,
        until: args.until.as_deref().map(|text| time("--until", text, around)).transpose()?,
        shard,
        dry_run: args.dry_run,
        event_name: args.event_name,
        retry_for: args.retry_for,
        view: args.view,
        held_bytes_max: args.max_held_bytes,
        workers: usize::from(args.workers),
        ..input
    })
}

/// A run that reads and links, and gives nothing out.
fn input(args: &InputArgs, around: &Surroundings<'_>) -> Result<BackfillConfig, ConfigError> {
    if !(0.0..=1.0).contains(&args.min_confidence) {
        return Err(ConfigError::new("--min-confidence", "must lie between 0 and 1"));
    }
    let (stores, files): (Vec<_>, Vec<_>) = args.traces.iter().partition(|traces| traces.starts_with("jaeger="));
    Ok(BackfillConfig {
        paths: args.paths.clone(),
        traces: files.into_iter().map(PathBuf::from).collect(),
        stores: stores.into_iter().map(|text| trace_store(text, args)).collect::<Result<_, _>>()?,
        look_back: args.look_back,
        carriers: false,
        destinations: Vec::new(),
        links: None,
        state: None,
        since: None,
        until: None,
        shard: None,
        dry_run: true,
        min_confidence: args.min_confidence,
        call_sites: args.call_sites.as_deref().map(call_sites).transpose()?.unwrap_or_default(),
        event_name: EventName::Message,
        calendar: calendar(args.year, args.zone.as_deref(), around)?,
        zone_given: args.zone.is_some(),
        retry_for: Duration::ZERO,
        view: View::Trace,
        limits: limits(args.max_line_bytes, args.max_decompressed_bytes)?,
        spans_max: args.max_spans,
        traces_request_bytes_max: args.max_traces_request_bytes,
        held_bytes_max: 0,
        workers: 1,
        colour: colour(args.color, around),
        width: around.columns.filter(|_| std::io::stdout().is_terminal()),
        now_nanos: around.now_nanos,
    })
}

/// The rows of `--call-sites`.
fn call_sites(path: &Path) -> Result<CallSites, ConfigError> {
    let bad = |reason: String| ConfigError::new("--call-sites", format!("{}: {reason}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| bad(error.to_string()))?;
    file.take(CALL_SITES_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| bad(error.to_string()))?;
    if text.len() as u64 > CALL_SITES_BYTES_MAX {
        return Err(bad(format!("larger than {CALL_SITES_BYTES_MAX} bytes")));
    }
    CallSites::parse(&text).map_err(|error| bad(error.to_string()))
}

/// What `explain` does: how it reads and links, and what it tells of.
pub fn explain(args: &ExplainArgs, around: &Surroundings<'_>) -> Result<(BackfillConfig, Wanted), ConfigError> {
    if args.input.traces.is_empty() {
        return Err(ConfigError::new("--traces", "give the traces that lines are to be linked to"));
    }
    let wanted = match (&args.at, &args.trace) {
        (Some(at), _) => {
            let bad = || ConfigError::new("--at", format!("{at:?} is no place such as kubelet.log:17"));
            let (file, line) = at.rsplit_once(':').ok_or_else(bad)?;
            let line = line.parse().ok().filter(|line| *line > 0 && !file.is_empty()).ok_or_else(bad)?;
            Wanted::Line { file: file.to_owned(), line }
        }
        (None, trace) => {
            let id = trace.as_deref().unwrap_or_default();
            let parsed = u128::from_str_radix(id, 16).ok().filter(|parsed| id.len() == 32 && *parsed != 0);
            let bad = || ConfigError::new("--trace", format!("{id:?} is no trace id of 32 hex digits"));
            Wanted::Trace(parsed.ok_or_else(bad)?.to_be_bytes())
        }
    };
    Ok((input(&args.input, around)?, wanted))
}

/// What `score` does.
pub fn score(args: &ScoreArgs) -> Result<ScoreConfig, ConfigError> {
    for (flag, value) in [("--min-precision", args.min_precision), ("--min-recall", args.min_recall)] {
        if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            return Err(ConfigError::new(flag, "must lie between 0 and 1"));
        }
    }
    Ok(ScoreConfig {
        truth: args.truth.clone(),
        links: args.links.clone(),
        json: args.json,
        min_precision: args.min_precision,
        min_recall: args.min_recall,
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

/// store = "jaeger=" ( "http" / "https" / "grpc" / "grpcs" ) "://" host [ ":" port ] [ base-path ]
///
/// gRPC is spoken on its port 16685 and with the schemes that say so, HTTP else.
fn trace_store(text: &str, args: &InputArgs) -> Result<TraceStore, ConfigError> {
    let bad = |error: &dyn std::fmt::Display| ConfigError::new("--traces", error);
    let url = text.strip_prefix("jaeger=").unwrap_or(text).trim_end_matches('/');
    let (said_grpc, url) = match url.strip_prefix("grpc") {
        Some(rest) => (true, format!("http{rest}")),
        None => (false, url.to_owned()),
    };
    let (root, base) = match url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest.len() - at)) {
        Some(length) => url.split_at(url.len() - length),
        None => (url.as_str(), ""),
    };
    // The variables speak of where to send to.
    let none = |name: &str| (name == "OTEL_EXPORTER_OTLP_PROTOCOL").then(|| "grpc".to_owned());
    let mut endpoint = Endpoint::from_url(root, Signal::Traces, &none).map_err(|error| bad(&error))?;
    let is_grpc = said_grpc || endpoint.uri.port_u16() == Some(16685);
    if is_grpc && !base.is_empty() {
        return Err(bad(&format!("{text:?}: gRPC takes no path")));
    }
    if !is_grpc {
        endpoint.protocol = Protocol::Http;
        let mut parts = endpoint.uri.into_parts();
        let path = if base.is_empty() { "/" } else { base };
        parts.path_and_query = Some(path.parse().map_err(|error| bad(&error))?);
        endpoint.uri = http::Uri::from_parts(parts).map_err(|error| bad(&error))?;
        if endpoint.uri.query().is_some() {
            return Err(bad(&format!("{text:?}: a query cannot stand here")));
        }
    }
    endpoint.timeout = QUERY_TIMEOUT;
    with_flags(&mut endpoint, args)?;
    Ok(TraceStore { name: text.to_owned(), endpoint })
}

/// Headers and TLS, which every destination and store is given.
fn with_flags(endpoint: &mut Endpoint, args: &InputArgs) -> Result<(), ConfigError> {
    for header in &args.header {
        endpoint.add_header(header).map_err(|error| ConfigError::new("--header", error))?;
    }
    endpoint.tls.authority = args.ca_file.clone().or(endpoint.tls.authority.take());
    endpoint.tls.certificate = args.cert_file.clone().or(endpoint.tls.certificate.take());
    endpoint.tls.key = args.key_file.clone().or(endpoint.tls.key.take());
    Ok(())
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
        with_flags(&mut endpoint, &args.input)?;
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
