//! The envelope of container log files: one line as a CRI runtime (containerd, CRI-O's conmon, conmon-rs) writes it.
//!
//! In goes a physical line without its LF, out come its time, stream and content. Parts (`P`) are not joined here. What
//! the content means is left to others; it may be any bytes, a final CR included.

use crate::entry::Time;
use crate::time::timestamp;

/// One physical line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Nanoseconds since the epoch.
    pub nanos: i64,
    /// Digits of the fraction, 0–9.
    pub digits: u8,
    /// stdout, else stderr.
    pub stdout: bool,
    /// More of the same line follows in the stream's next line.
    pub partial: bool,
    /// What the program wrote.
    pub content: &'a [u8],
}

/// line    = time SP stream [ SP tags [ SP content ] ]
/// time    = YYYY "-" MM "-" DD "T" hh ":" mm ":" ss [ "." 1*DIGIT ] ( "Z" / ("+" / "-") hh ":" mm )
/// stream  = "stdout" / "stderr"
/// tags    = ( "F" / "P" ) *( ":" tag )
/// content = *byte
///
/// Only the first tag counts. Where no tag stands, the line is whole and all after the stream is content. See
/// `parseCRILog` in kubernetes/cri-client, pkg/logs/logs.go.
#[inline]
pub fn line(line: &[u8]) -> Option<Line<'_>> {
    let (nanos, digits, at) = match line.first_chunk().and_then(timestamp::nine_digits_utc) {
        Some(nanos) => (nanos, 9, 30),
        None => any_time(line)?,
    };
    let rest = line.get(at..)?;
    let (stdout, rest) = match rest {
        [b' ', b's', b't', b'd', b'o', b'u', b't', rest @ ..] => (true, rest),
        [b' ', b's', b't', b'd', b'e', b'r', b'r', rest @ ..] => (false, rest),
        _ => return None,
    };
    let (partial, content) = match rest {
        [b' ', b'F', b' ', content @ ..] => (false, content),
        [b' ', b'P', b' ', content @ ..] => (true, content),
        [b' ', rest @ ..] => tags(rest),
        [] => (false, rest),
        _ => return None,
    };
    Some(Line { nanos, digits, stdout, partial, content })
}

/// Is the line partial, and its content: the rare forms of tags.
fn tags(text: &[u8]) -> (bool, &[u8]) {
    let partial = match text {
        [b'F'] | [b'F', b':', ..] => false,
        [b'P'] | [b'P', b':', ..] => true,
        _ => return (false, text),
    };
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    (partial, text.get(end + 1..).unwrap_or_default())
}

