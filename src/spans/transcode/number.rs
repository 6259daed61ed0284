//! Numbers and ids as JSON spells them.
//!
//! In go values of JSON, out come numbers (bare, as text, or by the name of an enum's value) and the bytes of ids. What they
//! are of is not known here.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A number, a number as text, or the name of an enum's value.
pub(super) enum Number {
    Integer(i128),
    Double(f64),
}

impl Default for Number {
    fn default() -> Number {
        Number::Integer(0)
    }
}

impl Number {
    pub(super) fn integer(&self) -> i128 {
        match self {
            Number::Integer(number) => *number,
            // Saturates; no field of a span holds a fraction.
            Number::Double(number) => *number as i128,
        }
    }

    pub(super) fn double(&self) -> f64 {
        match self {
            Number::Integer(number) => *number as f64,
            Number::Double(number) => *number,
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number::Integer(i128::from(number)))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number::Integer(i128::from(number)))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number::Double(number))
            }
            fn visit_unit<E: Error>(self) -> Result<Number, E> {
                Ok(Number::Integer(0))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                if let Ok(number) = text.parse::<u64>() {
                    return Ok(Number::Integer(i128::from(number)));
                }
                if let Ok(number) = text.parse::<i128>() {
                    return Ok(Number::Integer(number));
                }
                if let Some(number) = enum_number(text) {
                    return Ok(Number::Integer(number));
                }
                text.parse::<f64>().map(Number::Double).map_err(|_| E::custom("not a number"))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

fn enum_number(name: &str) -> Option<i128> {
    Some(match name {
        "SPAN_KIND_UNSPECIFIED" | "STATUS_CODE_UNSET" => 0,
        "SPAN_KIND_INTERNAL" | "STATUS_CODE_OK" => 1,
        "SPAN_KIND_SERVER" | "STATUS_CODE_ERROR" => 2,
        "SPAN_KIND_CLIENT" => 3,
        "SPAN_KIND_PRODUCER" => 4,
        "SPAN_KIND_CONSUMER" => 5,
        _ => return None,
    })
}

/// An id of this many bytes, in hex of any case.
#[inline]
pub(super) fn hex_id<const N: usize>(text: impl AsRef<[u8]>) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_ref().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut id = [0; N];
    let mut all = 0;
    for (byte, [high, low]) in id.iter_mut().zip(pairs) {
        let (high, low) = (HEX[usize::from(*high)], HEX[usize::from(*low)]);
        all |= high | low;
        *byte = high << 4 | low & 15;
    }
    (all <= 15).then_some(id)
}

/// What hex digits stand for; more than 15 for all other bytes.
const HEX: [u8; 256] = hex();

const fn hex() -> [u8; 256] {
    let mut hex = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        hex[b"0123456789abcdef"[value] as usize] = value as u8;
        hex[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    hex
}
