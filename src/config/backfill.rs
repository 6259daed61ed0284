//! What `backfill` does, and what every command that links shares with it.
//!
//! In go its arguments and the surroundings, out comes a [`BackfillConfig`], or an error that names the flag.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::only::Condition;
use super::places::{Destination, TraceStore, destination, notices, trace_store, unused};
use super::times::window;
use super::writers::writers;
use super::{ConfigError, Surroundings, calendar, colour, limits};
use crate::calendar::CalendarSettings;
use crate::cli::{
    BackfillArgs, Carriers, EventFields, EventName, FieldsShown, InputArgs, JournalFields, SpanEvents, View,
};
use crate::correlate::CallSites;
use crate::export::text_fields::Fields;
use crate::input::read::ReadLimits;
use crate::input::writers::Writers;

/// Of a file of call sites.
const CALL_SITES_BYTES_MAX: u64 = 8 << 20;

/// What `backfill` does.
#[derive(Debug, Clone)]
pub struct BackfillConfig {
    /// Where to look for logs.
    pub paths: Vec<PathBuf>,
    /// Who wrote them, as far as that is said.
    pub writers: Writers,
    /// Trace files, folders of them, and `-` for standard input.
    pub traces: Vec<PathBuf>,
    /// Go on without them.
    pub allow_no_traces: bool,
    /// Files that flags name to be read, by flag.
    pub read_besides: Vec<(&'static str, PathBuf)>,
    /// Name all that is left out.
    pub verbose: bool,
    /// Jaegers to bring traces from.
    pub stores: Vec<TraceStore>,
    /// How long before the first line spans may have begun.
    pub look_back: Duration,
    /// Lines go onto child spans made for them.
    pub carriers: bool,
    /// What these hang under.
    pub gather: Carriers,
    /// Where the result goes.
    pub destinations: Vec<Destination>,
    /// The links file.
    pub links: Option<PathBuf>,
    /// The state folder.
    pub state: Option<PathBuf>,
    /// Send again what was sent without traces, or refused.
    pub resend: bool,
    /// What is shown and sent: lines that meet all of them.
    pub only: Vec<Condition>,
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
    /// What else it tells.
    pub event_fields: EventFields,
    /// How times without a year or zone are read.
    pub calendar: CalendarSettings,
    /// The zone was given.
    pub zone_given: bool,
    /// Messages keep their terminal sequences.
    pub keep_ansi: bool,
    /// All fields of a journal's entries are attributes.
    pub journal_fields: bool,
    /// How long a request is tried.
    pub retry_for: Duration,
    /// How text is arranged.
    pub view: View,
    /// Which fields the text shows.
    pub fields: Fields,
    /// Each row is shown with its file and line.
    pub places: bool,
    /// Traces without lines are shown too.
    pub all_traces: bool,
    /// Limits of reading.
    pub limits: ReadLimits,
    /// Spans kept.
    pub spans_max: usize,
    /// Size of one request of a traces file.
    pub traces_request_bytes_max: u64,
    /// Size of what is kept in temporary files.
    pub temporary_bytes_max: u64,
    /// Lines and events held.
    pub held_bytes_max: u64,
    /// Threads that read and encode.
    pub workers: usize,
    /// Colour the text on stdout.
    pub colour: bool,
    /// Show no progress.
    pub quiet: bool,
    /// Columns of the terminal; `None` where stdout is none.
    pub width: Option<usize>,
    /// ns since the epoch: `observed_time_unix_nano`.
    pub now_nanos: i64,
    /// What the user should know before the run begins.
    pub notices: Vec<String>,
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
    let mut input = input(&args.input, around)?;
    let connect = &args.connect;
    let certificates = [("--ca-file", &connect.ca_file), ("--cert-file", &connect.cert_file)];
    input.read_besides.extend(named(certificates).chain(named([("--key-file", &connect.key_file)])));
    // Variables name such files too.
    for tls in destinations.iter().filter_map(Destination::endpoint).map(|endpoint| &endpoint.tls) {
        let files = [&tls.authority, &tls.certificate, &tls.key].map(|path| ("a certificate's file", path));
        input.read_besides.extend(named(files));
    }
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
    let notices =
        unused(&args.connect, &destinations).into_iter().chain(notices(&destinations, &input.stores)).collect();
    let zone = input.calendar.zone.unwrap_or(input.calendar.fallback_zone);
    let (since, until) = window(args.since.as_deref(), args.until.as_deref(), zone, around)?;
    Ok(BackfillConfig {
        carriers,
        gather: args.carriers,
        notices,
        destinations,
        links: args.links.clone(),
        state: args.state.clone(),
        resend: args.resend,
        since,
        until,
        shard,
        dry_run: args.dry_run,
        allow_no_traces: args.allow_no_traces,
        event_name: args.event_name,
        event_fields: args.event_fields,
        retry_for: args.retry_for,
        view: args.view,
        all_traces: args.all_traces,
        held_bytes_max: args.max_held_bytes,
        workers: usize::from(args.workers),
        ..input
    })
}

/// Those of the files that are named, by flag.
fn named<const N: usize>(
    files: [(&'static str, &Option<PathBuf>); N],
) -> impl Iterator<Item = (&'static str, PathBuf)> {
    files.into_iter().filter_map(|(flag, path)| Some((flag, path.clone()?)))
}

/// A run that reads and links, and gives nothing out.
pub(super) fn input(args: &InputArgs, around: &Surroundings<'_>) -> Result<BackfillConfig, ConfigError> {
    if !(0.0..=1.0).contains(&args.min_confidence) {
        return Err(ConfigError::new("--min-confidence", "must lie between 0 and 1"));
    }
    let (stores, files): (Vec<_>, Vec<_>) = args.traces.iter().partition(|traces| traces.starts_with("jaeger="));
    let stores: Vec<TraceStore> =
        stores.into_iter().map(|text| trace_store(text, args, around)).collect::<Result<_, _>>()?;
    files.iter().try_for_each(|text| no_url(text))?;
    let stdin = Path::new(STDIN);
    let of_logs = args.paths.iter().filter(|path| *path == stdin).count();
    let of_traces = files.iter().filter(|text| text.as_str() == STDIN).count();
    if of_logs + of_traces > 1 {
        return Err(ConfigError::new("-", "standard input can be read once only, as logs or as traces"));
    }
    let store = &args.store;
    let besides = [
        ("--call-sites", &args.call_sites),
        ("--traces-ca-file", &store.traces_ca_file),
        ("--traces-cert-file", &store.traces_cert_file),
        ("--traces-key-file", &store.traces_key_file),
    ];
    Ok(BackfillConfig {
        paths: args.paths.clone(),
        writers: writers(&args.writer)?,
        allow_no_traces: false,
        read_besides: named(besides).collect(),
        verbose: args.verbose,
        traces: files.into_iter().map(PathBuf::from).collect(),
        notices: notices(&[], &stores),
        stores,
        look_back: args.look_back,
        carriers: false,
        gather: Carriers::Span,
        destinations: Vec::new(),
        links: None,
        state: None,
        resend: false,
        only: args.only.iter().map(|text| Condition::parse(text)).collect::<Result<_, _>>()?,
        since: None,
        until: None,
        shard: None,
        dry_run: true,
        min_confidence: args.min_confidence,
        call_sites: args.call_sites.as_deref().map(call_sites).transpose()?.unwrap_or_default(),
        event_name: EventName::Message,
        event_fields: EventFields::Some,
        calendar: calendar(args.year, args.zone.as_deref(), around)?,
        zone_given: args.zone.is_some(),
        keep_ansi: args.keep_ansi,
        journal_fields: args.journal_fields == JournalFields::All,
        retry_for: Duration::ZERO,
        view: View::Trace,
        fields: fields(args.fields),
        places: args.places,
        all_traces: false,
        limits: limits(args.max_line_bytes, args.max_decompressed_bytes)?,
        spans_max: args.max_spans,
        traces_request_bytes_max: args.max_traces_request_bytes,
        temporary_bytes_max: args.max_temporary_bytes,
        held_bytes_max: 0,
        workers: 1,
        colour: colour(args.color, around),
        quiet: args.quiet,
        width: around.columns.filter(|_| std::io::stdout().is_terminal()),
        now_nanos: around.now_nanos,
    })
}

/// A path that stands for standard input.
const STDIN: &str = "-";

/// The address of a store is no file.
fn no_url(text: &str) -> Result<(), ConfigError> {
    let is_url = ["http://", "https://", "grpc://", "grpcs://"].iter().any(|scheme| text.starts_with(scheme));
    let reason = || format!("{text:?} is no file: for the traces of a Jaeger that runs there, give jaeger={text}");
    if is_url { Err(ConfigError::new("--traces", reason())) } else { Ok(()) }
}

/// `--fields`.
pub(super) fn fields(which: FieldsShown) -> Fields {
    match which {
        FieldsShown::All => Fields::All,
        FieldsShown::Some => Fields::Some,
        FieldsShown::None => Fields::None,
    }
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

/// shard = i "/" n   ; i < n
fn shard(text: &str) -> Result<(u32, u32), ConfigError> {
    let bad = || ConfigError::new("--shard", format!("{text:?} is no share such as 0/4 (the first of four)"));
    let (index, count) = text.split_once('/').ok_or_else(bad)?;
    let (index, count) = (index.parse().map_err(|_| bad())?, count.parse().map_err(|_| bad())?);
    if index < count { Ok((index, count)) } else { Err(bad()) }
}
