//! A node's logs and traces played back in the order of their times, as a running agent sees them: spans as their requests came,
//! lines as they are written, each decided once.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

use spanline::calendar::{CalendarSettings, Zone};
use spanline::correlate::index::Limits;
use spanline::correlate::{Correlator, Memory};
use spanline::export::formats::links::LinkRows;
use spanline::facts::{EventFact, ResourceFact, SpanFact};
use spanline::input::discover;
use spanline::input::journal::query::JournalQuery;
use spanline::input::read::ReadLimits;
use spanline::input::sources::{self, Source};
use spanline::input::writers::Writers;
use spanline::reading::source::{Reading, read_source};
use spanline::record::sink::{RecordSink, SourceSink};
use spanline::record::{Link, Record};
use spanline::spans::file::{self, TraceFile};
use spanline_parsers::{CodeSite, Entry, Field, Text, Value};

/// Where it is not known when requests came: those of a resource come so often, with what has ended since.
const BATCH_NS: i64 = 5_000_000_000;
/// Links below are not made.
const CONFIDENCE: f32 = 0.9;

/// How a node is played, ns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Log time between two decisions.
    pub(crate) step: i64,
    /// Lines wait so long for their spans.
    pub(crate) wait: i64,
    /// All of them, even where their spans have come earlier.
    pub(crate) is_fixed: bool,
    /// Spans and lines are handed over as they came within so much log time at once.
    pub(crate) chunk: i64,
}

impl Pace {
    /// Decisions each so many seconds, of lines that have waited for ten.
    pub(crate) fn seconds(step: f64) -> Pace {
        let step = (step * 1e9) as i64;
        Pace { step, wait: 10_000_000_000, is_fixed: false, chunk: step }
    }
}

/// What a correlator does along the way, so that each can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// Taking spans in.
    Spans,
    /// Taking lines in.
    Lines,
    /// Learning and deciding.
    Deciding,
    /// Giving links out.
    Links,
}

/// Runs each part.
pub(crate) type Run<'r> = &'r mut dyn FnMut(Part, &mut dyn FnMut());

/// Spans and records of a node, in the order of their times.
pub(crate) struct Replay {
    sources: Vec<Source>,
    /// In the order in which they came, with the times of their requests, ns since the epoch.
    spans: Vec<(i64, ResourceFact<'static>, SpanFact<'static>)>,
    records: Vec<Record<'static>>,
}

impl Replay {
    /// Reads logs and traces, and keeps all of them until the process ends.
    pub(crate) fn load(logs: &Path, traces: &Path) -> io::Result<Replay> {
        let sources = sources::sources(
            &mut discover::find(&[logs.to_owned()], &[]),
            &Writers::default(),
            &JournalQuery::default(),
            false,
        );
        let mut replay = Replay { sources, spans: Vec::new(), records: Vec::new() };
        let mut file = TraceFile::open(traces, file::Limits::default())?;
        let received = fs::read_to_string(traces.with_file_name("traces.received.txt")).unwrap_or_default();
        let mut received = received.lines().map(|time| time.parse().map_or(0, |time: f64| (time * 1e9) as i64));
        loop {
            let came = received.next();
            let mut keep = |resource: &ResourceFact<'_>, span: &SpanFact<'_>| {
                let came = came.unwrap_or_else(|| batch_of(resource, span.end));
                let (resource, span) = kept_span(resource, span);
                replay.spans.push((came, resource, span));
            };
            if file.next_facts(&mut keep)?.is_none() {
                break;
            }
        }
        replay.spans.sort_by_key(|(came, ..)| *came);
        each_record(&replay.sources, &mut |record| replay.records.push(kept_record(record)));
        replay.records.sort_by_key(|record| record.time.unwrap_or(i64::MAX));
        Ok(replay)
    }

    /// The time of the first line, ns.
    pub(crate) fn begins(&self) -> i64 {
        self.records.iter().find_map(|record| record.time).unwrap_or_default()
    }

    /// From the first to the last line, ns.
    pub(crate) fn lasts(&self) -> i64 {
        self.records.iter().rev().find_map(|record| record.time).unwrap_or_default() - self.begins()
    }

    /// Records, those without a time included.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Links of all records when all is in. `run`: runs each part.
    pub(crate) fn whole(&self, run: Run<'_>) -> Vec<Option<Link>> {
        let mut correlator = Correlator::new(Limits::default());
        run(Part::Spans, &mut || self.spans.iter().for_each(|(_, resource, span)| correlator.add_span(resource, span)));
        run(Part::Lines, &mut || self.records.iter().for_each(|record| correlator.observe(record)));
        run(Part::Deciding, &mut || correlator.settle());
        let mut links = Vec::new();
        run(Part::Links, &mut || links = self.records.iter().map(|record| link(&correlator, record)).collect());
        links
    }

