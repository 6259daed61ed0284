//! conmon-rs: its lines are events of its spans, or name the request they are of.
//!
//! In go a record and the index, out comes the link to the span of the line's event, else to the one that the stack of spans
//! in front of the line leads to.

use spanline_parsers::Format;
use spanline_parsers::conmon_rs::message;

use super::conmon_stack;
use super::outcome::link;
use crate::correlate::index::{Key, Slot, SpanIndex};
use crate::record::{Envelope, Link, Method, Record};

/// The same line of conmon-rs: both clocks are read one after the other, a busy node puts milliseconds between.
const CONMON_HOOK_NS: i64 = 60_000_000;
/// Nearly always they lie less than a microsecond apart.
const CONMON_CLOSE_NS: i64 = 20_000;
/// A journal's time is that of its receipt.
const CONMON_JOURNAL_NS: i64 = 500_000;
/// Equal events near a time that are looked at.
const EVENTS_MAX: usize = 256;

/// Of a line of conmon-rs: its event, else the span path in its text below the request's span.
pub(crate) fn event_or_request(index: &SpanIndex, record: &Record<'_>) -> Option<Link> {
    if record.entry.format != Format::ConmonRs {
        return None;
    }
    let time = record.time?;
    let path = record.entry.text(b"spans").and_then(conmon_stack::path);
    let uuid = path.and_then(|path| path.uuid);
    let roots: Vec<Slot> = uuid.map_or(Vec::new(), |uuid| index.by_key(Key::ConmonRequest, uuid).take(8).collect());
    if let Some(slot) = conmon_event(index, record, time, path.as_ref(), &roots) {
        return Some(link(index, slot, Method::Event, 1.0));
    }
    let slot = conmon_stack::descend(index, *roots.first()?, path?.below_root, time);
    Some(link(index, slot, Method::Request, 0.99))
}

/// The nearest event with the line's target, place and message that lies below the span with its uuid and the span it
/// names last. Without a uuid only the time tells equal lines apart: then it must agree closely.
fn conmon_event(
    index: &SpanIndex,
    record: &Record<'_>,
    time: i64,
    path: Option<&conmon_stack::Path<'_>>,
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
