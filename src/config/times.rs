//! Times as people write them: `--since` and `--until`.
//!
//! In go the text of a flag, a zone and the clock, out comes a time in nanoseconds since the epoch, or an error that names
//! the flag.

use super::error::{ConfigError, Surroundings};
use crate::calendar::Zone;
use crate::cli::parse_duration;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

/// `--since` and `--until`, in a zone where they name none; the first must lie before the second.
pub(super) fn window(
    since: Option<&str>,
    until: Option<&str>,
    zone: Zone,
    around: &Surroundings<'_>,
) -> Result<(Option<i64>, Option<i64>), ConfigError> {
    let read = |flag, text: Option<&str>| text.map(|text| time(flag, text, zone, around.now_nanos)).transpose();
    let (from, to) = (read("--since", since)?, read("--until", until)?);
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        let (since, until) = (since.unwrap_or_default(), until.unwrap_or_default());
        return Err(ConfigError::new("--since", format!("{since:?} does not lie before --until {until:?}")));
    }
    Ok((from, to))
}

/// time = "now" / "today" / "yesterday" / "@" seconds / ["-"] duration / clock [zone] / date [ ("T" / SP) clock ] [zone]
///
/// A day without a clock is its beginning, a clock without a day is today's, a duration counts back from now.
pub(super) fn time(flag: &'static str, text: &str, zone: Zone, now: i64) -> Result<i64, ConfigError> {
    let bad = || {
        ConfigError::new(
            flag,
            format!(
                "{text:?} is no time: write 2026-11-23T09:15:00Z, 2026-11-23, \"2026-11-23 09:15\", 09:15, today, yesterday, \
                 @1795425300, or a span back such as 2h"
            ),
        )
    };
    let words = text.trim();
    let today = |zone: Zone| zone.local_time(now).map(|local| local.div_euclid(DAY) * DAY);
    let at = match words {
        "now" => Some(now),
        "today" => today(zone).and_then(|day| zone.instant(day)),
        "yesterday" => today(zone).and_then(|day| zone.instant(day - DAY)),
        _ => match words.strip_prefix('@') {
            Some(seconds) => epoch(seconds),
            None => match parse_duration(words.strip_prefix('-').unwrap_or(words)) {
                Ok(back) => i64::try_from(back.as_nanos()).ok().and_then(|back| now.checked_sub(back)),
                Err(_) => local(words, zone, today),
            },
        },
    };
    at.ok_or_else(bad)
}

/// A day or a time of day or both, in the zone that it names, else in the one given.
fn local(text: &str, zone: Zone, today: impl Fn(Zone) -> Option<i64>) -> Option<i64> {
    let (day, rest) = match date(text) {
        Some((day, rest)) => (Some(day), rest),
        None => (None, text),
    };
    let (of_day, rest) = match (day, rest.strip_prefix(['T', 't', ' '])) {
        (Some(_), Some(after)) if after.starts_with(|first: char| first.is_ascii_digit()) => clock(after)?,
        (Some(_), _) => (0, rest),
        (None, _) => clock(rest)?,
    };
    let zone = match rest.trim_start() {
        "" => zone,
        named => Zone::parse(named).ok()?,
    };
    zone.instant(day.or_else(|| today(zone))?.checked_add(of_day)?)
}

/// date = 4DIGIT "-" 2DIGIT "-" 2DIGIT, as ns of its beginning if it were in UTC
fn date(text: &str) -> Option<(i64, &str)> {
    let (head, rest) = text.split_at_checked("2026-11-23".len())?;
    let date = chrono::NaiveDate::parse_from_str(head, "%Y-%m-%d").ok()?;
    Some((date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_nanos_opt()?, rest))
}

/// clock = 1*2DIGIT ":" 2DIGIT [ ":" 2DIGIT [ ("." / ",") 1*9DIGIT ] ], as ns of the day
fn clock(text: &str) -> Option<(i64, &str)> {
    let (hour, rest) = digits(text, 1..=2)?;
    let (minute, mut rest) = digits(rest.strip_prefix(':')?, 2..=2)?;
    let (mut second, mut nanos) = (0, 0);
    if let Some(after) = rest.strip_prefix(':') {
        (second, rest) = digits(after, 2..=2)?;
        if let Some(after) = rest.strip_prefix(['.', ',']) {
            let (fraction, behind) = digits(after, 1..=9)?;
            let count = u32::try_from(after.len() - behind.len()).ok()?;
            (nanos, rest) = (fraction * 10i64.pow(9 - count), behind);
        }
    }
    let is_time = hour < 24 && minute < 60 && second < 60;
    is_time.then_some((((hour * 60 + minute) * 60 + second) * SECOND + nanos, rest))
}

