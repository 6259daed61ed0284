//! Trace and span ids written in a line, in any of the spellings that loggers and propagators use.
//!
//! In go a line's fields or its text, out comes one validated [`TraceContext`]: never all zero, short ids padded on the
//! left. Ids of the line's own span win over Datadog's, those over headers that name the caller's span. Request ids,
//! checksums and other hex under keys that do not name a trace are never taken; [`hex_tokens`] lists bare ones for those
//! who know which ids exist.

use crate::entry::{Field, TraceContext, Value};

mod found;
mod hex;
mod ids;
mod keys;
mod nested;
mod text;
mod tokens;

pub use hex::whole_hex;
pub use text::from_text;
pub use tokens::{HexId, HexToken, HexTokens, hex_tokens};

use found::Found;

/// The context that a line's fields carry. Keys are compared without case and without `_ - .`; objects under the usual
/// names (`trace`, `dd`, `mdc`, …) are searched three levels deep.
pub fn from_fields(fields: &[Field<'_>]) -> TraceContext {
    // Most lines have no field that could carry one.
    let Some(first) = fields.iter().position(may_carry) else { return TraceContext::default() };
    let mut found = Found::default();
    for field in &fields[first..] {
        match &field.value {
            Value::Text(text) => {
                if let Some(key) = keys::classify(&field.key) {
                    found.take(key, text);
                } else if text.first() == Some(&b'{') && keys::is_nest(&field.key) {
                    nested::object(text, b"", true, &mut found);
                }
            }
            Value::Number(digits) => {
                if let Some(key) = keys::classify(&field.key) {
                    found.take(key, digits);
                }
            }
            Value::Json(json) => nested::value(&field.key, json, &mut found),
            Value::Bool(_) | Value::Null => {}
        }
    }
    found.context()
}

#[inline]
fn may_carry(field: &Field<'_>) -> bool {
    let has_name = keys::may_name(&field.key);
    match &field.value {
        Value::Text(text) => has_name || text.first() == Some(&b'{'),
        Value::Number(_) => has_name,
        Value::Json(_) => has_name || keys::is_nest(&field.key),
        Value::Bool(_) | Value::Null => false,
    }
}

#[cfg(test)]
mod tests;
