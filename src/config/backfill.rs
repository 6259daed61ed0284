//! The configuration of `backfill`, and what every command that links shares with it.
//!
//! In go its arguments and the surroundings, out comes a [`BackfillConfig`], or an error that names the flag.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::addresses::no_address;
use super::endpoints::{destination, notices, trace_store, unused};
use super::error::{ConfigError, Surroundings};
use super::only::condition;
use super::times::window;
use super::values::{about_events, calendar, colour, fields, journal, limits};
use super::writers::writers;
use super::{pod_files, rules};
use crate::cli::{BackfillArgs, Carriers, EventFields, EventName, InputArgs, JournalFields, SpanEvents, View};
use crate::correlate::CallSites;
use crate::correlate::config::LinkingConfig;
use crate::export::config::{self as export, EventsConfig, TextConfig};
use crate::export::destination::Destination;
use crate::export::formats::terminal::Style;
use crate::export::select::Condition;
use crate::export::span_events::event::Style as EventStyle;
use crate::input::config::InputConfig;
use crate::run::budget::Budget;
use crate::run::config::{BackfillConfig, ReadConfig, SelectConfig};
use crate::spans::config::{TraceStore, TracesConfig};

/// Of a file of call sites.
const CALL_SITES_BYTES_MAX: u64 = 8 << 20;

/// The configuration of `backfill`.
pub fn backfill(args: &BackfillArgs, around: &Surroundings<'_>) -> Result<BackfillConfig, ConfigError> {
    let shard = args.shard.as_deref().map(shard).transpose()?;
    let destinations: Vec<Destination> =
        args.to.iter().map(|to| destination(to, args, around)).collect::<Result<_, _>>()?;
    let sends_traces = destinations.iter().any(|to| matches!(to, Destination::Traces(_)));
    if sends_traces && args.input.traces.is_empty() {
        return Err(ConfigError::new("--to jaeger=", "needs the traces that the lines go onto: give --traces"));
    }
    let mut read = read(&args.input, around)?;
    read.traces.allow_none = args.allow_no_traces;
    let connect = &args.connect;
    let certificates = [("--ca-file", &connect.ca_file), ("--cert-file", &connect.cert_file)];
    read.input.read_besides.extend(named(certificates).chain(named([("--key-file", &connect.key_file)])));
    // Variables name such files too.
    for tls in destinations.iter().filter_map(Destination::endpoint).map(|endpoint| &endpoint.tls) {
        let files = [&tls.authority, &tls.certificate, &tls.key].map(|path| ("a certificate's file", path));
        read.input.read_besides.extend(named(files));
    }
    let on_carriers = match args.span_events {
        Some(how) => how == SpanEvents::Carrier,
        None => !read.traces.stores.is_empty(),
    };
    if sends_traces && !on_carriers && shard.is_some() {
        return Err(ConfigError::new(
            "--shard",
            "with --span-events annotate each shard would send every span: send them without --shard",
        ));
    }
    let notices =
        unused(&args.connect, &destinations).into_iter().chain(notices(&destinations, &read.traces.stores)).collect();
    let zone = read.calendar.zone.unwrap_or(read.calendar.fallback_zone);
    let (since, until) = window(args.since.as_deref(), args.until.as_deref(), zone, around)?;
    // What is remembered is of whole files.
    read.input.reads_whole_journals = args.state.is_some();
    read.input.journal.set_window(since.filter(|_| args.state.is_none()), until.filter(|_| args.state.is_none()));
    let under = match args.carriers {
        Carriers::Span => export::Carriers::Span,
        Carriers::Service => export::Carriers::Service,
        Carriers::Trace => export::Carriers::Trace,
    };
    let view = match args.view {
        View::Trace => export::View::Trace,
        View::Time => export::View::Time,
    };
    let events = EventsConfig {
        on_carriers,
        carriers: under,
        style: event_style(args),
        memory_bytes: read.memory.events_bytes,
        bytes_max: read.input.temporary_bytes_max,
    };
    Ok(BackfillConfig {
        read,
        select: SelectConfig { only: conditions(&args.input)?, since, until, shard },
        destinations,
        retry_for: args.retry_for,
        links: args.links.clone(),
        state: args.state.clone(),
        resend: args.resend,
        dry_run: args.dry_run,
        events,
        text: TextConfig { view, all_traces: args.all_traces, ..text(&args.input, around) },
        workers: usize::from(args.workers),
        notices,
    })
}

