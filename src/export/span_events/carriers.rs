//! Lines on small child spans: for spans that are stored already and cannot be changed, and for those that have no room.
//!
//! In go events with their spans, and the traces as the store gave them; out come spans `logs: <name>` of 1 µs within their
//! parents, at most 128 events each, failed where they hold an error. What the store has of them does not come again; what
//! does has the same ids whenever it is made of the same lines. Which line belongs to which span is not decided here.

use std::cmp::Ordering;
use std::io;

use bytes::Bytes;
use twox_hash::XxHash3_128;

use super::carrier_parents::{Parent, ParentSpans, Parents};
use super::event::LineEvent;
use super::event_bytes::{self, put_attribute};
use super::event_log::Waiting;
use super::held_events::HeldEvents;
use super::stored_events::{StoredEvents, line_identity};
use crate::export::batch::Group;
use crate::export::logs::encode;
use crate::files::external_sort::{Sorted, Sorter};
use crate::otlp::own::{self, Ids};
use crate::otlp::wire::spans::{self, attribute, ids_of, scope_name, text, within};
use crate::otlp::wire::write::{self, Buffer};

/// Stores keep µs: a shorter span has no room within it.
pub const LENGTH: u64 = 1000;
/// Events of one carrier, as SDKs limit those of a span.
const EVENTS_MAX: usize = 128;
/// Bytes of one carrier's events: well below what servers take.
const CARRIER_BYTES_MAX: usize = 1 << 20;
const SERVICE: &str = "service.name";
/// Sampled; whether the parent is remote is known: it is not.
const FLAGS: u32 = 0x101;
/// `SPAN_KIND_INTERNAL`
const INTERNAL: u8 = 1;
/// The field `status` of a span that failed, but for its message.
const STATUS_TAG: u8 = 0x7a;
const ERROR: u8 = 2;

/// What became of the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Put on carriers.
    pub events: u64,
    /// The carriers.
    pub carriers: u64,
    /// Stored already.
    pub known: u64,
    /// Without a span that a carrier could be put under.
    pub without_parent: u64,
}

/// What is known of the spans that were given, by trace and span. It may be asked of all spans of a trace together best;
/// what it tells may have to be read.
pub trait Tree {
    /// The span that the carrier of this one's lines is put under, of the same trace, which is the same for all lines of a
    /// group; `None`: it and all above are too short.
    fn under(&mut self, ids: Ids) -> io::Result<Option<Ids>>;
    /// Its name.
    fn name(&mut self, ids: Ids) -> io::Result<Option<&str>>;
    /// The service it is of.
    fn service(&mut self, ids: Ids) -> io::Result<Option<&str>>;
    /// When it began, ns since the epoch.
    fn start(&mut self, ids: Ids) -> io::Result<Option<u64>>;
}

/// Takes a request.
pub type TakeRequest<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// Gives the requests that were given, one by one.
pub type Requests<'a> = &'a mut dyn FnMut(TakeRequest<'_>) -> io::Result<()>;

/// A small span with events on it.
#[derive(Debug)]
pub struct Carrier {
    /// Its span id.
    pub id: u64,
    /// Its bytes.
    pub span: Vec<u8>,
}

impl Carrier {
    /// It alone, with its parent's resource.
    pub fn group(&self, parent: &Parent, scope: &Bytes) -> Group {
        let mut items = Vec::with_capacity(self.span.len() + 8);
        write::bytes(&mut items, 0x12, &self.span);
        let ends = vec![items.len() as u32];
        Group { scope: scope.clone(), ends, items: items.into(), ..parent.resource.group.clone() }
    }
}

/// The scope of carriers, as a group has it.
pub fn scope() -> Bytes {
    encode::scope_field().into()
}

/// An event that waits, and where it goes.
struct Line<'e> {
    under: Ids,
    time: u64,
    /// The span that the line belongs to.
    of: Ids,
    text: u64,
    bytes: &'e [u8],
}

