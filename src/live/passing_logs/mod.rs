//! Logs that go through the tap: their records get the links that they have not.
//!
//! In go requests as they come, out they go once each of their records is decided: as they came where none has a link, else with ids
//! and `spanline.link.*` put into the records that have one. Records wait as lines of files do, and are linked by the same engine;
//! those that name their trace, and all of an SDK that does, stay as they are, and wait for nothing. Bounded: how much is held, and for
//! how long, is limited by whoever holds it, who lets a request go as it came when its time is up.

mod record;
mod writer;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::linked_lines::LinkedLines;
use super::linking::{Held, Linking};
use super::wake::LogRequest;
use crate::calendar::{Calendar, CalendarSettings, Zone};
use crate::decode::{self, Envelopes};
use crate::export::logs::added_links::{AddedLink, with_links};
use crate::export::sinks::RecordOutput;
use crate::line_rules::LineRules;
use crate::metrics::{Counter, Metrics};
use crate::otlp::wire::spans::within;
use crate::record::{Link, Origin, Position, Record};
use crate::waiting::Item;
use record::Parts;
use writer::Names;

/// Writers that are told apart; records of others pass without a link.
const WRITERS_MAX: usize = 1024;
/// What is known of a writer that is quiet is kept so long.
const FORGET_AFTER: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct PassingLogs {
    writers: Writers,
    requests: HashMap<u64, Request>,
    /// The number of the next request.
    next: u64,
    /// The room of the numbers of a record.
    numbers: Vec<u8>,
    linked: Linked,
    metrics: Arc<Metrics>,
    too_many: Arc<Counter>,
}

/// A request that is held.
struct Request {
    of: LogRequest,
    links: Vec<AddedLink>,
    /// Records that wait.
    undecided: u32,
}

impl PassingLogs {
    /// `events`: takes lines that become events of their spans, if any do.
    pub(super) fn new(
        zone: Zone,
        (events, rules): (Option<LinkedLines>, &LineRules),
        metrics: &Arc<Metrics>,
    ) -> PassingLogs {
        let (requests, next, numbers) = Default::default();
        PassingLogs {
            writers: Writers::new(zone, metrics),
            requests,
            next,
            numbers,
            linked: Linked { events, rules: rules.clone(), metrics: metrics.clone() },
            metrics: metrics.clone(),
            too_many: metrics.limit_reached("tap_logs"),
        }
    }

    /// Takes a request.
    pub(super) fn add(&mut self, of: LogRequest, linking: &mut Linking, now: (Instant, i64)) {
        if !of.hold.is_open() || linking.is_full() {
            self.too_many.add(1);
            return;
        }
        self.next += 1;
        let bytes = of.request.clone();
        let mut request = Request { of, links: Vec::new(), undecided: 0 };
        let mut place = 0;
        for group in within(&bytes, 1) {
            let names = Names::of_group(group);
            for record in within(group, 2).flat_map(|scope| within(scope, 2)) {
                self.record(Parts::of(record), &names, (&mut request, place), linking, now);
                place += 1;
            }
        }
        self.metrics.logs.received.add(u64::from(place));
        if request.undecided > 0 {
            self.requests.insert(self.next, request);
        } else {
            self.release(request);
        }
    }

