//! What a line says of its span when it is read, before any span is looked up.
//!
//! In goes a record, out comes a [`Hint`]: the request or pod it names, the call it is about, or that its call site lies
//! in no request; later, with the index, the span that follows from it. Times only confirm what keys say.

use spanline_parsers::{Format, Time, timestamp};

use super::call_sites::CallSites;
use super::conmon_stack;
use super::named::pod_named;
use crate::correlate::hint::{Hint, Known, Site};
use crate::correlate::index::{Key, Slot, SpanIndex};
use crate::correlate::requests::crio::Requests;
use crate::correlate::requests::timed_calls::method_number;
use crate::record::{Producer, Record, Relation, Unlinked};

/// klog prints microseconds, rounded down.
const KLOG_NS: i64 = 1_000;
/// Open spans of kubelet looked at.
const OPEN_MAX: usize = 1024;

/// What a record says.
pub(crate) fn of(index: &SpanIndex, requests: &Requests, sites: &CallSites, record: &Record<'_>) -> Hint {
    match requests.hint(&index.hasher, record) {
        Hint::None => {}
        hint => return hint,
    }
    let entry = record.entry;
    let site = sites.of(record.origin.producer, || file_of(record), &entry.body);
    match record.origin.producer {
        _ if site == Site::Outside => Hint::Outside,
        Producer::Kubelet if matches!(entry.format, Format::Klog | Format::KlogJson) => match pod_key(index, record) {
            Some(key) if site != Site::Unknown => Hint::Pod(key, site),
            _ if site == Site::Elsewhere => Hint::Outside,
            _ => Hint::None,
        },
        _ if site == Site::Elsewhere => Hint::Outside,
        // etcd writes of a request only once, when it is done.
        Producer::Etcd if *entry.body == *b"request stats" => call(record).unwrap_or(Hint::Outside),
        Producer::Etcd => Hint::Outside,
        // An id that names the request decides, also that no span of it was recorded.
        Producer::Audit => Hint::Outside,
        // Hundreds of requests are open at any line of the API server: what names none is left alone.
        Producer::ApiServer => Hint::Outside,
        Producer::ConmonRs if names_conmon_request(record) => Hint::Outside,
        _ => Hint::None,
    }
}

/// The source file that a line names.
fn file_of<'r>(record: &'r Record<'_>) -> Option<&'r [u8]> {
    let entry = record.entry;
    match entry.code {
        Some(code) => Some(code.file),
        None => entry.text(b"file").or_else(|| entry.text(b"caller")),
    }
}

/// Its stack of spans holds a request's uuid, or it asks for the version, which is in no request.
fn names_conmon_request(record: &Record<'_>) -> bool {
    let uuid = record.entry.text(b"spans").and_then(conmon_stack::path).and_then(|path| path.uuid);
    uuid.is_some() || record.entry.body.starts_with(b"Got a version request")
}

/// The pod that a line of kubelet is about: UID, else `namespace/name`, else the name alone.
fn pod_key(index: &SpanIndex, record: &Record<'_>) -> Option<u64> {
    pod_named(record).map(|(_, value)| index.hasher.of_key(Key::Pod as u64, &value))
}

/// etcd tells method and start of each request when it is done.
fn call(record: &Record<'_>) -> Option<Hint> {
    let method = record.entry.text(b"response type")?;
    let start = record.entry.text(b"start time")?;
    let (Time::Unix { nanos, .. }, _) = timestamp::iso8601(start)? else { return None };
    Some(Hint::Call(method_number(method), nanos))
}

/// Why a line has no link where nothing follows from what it says; [`Unlinked::NoEvidence`] where it says nothing.
pub(crate) fn unlinked(hint: Hint) -> Unlinked {
    match hint {
        Hint::None => Unlinked::NoEvidence,
        Hint::Request(_) | Hint::Call(..) => Unlinked::RequestNotRecorded,
        Hint::Pod(..) => Unlinked::NoSpanNear,
        Hint::Outside => Unlinked::OutsideRequests,
    }
}

/// What follows from a hint.
pub(crate) fn known(index: &SpanIndex, requests: &Requests, hint: Hint, resources: &[u32], time: i64) -> Known {
    match hint {
        Hint::None => Known::Nothing,
        Hint::Outside => Known::NoSpan,
        Hint::Request(id) => requests.span_at(index, id, time).map_or(Known::NoSpan, Known::Span),
        Hint::Call(method, start) => Known::Call(method, start),
        Hint::Pod(key, site) => match (pod_span(index, resources, key, time), site) {
            (Some(slot), Site::Inside) => Known::Linked(slot, Relation::Within),
            (Some(slot), _) => Known::Linked(slot, Relation::About),
            (None, _) => Known::NoSpan,
        },
    }
}

/// The span of a pod that is open at a time, where there is only one.
fn pod_span(index: &SpanIndex, resources: &[u32], key: u64, time: i64) -> Option<Slot> {
    let mut open = Vec::new();
    for resource in resources {
        index.open_between(*resource, time.saturating_add(KLOG_NS), time, OPEN_MAX, &mut open);
    }
    open.retain(|slot| index.keys.has(key, *slot));
    match open[..] {
        [only] => Some(only),
        _ => None,
    }
}