/// A number of this many digits, and what follows it.
fn digits(text: &str, count: std::ops::RangeInclusive<usize>) -> Option<(i64, &str)> {
    let found = text.bytes().take_while(u8::is_ascii_digit).count();
    let (head, rest) = text.split_at(found);
    count.contains(&found).then(|| head.parse().ok()).flatten().map(|number| (number, rest))
}

/// seconds = 1*DIGIT [ "." 1*9DIGIT ]
fn epoch(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(SECOND)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T09:14:51Z
    const NOW: i64 = 1_795_425_291 * SECOND;

    fn read(text: &str, zone: &str) -> Option<String> {
        let at = time("--since", text, Zone::parse(zone).unwrap(), NOW).ok()?;
        Some(chrono::DateTime::from_timestamp_nanos(at).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, zone, expected) in [
            ("2026-11-23T09:15:00Z", "Asia/Tokyo", "2026-11-23T09:15:00Z"),
            ("2026-11-23t09:15:00.5+01:00", "UTC", "2026-11-23T08:15:00.500Z"),
            ("2026-11-23", "UTC", "2026-11-23T00:00:00Z"),
            ("2026-11-23", "+02:00", "2026-11-22T22:00:00Z"),
            ("2026-11-23 09:15", "UTC", "2026-11-23T09:15:00Z"),
            ("2026-11-23 9:15", "UTC", "2026-11-23T09:15:00Z"),
            ("2026-11-23T09:15:07", "Europe/Berlin", "2026-11-23T08:15:07Z"),
            ("2026-07-23 09:15:07,25", "Europe/Berlin", "2026-07-23T07:15:07.250Z"),
            ("2026-11-23 09:15 Europe/Berlin", "UTC", "2026-11-23T08:15:00Z"),
            ("09:15", "UTC", "2026-11-23T09:15:00Z"),
            ("09:15:30", "+01:00", "2026-11-23T08:15:30Z"),
            ("03:00", "Pacific/Auckland", "2026-11-22T14:00:00Z"),
            ("today", "UTC", "2026-11-23T00:00:00Z"),
            ("today", "-10:00", "2026-11-22T10:00:00Z"),
            ("yesterday", "UTC", "2026-11-22T00:00:00Z"),
            ("now", "UTC", "2026-11-23T09:14:51Z"),
            ("@1795425300", "Asia/Tokyo", "2026-11-23T09:15:00Z"),
            ("@1795425300.25", "UTC", "2026-11-23T09:15:00.250Z"),
            ("2h", "UTC", "2026-11-23T07:14:51Z"),
            ("-2h30m", "UTC", "2026-11-23T06:44:51Z"),
            // Clocks are put forward at two: half past two is as long after one.
            ("2026-03-29 02:30", "Europe/Berlin", "2026-03-29T01:30:00Z"),
            ("2026-10-25 02:30", "Europe/Berlin", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(read(text, zone).as_deref(), Some(expected), "{text} in {zone}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "someday",
            "2026-13-01",
            "2026-02-30",
            "2026-11-23 25:00",
            "2026-11-23 09",
            "24:00",
            "9",
            "@",
            "@x",
            "@-5",
            "-",
            "2026-11-23 09:15 Nowhere/City",
            "2026-11-23x",
            "09:15x",
            "2h-",
            "--2h",
            "99999999-01-01",
            "@99999999999999999",
        ] {
            assert_eq!(read(text, "UTC"), None, "{text}");
        }
    }

    #[test]
    fn since_must_lie_before_until() {
        let variable = |_: &str| None;
        let around = Surroundings { variable: &variable, now_nanos: NOW, columns: None };
        let utc = Zone::parse("UTC").unwrap();
        let read = |since, until| window(Some(since), Some(until), utc, &around).map_err(|error| error.to_string());
        assert_eq!(read("09:00", "09:01").unwrap(), (Some(NOW - 891 * SECOND), Some(NOW - 831 * SECOND)));
        assert_eq!(read("1h", "2h"), Err("--since: \"1h\" does not lie before --until \"2h\"".to_owned()));
        assert!(read("today", "today").is_err());
    }
}
