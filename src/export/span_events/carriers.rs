//! Lines on small child spans: for spans that are stored already and cannot be changed, and for those that have no room.
//!
//! In go events with their spans, and the traces as the store gave them; out come spans `logs: <name>` of 1 µs within their
//! parents, at most 128 events each, failed where they hold an error. What the store has of them does not come again; what
//! does has the same ids whenever it is made of the same lines. Which line belongs to which span is not decided here.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use twox_hash::XxHash3_128;

use super::annotate::Waiting;
use super::event_bytes::{self, put_attribute};
use super::held_events::HeldEvents;
use super::span_batches::empty_group;
use super::stored_events::{StoredEvents, line_identity};
use crate::export::batch::Group;
use crate::export::logs::encode;
use crate::otlp::own::{self, Ids};
use crate::otlp::wire::spans::{self, Head, attribute, ids_of, scope_name, text, within};
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

/// What is known of the spans that were given, by trace and span.
pub trait Tree {
    /// The span that the carrier of this one's lines is put under, which is the same for all lines of a group; `None`: it
    /// and all above are too short.
    fn under(&mut self, ids: Ids) -> Option<Ids>;
    /// Its name.
    fn name(&self, ids: Ids) -> Option<&str>;
    /// The service it is of.
    fn service(&self, ids: Ids) -> Option<&str>;
    /// When it began, ns since the epoch.
    fn start(&self, ids: Ids) -> Option<u64>;
}

/// Gives the requests that were given, one by one.
pub type Requests<'a> = &'a mut dyn FnMut(&mut dyn FnMut(&[u8])) -> io::Result<()>;

/// A span that lines are put under.
#[derive(Debug)]
pub struct Parent {
    start: u64,
    end: u64,
    name: String,
    resource: Arc<Resource>,
}

#[derive(Debug)]
struct Resource {
    /// Without spans.
    group: Group,
    /// The content of the message.
    message: Vec<u8>,
}

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

/// An event that waits, and where it goes. The bytes stand before what follows from them, since the order of two lines of
/// one time must not depend on which file was read first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line<'e> {
    under: Ids,
    time: u64,
    bytes: &'e [u8],
    /// The span that the line belongs to.
    of: Ids,
    text: u64,
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
    let mut waiting: Vec<Line<'_>> = Vec::new();
    for Waiting { ids, time, text, bytes } in held.events.waiting() {
        match tree.under(ids) {
            Some(under) => waiting.push(Line { under, time, bytes, of: ids, text }),
            None => counts.without_parent += 1,
        }
    }
    if waiting.is_empty() {
        return Ok(counts);
    }
    waiting.sort_unstable();
    let (parents, mut stored) = read(requests, &waiting)?;
    for lines in waiting.chunk_by(|one, other| one.under == other.under) {
        let ids = lines[0].under;
        let Some(parent) = parents.get(&ids) else {
            counts.without_parent += lines.len() as u64;
            continue;
        };
        let mut events = Vec::new();
        for line in lines {
            let time = if line.time == 0 { tree.start(line.of).unwrap_or(parent.start) } else { line.time };
            if stored.take(line.of, line.bytes, time, line.text) {
                counts.known += 1;
                continue;
            }
            let mut event = Event { time, bytes: Vec::with_capacity(line.bytes.len() + 128) };
            event_bytes::put(&mut event.bytes, line.bytes, time, &parent.resource.message);
            if line.of != ids {
                name_span(&mut event.bytes, line.of, tree, parent);
            }
            events.push(event);
        }
        while !events.is_empty() {
            let rest = events.split_off(fitting(&events));
            counts.events += events.len() as u64;
            counts.carriers += 1;
            take(carrier(ids, parent, &std::mem::replace(&mut events, rest)), parent)?;
        }
    }
    Ok(counts)
}

/// Which span the line belongs to, since it is not the one above the carrier.
fn name_span(event: &mut Vec<u8>, of: Ids, tree: &dyn Tree, parent: &Parent) {
    put_attribute(event, own::SPAN_ID, &format!("{:016x}", u64::from_be_bytes(of.1)));
    put_attribute(event, own::SPAN_NAME, tree.name(of).unwrap_or_default());
    let service = tree.service(of).unwrap_or_default();
    let mut attributes = within(&parent.resource.message, 1).map(attribute);
    if !attributes.any(|(key, value)| key == SERVICE.as_bytes() && text(value) == Some(service)) {
        put_attribute(event, SERVICE, service);
    }
}

/// How many of the events one carrier takes.
fn fitting(events: &[Event]) -> usize {
    let mut bytes = 0;
    let more = events.iter().take(EVENTS_MAX).take_while(|event| {
        bytes += event.bytes.len();
        bytes <= CARRIER_BYTES_MAX
    });
    more.count().max(1)
}

/// Of the traces that were given: the spans wanted, and spanline's events.
fn read(requests: Requests<'_>, waiting: &[Line<'_>]) -> io::Result<(HashMap<Ids, Parent>, StoredEvents)> {
    let mut parents = HashMap::new();
    let mut stored = StoredEvents::default();
    let wanted = |ids: &Ids| waiting.binary_search_by(|line| line.under.cmp(ids)).is_ok();
    requests(&mut |request| {
        let mut last: Option<(*const u8, Arc<Resource>)> = None;
        spans::each(request, |at| {
            let is_own = scope_name(at.scope) == own::SCOPE.as_bytes();
            stored.add(at.span, is_own);
            let Some(ids) = ids_of(at.span).filter(|ids| !is_own && wanted(ids)) else { return };
            let group = at.group.as_ptr();
            let resource = match &last {
                Some((of, resource)) if *of == group => resource.clone(),
                _ => Arc::new(resource_of(at.group)),
            };
            last = Some((group, resource.clone()));
            let head = Head::of(at.span);
            let name = String::from_utf8_lossy(head.name).into_owned();
            parents.insert(ids, Parent { start: head.start, end: head.end, name, resource });
        });
    })?;
    Ok((parents, stored))
}

fn resource_of(resource_spans: &[u8]) -> Resource {
    let message = within(resource_spans, 1).last().unwrap_or_default().to_vec();
    // Its own bytes: those of all spans are not kept for it.
    let mut others = Buffer::default();
    others.put(resource_spans);
    others.remove_fields(0, 2);
    let others = Bytes::from(others.into_written());
    Resource { group: empty_group(&others, &others), message }
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
