//! Dates and clocks as programs write them when it is not ISO 8601.
//!
//! In goes text that begins with one, out come the [`Time`] and what follows it. A zone's name counts where it means one
//! offset all over the world; one that means several (`IST`, `CST`, `BST`) is skipped, and the time is local.

use crate::entry::Time;
use crate::text::parts::{self, digits, skip_blanks};
use crate::time::timestamp::{self, is_date, time_of_day, two};
use crate::time::zones::{at_offset, separate_zone, with_half, with_zone};

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

/// padded = YYYY "-" MM "-" DD SP [ SP ] h ":" mm ":" ss [ fraction ] [ half ]     ; MariaDB's hour below 10
pub(crate) fn padded(text: &[u8]) -> Option<(Time, &[u8])> {
    let head = text.get(..18)?;
    if head[4] != b'-' || head[7] != b'-' || head[10] != b' ' {
        return None;
    }
    let year = i32::from(two(head, 0)?) * 100 + i32::from(two(head, 2)?);
    let at = if head[11] == b' ' { 12 } else { 11 };
    let (nanos_of_day, digits, length) = clock(&text[at..])?;
    let written = Written { year: Some(year), month: two(head, 5)?, day: two(head, 8)?, nanos_of_day, digits };
    let (time, rest) = with_half(written.local()?, &text[at + length..]);
    (rest.first() == Some(&b' ')).then_some((time, skip_blanks(rest)))
}

/// minutes = YYYY "-" MM "-" DD "T" hh ":" mm zone     ; ISO 8601 without seconds
pub(crate) fn minutes(text: &[u8]) -> Option<(Time, &[u8])> {
    let mut whole = *b"0000-00-00T00:00:00";
    whole[..16].copy_from_slice(text.get(..16).filter(|head| head[10] == b'T')?);
    let (time, _) = timestamp::iso8601(&whole)?;
    let (offset, length) = timestamp::zone(&text[16..])?;
    let rest = &text[16 + length..];
    matches!(rest.first(), None | Some(b' ' | b'\t')).then_some((at_offset(time, offset)?, skip_blanks(rest)))
}