    /// Takes a record of a request, at this place among its records.
    fn record<'r>(
        &mut self,
        parts: Parts<'r>,
        names: &Names<'r>,
        (request, place): (&mut Request, u32),
        linking: &mut Linking,
        now: (Instant, i64),
    ) {
        let mut names = names.clone();
        parts.name(&mut names);
        let Some(writer) = self.writers.of(&names, linking, now) else { return };
        writer.names_traces |= parts.has_ids() && names.is_sdk();
        if parts.has_ids() || writer.names_traces {
            return;
        }
        self.numbers.clear();
        let ends = parts.write_numbers(&mut self.numbers);
        let content = parts.content();
        let envelopes = if writer.origin.pod.is_some() { Envelopes::OfContainer } else { Envelopes::Auto };
        let line = decode::line(&content, envelopes);
        let told = parts.told(&line, (&self.numbers, &ends), &mut writer.calendar);
        writer.records += 1;
        let record = Record {
            source: writer.held.number(),
            origin: &writer.origin,
            // Where it stands in a file nobody tells: after those that came before.
            position: Position { offset: writer.records, end: writer.records + 1, lines: 1, ..Position::default() },
            envelope: line.envelope,
            stream: line.stream,
            time: told.time.map(|(nanos, _)| nanos),
            time_digits: told.time.map_or(0, |(_, digits)| digits),
            envelope_time: told.envelope_time,
            entry: &told.entry,
            envelope_fields: &[],
            payload: &line.content,
            piece: 0,
        };
        if record.entry.trace.trace_id.is_some() {
            let link = linking.link(&record);
            request.links.extend(link.map(|link| self.linked.take(&record, link, place, &writer.path)));
        } else if linking.holds(&mut writer.held, &record) {
            writer.pending.push_back((self.next, place));
            request.undecided += 1;
        }
    }

    /// Gives requests on all of whose records are decided, after lines were; or all.
    pub(super) fn give_decided(&mut self, linking: &mut Linking, all: bool) {
        let PassingLogs { writers, requests, linked, .. } = self;
        let (mut decided, least) = (Vec::new(), linking.min_confidence());
        for writer in writers.all.values_mut().filter(|writer| !writer.pending.is_empty()) {
            let Writer { held, pending, path, .. } = writer;
            linking.each_decided(held, all, |item, linker| {
                let Item::Record(record) = item else { return };
                let Some((number, place)) = pending.pop_front() else { return };
                let link = linker.link(&record).ok().filter(|link| link.is_made_at(least));
                let added = link.map(|link| linked.take(&record, link, place, path));
                let Some(request) = requests.get_mut(&number) else { return };
                request.links.extend(added);
                request.undecided -= 1;
                decided.extend((request.undecided == 0).then_some(number));
            });
        }
        for number in decided {
            if let Some(request) = self.requests.remove(&number) {
                self.release(request);
            }
        }
    }

    fn release(&self, request: Request) {
        let Request { of: LogRequest { request, hold }, links, .. } = request;
        let linked = links.len() as u64;
        if linked == 0 {
            // Dropped, it passes as it came.
            return;
        }
        match hold.release(Some(with_links(&request, links).into()), None) {
            true => self.metrics.logs.linked.add(linked),
            false => self.too_many.add(1),
        }
    }

    /// Forgets writers that are quiet.
    pub(super) fn forget_quiet(&mut self, linking: &mut Linking, now: Instant) {
        self.writers.forget(linking, |writer| now.saturating_duration_since(writer.last) >= FORGET_AFTER);
    }
}

/// Takes links as they are found.
struct Linked {
    /// Lines that become events of their spans.
    events: Option<LinkedLines>,
    /// What the user wants with them.
    rules: LineRules,
    metrics: Arc<Metrics>,
}

impl Linked {
    fn take(&mut self, record: &Record<'_>, link: Link, place: u32, path: &str) -> AddedLink {
        self.metrics.links(link.method.name()).add(1);
        if let Some(lines) = &mut self.events {
            let redactor = self.rules.redactor.as_ref();
            match redactor.and_then(|redactor| redactor.record(record, &mut |_| {})) {
                None => lines.record(record, Some(&link), &[0; 16], path),
                Some(redacted) => lines.record(&redacted.in_place_of(record), Some(&link), &[0; 16], path),
            }
        }
        AddedLink { record: place, link, flags: record.entry.trace.flags }
    }
}

/// Who writes records.
struct Writer {
    origin: Origin,
    path: Box<str>,
    calendar: Calendar,
    held: Held,
    /// It is an SDK, and its records name their trace, so that those that do not were written in none.
    names_traces: bool,
    /// Requests of the records that wait, in their order, and their places there.
    pending: VecDeque<(u64, u32)>,
    /// Records that came of it.
    records: u64,
    last: Instant,
}

/// Those that are told apart.
struct Writers {
    all: HashMap<u64, Writer>,
    zone: Zone,
    too_many: Arc<Counter>,
}

impl Writers {
    fn new(zone: Zone, metrics: &Metrics) -> Writers {
        Writers { all: HashMap::new(), zone, too_many: metrics.limit_reached("tap_log_writers") }
    }

    fn of(&mut self, names: &Names<'_>, linking: &mut Linking, now: (Instant, i64)) -> Option<&mut Writer> {
        let key = names.key();
        if !self.all.contains_key(&key) {
            if self.all.len() >= WRITERS_MAX {
                self.forget(linking, |_| true);
            }
            if self.all.len() >= WRITERS_MAX {
                self.too_many.add(1);
                return None;
            }
            let calendar =
                CalendarSettings { now_nanos: now.1, fallback_zone: self.zone, ..CalendarSettings::default() };
            let writer = Writer {
                origin: names.origin(),
                path: names.path().into(),
                calendar: Calendar::new(&calendar),
                held: linking.begin(),
                names_traces: false,
                pending: VecDeque::new(),
                records: 0,
                last: now.0,
            };
            self.all.insert(key, writer);
        }
        let writer = self.all.get_mut(&key)?;
        writer.last = now.0;
        writer.calendar.set_now(now.1);
        Some(writer)
    }

    fn forget(&mut self, linking: &mut Linking, is_quiet: impl Fn(&Writer) -> bool) {
        self.all.retain(|_, writer| {
            let stays = !writer.pending.is_empty() || !is_quiet(writer);
            if !stays {
                linking.end(&writer.held);
            }
            stays
        });
    }
}
