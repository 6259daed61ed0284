//! Lines that `journalctl` writes in its short forms, which are those of a syslog file too.
//!
//! In goes a line, out come the entry that it shows and its time as far as it is written. Whether a line without a process id
//! is one of a journal depends on its neighbours, which are not known here.
//! <https://www.freedesktop.org/software/systemd/man/latest/journalctl.html#-o>

use crate::entry::Time;
use crate::envelopes::journal;
use crate::formats::syslog::{split_tag, word};
use crate::text::{levels, parts};
use crate::time::{dates, timestamp};
use std::borrow::Cow;

/// A line of a short form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// Who wrote what.
    pub entry: journal::Entry<'a>,
    /// When: without a year or zone in some forms, not at all in the monotonic ones.
    pub time: Time,
    /// Bytes before the message: further lines of it are indented so far.
    pub indent: usize,
    /// Nothing else looks so. Without it, the line is one only if its host is known from others.
    pub is_certain: bool,
}

/// line    = stamp SP [ host SP ] tag ":" [ SP message ]
/// stamp   = short / short-iso / short-full / short-unix / monotonic
/// tag     = identifier [ "[" pid "]" ] ; --no-hostname leaves the host out
pub fn line(line: &[u8]) -> Option<Line<'_>> {
    let Stamp { time, monotonic, rest, is_syslog } = stamp(line)?;
    let first = word(rest)?;
    let (host, tag, payload) = match split_tag(first) {
        Some(tag) => (None, tag, &rest[first.len()..]),
        None => {
            let after = rest[first.len()..].strip_prefix(b" ")?;
            let name = word(after)?;
            (Some(first), split_tag(name)?, &after[name.len()..])
        }
    };
    let (name, pid) = tag;
    // A level stands where a host would in the lines of many programs.
    if host.is_some_and(|host| levels::severity(host).is_some() || host.ends_with(b"]")) {
        return None;
    }
    let is_certain = pid.is_some() || host.is_some() && (is_syslog || name == b"kernel");
    if host.is_none() && !is_certain {
        return None;
    }
    let message = match payload {
        [b' ', message @ ..] => message,
        [] => payload,
        _ => return None,
    };
    let mut entry = journal::Entry { message: Cow::Borrowed(message), pid, ..journal::Entry::default() };
    entry.hostname = host.map(Cow::Borrowed);
    match name.ends_with(b".service") {
        true => entry.unit = Some(Cow::Borrowed(name)),
        false => entry.identifier = Some(Cow::Borrowed(name)),
    }
    if let Some(monotonic) = monotonic {
        // The only time that the line has.
        entry.fields.push((Cow::Borrowed(b"__MONOTONIC_TIMESTAMP"), Cow::Owned(monotonic.to_string().into_bytes())));
    }
    Some(Line { entry, time, indent: line.len() - message.len(), is_certain })
}

struct Stamp<'a> {
    time: Time,
    /// µs since the system started.
    monotonic: Option<u64>,
    rest: &'a [u8],
    is_syslog: bool,
}

fn stamp(line: &[u8]) -> Option<Stamp<'_>> {
    let wall = |(time, rest)| Stamp { time, monotonic: None, rest, is_syslog: false };
    match line.first()? {
        b'[' => {
            let (monotonic, rest) = monotonic(line)?;
            Some(Stamp { time: Time::None, monotonic: Some(monotonic), rest, is_syslog: false })
        }
        b'0'..=b'9' if line.get(10) == Some(&b'T') => {
            let (time, end) = timestamp::iso8601(line)?;
            Some(wall((time, line[end..].strip_prefix(b" ")?)))
        }
        b'0'..=b'9' => unix(line).map(wall),
        b'A'..=b'Z' if line.get(3) == Some(&b' ') => {
            if timestamp::month(&line[..3]).is_some() {
                return Some(Stamp { is_syslog: true, ..wall(month_first(line)?) });
            }
            weekday_first(line).map(wall)
        }
        _ => None,
    }
}

/// short = Mon SP ( SP DIGIT / 2DIGIT ) SP hh:mm:ss [ "." fraction ] SP
fn month_first(line: &[u8]) -> Option<(Time, &[u8])> {
    let month = timestamp::month(line.get(..3)?)?;
    let day = match line.get(4)? {
        b' ' => line.get(5)?.wrapping_sub(b'0'),
        _ => timestamp::two(line, 4)?,
    };
    if line.get(6) != Some(&b' ') || !timestamp::is_date(None, month, day) {
        return None;
    }
    let (nanos_of_day, digits, end) = timestamp::time_of_day(line, 7)?;
    Some((Time::Local { year: None, month, day, nanos_of_day, digits }, line.get(end..)?.strip_prefix(b" ")?))
}

pub(crate) const WEEKDAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// short-full = Www SP YYYY-MM-DD SP hh:mm:ss [ "." fraction ] SP zone SP
///
/// A zone that is not known by its name leaves the time without one.
pub(crate) fn weekday_first(line: &[u8]) -> Option<(Time, &[u8])> {
    let (day, rest) = (line.get(..3)?, line.get(3..)?.strip_prefix(b" ")?);
    if !WEEKDAYS.contains(&day) {
        return None;
    }
    let (time, rest) = dates::stamp(rest)?;
    let zone = rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    match (time, rest.get(zone)) {
        (Time::Local { .. }, Some(b' ')) if (2..=5).contains(&zone) => Some((time, &rest[zone + 1..])),
        _ => Some((time, rest)),
    }
}

