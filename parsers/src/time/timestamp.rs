//! Dates and times to nanoseconds since the epoch, without a clock or a zone database.
//!
//! What lacks a year or a zone stays [`Time::Local`]; whoever knows the file resolves it.

use crate::entry::Time;

const NANOS: i64 = 1_000_000_000;

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar (month 1–12).
#[inline]
pub fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    /// Whole cycles of 400 years that make every year positive, since unsigned division is the cheaper one.
    const CYCLES: u64 = 6_000_000;
    // Years begin in March, so that the leap day is their last.
    let early = u64::from(month <= 2);
    let year = (i64::from(year) + (CYCLES * 400) as i64) as u64 - early;
    let month = u64::from(month) + 12 * early;
    let century = year / 100;
    let days = 1461 * year / 4 - century + century / 4 + (979 * month - 2919) / 32 + u64::from(day);
    days as i64 - (CYCLES * 146_097 + 719_469) as i64
}

/// full = YYYY "-" MM "-" DD ( "T" / "t" / SP ) hh ":" mm ":" ss [ ("." / ",") 1*DIGIT ] [ zone ]
/// zone = "Z" / ("+" / "-") hh [":"] mm
///
/// Returns the time and the number of bytes it took. Without a zone it is [`Time::Local`]. Digits beyond the ninth are
/// skipped.
#[inline]
pub fn iso8601(text: &[u8]) -> Option<(Time, usize)> {
    if let Some(head) = text.first_chunk::<30>()
        && head[29] == b'Z'
        && let Some(nanos) = nine_digits_utc(head)
    {
        return Some((Time::Unix { nanos, digits: 9 }, head.len()));
    }
    let head: &[u8; 19] = text.first_chunk()?;
    let &[y0, y1, y2, y3, d4, m0, m1, d7, ref day @ .., b'T' | b't' | b' ', _, _, _, _, _, _, _, _] = head else {
        return None;
    };
    let pairs = DATE.pairs(&[y0, y1, y2, y3, d4, m0, m1, d7])?;
    let (year, month, day) = (i32::from(pairs[0]) * 100 + i32::from(pairs[2]), pairs[5], two(day, 0)?);
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

const YEAR_AND_MONTH: Pattern = Pattern::new(*b"0000-00-");
const DAY_TO_MINUTE: Pattern = Pattern::new(*b"00T00:00");
const SECOND: Pattern = Pattern::new(*b":00.0000");
const NINE_DIGITS_END: Pattern = Pattern::new(*b"0000000Z");

/// `YYYY-MM-DDThh:mm:ss.nnnnnnnnnZ`, as runtimes and Go's loggers write it, in nanoseconds since the epoch: fixed places,
/// eight of them at once.
#[inline]
pub(crate) fn nine_digits_utc(head: &[u8; 30]) -> Option<i64> {
    let date = YEAR_AND_MONTH.pairs(head.first_chunk()?)?;
    let clock = DAY_TO_MINUTE.pairs(head[8..].first_chunk()?)?;
    let second = SECOND.pairs(head[16..].first_chunk()?)?;
    // It begins with the third digit of the fraction, since two of eight stand before.
    let below = NINE_DIGITS_END.pairs(head[22..].first_chunk()?)?;
    let (year, month, day) = (i32::from(date[0]) * 100 + i32::from(date[2]), date[5], clock[0]);
    let (hour, minute, whole) = (u32::from(clock[3]), u32::from(clock[6]), u32::from(second[1]));
    if !is_date(Some(year), month, day) || hour > 23 || minute > 59 || whole > 60 {
        return None;
    }
    let two = |pair: u8| u32::from(pair);
    let digits = ((two(second[4]) * 100 + two(below[0])) * 100 + two(below[2])) * 100 + two(below[4]);
    let fraction = digits * 10 + u32::from(head[28] - b'0');
    let seconds = days_from_civil(year, month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + whole);
    seconds.checked_mul(NANOS)?.checked_add(i64::from(fraction))
}

/// hh ":" mm ":" ss [ ("." / ",") 1*DIGIT ] at an offset: nanoseconds of the day, digits, end.
#[inline]
pub fn time_of_day(text: &[u8], at: usize) -> Option<(i64, u8, usize)> {
    let pairs = CLOCK.pairs(text.get(at..)?.first_chunk()?)?;
    let (hour, minute, second) = (pairs[0], pairs[3], pairs[6]);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let nanos = i64::from(u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second)) * NANOS;
    match &text[at + 8..] {
        [b'.' | b',', fraction @ ..] if fraction.first().is_some_and(u8::is_ascii_digit) => {
            let (below, digits, length) = fraction_nanos(fraction);
            Some((nanos + below, digits, at + 9 + length))
        }
        _ => Some((nanos, 0, at + 8)),
    }
}