    /// Links of all records step by step, and how long each was waited with, ns. `run`: runs each part.
    pub(crate) fn stream(&self, pace: Pace, memory: Memory, run: Run<'_>) -> (Vec<Option<Link>>, Vec<i64>) {
        let (mut links, mut waited) = (vec![None; self.records.len()], vec![0; self.records.len()]);
        let mut correlator = Correlator::new(Limits::default());
        correlator.follow();
        let end = self.begins() + self.lasts();
        let untimed = self.records.iter().position(|record| record.time.is_none()).unwrap_or(self.records.len());
        let (mut now, mut arrived) = (self.begins() - 1, self.begins() - 1);
        let [mut next_span, mut next_line, mut next_open] = [0; 3];
        let mut open: Vec<usize> = Vec::new();
        loop {
            let is_last = now.saturating_add(pace.step) >= end.saturating_add(pace.wait);
            now = if is_last { i64::MAX } else { now + pace.step };
            while arrived < now && (is_last || arrived.saturating_add(pace.chunk) <= now) {
                arrived = if is_last { now } else { arrived + pace.chunk };
                let come = self.spans[next_span..].partition_point(|(came, ..)| *came <= arrived);
                run(Part::Spans, &mut || {
                    for request in self.spans[next_span..next_span + come].chunk_by(|one, other| one.0 == other.0) {
                        request.iter().for_each(|(_, resource, span)| correlator.add_span(resource, span));
                        correlator.request_ends(request[0].0);
                    }
                });
                next_span += come;
                let come = self.records[next_line..untimed].partition_point(|record| record.time <= Some(arrived));
                run(Part::Lines, &mut || {
                    self.records[next_line..next_line + come].iter().for_each(|record| correlator.observe(record));
                });
                next_line += come;
            }
            let due = if is_last { end } else { now.saturating_sub(pace.wait) };
            run(Part::Deciding, &mut || match is_last || pace.is_fixed {
                true => correlator.advance(due, memory),
                false => correlator.advance_at(now, due, memory),
            });
            let is_decided = |at: usize| {
                let record = &self.records[at];
                is_last || record.time.is_some_and(|time| time <= correlator.decided_up_to(record.source))
            };
            open.extend(next_open..next_line);
            next_open = next_line;
            run(Part::Links, &mut || {
                open.retain(|at| {
                    let is_decided = is_decided(*at);
                    if is_decided {
                        links[*at] = link(&correlator, &self.records[*at]);
                        waited[*at] = now.min(end + pace.wait) - self.records[*at].time.unwrap_or(now);
                    }
                    !is_decided
                });
            });
            if is_last {
                (untimed..self.records.len()).for_each(|at| links[at] = link(&correlator, &self.records[at]));
                return (links, waited);
            }
        }
    }

    /// Writes the links file.
    pub(crate) fn write(&self, links: &[Option<Link>], to: &Path) -> io::Result<()> {
        let mut rows = LinkRows::new(BufWriter::new(File::create(to)?));
        let mut order: Vec<usize> = (0..self.records.len()).collect();
        order.sort_by_key(|at| self.records[*at].source);
        for of_source in order.chunk_by(|a, b| self.records[*a].source == self.records[*b].source) {
            of_source.iter().for_each(|at| rows.add(self.records[*at].position, links[*at].as_ref()));
            let files = &self.sources[self.records[of_source[0]].source as usize].files;
            let names: Vec<String> = files.iter().map(|file| file.shown.clone()).collect();
            rows.known_up_to(None, &names);
        }
        rows.finish().map(drop)
    }

    /// The file and physical lines of each record before a time.
    pub(crate) fn lines_before(&self, time: i64) -> impl Iterator<Item = (&str, std::ops::Range<u64>)> {
        self.records.iter().filter(move |record| record.time.is_none_or(|own| own < time)).map(|record| {
            let position = record.position;
            let file = &self.sources[record.source as usize].files[position.file as usize];
            (file.shown.as_str(), position.line..position.line + u64::from(position.lines))
        })
    }
}

/// When the request comes that has a span with this end.
fn batch_of(resource: &ResourceFact<'_>, end: i64) -> i64 {
    let of = twox_hash::XxHash64::oneshot(0, format!("{} {}", resource.service, resource.pod_uid).as_bytes());
    let phase = (of % BATCH_NS as u64) as i64;
    end - (end - phase).rem_euclid(BATCH_NS) + BATCH_NS
}