fn any_time(line: &[u8]) -> Option<(i64, u8, usize)> {
    match timestamp::iso8601(line)? {
        (Time::Unix { nanos, digits }, end) if line[10] == b'T' => Some((nanos, digits, end)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, nanos: i64, digits: u8, stdout: bool, partial: bool, content: &str) {
        let expected = Line { nanos, digits, stdout, partial, content: content.as_bytes() };
        assert_eq!(line(text.as_bytes()), Some(expected), "{text}");
    }

    #[test]
    fn reads_every_writers_line() {
        const T: i64 = 1_476_988_760_000_000_000;
        check("2016-10-20T18:39:20.576064430Z stdout F hello", T + 576_064_430, 9, true, false, "hello");
        check("2016-10-20T18:39:20.57606443Z stderr P part", T + 576_064_430, 8, false, true, "part");
        check("2016-10-20T20:39:20.576064430+02:00 stderr F  x ", T + 576_064_430, 9, false, false, " x ");
        check("2016-10-20T18:39:20Z stdout F a", T, 0, true, false, "a");
        check("2016-10-20T18:39:59.000000000Z stdout F a", T + 39_000_000_000, 9, true, false, "a");
        check("2016-10-20T18:39:60.5Z stdout F a", T + 40_500_000_000, 1, true, false, "a");
        check("2016-10-20T18:39:60.500000000Z stdout F a", T + 40_500_000_000, 9, true, false, "a");
    }

    #[test]
    fn reads_odd_tags_and_empty_content() {
        const T: i64 = 1_476_988_760_000_000_000;
        for (rest, partial, content) in [
            (" F ", false, ""),
            (" F", false, ""),
            (" P", true, ""),
            (" P ", true, ""),
            ("", false, ""),
            (" ", false, ""),
            (" P:x part", true, "part"),
            (" F:a:b  two", false, " two"),
            (" P:x", true, ""),
            (" no flag here", false, "no flag here"),
            (" Full speed", false, "Full speed"),
            (" F trailing  \r", false, "trailing  \r"),
        ] {
            check(&format!("2016-10-20T18:39:20.000000000Z stdout{rest}"), T, 9, true, partial, content);
            check(&format!("2016-10-20T18:39:20.0Z stderr{rest}"), T, 1, false, partial, content);
        }
    }

    #[test]
    fn refuses_what_is_no_envelope() {
        for bad in [
            "",
            "2016-10-20T18:39:20.576064430Z",
            "2016-10-20T18:39:20.576064430Z stdin F x",
            "2016-10-20T18:39:20.576064430Z stdoutF x",
            "2016-10-20 18:39:20.576064430Z stdout F x",
            "2016-10-20T18:39:20.576064430 stdout F x",
            "2016-13-20T18:39:20.576064430Z stdout F x",
            "2016-02-30T18:39:20.576064430Z stdout F x",
            "2016-10-20T24:39:20.576064430Z stdout F x",
            "2016-10-20T18:39:20.5760a4430Z stdout F x",
            "I0102 15:04:05.067890       1 a.go:1] stdout F x",
        ] {
            assert_eq!(line(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_was_written(
            days in 0i64..47_000, nanos_of_day in 0i64..86_400_000_000_000, digits in 0u32..=9, offset in -1439i64..1440,
            utc in any::<bool>(), stdout in any::<bool>(), partial in any::<bool>(),
            content in prop::collection::vec(any::<u8>().prop_filter("no LF", |byte| *byte != b'\n'), 0..40),
        ) {
            let unit = 10i64.pow(9 - digits);
            let nanos = (days * 86_400_000_000_000 + nanos_of_day) / unit * unit;
            let offset = if utc { 0 } else { offset };
            let mut text = print_time(nanos, digits as usize, offset, utc).into_bytes();
            text.extend(if stdout { b" stdout " } else { b" stderr " });
            text.extend(if partial { b"P " } else { b"F " });
            text.extend(&content);
            let expected = Line { nanos, digits: digits as u8, stdout, partial, content: &content };
            prop_assert_eq!(line(&text), Some(expected));
        }

        #[test]
        fn never_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            near in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?(Z|\\+[0-9:]{0,5})?( stdout [FP]?[: ]?)?",
        ) {
            let _ = line(&bytes);
            let _ = line(near.as_bytes());
        }
    }

    /// By the calendar's definition, not by the arithmetic that is under test.
    fn print_time(nanos: i64, digits: usize, offset: i64, utc: bool) -> String {
        let local = nanos + offset * 60_000_000_000;
        let mut day = local.div_euclid(86_400_000_000_000);
        let clock = local.rem_euclid(86_400_000_000_000);
        let (mut year, mut month) = (1970, 1u8);
        if day < 0 {
            (year, month, day) = (1969, 12, day + 31);
        }
        let length = |year, month| {
            (28..=31u8).rev().find(|day| timestamp::is_date(Some(year), month, *day)).map_or(31, i64::from)
        };
        while day >= length(year, month) {
            day -= length(year, month);
            (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        }
        let seconds = clock / 1_000_000_000;
        let mut text = format!(
            "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}",
            day + 1,
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
        if digits > 0 {
            let fraction = format!("{:09}", clock % 1_000_000_000);
            text += &format!(".{}", &fraction[..digits]);
        }
        let zone = format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 60, offset.abs() % 60);
        text + if utc { "Z" } else { &zone }
    }
}
