//! Explicit evidence: the line is an event of a span, or an id in it names a request.
//!
//! In go a record and the index, out comes a link or the reason for none. Every rule is exact by itself; time only
//! chooses among spans that the id has already named.

use spanline_parsers::conmon_rs::message;
use spanline_parsers::{Format, utiltrace};

use super::conmon_rs;
use super::crio_sites::{self, Site};
use super::index::{EventEntry, Key, Slot, SpanIndex, innermost_below, package_of};
use super::requests::{Call, Requests, named_in, unit_of};
use crate::record::{Envelope, Link, Method, Producer, Record, Relation, Unlinked};

/// CRI-O's hook takes the event's time a little after the line's.
const CRIO_HOOK_NS: i64 = 5_000_000;
/// The same line of conmon-rs: both clocks are read one after the other, a busy node puts milliseconds between.
const CONMON_HOOK_NS: i64 = 60_000_000;
/// Nearly always they lie less than a microsecond apart.
const CONMON_CLOSE_NS: i64 = 20_000;
/// A journal's time is that of its receipt.
const CONMON_JOURNAL_NS: i64 = 500_000;
/// Equal events near a time that are looked at.
const EVENTS_MAX: usize = 256;
/// What a time without digits of the second was rounded down to.
const SECOND_NS: i64 = 1_000_000_000;
/// Stores of traces keep microseconds.
const STORE_NS: i64 = 1_000;
/// A block and its span take their times one after the other.
const TWIN_NS: i64 = 200_000;
/// A block is written so long after its span's end at most.
const BLOCK_NS: i64 = 50_000_000;
/// Spans around a block that are looked at.
const BLOCK_SPANS_MAX: usize = 1024;
/// Spans with one audit id that are looked at.
const AUDIT_SPANS_MAX: usize = 64;

/// What explicit evidence says of a record when it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Early<'r> {
    /// Its link.
    Linked(Link),
    /// It names a request: what that says is known once all records were read.
    Named(Named<'r>),
    /// Nothing.
    Nothing,
}

/// A line of CRI-O that names a request, without its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'r> {
    /// Hash of the id.
    pub(crate) request: u64,
    /// Of a line with whole seconds that is like several events: its rank among its equals may tell which it is.
    pub(crate) identity: Option<u64>,
    pub(crate) within: Within<'r>,
}

/// What tells a line's span below the call of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Within<'r> {
    /// Its time, and the package that wrote it.
    Time(Option<&'r [u8]>),
    /// What it says.
    Site(Site),
}

/// Of a line of CRI-O that names a request: its event, else what is to be asked later.
pub(crate) fn crio<'r>(index: &SpanIndex, record: &'r Record<'_>) -> Option<Early<'r>> {
    let (id, _) = named_in(record)?;
    let identity = index.hasher.of_request_line(id, &record.entry.body);
    let rows = index.events.find(identity);
    let is_ranked = record.time.is_some() && record.time_digits == 0 && rows.len() > 1;
    let event = record.time.filter(|_| !is_ranked).and_then(|time| crio_event(rows, time));
    if let Some(slot) = event {
        return Some(Early::Linked(link(index, slot, Method::Event, 1.0)));
    }
    let within = if record.time.is_some() && record.time_digits > 0 {
        Within::Time(record.entry.text(b"file").and_then(package_of))
    } else {
        Within::Site(crio_sites::site_of(&record.entry.body))
    };
    let request = index.hasher.of_key(Key::CrioRequest as u64, id);
    Some(Early::Named(Named { request, identity: is_ranked.then_some(identity), within }))
}

/// Equal lines of a request follow each other in the order of their events.
fn crio_event(rows: &[EventEntry], time: i64) -> Option<Slot> {
    if let [only] = rows {
        return Some(only.slot);
    }
    let after = rows.partition_point(|row| row.time < time - STORE_NS);
    let next = rows.get(after).filter(|row| row.time - time <= CRIO_HOOK_NS);
    next.map(|row| row.slot).or_else(|| only_slot(rows.iter()))
}

