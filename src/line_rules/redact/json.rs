//! Objects and lists in which something is blacked out.
//!
//! In goes JSON, out comes JSON: values of keys become text, and texts are blacked out without their escapes. What nests too
//! deep, or is none, is blacked out as text.

use spanline_parsers::json;

use super::rule::REDACTED;

/// Finds what is blacked out.
pub(super) trait Finder {
    /// Whether the values of a key are.
    fn is_secret(&mut self, key: &[u8]) -> bool;

    /// A text without what is found in it; `None` where nothing is.
    fn text(&mut self, text: &[u8]) -> Option<Vec<u8>>;
}

/// Values nested deeper are looked at as text.
const DEPTH_MAX: usize = 32;

/// JSON without what is found in it; `None` where nothing is.
pub(super) fn redacted(raw: &[u8], finder: &mut dyn Finder) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let is_changed = put(raw, finder, DEPTH_MAX, &mut out);
    is_changed.then_some(out)
}

/// Appends a value; whether it was changed.
fn put(raw: &[u8], finder: &mut dyn Finder, depth: usize, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let changed = match raw.first() {
        Some(b'{') if depth > 0 => put_object(raw, finder, depth, out),
        Some(b'[') if depth > 0 => put_list(raw, finder, depth, out),
        Some(b'"') => json::string(raw).map(|text| put_text(raw, &text, finder, out)),
        _ => None,
    };
    changed.unwrap_or_else(|| {
        out.truncate(start);
        put_text(raw, raw, finder, out)
    })
}

/// `None` where it is no object.
fn put_object(raw: &[u8], finder: &mut dyn Finder, depth: usize, out: &mut Vec<u8>) -> Option<bool> {
    let (mut members, mut is_changed, mut separator) = (json::object(raw)?, false, b'{');
    for (key, value) in &mut members {
        out.push(std::mem::replace(&mut separator, b','));
        put_string(&key, out);
        out.push(b':');
        if finder.is_secret(&key) {
            put_string(REDACTED.as_bytes(), out);
            is_changed = true;
        } else {
            is_changed |= put(value, finder, depth - 1, out);
        }
    }
    out.extend_from_slice(if separator == b'{' { b"{}" } else { b"}" });
    (members.end() == Some(raw.len())).then_some(is_changed)
}

/// `None` where it is no list.
fn put_list(raw: &[u8], finder: &mut dyn Finder, depth: usize, out: &mut Vec<u8>) -> Option<bool> {
    let (mut elements, mut is_changed, mut separator) = (json::array(raw)?, false, b'[');
    for value in &mut elements {
        out.push(std::mem::replace(&mut separator, b','));
        is_changed |= put(value, finder, depth - 1, out);
    }
    out.extend_from_slice(if separator == b'[' { b"[]" } else { b"]" });
    (elements.end() == Some(raw.len())).then_some(is_changed)
}

/// A value by its text; it stays as it stands where nothing is found.
fn put_text(raw: &[u8], text: &[u8], finder: &mut dyn Finder, out: &mut Vec<u8>) -> bool {
    match finder.text(text) {
        Some(redacted) => {
            put_string(&redacted, out);
            true
        }
        None => {
            out.extend_from_slice(raw);
            false
        }
    }
}

fn put_string(text: &[u8], out: &mut Vec<u8>) {
    let quoted = serde_json::Value::String(String::from_utf8_lossy(text).into_owned());
    out.extend_from_slice(quoted.to_string().as_bytes());
}
