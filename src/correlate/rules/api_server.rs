//! The API server and its audit log: an audit id names the request.
//!
//! In go a record and the index, out comes the link to the span of that request, or to the step of it that a `Trace[…]` block
//! tells of (such blocks come from other programs too).

use spanline_parsers::{Format, utiltrace};

use super::outcome::{STORE_NS, link};
use crate::correlate::index::{Key, Slot, SpanIndex, innermost_below};
use crate::facts::Kind;
use crate::record::{Link, Method, Producer, Record};

/// A block and its span take their times one after the other.
const TWIN_NS: i64 = 200_000;
/// A block is written so long after its span's end at most.
const BLOCK_NS: i64 = 50_000_000;
/// Spans around a block that are looked at.
const BLOCK_SPANS_MAX: usize = 1024;
/// Spans with one audit id that are looked at.
const AUDIT_SPANS_MAX: usize = 64;

/// Of a line of the API server, or of its audit log: the span of the request with its audit id.
pub(crate) fn request(index: &SpanIndex, record: &Record<'_>) -> Option<Link> {
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
    let is_server = |slot: &&Slot| index.span(**slot).kind == Kind::Server;
    slots.iter().find(is_server).or(slots.first()).copied()
}