/// Where the parts of a [`Line`] end in its row: `under time of text bytes`, with numbers in the order of their bytes.
const TIME_END: usize = 32;
const TEXT_END: usize = 48;

/// The bytes count before what follows from them, since the order of two lines of one time must not depend on which file
/// was read first.
fn in_order_of_parents(one: &[u8], other: &[u8]) -> Ordering {
    one[..TIME_END]
        .cmp(&other[..TIME_END])
        .then_with(|| one[TEXT_END..].cmp(&other[TEXT_END..]))
        .then_with(|| one[TIME_END..TEXT_END].cmp(&other[TIME_END..TEXT_END]))
}

impl Line<'_> {
    fn put(&self, lines: &mut Sorter) -> io::Result<()> {
        let (time, text) = (self.time.to_be_bytes(), self.text.to_be_bytes());
        lines.push(&[&self.under.0, &self.under.1, &time, &self.of.1, &text, self.bytes])
    }

    fn of(row: &[u8]) -> Option<Line<'_>> {
        let (trace_id, rest) = row.split_first_chunk()?;
        let (under, rest) = rest.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        let (of, rest) = rest.split_first_chunk()?;
        let (text, bytes) = rest.split_first_chunk()?;
        let (time, text) = (u64::from_be_bytes(*time), u64::from_be_bytes(*text));
        Some(Line { under: (*trace_id, *under), time, of: (*trace_id, *of), text, bytes })
    }
}

/// An event that is put on a carrier.
struct Event {
    time: u64,
    bytes: Vec<u8>,
}

/// Hands over the carriers of all events that wait, with their parents.
pub fn each(
    tree: &mut dyn Tree,
    requests: Requests<'_>,
    held: &mut HeldEvents,
    mut take: impl FnMut(Carrier, &Parent) -> io::Result<()>,
) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let mut lines = Sorter::new(held.memory_max, in_order_of_parents);
    let mut parents = ParentSpans::new(held.memory_max);
    held.events.each_waiting(&mut |Waiting { ids, time, text, bytes }| {
        let Some(under) = tree.under(ids)? else {
            counts.without_parent += 1;
            return Ok(());
        };
        parents.want(&under);
        Line { under, time, of: ids, text, bytes }.put(&mut lines)
    })?;
    if !parents.is_empty() {
        let (parents, stored) = read(requests, parents)?;
        put_on_carriers(tree, &lines.finish()?, &parents, stored, &mut counts, &mut take)?;
    }
    Ok(counts)
}

/// Hands over the carriers of lines.
fn put_on_carriers(
    tree: &mut dyn Tree,
    lines: &Sorted,
    parents: &Parents,
    mut stored: StoredEvents,
    counts: &mut Counts,
    take: &mut dyn FnMut(Carrier, &Parent) -> io::Result<()>,
) -> io::Result<()> {
    let (mut lines, mut parents) = (lines.read()?, parents.read()?);
    let mut filling: Option<Filling> = None;
    while let Some(line) = lines.next()?.and_then(Line::of) {
        let mut is_known = |time| stored.take(line.of, line.bytes, time, line.text);
        let find = |under: &Ids| parents.find(under);
        filling = Some(put_line(&line, filling, find, &mut is_known, tree, counts, take)?);
    }
    filling.map_or(Ok(()), |last| last.end(counts, take))
}

/// A line of a span, and the event that it becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanLine {
    /// The span that it belongs to.
    pub of: Ids,
    /// What it becomes.
    pub event: LineEvent,
}

/// Hands over the carriers of these lines, whose parents are known. Nothing is known of what the store has.
pub fn each_of(
    tree: &mut dyn Tree,
    parent_of: &dyn Fn(&Ids) -> Option<Parent>,
    lines: Vec<SpanLine>,
    take: &mut dyn FnMut(Carrier, &Parent) -> io::Result<()>,
) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let mut rows = Vec::with_capacity(lines.len());
    for line in lines {
        match tree.under(line.of)? {
            Some(under) => rows.push((under, line)),
            None => counts.without_parent += 1,
        }
    }
    rows.sort_by(|one, other| order_of(one).cmp(&order_of(other)));
    let mut filling: Option<Filling> = None;
    for (under, SpanLine { of, event: LineEvent { time, event, text } }) in &rows {
        let line = Line { under: *under, time: *time, of: *of, text: *text, bytes: event };
        filling =
            Some(put_line(&line, filling, |under| Ok(parent_of(under)), &mut |_| false, tree, &mut counts, take)?);
    }
    filling.map_or(Ok(()), |last| last.end(&mut counts, take))?;
    Ok(counts)
}