fn event_style(args: &BackfillArgs) -> EventStyle {
    EventStyle {
        constant_name: args.event_name == EventName::Log,
        all_fields: args.event_fields == EventFields::All,
        about: about_events(args.about_events),
    }
}

/// Bytes of memory without which windows would be too small to learn from.
const MEMORY_LEAST: u64 = 16 << 20;

/// Those of the files that are named, by flag.
fn named<const N: usize>(
    files: [(&'static str, &Option<PathBuf>); N],
) -> impl Iterator<Item = (&'static str, PathBuf)> {
    files.into_iter().filter_map(|(flag, path)| Some((flag, path.clone()?)))
}

/// What is read and linked.
pub(super) fn read(args: &InputArgs, around: &Surroundings<'_>) -> Result<ReadConfig, ConfigError> {
    if !(0.0..=1.0).contains(&args.min_confidence) {
        return Err(ConfigError::new("--min-confidence", "must lie between 0 and 1"));
    }
    let (stores, files): (Vec<_>, Vec<_>) = args.traces.iter().partition(|traces| traces.starts_with("jaeger="));
    let stores: Vec<TraceStore> =
        stores.into_iter().map(|text| trace_store(text, args, around)).collect::<Result<_, _>>()?;
    files.iter().try_for_each(|text| no_address(text, Path::new(text).exists()))?;
    let stdin = Path::new(STDIN);
    let of_logs = args.paths.iter().filter(|path| *path == stdin).count();
    let of_traces = files.iter().filter(|text| text.as_str() == STDIN).count();
    if of_logs + of_traces > 1 {
        return Err(ConfigError::new("-", "standard input can be read once only, as logs or as traces"));
    }
    let store = &args.store;
    let besides = [
        ("--call-sites", &args.call_sites),
        (rules::FLAG, &args.rules),
        ("--traces-ca-file", &store.traces_ca_file),
        ("--traces-cert-file", &store.traces_cert_file),
        ("--traces-key-file", &store.traces_key_file),
    ];
    let input = InputConfig {
        paths: args.paths.clone(),
        writers: writers(&args.writer)?,
        read_besides: named(besides).collect(),
        verbose: args.verbose,
        limits: limits(args.max_line_bytes, args.max_decompressed_bytes)?,
        temporary_bytes_max: args.max_temporary_bytes,
        keep_ansi: args.keep_ansi,
        journal_fields: args.journal_fields == JournalFields::All,
        journal: journal(&args.journal)?,
        rules: rules::of_file(args.rules.as_deref())?,
        reads_whole_journals: false,
        pods: pod_files::pods(&args.metadata)?,
    };
    let traces = TracesConfig {
        files: files.into_iter().map(PathBuf::from).collect(),
        stores,
        look_back: args.look_back,
        allow_none: false,
        spans_max: args.max_spans,
        request_bytes_max: args.max_traces_request_bytes,
    };
    if args.memory < MEMORY_LEAST {
        return Err(ConfigError::new("--memory", "must be 16MiB or more"));
    }
    let linking = LinkingConfig {
        min_confidence: args.min_confidence,
        call_sites: args.call_sites.as_deref().map(call_sites).transpose()?.unwrap_or_default(),
    };
    let calendar = calendar(args.year, args.zone.as_deref(), around)?;
    Ok(ReadConfig { input, calendar, traces, linking, memory: Budget::new(args.memory), quiet: args.quiet })
}

/// What text shows.
pub(super) fn text(args: &InputArgs, around: &Surroundings<'_>) -> TextConfig {
    let width = around.columns.filter(|_| std::io::stdout().is_terminal());
    TextConfig {
        view: export::View::Trace,
        fields: fields(args.fields),
        places: args.places,
        all_traces: false,
        style: Style { colour: colour(args.color, around), width },
    }
}

/// The conditions of `--only`.
pub(super) fn conditions(args: &InputArgs) -> Result<Vec<Condition>, ConfigError> {
    args.only.iter().map(|text| condition(text)).collect()
}

/// A path that stands for standard input.
const STDIN: &str = "-";

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