/// Of a line of CRI-O that names a request: its event by its rank among equal lines, else the span of the request.
pub(crate) fn of_request(
    index: &SpanIndex,
    requests: &Requests,
    named: &Named<'_>,
    time: Option<i64>,
    rank: impl Fn(u64) -> Option<(usize, usize)>,
) -> Result<Link, Unlinked> {
    let ranked = named.identity.zip(time).and_then(|(identity, second)| {
        let rows = index.events.find(identity);
        match rank(identity) {
            Some((at, of)) if of == rows.len() => rows.get(at).map(|row| row.slot),
            _ => only_slot(rows.iter().filter(|row| (second..second + SECOND_NS).contains(&row.time))),
        }
    });
    if let Some(slot) = ranked {
        return Ok(link(index, slot, Method::Event, 1.0));
    }
    match requests.call(named.request) {
        Some(Call::Known(call, belief)) => {
            let slot = match (named.within, time) {
                (Within::Time(package), Some(time)) => innermost_below(index, call, time, package),
                (Within::Site(site), _) => crio_sites::span_of(index, call, site),
                (Within::Time(_), None) => call,
            };
            Ok(link(index, slot, Method::Request, belief))
        }
        Some(Call::Ambiguous) => Err(Unlinked::Ambiguous),
        _ => Err(Unlinked::RequestNotRecorded),
    }
}

fn only_slot<'r>(mut rows: impl Iterator<Item = &'r EventEntry>) -> Option<Slot> {
    let first = rows.next()?;
    rows.all(|row| row.slot == first.slot).then_some(first.slot)
}

/// Of a line of containerd: the event with its message and time.
pub(crate) fn containerd(index: &SpanIndex, resources: &[u32], record: &Record<'_>) -> Option<Link> {
    let may_be = matches!(record.origin.producer, Producer::Containerd | Producer::Other);
    if !may_be || !matches!(record.entry.format, Format::Logrus | Format::LogrusJson) {
        return None;
    }
    let time = record.time?;
    let rows = index.events.find(index.hasher.of_message(&record.entry.body));
    let unit = unit_of(record).max(STORE_NS);
    let from = rows.partition_point(|row| row.time <= time - STORE_NS);
    let near = || {
        let near = rows[from..].iter().take_while(move |row| row.time < time + unit);
        near.filter(|row| resources.is_empty() || resources.contains(&index.span(row.slot).resource))
    };
    let slot = match near().find(|row| row.time == time) {
        Some(row) => Some(row.slot),
        None if unit <= STORE_NS => near().min_by_key(|row| row.time.abs_diff(time)).map(|row| row.slot),
        None => only_slot(near()),
    };
    slot.map(|slot| link(index, slot, Method::Event, 1.0))
}

/// Of a line of conmon-rs: its event, else the span path in its text below the request's span.
pub(crate) fn conmon_rs(index: &SpanIndex, record: &Record<'_>) -> Option<Link> {
    if record.entry.format != Format::ConmonRs {
        return None;
    }
    let time = record.time?;
    let path = record.entry.text(b"spans").and_then(conmon_rs::path);
    let uuid = path.and_then(|path| path.uuid);
    let roots: Vec<Slot> = uuid.map_or(Vec::new(), |uuid| index.by_key(Key::ConmonRequest, uuid).take(8).collect());
    if let Some(slot) = conmon_event(index, record, time, path.as_ref(), &roots) {
        return Some(link(index, slot, Method::Event, 1.0));
    }
    let slot = conmon_rs::descend(index, *roots.first()?, path?.below_root, time);
    Some(link(index, slot, Method::Request, 0.99))
}

/// The nearest event with the line's target, place and message that lies below the span with its uuid and the span it
/// names last. Without a uuid only the time tells equal lines apart: then it must agree closely.
fn conmon_event(
    index: &SpanIndex,
    record: &Record<'_>,
    time: i64,
    path: Option<&conmon_rs::Path<'_>>,
    roots: &[Slot],
) -> Option<Slot> {
    let code = record.entry.code?;
    let reach = match (roots.is_empty(), record.envelope) {
        (true, Envelope::Journal) => CONMON_JOURNAL_NS,
        (true, _) => CONMON_CLOSE_NS,
        (false, _) => CONMON_HOOK_NS,
    };
    let rows = index.events.find(index.hasher.of_site(code.file, code.line, message(&record.entry.body)));
    let from = rows.partition_point(|row| row.time < time.saturating_sub(reach));
    let near = rows[from..].iter().take_while(|row| row.time <= time.saturating_add(reach)).take(EVENTS_MAX);
    // Below the request's span and at or below the innermost span that the text shows: spans of a finer level than the
    // log's are not in it.
    let leaf = path.map(|path| path.leaf);
    let is_leaf = |slot: Slot| leaf.is_none_or(|leaf| index.name(index.span(slot).name).as_bytes() == leaf);
    let fits = |slot: Slot| {
        roots.is_empty()
            || index.ancestors(slot).any(is_leaf) && index.ancestors(slot).any(|above| roots.contains(&above))
    };
    near.filter(|row| fits(row.slot)).min_by_key(|row| row.time.abs_diff(time)).map(|row| row.slot)
}

