//! CRI-O: its lines are events of its spans, or name the request they are of.
//!
//! In go a record and the index, out comes the link to the span of its event; else what is to be asked once all records were
//! read ([`NamedRequest`]), and then the link to the span of that request ([`of_request`]).

use super::crio_sites;
use super::outcome::{NamedRequest, RuleOutcome, STORE_NS, Within, link, only_slot};
use crate::correlate::index::{EventEntry, Key, Slot, SpanIndex, innermost_below, package_of};
use crate::correlate::requests::crio::{CallMatch, Requests, named_in};
use crate::record::{Link, Method, Record, Unlinked};

/// CRI-O's hook takes the event's time a little after the line's.
const CRIO_HOOK_NS: i64 = 5_000_000;
/// What a time without digits of the second was rounded down to.
const SECOND_NS: i64 = 1_000_000_000;

/// Of a line of CRI-O that names a request: its event, else what is to be asked later.
pub(crate) fn event_or_request<'r>(index: &SpanIndex, record: &'r Record<'_>) -> Option<RuleOutcome<'r>> {
    let (id, _) = named_in(record)?;
    let identity = index.hasher.of_request_line(id, &record.entry.body);
    let rows = index.events.find(identity);
    let is_ranked = record.time.is_some() && record.time_digits == 0 && rows.len() > 1;
    let event = record.time.filter(|_| !is_ranked).and_then(|time| crio_event(rows, time));
    if let Some(slot) = event {
        return Some(RuleOutcome::Linked(link(index, slot, Method::Event, 1.0)));
    }
    let within = if record.time.is_some() && record.time_digits > 0 {
        Within::Time(record.entry.text(b"file").and_then(package_of))
    } else {
        Within::Site(crio_sites::site_of(&record.entry.body))
    };
    let request = index.hasher.of_key(Key::CrioRequest as u64, id);
    Some(RuleOutcome::Named(NamedRequest { request, identity: is_ranked.then_some(identity), within }))
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
    named: &NamedRequest<'_>,
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
        Some(CallMatch::Known(call, belief)) => {
            let slot = match (named.within, time) {
                (Within::Time(package), Some(time)) => innermost_below(index, call, time, package),
                (Within::Site(site), _) => crio_sites::span_of(index, call, site),
                (Within::Time(_), None) => call,
            };
            Ok(link(index, slot, Method::Request, belief))
        }
        Some(CallMatch::Ambiguous) => Err(Unlinked::Ambiguous),
        _ => Err(Unlinked::RequestNotRecorded),
    }
}