/// The same order as [`in_order_of_parents`].
fn order_of((under, SpanLine { of, event }): &(Ids, SpanLine)) -> (Ids, u64, &[u8], [u8; 8], u64) {
    (*under, event.time, &event.event, of.1, event.text)
}

/// Puts a line on the carrier that is being filled, or, where its parent is another one, begins the next. `is_known`: whether
/// the store has it, by its time.
fn put_line(
    line: &Line<'_>,
    filling: Option<Filling>,
    find: impl FnOnce(&Ids) -> io::Result<Option<Parent>>,
    is_known: &mut dyn FnMut(u64) -> bool,
    tree: &mut dyn Tree,
    counts: &mut Counts,
    take: &mut dyn FnMut(Carrier, &Parent) -> io::Result<()>,
) -> io::Result<Filling> {
    let mut current = match filling {
        Some(current) if current.under == line.under => current,
        before => {
            if let Some(before) = before {
                before.end(counts, take)?;
            }
            Filling::new(line.under, find(&line.under)?)
        }
    };
    match &current.parent {
        Some(parent) => {
            let time = match line.time {
                0 => tree.start(line.of)?.unwrap_or(parent.start),
                time => time,
            };
            if is_known(time) {
                counts.known += 1;
            } else {
                let event = event_of(line, time, parent, tree)?;
                current.push(event, counts, take)?;
            }
        }
        None => counts.without_parent += 1,
    }
    Ok(current)
}

/// A line as an event under its parent.
fn event_of(line: &Line<'_>, time: u64, parent: &Parent, tree: &mut dyn Tree) -> io::Result<Event> {
    let mut event = Event { time, bytes: Vec::with_capacity(line.bytes.len() + 128) };
    event_bytes::put(&mut event.bytes, line.bytes, time, &parent.resource.message);
    if line.of != line.under {
        name_span(&mut event.bytes, line.of, tree, parent)?;
    }
    Ok(event)
}

/// A carrier that is being filled.
struct Filling {
    under: Ids,
    /// `None`: it was not read.
    parent: Option<Parent>,
    events: Vec<Event>,
    bytes: usize,
}

impl Filling {
    fn new(under: Ids, parent: Option<Parent>) -> Filling {
        Filling { under, parent, events: Vec::new(), bytes: 0 }
    }

    /// Takes an event, on the next carrier if it does not fit.
    fn push(
        &mut self,
        event: Event,
        counts: &mut Counts,
        take: &mut dyn FnMut(Carrier, &Parent) -> io::Result<()>,
    ) -> io::Result<()> {
        let is_full = self.events.len() == EVENTS_MAX || self.bytes + event.bytes.len() > CARRIER_BYTES_MAX;
        if is_full && !self.events.is_empty() {
            self.give(counts, take)?;
        }
        self.bytes += event.bytes.len();
        self.events.push(event);
        Ok(())
    }

    fn end(mut self, counts: &mut Counts, take: &mut dyn FnMut(Carrier, &Parent) -> io::Result<()>) -> io::Result<()> {
        self.give(counts, take)
    }

