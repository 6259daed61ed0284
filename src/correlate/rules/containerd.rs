//! containerd: its lines are events of its spans.
//!
//! In go a record and the index, out comes the link to the span that has the same message at the same time.

use spanline_parsers::Format;

use super::outcome::{STORE_NS, link, only_slot};
use crate::correlate::index::SpanIndex;
use crate::correlate::requests::crio::unit_of;
use crate::record::{Link, Method, Producer, Record};

/// Of a line of containerd: the event with its message and time.
pub(crate) fn event(index: &SpanIndex, resources: &[u32], record: &Record<'_>) -> Option<Link> {
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
