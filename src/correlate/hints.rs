//! What a line says of its span when it is read, before any span is looked up.
//!
//! In goes a record, out comes a [`Hint`]: the request or pod it names, the call it is about, or that its call site lies
//! in no request; later, with the index, the span that follows from it. Times only confirm what keys say.

use std::borrow::Cow;

use spanline_parsers::{Format, Time, Value, timestamp};

use super::conmon_rs;
use super::engine::call_sites::{CallSites, Site};
use super::engine::{Hint, Known, method_number};
use super::index::{Key, Slot, SpanIndex};
use super::requests::{Requests, named_in};
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
    let uuid = record.entry.text(b"spans").and_then(conmon_rs::path).and_then(|path| path.uuid);
    uuid.is_some() || record.entry.body.starts_with(b"Got a version request")
}

/// The pod that a line of kubelet is about: UID, else `namespace/name`, else the name alone.
fn pod_key(index: &SpanIndex, record: &Record<'_>) -> Option<u64> {
    pod_named(record).map(|(_, value)| index.hasher.of_key(Key::Pod as u64, &value))
}

/// … as it is named, and by which key.
fn pod_named<'r>(record: &'r Record<'_>) -> Option<(&'static str, Cow<'r, [u8]>)> {
    let entry = record.entry;
    for key in ["podUID", "podID", "pod"] {
        match entry.field(key.as_bytes()) {
            Some(Value::Text(text)) if !text.is_empty() => return Some((key, Cow::Borrowed(text))),
            Some(Value::Json(text)) => return reference(text).map(|name| (key, Cow::Owned(name))),
            _ => {}
        }
    }
    let name = entry.text(b"podName").filter(|name| !name.is_empty())?;
    match entry.text(b"podNamespace") {
        Some(namespace) => Some(("podNamespace/podName", Cow::Owned([namespace, name].join(&b'/')))),
        None => Some(("podName", Cow::Borrowed(name))),
    }
}

/// The key with its value by which a record names its request or pod.
pub(crate) fn named_by(record: &Record<'_>) -> Option<String> {
    let entry = record.entry;
    let tell = |key: &str, value: &[u8]| format!("{key}={}", String::from_utf8_lossy(value));
    if let Some((id, _)) = named_in(record) {
        return Some(tell("id", id));
    }
    let audit = ["audit-ID", "auditID"].into_iter().find_map(|key| Some(tell(key, entry.text(key.as_bytes())?)));
    let uuid =
        || entry.text(b"spans").and_then(conmon_rs::path).and_then(|path| path.uuid).map(|uuid| tell("uuid", uuid));
    let start = || {
        Some(format!(
            "{}, {}",
            tell("response type", entry.text(b"response type")?),
            tell("start time", entry.text(b"start time")?)
        ))
    };
    let pod = || pod_named(record).map(|(key, value)| tell(key, &value));
    audit.or_else(uuid).or_else(start).or_else(pod)
}

/// `{"name":"web","namespace":"shop"}` → `shop/web`
fn reference(json: &[u8]) -> Option<Vec<u8>> {
    let member = |key: &[u8]| {
        let at = memchr::memmem::find(json, key)? + key.len();
        let rest = json[at..].strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
        Some(&rest[..memchr::memchr(b'"', rest)?])
    };
    let name = member(b"\"name\"")?;
    Some(match member(b"\"namespace\"") {
        Some(namespace) => [namespace, name].join(&b'/'),
        None => name.to_vec(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_pod() {
        assert_eq!(reference(br#"{"name":"web","namespace":"shop"}"#), Some(b"shop/web".to_vec()));
        assert_eq!(reference(br#"{"namespace": "shop","name": "web"}"#), Some(b"shop/web".to_vec()));
        assert_eq!(reference(br#"{"name":"#), None);
    }
}
