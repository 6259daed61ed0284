//! Dates and times to nanoseconds since the epoch, without a clock or a zone database.
//!
//! What lacks a year or a zone stays [`Time::Local`]; whoever knows the file resolves it.

use crate::entry::Time;

const NANOS: i64 = 1_000_000_000;

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar (month 1–12).
pub fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// full = YYYY "-" MM "-" DD ( "T" / "t" / SP ) hh ":" mm ":" ss [ ("." / ",") 1*DIGIT ] [ zone ]
/// zone = "Z" / ("+" / "-") hh [":"] mm
///
/// Returns the time and the number of bytes it took. Without a zone it is [`Time::Local`]. Digits beyond the ninth are
/// passed over.
pub fn iso8601(text: &[u8]) -> Option<(Time, usize)> {
    let head = text.get(..19)?;
    if head[4] != b'-' || head[7] != b'-' || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = i32::from(two(head, 0)?) * 100 + i32::from(two(head, 2)?);
    let (month, day) = (two(head, 5)?, two(head, 8)?);
    if !is_date(Some(year), month, day) {
        return None;
    }
    let (nanos_of_day, digits, mut at) = time_of_day(text, 11)?;
    let offset = match zone(text.get(at..).unwrap_or_default()) {
        Some((offset, length)) => {
            at += length;
            offset
        }
        None => return Some((Time::Local { year: Some(year), month, day, nanos_of_day, digits }, at)),
    };
    let seconds = days_from_civil(year, month, day) * 86_400 - offset;
    let nanos = seconds.checked_mul(NANOS)?.checked_add(nanos_of_day)?;
    Some((Time::Unix { nanos, digits }, at))
}

/// hh ":" mm ":" ss [ ("." / ",") 1*DIGIT ] at an offset: nanoseconds of the day, digits, end.
pub fn time_of_day(text: &[u8], at: usize) -> Option<(i64, u8, usize)> {
    let clock = text.get(at..at + 8)?;
    let (hour, minute, second) = (two(clock, 0)?, two(clock, 3)?, two(clock, 6)?);
    if clock[2] != b':' || clock[5] != b':' || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut nanos = (i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)) * NANOS;
    let mut end = at + 8;
    let mut digits = 0u8;
    if let Some(b'.' | b',') = text.get(end)
        && text.get(end + 1).is_some_and(u8::is_ascii_digit)
    {
        let mut unit = NANOS / 10;
        end += 1;
        while let Some(digit) = text.get(end).filter(|b| b.is_ascii_digit()) {
            nanos += i64::from(digit - b'0') * unit;
            unit /= 10;
            digits = (digits + 1).min(9);
            end += 1;
        }
    }
    Some((nanos, digits, end))
}

/// zone = "Z" / ("+" / "-") hh [":"] mm : seconds east of UTC, and its length.
pub fn zone(text: &[u8]) -> Option<(i64, usize)> {
    let sign = match text.first()? {
        b'Z' | b'z' => return Some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = two(text, 1)?;
    let (minutes, length) = if text.get(3) == Some(&b':') { (two(text, 4)?, 6) } else { (two(text, 3)?, 5) };
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some((sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60), length))
}

/// Does the calendar have this day? Without a year, 29 February counts.
pub fn is_date(year: Option<i32>, month: u8, day: u8) -> bool {
    let leap = year.is_none_or(|year| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u8::from(leap),
        _ => return false,
    };
    (1..=last).contains(&day)
}

/// The number of an English month by its first three letters, as they are written (`Nov`).
pub fn month(name: &[u8]) -> Option<u8> {
    let number = match name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    };
    Some(number)
}

/// Two decimal digits at an offset.
pub fn two(text: &[u8], at: usize) -> Option<u8> {
    let pair = text.get(at..at + 2)?;
    let (tens, ones) = (pair[0].wrapping_sub(b'0'), pair[1].wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| tens * 10 + ones)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rfc3339_with_any_fraction_and_zone() {
        for (text, nanos, digits) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2016-10-20T18:39:20.57606443Z", 1_476_988_760_576_064_430, 8),
            ("2026-11-23T09:14:51.322215577+00:00", 1_795_425_291_322_215_577, 9),
            ("2024-02-29T23:59:60.5-05:30", 1_709_271_000_500_000_000, 1),
            ("2020-10-12 04:10:42.877396612Z", 1_602_475_842_877_396_612, 9),
        ] {
            assert_eq!(iso8601(text.as_bytes()), Some((Time::Unix { nanos, digits }, text.len())), "{text}");
        }
        for bad in [
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01",
            "",
            "2023-01-01T00:00",
        ] {
            assert_eq!(iso8601(bad.as_bytes()), None, "{bad}");
        }
    }
}
