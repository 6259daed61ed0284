//! Dates and clocks as programs write them when it is not ISO 8601.
//!
//! In goes text that begins with one, out come the [`Time`] and what follows it. A zone's name counts where it means one
//! offset all over the world; one that means several (`IST`, `CST`, `BST`) is passed over, and the time is local.

use crate::entry::Time;
use crate::plain::{digits, skip_blanks};
use crate::timestamp::{self, days_from_civil, is_date, time_of_day, two};

/// A date, the nanoseconds of its day, and the digits that were written.
#[derive(Clone, Copy)]
struct Written {
    year: Option<i32>,
    month: u8,
    day: u8,
    nanos_of_day: i64,
    digits: u8,
}

impl Written {
    fn local(self) -> Option<Time> {
        let Written { year, month, day, nanos_of_day, digits } = self;
        is_date(year, month, day).then_some(Time::Local { year, month, day, nanos_of_day, digits })
    }
}

/// Local time with the offset of a zone that stands behind it.
pub(crate) fn at_offset(time: Time, offset: i64) -> Option<Time> {
    let Time::Local { year: Some(year), month, day, nanos_of_day, digits } = time else { return None };
    let seconds = days_from_civil(year, month, day) * 86_400 - offset;
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(nanos_of_day)?;
    Some(Time::Unix { nanos, digits })
}

/// zone = ( name / ( "+" / "-" ) hh [ [":"] mm ] [ SP "UTC" ] ), set apart by a blank
///
/// The time with it, and what follows; the time as it was where no zone stands there.
pub(crate) fn with_zone(time: Time, rest: &[u8]) -> (Time, &[u8]) {
    let Some(zone) = rest.strip_prefix(b" ") else { return (time, rest) };
    match separate_zone(zone) {
        Some((Some(offset), length)) if let Some(time) = at_offset(time, offset) => (time, &zone[length..]),
        Some((None, length)) => (time, &zone[length..]),
        _ => (time, rest),
    }
}