fn link(correlator: &Correlator, record: &Record<'_>) -> Option<Link> {
    let link = correlator.link(record).ok();
    link.filter(|link| link.confidence.is_none_or(|confidence| confidence >= CONFIDENCE))
}

fn kept_bytes(bytes: &[u8]) -> &'static [u8] {
    Vec::leak(bytes.to_vec())
}

fn kept_text(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

fn kept_span(resource: &ResourceFact<'_>, span: &SpanFact<'_>) -> (ResourceFact<'static>, SpanFact<'static>) {
    let resource = ResourceFact {
        message: &[],
        run: 0,
        service: kept_text(resource.service),
        pod_uid: kept_text(resource.pod_uid),
        namespace: kept_text(resource.namespace),
        pod: kept_text(resource.pod),
        container: kept_text(resource.container),
        container_id: kept_text(resource.container_id),
        host: kept_text(resource.host),
        instance: kept_text(resource.instance),
        pid: resource.pid,
    };
    let span = SpanFact {
        trace_id: span.trace_id,
        span_id: span.span_id,
        parent_id: span.parent_id,
        name: kept_text(span.name),
        scope: kept_text(span.scope),
        kind: span.kind,
        start: span.start,
        end: span.end,
        failure: span.failure.map(kept_text),
        attributes: span.attributes.iter().map(|(key, value)| (kept_bytes(key), kept_bytes(value))).collect(),
        events: span
            .events
            .iter()
            .map(|event| EventFact {
                name: kept_text(event.name),
                message: event.message.map(kept_text),
                request_id: event.request_id.map(kept_text),
                target: event.target.map(kept_text),
                ..*event
            })
            .collect(),
    };
    (resource, span)
}

fn kept_record(record: &Record<'_>) -> Record<'static> {
    let entry = record.entry;
    let fields = |fields: &[Field<'_>]| fields.iter().map(kept_field).collect::<Vec<_>>();
    let entry = Entry {
        format: entry.format,
        time: entry.time,
        severity: entry.severity,
        severity_text: Text::Borrowed(kept_bytes(&entry.severity_text)),
        body: Text::Borrowed(kept_bytes(&entry.body)),
        fields: fields(&entry.fields),
        pid: entry.pid,
        code: entry.code.map(|code| CodeSite { file: kept_bytes(code.file), line: code.line }),
        trace: entry.trace,
        number_time: None,
    };
    Record {
        origin: Box::leak(Box::new(record.origin.clone())),
        entry: Box::leak(Box::new(entry)),
        envelope_fields: Vec::leak(fields(record.envelope_fields)),
        payload: kept_bytes(record.payload),
        ..*record
    }
}

fn kept_field(field: &Field<'_>) -> Field<'static> {
    let value = match &field.value {
        Value::Text(text) => Value::Text(Text::Borrowed(kept_bytes(text))),
        Value::Number(number) => Value::Number(kept_bytes(number)),
        Value::Bool(is) => Value::Bool(*is),
        Value::Null => Value::Null,
        Value::Json(text) => Value::Json(Text::Borrowed(kept_bytes(text))),
    };
    Field { key: Text::Borrowed(kept_bytes(&field.key)), value }
}

struct Each<'a>(&'a mut dyn FnMut(&Record<'_>));

impl RecordSink for Each<'_> {
    fn record(&mut self, record: &Record<'_>) {
        (self.0)(record);
    }
}

impl SourceSink for Each<'_> {}

fn each_record(sources: &[Source], each: &mut dyn FnMut(&Record<'_>)) {
    let zone = Zone::parse("+00:00").expect("it is one");
    let (stop, bytes_read) = (AtomicBool::new(false), Arc::new(AtomicU64::new(0)));
    let limits = ReadLimits { line_bytes: 1 << 20, file_bytes: u64::MAX };
    let reading = Reading {
        limits,
        keep_ansi: false,
        journal_fields: false,
        bytes_read: &bytes_read,
        stop: &stop,
        spare: Mutex::default(),
        services: &Default::default(),
        formats: Default::default(),
    };
    for (index, source) in sources.iter().enumerate() {
        let calendar = CalendarSettings {
            year: None,
            zone: None,
            year_hint: source.year_hint,
            now_nanos: 1_795_800_000_000_000_000,
            fallback_zone: zone,
        };
        read_source(index as u32, source, &source.origin(), &calendar, &reading, &mut Each(&mut *each));
    }
}
