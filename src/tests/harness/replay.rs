//! A node's logs and traces played back in the order of their times, as a running agent sees them: spans some seconds after
//! their end, lines as they are written, each decided once.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use spanline::calendar::{CalendarSettings, Zone};
use spanline::correlate::index::Limits;
use spanline::correlate::{Correlator, Memory};
use spanline::export::formats::links::LinkRows;
use spanline::input::discover;
use spanline::input::read::ReadLimits;
use spanline::input::sources::{self, Source};
use spanline::input::writers::Writers;
use spanline::reading::source::{Reading, read_source};
use spanline::record::sink::{RecordSink, SourceSink};
use spanline::record::{Link, Position, Record};
use spanline::spans::file::{self, TraceFile};

/// Spans come so long after their end.
const SPANS_LATE_NS: i64 = 3_000_000_000;
/// Lines wait so long for theirs.
const WAIT_NS: i64 = 10_000_000_000;
/// Links below are not made.
const CONFIDENCE: f32 = 0.9;

/// Plays a node back in steps of so many seconds, and writes its links. Returns how long learning and deciding took.
pub(crate) fn replay(logs: &Path, traces: &Path, links: &Path, step: i64, memory: Memory) -> io::Result<Duration> {
    let sources = sources::sources(&mut discover::find(&[logs.to_owned()], &[]), &Writers::default());
    let step = step * 1_000_000_000;
    let mut times = Times(i64::MAX, i64::MIN);
    each_record(&sources, &mut |record| times.add(record.time));
    let mut correlator = Correlator::new(Limits::default());
    correlator.follow();
    let mut all = vec![Vec::<(Position, Option<Link>)>::new(); sources.len()];
    let (mut now, mut decided) = (times.0 - 1, i64::MIN);
    let mut deciding = Duration::ZERO;
    while decided < times.1 {
        let (before, last) = (now, now + step >= times.1 + WAIT_NS);
        now = if last { i64::MAX } else { now + step };
        let has_come =
            |time: i64| before.saturating_sub(SPANS_LATE_NS) < time && time <= now.saturating_sub(SPANS_LATE_NS);
        let mut file = TraceFile::open(traces, file::Limits::default())?;
        while file
            .next_facts(&mut |resource, span| {
                if has_come(span.end) || before < times.0 && span.end <= times.0 {
                    correlator.add_span(resource, span);
                }
            })?
            .is_some()
        {}
        let is_new = |time: Option<i64>| time.is_some_and(|time| before < time && time <= now);
        each_record(&sources, &mut |record| {
            if is_new(record.time) {
                correlator.observe(record);
            }
        });
        let due = if last { times.1 } else { now - WAIT_NS };
        let start = Instant::now();
        correlator.advance(due, memory);
        deciding += start.elapsed();
        each_record(&sources, &mut |record| {
            let is_due = record.time.map_or(last, |time| decided < time && time <= due);
            if is_due {
                let link = correlator.link(record).ok();
                let link = link.filter(|link| link.confidence.is_none_or(|confidence| confidence >= CONFIDENCE));
                all[record.source as usize].push((record.position, link));
            }
        });
        decided = due;
    }
    let mut rows = LinkRows::new(BufWriter::new(File::create(links)?));
    for (source, links) in sources.iter().zip(all) {
        links.iter().for_each(|(position, link)| rows.add(*position, link.as_ref()));
        let names: Vec<String> = source.files.iter().map(|file| file.shown.clone()).collect();
        rows.known_up_to(None, &names);
    }
    rows.finish()?;
    Ok(deciding)
}

struct Times(i64, i64);

impl Times {
    fn add(&mut self, time: Option<i64>) {
        if let Some(time) = time {
            *self = Times(self.0.min(time), self.1.max(time));
        }
    }
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