/// Are eight bytes two digits, colon, two digits, colon, two digits?
#[inline]
pub(crate) fn is_clock(text: &[u8; 8]) -> bool {
    CLOCK.pairs(text).is_some()
}

/// fraction = 1*DIGIT : nanoseconds, digits that count, length.
#[inline]
fn fraction_nanos(text: &[u8]) -> (i64, u8, usize) {
    let (mut nanos, mut end) = match text.first_chunk() {
        Some(chunk) => leading_digits(*chunk),
        None => (0, 0),
    };
    // In nanoseconds, of which a word holds all but the last.
    nanos *= 10;
    if end == 0 || end == 8 {
        let mut unit = if end == 0 { NANOS / 10 } else { 1 };
        while let Some(digit) = text.get(end).filter(|b| b.is_ascii_digit()) {
            nanos += i64::from(digit - b'0') * unit;
            unit /= 10;
            end += 1;
        }
    }
    (nanos, end.min(9) as u8, end)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The digits that eight bytes begin with, as a number of eight digits with zeros in place of the others, and how many
/// they are.
#[inline]
fn leading_digits(bytes: [u8; 8]) -> (i64, usize) {
    let values = u64::from_le_bytes(bytes) ^ (ONES * b'0' as u64);
    // A byte's high bit is set where it is no digit; false ones stand only above a true one.
    let others = (values.wrapping_add(ONES * 0x76) | values) & HIGH;
    let count = (others.trailing_zeros() / 8) as usize;
    // Everything below the first other byte; all of it where there is none.
    let mask = ((others & others.wrapping_neg()) >> 7).wrapping_sub(1);
    let pairs = ((values & mask).wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    ((fours.wrapping_mul(10_000 << 32 | 1) >> 32) as i64, count)
}

const DATE: Pattern = Pattern::new(*b"0000-00-");
const CLOCK: Pattern = Pattern::new(*b"00:00:00");

/// Eight bytes of which some are digits: they are checked and read as one word.
pub(crate) struct Pattern {
    bytes: u64,
    /// What may be added to a byte's difference from the pattern before its high bit is set: 9 less for a digit.
    room: u64,
}

impl Pattern {
    /// `0` stands for a digit, every other byte for itself.
    pub(crate) const fn new(pattern: [u8; 8]) -> Self {
        let mut room = [0x7f; 8];
        let mut at = 0;
        while at < 8 {
            if pattern[at] == b'0' {
                room[at] = 0x76;
            }
            at += 1;
        }
        Pattern { bytes: u64::from_le_bytes(pattern), room: u64::from_le_bytes(room) }
    }

    /// The number that the digits at a place and after it make, at that place; `None` where the bytes do not fit.
    #[inline(always)]
    pub(crate) fn pairs(&self, bytes: &[u8; 8]) -> Option<[u8; 8]> {
        let values = u64::from_le_bytes(*bytes) ^ self.bytes;
        if (values.wrapping_add(self.room) | values) & HIGH != 0 {
            return None;
        }
        Some((values * 10 + (values >> 8)).to_le_bytes())
    }
}

/// zone = "Z" / ("+" / "-") hh [ [":"] mm ] : seconds east of UTC, and its length.
#[inline]
pub fn zone(text: &[u8]) -> Option<(i64, usize)> {
    let sign = match text.first()? {
        b'Z' | b'z' => return Some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = two(text, 1)?;
    let (minutes, length) = match (text.get(3), two(text, 3)) {
        (Some(b':'), _) => (two(text, 4)?, 6),
        (_, Some(minutes)) => (minutes, 5),
        // PostgreSQL writes whole hours so.
        (next, None) if next.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-') => (0, 3),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some((sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60), length))
}

/// Does the calendar have this day? Without a year, 29 February counts.
#[inline]
pub fn is_date(year: Option<i32>, month: u8, day: u8) -> bool {
    if (1..=28).contains(&day) {
        return (1..=12).contains(&month);
    }
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
#[inline]
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

    #[test]
    fn days_follow_each_other() {
        let mut next = days_from_civil(-401, 1, 1);
        for year in -401..2500 {
            for (month, day) in (1..=12).flat_map(|month| (1..=31).map(move |day| (month, day))) {
                if is_date(Some(year), month, day) {
                    assert_eq!(days_from_civil(year, month, day), next, "{year}-{month}-{day}");
                    next += 1;
                }
            }
        }
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2026, 11, 25), 20_782);
    }
}