/// The offset of a zone and its length; an offset of `None` for a name that means several.
pub(crate) fn separate_zone(zone: &[u8]) -> Option<(Option<i64>, usize)> {
    let ends = |at: usize| zone.get(at).is_none_or(|b| matches!(b, b' ' | b'\t' | b']' | b':' | b','));
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

/// padded = YYYY "-" MM "-" DD SP SP h ":" mm ":" ss     ; MariaDB's hour below 10
pub(crate) fn padded(text: &[u8]) -> Option<(Time, &[u8])> {
    let head = text.get(..19)?;
    if head[4] != b'-' || head[7] != b'-' || head[10] != b' ' || head[11] != b' ' {
        return None;
    }
    let year = i32::from(two(head, 0)?) * 100 + i32::from(two(head, 2)?);
    let (nanos_of_day, digits, length) = clock(&text[12..])?;
    let written = Written { year: Some(year), month: two(head, 5)?, day: two(head, 8)?, nanos_of_day, digits };
    let rest = &text[12 + length..];
    (rest.first() == Some(&b' ')).then_some((written.local()?, skip_blanks(rest)))
}

/// short = yymmdd 1*2SP h ":" mm ":" ss SP     ; MySQL before 5.7, MariaDB before 10.1
pub(crate) fn short(text: &[u8]) -> Option<(Time, &[u8])> {
    let head = text.get(..7)?;
    let rest = head.strip_suffix(b" ").and(text.get(7..))?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let (nanos_of_day, digits, length) = clock(rest)?;
    let (year, month, day) = (2000 + i32::from(two(head, 0)?), two(head, 2)?, two(head, 4)?);
    let time = Written { year: Some(year), month, day, nanos_of_day, digits }.local()?;
    rest[length..].strip_prefix(b" ").map(|rest| (time, skip_blanks(rest)))
}

/// dotted = YYYY "." MM "." DD SP hh ":" mm ":" ss     ; ClickHouse
pub(crate) fn dotted(text: &[u8]) -> Option<(Time, &[u8])> {
    let head = text.get(..11)?;
    if head[4] != b'.' || head[7] != b'.' || head[10] != b' ' {
        return None;
    }
    let year = i32::from(two(head, 0)?) * 100 + i32::from(two(head, 2)?);
    let (nanos_of_day, digits, end) = time_of_day(text, 11)?;
    let written = Written { year: Some(year), month: two(head, 5)?, day: two(head, 8)?, nanos_of_day, digits };
    Some((written.local()?, &text[end..]))
}

/// comma = YYYY "-" MM "-" DD ", " hh ":" mm ":" ss [ zone ]     ; Airflow 1 and 2
pub(crate) fn comma(text: &[u8]) -> Option<(Time, &[u8])> {
    let head = text.get(..12)?;
    if head[4] != b'-' || head[7] != b'-' || head[10] != b',' || head[11] != b' ' {
        return None;
    }
    let year = i32::from(two(head, 0)?) * 100 + i32::from(two(head, 2)?);
    let (nanos_of_day, digits, end) = time_of_day(text, 12)?;
    let written = Written { year: Some(year), month: two(head, 5)?, day: two(head, 8)?, nanos_of_day, digits };
    Some(with_zone(written.local()?, &text[end..]))
}

/// day-month = dd ( "-" / SP / "/" ) Mon ( "-" / SP / "/" ) [ YYYY ] ( SP / ":" ) hh ":" mm ":" ss [ zone ]
///
/// `23-Nov-2026 12:00:00.123` (Tomcat, PHP), `23 Nov 2026 12:00:00.123` (Redis), `23/Nov/2026:12:00:00 +0000`.
pub(crate) fn day_month(text: &[u8]) -> Option<(Time, &[u8])> {
    let head = text.get(..15)?;
    let mark = head[2];
    if !matches!(mark, b'-' | b' ' | b'/') || head[6] != mark {
        return None;
    }
    let (day, month) = (two(head, 0)?, timestamp::month(&head[3..6])?);
    let (year, at) = match (head[11], two(head, 7), two(head, 9)) {
        (b' ' | b':', Some(century), Some(year)) => (Some(i32::from(century) * 100 + i32::from(year)), 12),
        // Redis 4 has no year.
        _ if mark == b' ' => (None, 7),
        _ => return None,
    };
    let (nanos_of_day, digits, end) = time_of_day(text, at)?;
    let time = Written { year, month, day, nanos_of_day, digits }.local()?;
    Some(with_zone(time, &text[end..]))
}

/// ctime = Www SP Mon SP dd SP hh ":" mm ":" ss [ "." fraction ] [ SP zone ] SP YYYY
pub(crate) fn ctime(text: &[u8]) -> Option<(Time, &[u8])> {
    let head = text.get(..20)?;
    if !matches!(&head[..3], b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun") || head[3] != b' ' {
        return None;
    }
    let month = timestamp::month(&head[4..7])?;
    let day = day_of(&head[8..10])?;
    let (nanos_of_day, digits, end) = time_of_day(text, 11)?;
    let mut rest = text[end..].strip_prefix(b" ")?;
    let mut offset = None;
    if let Some((zone, length)) = separate_zone(rest).filter(|_| !rest[0].is_ascii_digit()) {
        (offset, rest) = (zone, rest[length..].strip_prefix(b" ")?);
    }
    let year = i32::from(two(rest, 0)?) * 100 + i32::from(two(rest, 2)?);
    let time = Written { year: Some(year), month, day, nanos_of_day, digits }.local()?;
    Some((offset.and_then(|offset| at_offset(time, offset)).unwrap_or(time), &rest[4..]))
}

/// jul = Mon SP d ", " YYYY SP h ":" mm ":" ss SP ( "AM" / "PM" ) SP     ; java.util.logging
pub(crate) fn jul(text: &[u8]) -> Option<(Time, &[u8])> {
    let month = timestamp::month(text.get(..3)?)?;
    let (Some(day), rest) = digits(text[3..].strip_prefix(b" ")?) else { return None };
    let (Some(year), rest) = digits(rest.strip_prefix(b", ")?) else { return None };
    let rest = rest.strip_prefix(b" ").or_else(|| rest.strip_prefix(b", "))?;
    let (nanos, digits, length) = clock(rest)?;
    // Newer JDKs put a narrow no-break space there.
    let rest = &rest[length..];
    let rest = rest.strip_prefix(b" ").or_else(|| rest.strip_prefix(b"\xe2\x80\xaf"))?;
    let nanos_of_day = half_day(nanos, rest.get(..2)?)?;
    let (year, day) = (i32::try_from(year).ok().filter(|year| *year >= 1000)?, u8::try_from(day).ok()?);
    let time = Written { year: Some(year), month, day, nanos_of_day, digits }.local()?;
    Some((time, rest[2..].strip_prefix(b" ")?))
}

/// kitchen = h ":" mm [ ":" ss ] ( "AM" / "PM" ) SP     ; zerolog's console
///
/// What follows it. A time of day that lacks its seconds says less than any envelope: it is no time.
pub(crate) fn kitchen(text: &[u8]) -> Option<&[u8]> {
    let hour = text.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let rest = text.get(hour..)?.strip_prefix(b":")?;
    two(rest, 0).filter(|minute| (1..=2).contains(&hour) && *minute <= 59)?;
    let mut rest = &rest[2..];
    if let Some(seconds) = rest.strip_prefix(b":") {
        two(seconds, 0)?;
        rest = &seconds[2..];
    }
    if !matches!(rest.get(..2)?, b"AM" | b"PM") {
        return None;
    }
    rest[2..].strip_prefix(b" ").map(skip_blanks)
}

/// gin = YYYY "/" MM "/" DD " - " hh ":" mm ":" ss
pub(crate) fn gin(text: &[u8]) -> Option<(Time, &[u8])> {
    let head = text.get(..13)?;
    if head[4] != b'/' || head[7] != b'/' || &head[10..] != b" - " {
        return None;
    }
    let year = i32::from(two(head, 0)?) * 100 + i32::from(two(head, 2)?);
    let (nanos_of_day, digits, end) = time_of_day(text, 13)?;
    let written = Written { year: Some(year), month: two(head, 5)?, day: two(head, 8)?, nanos_of_day, digits };
    Some((written.local()?, &text[end..]))
}

/// h ":" mm ":" ss [ fraction ], the hour with one digit or two: nanoseconds of the day, digits, length.
fn clock(text: &[u8]) -> Option<(i64, u8, usize)> {
    if text.get(1) != Some(&b':') {
        return time_of_day(text, 0);
    }
    let mut whole = [b'0'; 8];
    whole[1..].copy_from_slice(text.get(..7)?);
    let (nanos, ..) = time_of_day(&whole, 0)?;
    Some((nanos, 0, 7))
}

/// Nanoseconds of the day of a twelve-hour clock.
fn half_day(nanos: i64, half: &[u8]) -> Option<i64> {
    const HALF: i64 = 12 * 3600 * 1_000_000_000;
    match half {
        b"AM" => Some(nanos % HALF),
        b"PM" => Some(nanos % HALF + HALF),
        _ => None,
    }
}

/// Two digits, or a blank and one.
fn day_of(text: &[u8]) -> Option<u8> {
    match text {
        [b' ', day @ b'1'..=b'9'] => Some(day - b'0'),
        _ => two(text, 0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOON: i64 = 12 * 3600 * 1_000_000_000;

    fn local(year: Option<i32>, nanos_of_day: i64, digits: u8) -> Time {
        Time::Local { year, month: 11, day: 23, nanos_of_day, digits }
    }

    #[test]
    fn dates_of_many_programs_are_read() {
        let year = Some(2026);
        assert_eq!(short(b"261123  1:00:00 [ERROR]").unwrap(), (local(year, NOON / 12, 0), &b"[ERROR]"[..]));
        assert_eq!(short(b"261123 12:00:00 7 [Note]").unwrap(), (local(year, NOON, 0), &b"7 [Note]"[..]));
        assert_eq!(
            padded(b"2026-11-23  4:05:06 0 [ERROR]").unwrap(),
            (local(year, 14_706_000_000_000, 0), &b"0 [ERROR]"[..])
        );
        assert_eq!(
            day_month(b"23-Nov-2026 12:00:00.123 INFO").unwrap(),
            (local(year, NOON + 123_000_000, 3), &b" INFO"[..])
        );
        assert_eq!(day_month(b"23 Nov 2026 12:00:00.000 * x").unwrap(), (local(year, NOON, 3), &b" * x"[..]));
        assert_eq!(day_month(b"23 Nov 12:00:00.000 * x").unwrap(), (local(None, NOON, 3), &b" * x"[..]));
        assert_eq!(ctime(b"Mon Nov 23 12:00:00.5 2026] x").unwrap(), (local(year, NOON + 500_000_000, 1), &b"] x"[..]));
        assert_eq!(jul(b"Nov 23, 2026 12:00:00 PM a.B c").unwrap(), (local(year, NOON, 0), &b"a.B c"[..]));
        assert_eq!(jul("Nov 23, 2026 1:00:00\u{202f}AM a.B".as_bytes()).unwrap().0, local(year, NOON / 12, 0));
        assert_eq!(gin(b"2026/11/23 - 12:00:00 | 200").unwrap(), (local(year, NOON, 0), &b" | 200"[..]));
        let unix = Time::Unix { nanos: 1_795_435_200_000_000_000, digits: 0 };
        assert_eq!(comma(b"2026-11-23, 12:00:00 UTC] {a").unwrap(), (unix, &b"] {a"[..]));
        assert_eq!(day_month(b"23/Nov/2026:13:00:00 +0100] x").unwrap(), (unix, &b"] x"[..]));
        assert_eq!(ctime(b"Mon Nov 23 13:00:00 CET 2026 x").unwrap(), (unix, &b" x"[..]));
        assert_eq!(kitchen(b"2:32PM WRN slow"), Some(&b"WRN slow"[..]));
        assert_eq!(kitchen(b"11:05:09AM x"), Some(&b"x"[..]));
    }

    #[test]
    fn what_only_looks_like_a_date_is_none() {
        for text in ["23-Nov-2026", "31-Feb-2026 12:00:00 x", "23 Now 2026 12:00:00", "2026-11-23  44:05:06 x", ""] {
            assert!(day_month(text.as_bytes()).is_none() && padded(text.as_bytes()).is_none(), "{text}");
        }
        for text in ["2:32 PM", "2:72PM x", "123:32PM x", "2:32PMx", "2:3"] {
            assert_eq!(kitchen(text.as_bytes()), None, "{text}");
        }
        assert!(ctime(b"Mon Nov 23 12:00:00 soon").is_none());
        assert!(jul(b"Nov 23, 2026 13:00 x").is_none());
    }

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