    fn give(
        &mut self,
        counts: &mut Counts,
        take: &mut dyn FnMut(Carrier, &Parent) -> io::Result<()>,
    ) -> io::Result<()> {
        let (Some(parent), false) = (&self.parent, self.events.is_empty()) else { return Ok(()) };
        counts.events += self.events.len() as u64;
        counts.carriers += 1;
        take(carrier(self.under, parent, &self.events), parent)?;
        self.events.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Which span the line belongs to, since it is not the one above the carrier.
fn name_span(event: &mut Vec<u8>, of: Ids, tree: &mut dyn Tree, parent: &Parent) -> io::Result<()> {
    put_attribute(event, own::SPAN_ID, &format!("{:016x}", u64::from_be_bytes(of.1)));
    put_attribute(event, own::SPAN_NAME, tree.name(of)?.unwrap_or_default());
    let service = tree.service(of)?.unwrap_or_default();
    let mut attributes = within(&parent.resource.message, 1).map(attribute);
    if !attributes.any(|(key, value)| key == SERVICE.as_bytes() && text(value) == Some(service)) {
        put_attribute(event, SERVICE, service);
    }
    Ok(())
}

/// Of the traces that were given: the spans wanted, and spanline's events.
fn read(requests: Requests<'_>, mut parents: ParentSpans) -> io::Result<(Parents, StoredEvents)> {
    let mut stored = StoredEvents::default();
    requests(&mut |request| {
        parents.request_begins();
        let mut result = Ok(());
        spans::each(request, |at| {
            let is_own = scope_name(at.scope) == own::SCOPE.as_bytes();
            stored.add(at.span, is_own);
            if let Some(ids) = ids_of(at.span).filter(|_| !is_own && result.is_ok()) {
                result = parents.add(&ids, &at);
            }
        });
        result
    })?;
    Ok((parents.finish()?, stored))
}

fn carrier((trace_id, parent_id): Ids, parent: &Parent, events: &[Event]) -> Carrier {
    let mut named_by = [&trace_id[..], &parent_id[..]].concat();
    for event in events {
        // With the id of the span that the line belongs to where it is another one: it is among the attributes.
        let line = line_identity((trace_id, parent_id), &event.bytes, event.time).unwrap_or_default();
        named_by.extend_from_slice(&line.to_le_bytes());
        named_by.extend_from_slice(event_bytes::text(&event.bytes, own::SPAN_ID).unwrap_or_default().as_bytes());
    }
    let id = (XxHash3_128::oneshot_with_seed(2, &named_by) as u64).max(1);
    let first = events.iter().map(|event| event.time).min().unwrap_or(parent.start);
    // One µs more than its length: stores cut start and duration to µs, each by itself.
    let last_start = parent.end.saturating_sub(2 * LENGTH).max(parent.start);
    let start = first.clamp(parent.start, last_start);
    let failed = events.iter().find(|event| is_failure(&event.bytes));
    let bytes: usize = events.iter().map(|event| event.bytes.len() + 6).sum();
    let mut out = Buffer::with_room(bytes + parent.name.len() + 512);
    out.bytes(0x0a, &trace_id, b"");
    out.bytes(0x12, &id.to_be_bytes(), b"");
    out.bytes(0x22, &parent_id, b"");
    out.bytes(0x2a, format!("logs: {}", parent.name).as_bytes(), b"");
    out.array(&[0x30, INTERNAL]);
    out.fixed64(0x39, start);
    out.fixed64(0x41, start + LENGTH);
    // log.carrier = true
    out.bytes(0x4a, b"\x0a\x0blog.carrier\x12\x02\x10\x01", b"");
    events.iter().for_each(|event| out.bytes(0x5a, &event.bytes, b""));
    if let Some(event) = failed {
        let status = out.open(STATUS_TAG, 1);
        match event_bytes::name(&event.bytes) {
            "" => {}
            name => out.bytes(0x12, name.as_bytes(), b""),
        }
        out.array(&[0x18, ERROR]);
        out.close(status);
    }
    out.array(&[0x85, 0x01]);
    out.array(&FLAGS.to_le_bytes());
    Carrier { id, span: out.into_written() }
}

/// A line from ERROR on.
fn is_failure(event: &[u8]) -> bool {
    event_bytes::text(event, "log.severity").is_some_and(|severity| severity == "ERROR" || severity == "FATAL")
}
