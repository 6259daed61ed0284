//! Why a text cannot be read as OTLP/JSON.
//!
//! In goes the text, with the place where a reader met something that it did not expect, if it did; out come words for people
//! in the form of `serde_json`'s, with line and column.

/// A value in whose place something else was expected.
pub(super) type Unexpected = (usize, &'static str);

/// Why a text cannot be read: it is no JSON, or something in it is of another kind than it should be.
pub(super) fn why_not(text: &[u8], unexpected: Option<Unexpected>) -> String {
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(text) {
        return error.to_string();
    }
    let Some((at, expected)) = unexpected else { return "it is nested too deep".to_owned() };
    let rest = &text[at..];
    let found = match rest.first() {
        Some(b'{') => "map".to_owned(),
        Some(b'[') => "sequence".to_owned(),
        Some(b'"') => "text".to_owned(),
        _ => {
            let end = rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace());
            format!("`{}`", String::from_utf8_lossy(&rest[..end.unwrap_or(rest.len())]))
        }
    };
    let before = &text[..at];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    format!("invalid type: {found}, expected {expected} at line {line} column {}", at - line_start + 1)
}
