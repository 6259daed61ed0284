//! Zones and halves of the day that stand after a time, set apart by a blank.
//!
//! In go a local time and the text after it, out come the time by what stands there and what follows. A zone's name counts
//! where it means one offset all over the world; one that means several (`IST`, `CST`, `BST`) is skipped.

use crate::entry::Time;
use crate::time::timestamp::{self, days_from_civil};

/// Local time with the offset of a zone that stands after it.
pub(crate) fn at_offset(time: Time, offset: i64) -> Option<Time> {
    let Time::Local { year: Some(year), month, day, nanos_of_day, digits } = time else { return None };
    let seconds = days_from_civil(year, month, day) * 86_400 - offset;
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(nanos_of_day)?;
    Some(Time::Unix { nanos, digits })
}

/// half = SP ( "AM" / "PM" / "am" / "pm" ), of a twelve-hour clock
///
/// The time by it, and what follows; the time as it was where none stands there.
pub(crate) fn with_half(time: Time, rest: &[u8]) -> (Time, &[u8]) {
    const HOUR: i64 = 3600 * 1_000_000_000;
    let [b' ', half @ (b'A' | b'P' | b'a' | b'p'), b'M' | b'm', after @ ..] = rest else { return (time, rest) };
    if half.is_ascii_uppercase() != (rest[2] == b'M') || after.first().is_some_and(u8::is_ascii_alphanumeric) {
        return (time, rest);
    }
    let mut time = time;
    // An hour beyond 12 has said all.
    if let Time::Local { nanos_of_day, .. } = &mut time
        && *nanos_of_day < 13 * HOUR
    {
        *nanos_of_day = *nanos_of_day % (12 * HOUR) + if half.eq_ignore_ascii_case(&b'p') { 12 * HOUR } else { 0 };
    }
    (time, after)
}

/// zone = [ half ] ( name / ( "+" / "-" ) hh [ [":"] mm ] [ SP "UTC" ] ), set apart by a blank
///
/// The time with it, and what follows; the time as it was where no zone stands there.
pub(crate) fn with_zone(time: Time, rest: &[u8]) -> (Time, &[u8]) {
    let (time, rest) = with_half(time, rest);
    let Some(zone) = rest.strip_prefix(b" ") else { return (time, rest) };
    match separate_zone(zone) {
        Some((Some(offset), length)) if let Some(time) = at_offset(time, offset) => (time, &zone[length..]),
        Some((None, length)) => (time, &zone[length..]),
        _ => (time, rest),
    }
}

/// The offset of a zone and its length; an offset of `None` for a name that means several.
pub(crate) fn separate_zone(zone: &[u8]) -> Option<(Option<i64>, usize)> {
    let ends = |at: usize| zone.get(at).is_none_or(|b| matches!(b, b' ' | b'\t' | b']' | b':' | b',' | b'|'));
    let letters = zone.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    if letters > 0 {
        let offset = named_offset(&zone[..letters])?;
        return ends(letters).then_some((offset, letters));
    }
    let (offset, length) = timestamp::zone(zone).filter(|(_, length)| *length > 1 && ends(*length))?;
    let length = if zone[length..].starts_with(b" UTC") && ends(length + 4) { length + 4 } else { length };
    Some((Some(offset), length))
}

/// Seconds east of UTC of a zone's abbreviation; `Some(None)` where it means several.
fn named_offset(name: &[u8]) -> Option<Option<i64>> {
    let minutes = match name {
        b"UTC" | b"GMT" | b"UCT" | b"WET" | b"Z" => 0,
        b"CET" | b"MEZ" | b"WEST" | b"WAT" => 60,
        b"CEST" | b"MESZ" | b"EET" | b"SAST" | b"CAT" => 120,
        b"EEST" | b"MSK" | b"EAT" | b"TRT" => 180,
        b"PKT" => 300,
        b"NPT" => 345,
        b"ICT" | b"WIB" => 420,
        b"HKT" | b"SGT" | b"AWST" | b"WITA" => 480,
        b"JST" | b"KST" | b"WIT" => 540,
        b"ACST" => 570,
        b"AEST" => 600,
        b"ACDT" => 630,
        b"AEDT" => 660,
        b"NZST" => 720,
        b"NZDT" => 780,
        b"BRT" | b"ART" => -180,
        b"ADT" => -180,
        b"EDT" => -240,
        b"EST" | b"CDT" => -300,
        b"MDT" => -360,
        b"MST" | b"PDT" => -420,
        b"PST" | b"AKDT" => -480,
        b"AKST" => -540,
        b"HST" => -600,
        // India, Israel, Ireland; Chicago, Shanghai; London, Dhaka; Halifax, Riyadh.
        b"IST" | b"CST" | b"BST" | b"AST" | b"SST" => return Some(None),
        _ => return None,
    };
    Some(Some(minutes * 60))
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_counts_where_its_name_is_sure() {
        assert_eq!(separate_zone(b"CET [17]"), Some((Some(3600), 3)));
        assert_eq!(separate_zone(b"PST"), Some((Some(-8 * 3600), 3)));
        assert_eq!(separate_zone(b"+00 [17]"), Some((Some(0), 3)));
        assert_eq!(separate_zone(b"-0330 UTC x"), Some((Some(-12_600), 9)));
        assert_eq!(separate_zone(b"IST x"), Some((None, 3)));
        for text in ["INFO x", "ERROR", "CETX", "cet", "+1 x", "", "-- x", "-1234x"] {
            assert_eq!(separate_zone(text.as_bytes()), None, "{text}");
        }
    }
}