/// Of a line of the API server, or of its audit log: the span of the request with its audit id.
pub(crate) fn api_server(index: &SpanIndex, record: &Record<'_>) -> Option<Link> {
    if !matches!(record.origin.producer, Producer::ApiServer | Producer::Audit | Producer::Other) {
        return None;
    }
    let keys: [&[u8]; 2] = [b"audit-ID", b"auditID"];
    let id = keys.iter().find_map(|key| record.entry.text(key)).filter(|id| !id.is_empty())?;
    let slots: Vec<Slot> = index.by_key(Key::Audit, id).take(AUDIT_SPANS_MAX).collect();
    let server = request_of(index, &slots)?;
    // The line about a whole request is written after its span's end, others while it is open.
    let is_about_request = record.origin.producer == Producer::Audit || *record.entry.body == *b"HTTP";
    let slot = match record.time {
        Some(time) if !is_about_request && index.span(server).covers(time, 0) => {
            innermost_below(index, server, time, None)
        }
        _ => server,
    };
    Some(link(index, slot, Method::Request, 1.0))
}

/// Of a `Trace[…]` block: the span of the same name that ended just before and took as long, of the request whose id it
/// tells; else that request's own.
pub(crate) fn trace_block(index: &SpanIndex, resources: &[u32], record: &Record<'_>) -> Option<Link> {
    if !matches!(record.entry.format, Format::Klog | Format::KlogJson) || !record.entry.body.starts_with(b"Trace[") {
        return None;
    }
    let block = utiltrace::block(&record.entry.body)?;
    let twin = |slots: &[Slot]| {
        let took = |slot: &Slot| index.span(*slot).end - index.span(*slot).start;
        let differs = |slot: &Slot| (took(slot) - block.took).abs();
        let is_twin = |slot: &&Slot| {
            index.name(index.span(**slot).name).as_bytes() == block.name && differs(slot) < block.unit.max(TWIN_NS)
        };
        let mut twins: Vec<Slot> = slots.iter().filter(is_twin).copied().collect();
        twins.sort_unstable_by_key(differs);
        twins
    };
    match block.audit_id {
        // Work of its own.
        Some([]) => None,
        Some(id) => {
            let slots: Vec<Slot> = index.by_key(Key::Audit, id).take(AUDIT_SPANS_MAX).collect();
            let found = twin(&slots).first().copied().or_else(|| request_of(index, &slots));
            found.map(|slot| link(index, slot, Method::Request, 1.0))
        }
        // Without an id, a time that is rounded to milliseconds could be another's.
        None if block.unit > TWIN_NS => None,
        None => {
            let (time, mut slots) = (record.time?, Vec::new());
            for resource in resources {
                let start = time.saturating_sub(block.took).saturating_add(TWIN_NS);
                index.open_between(*resource, start, time.saturating_sub(BLOCK_NS), BLOCK_SPANS_MAX, &mut slots);
            }
            slots.retain(|slot| index.span(*slot).end <= time.saturating_add(STORE_NS));
            match twin(&slots)[..] {
                [only] => Some(link(index, only, Method::Request, 0.99)),
                _ => None,
            }
        }
    }
}

/// Of the spans with one audit id, that of the request.
fn request_of(index: &SpanIndex, slots: &[Slot]) -> Option<Slot> {
    let is_server = |slot: &&Slot| index.span(**slot).kind == crate::facts::Kind::Server;
    slots.iter().find(is_server).or(slots.first()).copied()
}

fn link(index: &SpanIndex, slot: Slot, method: Method, confidence: f32) -> Link {
    let span = index.span(slot);
    Link {
        trace_id: span.trace_id,
        span_id: span.span_id,
        method,
        confidence: Some(confidence),
        relation: Relation::Within,
        verified: true,
        has_event: method == Method::Event,
    }
}
