//! What the agent's own metrics and spans have in common as bytes: whose they are, attributes, tags of fields.
//!
//! In go a buffer and values, out come protobuf fields in the buffer.

use crate::otlp::wire::write::{Buffer, Opened};

/// `Resource`, and the beginning of the scope that follows it, to be closed.
pub(super) fn begin_scope(out: &mut Buffer, resource: &[(String, String)]) -> Opened {
    let resource_message = out.open(field(1, BYTES), 2);
    for (key, value) in resource {
        attribute(out, field(1, BYTES), key, value);
    }
    out.close(resource_message);
    let of_scope = out.open(field(2, BYTES), 2);
    let scope = out.open(field(1, BYTES), 1);
    out.bytes(field(1, BYTES), b"spanline", b"");
    out.bytes(field(2, BYTES), env!("CARGO_PKG_VERSION").as_bytes(), b"");
    out.close(scope);
    of_scope
}

/// Of fields, by what follows their number: a varint, eight bytes, or a length and so many bytes.
pub(super) const VARINT: u8 = 0;
pub(super) const FIXED64: u8 = 1;
pub(super) const BYTES: u8 = 2;

pub(super) const fn field(number: u8, wire: u8) -> u8 {
    number << 3 | wire
}

/// `KeyValue { key, value: AnyValue { string_value } }`
pub(super) fn attribute(out: &mut Buffer, tag: u8, key: &str, value: &str) {
    out.key_bytes(tag, key.as_bytes(), field(1, BYTES), value.as_bytes(), b"");
}
