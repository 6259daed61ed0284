//! Times in a form that the user describes.
//!
//! In goes the text of a time, out comes as much of it as stands there, for the calendar: a year or a zone may be missing.
//! The forms are those of `strftime` (<https://docs.rs/chrono/latest/chrono/format/strftime/>), and counts since the epoch.

use chrono::format::{Fixed, InternalFixed, Item, ParseErrorKind, Parsed, StrftimeItems, parse};
use chrono::{DateTime, Datelike, Timelike};
use spanline_parsers::{Time, epoch, timestamp};

/// How a time is written.
#[derive(Debug, Clone)]
pub enum TimeFormat {
    /// As ISO 8601, or as a number of seconds, or parts of one, since the epoch: told by its size.
    Auto,
    /// A number since the epoch.
    Epoch(epoch::Unit),
    /// By these parts.
    Parts(Vec<Item<'static>>),
}

/// Why a form is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTimeFormat {
    /// It has a part that is not known.
    #[error("{0:?} has a part that strftime does not know")]
    Unknown(String),
    /// No time can be read by it.
    #[error("{0:?} does not tell a time: it needs %H and %M, or %s")]
    Incomplete(String),
}

/// Longer texts are no times.
const TIME_BYTES_MAX: usize = 128;

const SECOND: i64 = 1_000_000_000;

impl TimeFormat {
    /// Reads `auto`, `unix`, `unix_ms`, `unix_us`, `unix_ns` or a form of `strftime`.
    pub fn new(text: &str) -> Result<TimeFormat, BadTimeFormat> {
        Ok(match text {
            "auto" => TimeFormat::Auto,
            "unix" => TimeFormat::Epoch(epoch::Unit::Seconds),
            "unix_ms" => TimeFormat::Epoch(epoch::Unit::Millis),
            "unix_us" => TimeFormat::Epoch(epoch::Unit::Micros),
            "unix_ns" => TimeFormat::Epoch(epoch::Unit::Nanos),
            _ => {
                let items =
                    StrftimeItems::new(text).parse_to_owned().map_err(|_| BadTimeFormat::Unknown(text.to_owned()))?;
                let format = TimeFormat::Parts(items);
                // What it writes it must be able to read.
                let sample = DateTime::from_timestamp(1_796_034_030, 123_456_789).unwrap_or_default();
                let TimeFormat::Parts(items) = &format else { return Ok(format) };
                let written = sample.format_with_items(items.iter()).to_string();
                if format.read(written.as_bytes()) == Time::None {
                    return Err(BadTimeFormat::Incomplete(text.to_owned()));
                }
                format
            }
        })
    }

    /// Reads a time; [`Time::None`] where the text is none of this form.
    pub fn read(&self, text: &[u8]) -> Time {
        let text = text.trim_ascii();
        if text.len() > TIME_BYTES_MAX {
            return Time::None;
        }
        match self {
            TimeFormat::Auto => match timestamp::iso8601(text) {
                Some((time, length)) if length == text.len() => time,
                _ => epoch::guess(text).unwrap_or_default(),
            },
            TimeFormat::Epoch(unit) => epoch::time(text, *unit).unwrap_or_default(),
            TimeFormat::Parts(items) => parts(text, items).unwrap_or_default(),
        }
    }
}