/// slashes = ( M "/" D / D "/" M ) "/" YYYY [","] SP h ":" mm ":" ss [ fraction ] [ half ]
///
/// Who writes AM and PM has the month first, who writes am and pm the day, as has the rest of the world; where neither
/// stands there and both may be months, no date is certain: [`Time::None`].
pub(crate) fn in_slashes(text: &[u8]) -> Option<(Time, &[u8])> {
    let number = |text: &'_ [u8]| digits(&text[..text.len().min(3)]).0.and_then(|number| u8::try_from(number).ok());
    let slash = memchr::memchr(b'/', text.get(..3)?)?;
    let rest = &text[slash + 1..];
    let second = memchr::memchr(b'/', rest.get(..3)?)?;
    let (first, second, rest) = (number(&text[..slash])?, number(&rest[..second])?, &rest[second + 1..]);
    let year = i32::from(two(rest, 0)?) * 100 + i32::from(two(rest, 2)?);
    let rest = rest[4..].strip_prefix(b",").unwrap_or(&rest[4..]).strip_prefix(b" ")?;
    let (nanos_of_day, digits, length) = clock(rest)?;
    let rest = &rest[length..];
    let is_american = match rest {
        [b' ', b'A' | b'P', b'M', ..] => Some(true),
        [b' ', b'a' | b'p', b'm', ..] => Some(false),
        _ => None,
    };
    let (month, day) = match is_american {
        _ if first > 12 => (second, first),
        _ if second > 12 || is_american == Some(true) => (first, second),
        Some(_) => (second, first),
        None => return Some((Time::None, rest)),
    };
    Some(with_half(Written { year: Some(year), month, day, nanos_of_day, digits }.local()?, rest))
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
/// It, and what follows. A time of day that lacks its seconds says less than any envelope: it is no time.
pub(crate) fn kitchen(text: &[u8]) -> Option<(&[u8], &[u8])> {
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
    let after = rest[2..].strip_prefix(b" ")?;
    Some((&text[..text.len() - after.len() - 1], skip_blanks(after)))
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
    let mut whole = [b'0'; 24];
    let text = &text[..text.len().min(23)];
    whole[1..=text.len()].copy_from_slice(text);
    let (nanos, digits, end) = time_of_day(&whole[..=text.len()], 0)?;
    Some((nanos, digits, end - 1))
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

/// full = date-time [SP zone]   ; Go and PostgreSQL put the zone apart
///
/// The time, and what follows the blanks after it.
pub(crate) fn stamp(line: &[u8]) -> Option<(Time, &[u8])> {
    let (mut time, mut at) = timestamp::iso8601(line)?;
    if matches!(time, Time::Local { .. })
        && let [b' ', b'A'..=b'Z' | b'a' | b'p' | b'+' | b'-', ..] = &line[at..]
    {
        let rest;
        (time, rest) = with_zone(time, &line[at..]);
        at = line.len() - rest.len();
    }
    match line.get(at) {
        None => Some((time, b"")),
        Some(b' ' | b'\t') => Some((time, skip_blanks(&line[at..]))),
        Some(b':' | b']' | b'|' | b',' | b'[') => Some((time, &line[at..])),
        Some(_) => None,
    }
}

/// Any date that may stand in brackets, a zone with its area's name after it skipped; or the time of day.
pub(crate) fn in_brackets(text: &[u8]) -> Option<(Time, &[u8])> {
    if let Some(found) = stamp(text).or_else(|| comma(text)) {
        return Some(found);
    }
    if let Some((time, rest)) = day_month(text) {
        let area = rest.strip_prefix(b" ").unwrap_or_default();
        let length = area.iter().take(40).take_while(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'_')).count();
        let is_area = area[..length].contains(&b'/') && area.get(length) == Some(&b']');
        return Some((time, if is_area { &area[length..] } else { rest }));
    }
    if let Some(found) = in_slashes(text).filter(|(time, _)| *time != Time::None) {
        return Some(found);
    }
    let (nanos_of_day, digits, end) = timestamp::time_of_day(text, 0)?;
    let rest = text.get(end..).filter(|rest| matches!(rest.first(), Some(b' ' | b']')))?;
    Some(with_half(Time::Local { year: None, month: 0, day: 0, nanos_of_day, digits }, rest))
}

/// slashed = YYYY "/" MM "/" DD SP hh ":" mm ":" ss [ fraction ] [ half ] ( SP / TAB )     ; Go, nginx, Caddy
pub(crate) fn slashed(line: &[u8]) -> Option<(Time, &[u8])> {
    let head = line.get(..19)?;
    if head[4] != b'/' || head[7] != b'/' || head[10] != b' ' {
        return None;
    }
    let two = |at| timestamp::two(head, at);
    let (year, month, day) = (i32::from(two(0)?) * 100 + i32::from(two(2)?), two(5)?, two(8)?);
    if !timestamp::is_date(Some(year), month, day) {
        return None;
    }
    let (nanos_of_day, digits, end) = timestamp::time_of_day(line, 11)?;
    let time = Time::Local { year: Some(year), month, day, nanos_of_day, digits };
    match line[end..] {
        [] => Some((time, &[])),
        // Caddy's console has a TAB there.
        [b' ' | b'\t', ..] => {
            let (time, rest) = with_half(time, &line[end..]);
            Some((time, rest.get(1..).unwrap_or_default()))
        }
        _ => None,
    }
}

/// The time of day alone, and what follows it.
pub(crate) fn of_day(line: &[u8]) -> Option<(Time, &[u8])> {
    let (nanos_of_day, digits, end) = timestamp::time_of_day(line, 0)?;
    let rest = line.get(end..).filter(|rest| matches!(rest.first(), Some(b' ' | b'\t')))?;
    let time = Time::Local { year: None, month: 0, day: 0, nanos_of_day, digits };
    let (time, rest) = with_half(time, rest);
    Some((time, parts::skip_blanks(rest)))
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
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
        assert_eq!(kitchen(b"2:32PM WRN slow"), Some((&b"2:32PM"[..], &b"WRN slow"[..])));
        assert_eq!(kitchen(b"11:05:09AM x"), Some((&b"11:05:09AM"[..], &b"x"[..])));
        assert_eq!(
            padded(b"2026-11-23 1:00:00.500 PM x").unwrap(),
            (local(year, NOON / 12 * 13 + 500_000_000, 3), &b"x"[..])
        );
        assert_eq!(minutes(b"2026-11-23T13:00+01:00 INFO x").unwrap(), (unix, &b"INFO x"[..]));
    }

    #[test]
    fn a_twelve_hour_clock_is_read_by_its_half() {
        let hours = |hours: i64| local(Some(2026), NOON / 12 * hours, 0);
        for (text, time) in [
            ("11/23/2026 12:00:00 PM", hours(12)),
            ("11/23/2026, 12:00:00 AM", hours(0)),
            ("11/23/2026 1:00:00 PM", hours(13)),
            ("23/11/2026, 1:00:00 pm", hours(13)),
            ("23/11/2026 13:00:00", hours(13)),
            ("11/23/2026 13:00:00", hours(13)),
            ("05/06/2026 13:00:00", Time::None),
        ] {
            assert_eq!(in_slashes(format!("{text} x").as_bytes()), Some((time, &b" x"[..])), "{text}");
        }
        assert_eq!(in_slashes(b"06/05/2026 01:00:00 PM"), in_slashes(b"05/06/2026 01:00:00 pm"));
        assert_eq!(with_half(hours(12), b" AM] x"), (hours(0), &b"] x"[..]));
        for text in [" AMx", " PMS", " Pm x", "AM", " a m", ""] {
            assert_eq!(with_half(hours(1), text.as_bytes()), (hours(1), text.as_bytes()));
        }
        for text in ["1/2/26 1:00:00 PM", "13/13/2026 1:00:00", "1/2/2026", "100/1/2026 1:00:00 PM", "//"] {
            assert_eq!(in_slashes(text.as_bytes()), None, "{text}");
        }
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
}
