//! The key by which a line names its request or pod.
//!
//! In goes a record, out comes the name of the key and its value as it stands in the line. What it leads to is looked up
//! elsewhere (`hints`).

use std::borrow::Cow;

use spanline_parsers::Value;

use super::conmon_stack;
use crate::correlate::requests::crio::named_in;
use crate::record::Record;

/// The key with its value by which a record names its request or pod.
pub(crate) fn named_by(record: &Record<'_>) -> Option<String> {
    let entry = record.entry;
    let tell = |key: &str, value: &[u8]| format!("{key}={}", String::from_utf8_lossy(value));
    if let Some((id, _)) = named_in(record) {
        return Some(tell("id", id));
    }
    let audit = ["audit-ID", "auditID"].into_iter().find_map(|key| Some(tell(key, entry.text(key.as_bytes())?)));
    let uuid =
        || entry.text(b"spans").and_then(conmon_stack::path).and_then(|path| path.uuid).map(|uuid| tell("uuid", uuid));
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

/// The pod that a line of kubelet is about, UID first, and the key that names it.
pub(crate) fn pod_named<'r>(record: &'r Record<'_>) -> Option<(&'static str, Cow<'r, [u8]>)> {
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
