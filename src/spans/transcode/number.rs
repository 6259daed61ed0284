//! Numbers as JSON spells them.
//!
//! In go values of JSON, out come numbers: bare, as text, or by the name of an enum's value. What they are of is not known
//! here.

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
        _ => return severity_number(name),
    })
}

/// `SEVERITY_NUMBER_WARN`, `SEVERITY_NUMBER_WARN2`, …: four of each name.
fn severity_number(name: &str) -> Option<i128> {
    let name = name.strip_prefix("SEVERITY_NUMBER_")?;
    let (level, fourth) = match name.as_bytes().last()? {
        digit @ b'2'..=b'4' => (&name[..name.len() - 1], i128::from(digit - b'1')),
        _ => (name, 0),
    };
    let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let place = levels.iter().position(|known| *known == level);
    place.map(|place| 4 * place as i128 + 1 + fourth).or((name == "UNSPECIFIED").then_some(0))
}
