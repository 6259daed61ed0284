//! Unquoted tokens: a JSON value if the token prints back exactly as it stood, else text.
//!
//! `42`, `18446744073709551615`, `1.5`, `true`, `null` are values; `1.10`, `007`, `NaN`, `1e3`, `27ms` are text, since
//! writing the number would not give the same bytes again.

use crate::entry::{Text, Value};

/// Reads an unquoted token.
#[inline]
pub fn unquoted(token: &[u8]) -> Value<'_> {
    match token.first() {
        Some(b'-' | b'0'..=b'9') if is_number(token) => Value::Number(token),
        Some(b't') if token == b"true" => Value::Bool(true),
        Some(b'f') if token == b"false" => Value::Bool(false),
        Some(b'n') if token == b"null" => Value::Null,
        _ => Value::Text(Text::Borrowed(token)),
    }
}

/// number = ["-"] ( "0" / nonzero *DIGIT ) ["." 1*DIGIT]   ; and it prints back exactly
pub fn number(token: &[u8]) -> Option<Value<'_>> {
    is_number(token).then_some(Value::Number(token))
}

fn is_number(token: &[u8]) -> bool {
    // Most tokens that begin like one have a unit, or are ids.
    if !token.last().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    let int_len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if int_len == 0 || int_len > 1 && digits[0] == b'0' {
        return false;
    }
    match &digits[int_len..] {
        [] => prints_back_integer(token, digits),
        [b'.', fraction @ ..] => prints_back_decimal(token, &digits[..int_len], fraction),
        _ => false,
    }
}

fn prints_back_integer(token: &[u8], digits: &[u8]) -> bool {
    if token.len() != digits.len() && digits == b"0" {
        return false; // -0
    }
    if digits.len() < 19 {
        return true;
    }
    std::str::from_utf8(token).is_ok_and(|text| text.parse::<u64>().is_ok() || text.parse::<i64>().is_ok())
}

/// Up to 15 significant digits survive the way through a double; beyond, the printed form is compared.
fn prints_back_decimal(token: &[u8], int: &[u8], fraction: &[u8]) -> bool {
    if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return false;
    }
    if fraction.last() == Some(&b'0') && fraction.len() > 1 {
        return false;
    }
    // Below 0.0001 and from 1e16 on printers change to exponents.
    if int == b"0" && fraction.len() > 4 && fraction[..4] == *b"0000" || int.len() > 16 {
        return false;
    }
    if int == b"0" && fraction == b"0" {
        return token == b"0.0";
    }
    if int.len() + fraction.len() <= 15 {
        return true;
    }
    std::str::from_utf8(token).is_ok_and(|text| text.parse::<f64>().is_ok_and(|value| format!("{value:?}") == text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_only_if_it_prints_back() {
        for yes in [
            "0",
            "42",
            "-7",
            "18446744073709551615",
            "-9223372036854775808",
            "1.5",
            "0.25",
            "155.769",
            "1.0",
            "0.1517690046596385",
        ] {
            assert_eq!(unquoted(yes.as_bytes()), Value::Number(yes.as_bytes()), "{yes}");
        }
        for no in [
            "1.10",
            "NaN",
            "007",
            "1e3",
            "27ms",
            "-0",
            "+1",
            ".5",
            "1.",
            "18446744073709551616",
            "",
            "-",
            "0.00001",
            "1.00",
        ] {
            assert_eq!(unquoted(no.as_bytes()), Value::Text(Text::Borrowed(no.as_bytes())), "{no}");
        }
    }
}