fn parts(text: &[u8], items: &[Item<'static>]) -> Option<Time> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).ok()?;
    let digits = if items.iter().any(is_fraction) { fraction_digits(text) } else { 0 };
    if let Some(seconds) = parsed.timestamp() {
        let nanos = seconds.checked_mul(SECOND)?.checked_add(parsed.nanosecond().unwrap_or(0).into())?;
        return Some(Time::Unix { nanos, digits });
    }
    let time = parsed.to_naive_time().ok()?;
    // Second 60 is given as a nanosecond beyond a second.
    let nanos_of_day = i64::from(time.num_seconds_from_midnight()) * SECOND + i64::from(time.nanosecond());
    let (year, month, day) = match parsed.to_naive_date() {
        Ok(date) => (Some(date.year()), date.month(), date.day()),
        Err(error) if error.kind() != ParseErrorKind::NotEnough => return None,
        Err(_) => match (parsed.month(), parsed.day()) {
            (Some(month), Some(day)) => (None, month, day),
            (None, None) => (None, 0, 0),
            _ => return None,
        },
    };
    let (month, day) = (u8::try_from(month).ok()?, u8::try_from(day).ok()?);
    if let (Some(year), Some(offset)) = (year, parsed.offset()) {
        let local = timestamp::days_from_civil(year, month, day).checked_mul(86_400 * SECOND)?;
        let nanos = local.checked_add(nanos_of_day)?.checked_sub(i64::from(offset) * SECOND)?;
        return Some(Time::Unix { nanos, digits });
    }
    Some(Time::Local { year, month, day, nanos_of_day, digits })
}

fn is_fraction(item: &Item<'_>) -> bool {
    match item {
        Item::Fixed(
            Fixed::Nanosecond
            | Fixed::Nanosecond3
            | Fixed::Nanosecond6
            | Fixed::Nanosecond9
            | Fixed::RFC3339
            | Fixed::Internal(InternalFixed { .. }),
        ) => true,
        Item::Numeric(numeric, _) => *numeric == chrono::format::Numeric::Nanosecond,
        _ => false,
    }
}

/// Digits behind the last `.` or `,`, at most nine; without one, nine were asked for and are there.
fn fraction_digits(text: &str) -> u8 {
    let Some((_, behind)) = text.rsplit_once(['.', ',']) else { return 9 };
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    digits.min(9) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(format: &str, text: &str) -> Time {
        TimeFormat::new(format).unwrap().read(text.as_bytes())
    }

    fn local(year: Option<i32>, month: u8, day: u8, nanos_of_day: i64, digits: u8) -> Time {
        Time::Local { year, month, day, nanos_of_day, digits }
    }

    /// 10:20:30.
    const CLOCK: i64 = 37_230 * SECOND;

    #[test]
    fn what_is_written_is_read_and_what_is_missing_is_left_to_the_calendar() {
        for (format, text, expected) in [
            ("%Y-%m-%d %H:%M:%S", "2026-11-30 10:20:30", local(Some(2026), 11, 30, CLOCK, 0)),
            ("%Y-%m-%d %H:%M:%S%.f", "2026-11-30 10:20:30.12", local(Some(2026), 11, 30, CLOCK + 120_000_000, 2)),
            ("%Y-%m-%d %H:%M:%S,%3f", "2026-11-30 10:20:30,123", local(Some(2026), 11, 30, CLOCK + 123_000_000, 3)),
            (
                "%d/%b/%Y:%H:%M:%S %z",
                "30/Nov/2026:10:20:30 +0200",
                Time::Unix { nanos: 1_796_026_830 * SECOND, digits: 0 },
            ),
            ("%m-%d %H:%M:%S", "11-30 10:20:30", local(None, 11, 30, CLOCK, 0)),
            ("%H:%M:%S%.3f", "10:20:30.500", local(None, 0, 0, CLOCK + 500_000_000, 3)),
            ("%I:%M:%S %p", "10:20:30 AM", local(None, 0, 0, CLOCK, 0)),
            ("%s", "1796034030", Time::Unix { nanos: 1_796_034_030 * SECOND, digits: 0 }),
            ("%H:%M:%S", "23:59:60", local(None, 0, 0, 86_400 * SECOND, 0)),
            ("unix_ms", "1796034030123", Time::Unix { nanos: 1_796_034_030_123_000_000, digits: 3 }),
            ("auto", "2026-11-30T10:20:30Z", Time::Unix { nanos: 1_796_034_030 * SECOND, digits: 0 }),
            ("%Y-%m-%d %H:%M:%S", "2026-02-30 10:20:30", Time::None),
            ("%Y-%m-%d %H:%M:%S", "2026-11-30 10:20:30 and more", Time::None),
            ("%Y-%m-%d %H:%M:%S", "", Time::None),
            ("auto", "yesterday", Time::None),
        ] {
            assert_eq!(read(format, text), expected, "{format} of {text}");
        }
    }

    #[test]
    fn forms_that_tell_no_time_are_refused() {
        for format in ["%Y", "%Y-%m-%d", "%Q", "at %H", "", "x"] {
            assert!(TimeFormat::new(format).is_err(), "{format}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}", form in 0usize..4) {
            let form = ["%Y-%m-%d %H:%M:%S%.f", "%d/%b/%Y:%H:%M:%S %z", "%s%.f", "unix_ns"][form];
            TimeFormat::new(form).unwrap().read(text.as_bytes());
        }

        #[test]
        fn what_is_written_in_a_form_is_read_again(seconds in 0i64..4_000_000_000, nanos in 0u32..1_000_000_000) {
            let at = DateTime::from_timestamp(seconds, nanos).unwrap();
            let text = at.format("%Y-%m-%d %H:%M:%S%.9f %:z").to_string();
            let expected = Time::Unix { nanos: seconds * SECOND + i64::from(nanos), digits: 9 };
            prop_assert_eq!(read("%Y-%m-%d %H:%M:%S%.9f %:z", &text), expected);
        }
    }
}