/// short-unix = seconds "." 6DIGIT SP
fn unix(line: &[u8]) -> Option<(Time, &[u8])> {
    let (seconds, rest) = parts::digits(line);
    let (micros, after) = parts::digits(rest.strip_prefix(b".")?);
    if rest.len() - after.len() != 7 || line.len() - rest.len() < 9 {
        return None;
    }
    let nanos =
        i64::try_from(seconds?).ok()?.checked_mul(1_000_000_000)?.checked_add(i64::try_from(micros?).ok()? * 1000)?;
    Some((Time::Unix { nanos, digits: 6 }, after.strip_prefix(b" ")?))
}

/// monotonic = "[" *SP seconds "." 6DIGIT [ SP "<" *SP delta ">" ] *SP "]" SP
fn monotonic(line: &[u8]) -> Option<(u64, &[u8])> {
    let (seconds, rest) = parts::digits(parts::skip_blanks(line.strip_prefix(b"[")?));
    let (micros, after) = parts::digits(rest.strip_prefix(b".")?);
    if rest.len() - after.len() != 7 {
        return None;
    }
    let close = after.iter().take(64).position(|byte| *byte == b']')?;
    let is_delta = after[..close].iter().all(|byte| byte.is_ascii_digit() || b" .<>".contains(byte));
    let time = seconds?.checked_mul(1_000_000)?.checked_add(micros?)?;
    is_delta.then_some(())?;
    Some((time, after[close + 1..].strip_prefix(b" ")?))
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Host, name, pid, message, and whether the line is certain.
    type Shown = (Option<String>, String, Option<u64>, String, bool);

    fn shown(text: &str) -> Option<Shown> {
        let line = line(text.as_bytes())?;
        let text = |text: &Cow<'_, [u8]>| String::from_utf8(text.to_vec()).unwrap();
        let name = line.entry.identifier.as_ref().or(line.entry.unit.as_ref()).map(text).unwrap();
        Some((line.entry.hostname.as_ref().map(text), name, line.entry.pid, text(&line.entry.message), line.is_certain))
    }

    #[test]
    fn reads_every_short_form() {
        for stamp in [
            "Nov 23 12:00:00",
            "Nov  3 12:00:00.123456",
            "2026-11-23T12:00:00+0000",
            "2026-11-23T12:00:00.123456+01:00",
            "Mon 2026-11-23 12:00:00 UTC",
            "Mon 2026-11-23 12:00:00.123456 CEST",
            "Mon 2026-11-23 12:00:00 XYZT",
            "1795435200.123456",
            "[ 1234.567890]",
            "[    1.567890]",
            "[ 2667.054094                ]",
            "[ 2667.054094 <    0.000405 >]",
        ] {
            let expected = Some((Some("node-1".into()), "kubelet".into(), Some(812), "a: b".into(), true));
            assert_eq!(shown(&format!("{stamp} node-1 kubelet[812]: a: b")), expected, "{stamp}");
            let expected = Some((None, "kubelet".into(), Some(812), String::new(), true));
            assert_eq!(shown(&format!("{stamp} kubelet[812]: ")), expected, "{stamp}");
            let unit = shown(&format!("{stamp} node-1 crio.service[812]: x")).unwrap();
            assert_eq!(unit.1, "crio.service");
        }
        let kernel =
            shown("2026-11-23T12:00:00.123456+00:00 node-1 kernel: [   12.345678] usb 1-1: new device").unwrap();
        assert_eq!((kernel.1.as_str(), kernel.4), ("kernel", true));
        assert!(!shown("[   12.345678] usb 1-1: new device").unwrap().4);
        assert!(!shown("2026-11-23T12:00:00+00:00 node-1 rsyslogd: start").unwrap().4);
        assert!(shown("Nov 23 12:00:00 node-1 rsyslogd: start").unwrap().4);
        assert_eq!(line(b"Nov 23 12:00:00 n kubelet[1]: x").unwrap().indent, 30);
    }

    #[test]
    fn leaves_lines_of_programs() {
        for text in [
            "2026-11-23T12:00:00.123456Z ERROR main: failed",
            "2026-11-23T12:00:00.123456Z  INFO kubelet[1]: x",
            "Nov 23 12:00:00 WARN app: x",
            "[12.5] n a[1]: x",
            "1795435200.12 n a[1]: x",
            "Mon 2026-11-23 12:00:00 UTC",
            "May be host[1] x",
            "Mon dieu host a[1]: x",
            "Nov 23 12:00:00 host a[x]: y",
            "Nov 23 12:00:00 host app[7]:glued",
            "2026-11-23 12:00:00 host app[7]: x",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(start in "(Nov 23 |Mon 2026-11-23 |\\[ 1\\.|2026-11-23T|1795435200\\.)", text in ".{0,60}") {
            let _ = line(format!("{start}{text}").as_bytes());
        }
    }
}
