//! Dates without a year or a zone to nanoseconds since the epoch, for the records of one source in their order.
//!
//! In goes what a line says of its time, and what its envelope says; out comes the time, with the digits that were
//! written. A year comes from the first of these that there is: the line, the year that is given, the envelope, the line
//! before, the file's preamble, the spans and sibling logs that fit ([`fit`]), the file's name, its age, today. A zone: the
//! line, the zone that is given, the envelope, the one that fits, the fallback. The clock is an argument; no file is read, but
//! for the machine's own zone where that was asked for.

pub mod fit;
mod units;
mod zone;

use spanline_parsers::Time;
use spanline_parsers::timestamp::{days_from_civil, is_date};
use units::{DAY, HOUR, SECOND};
pub use zone::{UnknownZone, Zone};

/// Zones differ from UTC by a multiple of this.
const ZONE_STEP: i64 = 15 * 60 * SECOND;
/// A runtime stamps a line after the program did, but conmon-rs' clock may be 100 ms old, and clocks step.
const AHEAD_OF_ENVELOPE_MAX: i64 = 60 * SECOND;
/// A line that reached its envelope within this time shows the zone; a later one may only seem to.
const FRESH: i64 = 5 * SECOND;
/// The widest zones, and some latency: farther from its envelope, a line speaks of another time.
const EAST_MAX: i64 = 15 * HOUR;
const WEST_MAX: i64 = 13 * HOUR;
/// Lines of one file may stand this much out of order where a month ends.
const DISORDER_MAX: i64 = DAY;
/// Lines of one file may stand this much out of order in the hour that comes twice.
const FOLD_DISORDER_MAX: i64 = 10 * SECOND;
/// A line may be written this long after "now".
const FUTURE_MAX: i64 = DAY;

/// What is known of a source beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CalendarSettings {
    /// The year of every line that has none; nothing rolls.
    pub year: Option<i32>,
    /// The zone of every line that has none.
    pub zone: Option<Zone>,
    /// Year and month that a file's name or its last change tells: it begins or ends about then.
    pub year_hint: Option<(i32, u8)>,
    /// Today, nanoseconds since the epoch.
    pub now_nanos: i64,
    /// The zone where nothing tells one.
    pub fallback_zone: Zone,
}

/// Resolves the times of one source.
#[derive(Debug, Clone)]
pub struct Calendar {
    settings: CalendarSettings,
    /// Year and month in which the file begins, by its preamble.
    created: Option<(i32, u8)>,
    /// The last line of this source whose year was worked out.
    last: Option<Last>,
    /// The last resolved local time.
    last_nanos: Option<i64>,
    /// The zone as the envelopes show it.
    seen_offset: Option<i64>,
    /// The last date whose year was told by its envelope.
    seen_day: Option<SeenDay>,
    /// An hour of local time without a change, and its offset.
    steady_hour: Option<(i64, i64)>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    year: i32,
    month: u8,
    /// As if local time were UTC.
    local: i64,
}

/// A date that was brought near to its envelope: further lines of the day need no search.
#[derive(Debug, Clone, Copy)]
struct SeenDay {
    /// As written.
    date: (Option<i32>, u8, u8),
    /// When the day of the envelopes began.
    envelopes_from: i64,
    /// The year that follows.
    year: i32,
    /// When the date began, as if local time were UTC.
    begins: i64,
}

/// A date without a zone.
#[derive(Debug, Clone, Copy)]
struct Date {
    year: Option<i32>,
    month: u8,
    day: u8,
    nanos_of_day: i64,
}

impl Calendar {
    /// A calendar before the first line.
    pub fn new(settings: &CalendarSettings) -> Calendar {
        Calendar {
            settings: settings.clone(),
            created: None,
            last: None,
            last_nanos: None,
            seen_offset: None,
            seen_day: None,
            steady_hour: None,
        }
    }

    /// The same for lines of another zone.
    pub fn with_zone(&self, zone: Zone) -> Calendar {
        Calendar::new(&CalendarSettings { zone: Some(zone), ..self.settings.clone() })
    }

    /// Time goes on while lines are read: what today is, in ns since the epoch.
    pub fn set_now(&mut self, now_nanos: i64) {
        self.settings.now_nanos = now_nanos;
    }

    /// Takes the time from a file's preamble (`Log file created at: …`): what follows was written from then on.
    pub fn created(&mut self, time: Time) {
        if let Time::Local { year: Some(year), month, .. } = time {
            self.created = Some((year, month));
            self.last = None;
        }
    }

    /// Nanoseconds since the epoch and the digits that were written. `None` where the line has no time, or a time of
    /// day only and no envelope.
    #[inline]
    pub fn resolve(&mut self, time: Time, envelope: Option<i64>) -> Option<(i64, u8)> {
        match time {
            Time::Unix { nanos, digits } => Some((nanos, digits)),
            Time::Local { month: 0, nanos_of_day, digits, .. } => {
                let nanos = self.time_of_day(nanos_of_day, envelope?)?;
                Some((nanos, digits))
            }
            Time::Local { year, month, day, nanos_of_day, digits } => {
                let nanos = self.date(Date { year, month, day, nanos_of_day }, envelope)?;
                self.last_nanos = Some(nanos);
                Some((nanos, digits))
            }
            Time::None => None,
        }
    }

    fn date(&mut self, date: Date, envelope: Option<i64>) -> Option<i64> {
        // Pinned to a year without it, 29 February is no time.
        if (date.month, date.day) == (2, 29)
            && let (None, Some(year)) = (date.year, self.settings.year)
            && !is_date(Some(year), date.month, date.day)
        {
            return None;
        }
        if let Some(envelope) = envelope
            && let Some((local, year)) = self.near_envelope(date, envelope)
        {
            let pinned = date.year.or(self.settings.year).filter(|pinned| *pinned != year);
            let offset = self.settings.zone.is_none().then(|| self.envelope_offset(local - envelope));
            let local = match pinned {
                Some(year) => date.local_nanos(year)?,
                None => local,
            };
            return match (offset, self.settings.zone) {
                (None, Some(zone)) => self.in_zone(zone, local, Some(envelope)),
                (offset, _) => local.checked_sub(offset?),
            };
        }
        let local = date.local_nanos(match date.year.or(self.settings.year) {
            Some(year) => year,
            None => self.year(date)?,
        })?;
        self.in_zone(self.settings.zone.unwrap_or(self.settings.fallback_zone), local, None)
    }

    /// The local time in the year that brings it close to its envelope, and that year; `None` where none does.
    fn near_envelope(&mut self, date: Date, envelope: i64) -> Option<(i64, i32)> {
        let written = (date.year, date.month, date.day);
        if let Some(seen) = self.seen_day
            && seen.date == written
            && (0..DAY).contains(&envelope.wrapping_sub(seen.envelopes_from))
        {
            let local = seen.begins + date.nanos_of_day;
            return is_near(local, envelope).then_some((local, seen.year));
        }
        let envelope_day = envelope.div_euclid(DAY);
        let envelope_year = year_of(envelope_day);
        let years = match date.year {
            Some(year) => [year; 3],
            None => [envelope_year, envelope_year - 1, envelope_year + 1],
        };
        let (local, year) = years
            .into_iter()
            .filter(|year| is_date(Some(*year), date.month, date.day))
            .filter_map(|year| Some((date.local_nanos(year)?, year)))
            .find(|(local, _)| is_near(*local, envelope))?;
        let (envelopes_from, begins) = (envelope_day.wrapping_mul(DAY), local - date.nanos_of_day);
        self.seen_day = Some(SeenDay { date: written, envelopes_from, year, begins });
        Some((local, year))
    }

    /// The zone that the distance of local time and envelope shows: the least step that lets the line be older than its
    /// envelope. A line that came late shows too small a step, so only fresh ones change what is known.
    fn envelope_offset(&mut self, distance: i64) -> i64 {
        // The same step as the line before, without a division.
        if let Some(seen) = self.seen_offset
            && (0..ZONE_STEP).contains(&(distance - AHEAD_OF_ENVELOPE_MAX + ZONE_STEP - seen))
        {
            return seen;
        }
        let steps = (distance - AHEAD_OF_ENVELOPE_MAX).div_euclid(ZONE_STEP) + 1;
        let offset = steps * ZONE_STEP;
        let latency = offset - distance;
        match self.seen_offset {
            Some(seen) if seen > offset && latency > FRESH && seen - distance < EAST_MAX => seen,
            _ => {
                self.seen_offset = Some(offset);
                offset
            }
        }
    }

    /// A time of day on the day that brings it close to its envelope.
    fn time_of_day(&mut self, nanos_of_day: i64, envelope: i64) -> Option<i64> {
        if let Some(zone) = self.settings.zone {
            let near = envelope.checked_add(self.zone_offset(zone, envelope)?)?;
            let distance = wrap_day(nanos_of_day - near.rem_euclid(DAY), 0);
            return self.in_zone(zone, near.checked_add(distance)?, Some(envelope));
        }
        let distance = wrap_day(nanos_of_day - envelope.rem_euclid(DAY), self.seen_offset.unwrap_or(0));
        let offset = self.envelope_offset(distance);
        envelope.checked_add(distance)?.checked_sub(offset)
    }

    /// A zone's offset at an instant, close enough to find a day.
    fn zone_offset(&self, zone: Zone, instant: i64) -> Option<i64> {
        let guess = zone.offsets(instant).map_or(0, |(first, _)| first);
        zone.offsets(instant.checked_add(guess)?).map(|(first, _)| first).or(Some(guess))
    }

    /// The year of a line without one, from its file and from the line before.
    fn year(&mut self, date: Date) -> Option<i32> {
        let latest = self.settings.now_nanos.saturating_add(FUTURE_MAX);
        let year = match self.last {
            Some(last) => self.year_after(last, date, latest)?,
            None => self.first_year(date, latest)?,
        };
        let local = date.local_nanos(year)?;
        let rolls_back = self.last.is_some_and(|last| year < last.year && last.local - local <= DISORDER_MAX);
        if !rolls_back {
            self.last = Some(Last { year, month: date.month, local });
        }
        Some(year)
    }

    fn first_year(&self, date: Date, latest: i64) -> Option<i32> {
        if let Some((year, month)) = self.created {
            return Some(leap_if_needed(year + i32::from(date.month < month), date, 1));
        }
        match self.settings.year_hint {
            // A file is named when it begins (klog) or when it ends (a rotation), and its first line is near that
            // month or some months before it.
            Some((year, month)) => {
                let year = match i32::from(date.month) - i32::from(month) {
                    2.. => year - 1,
                    -11 => year + 1,
                    _ => year,
                };
                Some(leap_if_needed(year, date, -1))
            }
            None => {
                let year = leap_if_needed(year_of(latest.div_euclid(DAY)), date, -1);
                let ahead = date.local_nanos(year)? > latest;
                Some(if ahead { leap_if_needed(year - 1, date, -1) } else { year })
            }
        }
    }

    /// Months do not decrease within a year of a file. Where a month ends, lines may stand a little out of order.
    fn year_after(&self, last: Last, date: Date, latest: i64) -> Option<i32> {
        let same = date.local_nanos(last.year)?;
        let year = if date.month == last.month {
            last.year
        } else if date.month < last.month {
            let disorder = last.local - same <= DISORDER_MAX;
            last.year + i32::from(!disorder)
        } else {
            let before = date.local_nanos(last.year - 1)?;
            let disorder = last.local - before <= DISORDER_MAX;
            last.year - i32::from(disorder)
        };
        let year = leap_if_needed(year, date, -1);
        let ahead = date.local_nanos(year)? > latest && self.settings.year_hint.is_none() && self.created.is_none();
        Some(if ahead { leap_if_needed(year - 1, date, -1) } else { year })
    }

    /// Local time to an instant. Of the two in the hour that comes twice: the one near the envelope, else the first
    /// that does not go back. A time in the hour that is left out is read by the offset before it.
    fn in_zone(&mut self, zone: Zone, local: i64, envelope: Option<i64>) -> Option<i64> {
        let hour = local.div_euclid(HOUR);
        if let Some((steady, offset)) = self.steady_hour
            && steady == hour
        {
            return local.checked_sub(offset);
        }
        let Some((first, second)) = zone.offsets(local) else {
            let before = (1..=24).find_map(|hours| zone.offsets(local - hours * HOUR))?;
            return local.checked_sub(before.1);
        };
        if first == second {
            let steady = zone.offsets(hour * HOUR) == Some((first, first))
                && zone.offsets(hour * HOUR + HOUR - SECOND) == Some((first, first));
            self.steady_hour = steady.then_some((hour, first));
            return local.checked_sub(first);
        }
        let (early, late) = (local.checked_sub(first)?, local.checked_sub(second)?);
        let is_late = match (envelope, self.last_nanos) {
            (Some(envelope), _) => late <= envelope.saturating_add(AHEAD_OF_ENVELOPE_MAX),
            (None, Some(last)) => early < last.saturating_sub(FOLD_DISORDER_MAX),
            (None, None) => false,
        };
        Some(if is_late { late } else { early })
    }
}

impl Date {
    /// As if it were UTC. Of 29 February in other years, 1 March.
    fn local_nanos(self, year: i32) -> Option<i64> {
        days_from_civil(year, self.month, self.day).checked_mul(DAY)?.checked_add(self.nanos_of_day)
    }
}

/// The nearest year that has the day, in steps of one.
fn leap_if_needed(year: i32, date: Date, step: i32) -> i32 {
    (0..8).map(|years| year + years * step).find(|year| is_date(Some(*year), date.month, date.day)).unwrap_or(year)
}

fn is_near(local: i64, envelope: i64) -> bool {
    local.checked_sub(envelope).is_some_and(|distance| (-WEST_MAX..=EAST_MAX).contains(&distance))
}

/// Nanoseconds within half a day of `near`, whole days added or taken away.
fn wrap_day(nanos: i64, near: i64) -> i64 {
    near + (nanos - near + DAY / 2).rem_euclid(DAY) - DAY / 2
}

/// The year of a day since the epoch.
fn year_of(day: i64) -> i32 {
    let guess = 1970 + (day * 400).div_euclid(146_097) as i32;
    // The guess is at most one year off.
    (guess - 1..=guess + 1).rev().find(|year| days_from_civil(*year, 1, 1) <= day).unwrap_or(guess)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTC: Zone = Zone::Fixed(0);

    fn nanos(text: &str) -> i64 {
        match spanline_parsers::timestamp::iso8601(text.as_bytes()) {
            Some((Time::Unix { nanos, .. }, length)) if length == text.len() => nanos,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// `mm-ddThh:mm:ss`, with a year before it or without.
    fn local(text: &str) -> Time {
        let whole = if text.len() == 14 { format!("2024-{text}") } else { text.to_owned() };
        match spanline_parsers::timestamp::iso8601(whole.as_bytes()) {
            Some((Time::Local { year, month, day, nanos_of_day, .. }, _)) => {
                Time::Local { year: year.filter(|_| text.len() > 14), month, day, nanos_of_day, digits: 6 }
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    fn settings(now: &str) -> CalendarSettings {
        CalendarSettings { year: None, zone: None, year_hint: None, now_nanos: nanos(now), fallback_zone: UTC }
    }

    fn berlin() -> Zone {
        Zone::parse("Europe/Berlin").unwrap()
    }

    /// Lines and what they resolve to, in order; an envelope stands after `@`.
    fn check(settings: &CalendarSettings, lines: &[(&str, &str)]) {
        let mut calendar = Calendar::new(settings);
        for (line, expected) in lines {
            let (time, envelope) = match line.split_once('@') {
                Some((time, envelope)) => (time, Some(nanos(envelope))),
                None => (*line, None),
            };
            let found = calendar.resolve(local(time), envelope);
            let show = |nanos: i64| chrono::DateTime::from_timestamp_nanos(nanos).to_rfc3339();
            assert_eq!(found.map(|(nanos, _)| show(nanos)), Some(show(nanos(expected))), "{line}");
            assert_eq!(found.map(|(_, digits)| digits), Some(6));
        }
    }

    #[test]
    fn today_tells_the_year_and_nothing_lies_in_the_future() {
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[("11-25T11:00:00", "2026-11-25T11:00:00Z"), ("11-26T11:00:00", "2026-11-26T11:00:00Z")],
        );
        check(&settings("2026-11-25T12:00:00Z"), &[("11-27T11:00:00", "2025-11-27T11:00:00Z")]);
        check(&settings("2026-12-31T23:30:00Z"), &[("01-01T00:30:00", "2027-01-01T00:30:00Z")]);
        check(
            &settings("2027-01-01T00:30:00Z"),
            &[("12-31T23:59:59", "2026-12-31T23:59:59Z"), ("01-01T00:00:00", "2027-01-01T00:00:00Z")],
        );
    }

    #[test]
    fn years_roll_where_months_decrease() {
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[
                ("12-30T10:00:00", "2025-12-30T10:00:00Z"),
                ("12-31T23:59:59", "2025-12-31T23:59:59Z"),
                ("01-01T00:00:00", "2026-01-01T00:00:00Z"),
                // Two threads, one of them a moment late.
                ("12-31T23:59:59", "2025-12-31T23:59:59Z"),
                ("01-01T00:00:01", "2026-01-01T00:00:01Z"),
                ("02-01T00:00:01", "2026-02-01T00:00:01Z"),
                ("01-31T23:59:59", "2026-01-31T23:59:59Z"),
                ("02-01T00:00:02", "2026-02-01T00:00:02Z"),
            ],
        );
        let old = CalendarSettings { year_hint: Some((2021, 11)), ..settings("2026-11-25T12:00:00Z") };
        check(
            &old,
            &[
                ("11-02T10:00:00", "2021-11-02T10:00:00Z"),
                ("03-05T10:00:00", "2022-03-05T10:00:00Z"),
                ("02-01T10:00:00", "2023-02-01T10:00:00Z"),
            ],
        );
    }

    #[test]
    fn the_file_tells_the_year() {
        for (hint, line, expected) in [
            ((2021, 12), "12-05T00:00:00", "2021-12-05T00:00:00Z"),
            ((2021, 12), "01-01T00:00:00", "2022-01-01T00:00:00Z"),
            ((2022, 1), "12-05T00:00:00", "2021-12-05T00:00:00Z"),
            ((2022, 1), "01-05T00:00:00", "2022-01-05T00:00:00Z"),
            ((2022, 6), "02-05T00:00:00", "2022-02-05T00:00:00Z"),
            ((2024, 3), "02-29T01:00:00", "2024-02-29T01:00:00Z"),
            ((2025, 5), "02-29T01:00:00", "2024-02-29T01:00:00Z"),
        ] {
            check(&CalendarSettings { year_hint: Some(hint), ..settings("2026-11-25T12:00:00Z") }, &[(line, expected)]);
        }
        let mut calendar = Calendar::new(&settings("2026-11-25T12:00:00Z"));
        calendar.created(local("2019-07-01T00:00:00"));
        assert_eq!(calendar.resolve(local("07-02T00:00:00"), None), Some((nanos("2019-07-02T00:00:00Z"), 6)));
        calendar.created(local("2020-12-31T23:59:59"));
        assert_eq!(calendar.resolve(local("01-01T00:00:00"), None), Some((nanos("2021-01-01T00:00:00Z"), 6)));
    }

    #[test]
    fn a_leap_day_needs_a_leap_year() {
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[("02-29T23:59:59", "2024-02-29T23:59:59Z"), ("03-01T00:00:00", "2024-03-01T00:00:00Z")],
        );
        check(&settings("2028-02-28T12:00:00Z"), &[("02-29T11:00:00", "2028-02-29T11:00:00Z")]);
        check(&settings("2028-02-27T12:00:00Z"), &[("02-29T23:00:00", "2024-02-29T23:00:00Z")]);
        check(&settings("2026-11-25T12:00:00Z"), &[("02-29T23:59:59@2020-02-29T23:59:59.1Z", "2020-02-29T23:59:59Z")]);
    }

    #[test]
    fn a_pinned_year_holds_for_every_line() {
        let pinned = CalendarSettings { year: Some(2020), ..settings("2026-11-25T12:00:00Z") };
        check(
            &pinned,
            &[
                ("12-31T23:59:59", "2020-12-31T23:59:59Z"),
                ("01-01T00:00:00", "2020-01-01T00:00:00Z"),
                ("02-29T00:00:00", "2020-02-29T00:00:00Z"),
                ("2019-02-28T00:00:00", "2019-02-28T00:00:00Z"),
                ("06-01T12:00:00@2026-06-01T10:00:00.1Z", "2020-06-01T10:00:00Z"),
            ],
        );
    }

    #[test]
    fn the_envelope_tells_year_and_zone() {
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[
                ("12-31T23:59:59@2022-12-31T23:59:59.2Z", "2022-12-31T23:59:59Z"),
                ("01-01T05:29:59@2022-12-31T23:59:59.3Z", "2022-12-31T23:59:59Z"),
                ("01-01T05:30:00@2023-01-01T00:00:00.1Z", "2023-01-01T00:00:00Z"),
                ("12-31T16:00:00@2023-01-01T00:00:00.1Z", "2023-01-01T00:00:00Z"),
                ("01-01T14:00:00@2023-01-01T00:00:00.1Z", "2023-01-01T00:00:00Z"),
                ("2023-01-01T01:00:00@2023-01-01T00:00:00.1Z", "2023-01-01T00:00:00Z"),
            ],
        );
    }

    #[test]
    fn late_lines_do_not_shift_the_zone_but_a_change_of_it_does() {
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[
                ("10-25T02:50:00@2026-10-25T00:50:00.1Z", "2026-10-25T00:50:00Z"),
                ("10-25T02:30:00@2026-10-25T00:50:00.1Z", "2026-10-25T00:30:00Z"),
                ("10-25T02:59:59@2026-10-25T00:59:59.1Z", "2026-10-25T00:59:59Z"),
                ("10-25T02:00:00@2026-10-25T01:00:00.1Z", "2026-10-25T01:00:00Z"),
                ("10-25T02:50:00@2026-10-25T01:50:00.1Z", "2026-10-25T01:50:00Z"),
                // Written a little before its envelope's clock.
                ("10-25T02:50:01@2026-10-25T01:50:00.9Z", "2026-10-25T01:50:01Z"),
            ],
        );
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[
                ("03-29T01:59:59@2026-03-29T00:59:59.1Z", "2026-03-29T00:59:59Z"),
                ("03-29T03:00:00@2026-03-29T01:00:00.1Z", "2026-03-29T01:00:00Z"),
            ],
        );
    }

    #[test]
    fn a_line_far_from_its_envelope_speaks_of_another_time() {
        let settings = CalendarSettings { fallback_zone: Zone::Fixed(3600), ..settings("2026-11-25T12:00:00Z") };
        check(&settings, &[("06-01T12:00:00@2026-11-20T12:00:00Z", "2026-06-01T11:00:00Z")]);
        check(&settings, &[("2023-06-01T12:00:00@2026-06-01T12:00:00Z", "2023-06-01T11:00:00Z")]);
    }

    #[test]
    fn the_hour_that_comes_twice_is_read_in_order() {
        let settings = CalendarSettings { zone: Some(berlin()), ..settings("2026-11-25T12:00:00Z") };
        check(
            &settings,
            &[
                ("10-25T01:59:59", "2026-10-24T23:59:59Z"),
                ("10-25T02:10:00", "2026-10-25T00:10:00Z"),
                ("10-25T02:59:59", "2026-10-25T00:59:59Z"),
                ("10-25T02:59:58", "2026-10-25T00:59:58Z"),
                ("10-25T02:00:00", "2026-10-25T01:00:00Z"),
                // A moment late, from before the clock went back.
                ("10-25T02:59:59", "2026-10-25T00:59:59Z"),
                ("10-25T02:30:00", "2026-10-25T01:30:00Z"),
                ("10-25T02:59:59", "2026-10-25T01:59:59Z"),
                ("10-25T03:00:00", "2026-10-25T02:00:00Z"),
            ],
        );
        check(&settings, &[("10-25T02:30:00@2026-10-25T01:30:00.1Z", "2026-10-25T01:30:00Z")]);
        check(&settings, &[("10-25T02:30:00@2026-10-25T00:30:00.1Z", "2026-10-25T00:30:00Z")]);
    }

    #[test]
    fn the_hour_that_is_left_out_is_shifted() {
        let settings = CalendarSettings { fallback_zone: berlin(), ..settings("2026-11-25T12:00:00Z") };
        check(
            &settings,
            &[
                ("03-29T01:59:59", "2026-03-29T00:59:59Z"),
                ("03-29T02:30:00", "2026-03-29T01:30:00Z"),
                ("03-29T03:00:00", "2026-03-29T01:00:00Z"),
                ("07-01T12:00:00", "2026-07-01T10:00:00Z"),
            ],
        );
    }

    #[test]
    fn a_time_of_day_needs_an_envelope() {
        let time = |hour: i64| Time::Local { year: None, month: 0, day: 0, nanos_of_day: hour * HOUR + 1, digits: 3 };
        let envelope = nanos("2026-01-01T00:00:00.5Z");
        let mut calendar = Calendar::new(&settings("2026-11-25T12:00:00Z"));
        assert_eq!(calendar.resolve(time(0), None), None);
        assert_eq!(calendar.resolve(Time::None, Some(envelope)), None);
        assert_eq!(calendar.resolve(time(0), Some(envelope)), Some((nanos("2026-01-01T00:00:00.000000001Z"), 3)));
        assert_eq!(calendar.resolve(time(5), Some(envelope)), Some((nanos("2026-01-01T00:00:00.000000001Z"), 3)));
        let late = Time::Local { year: None, month: 0, day: 0, nanos_of_day: DAY - SECOND, digits: 3 };
        let mut calendar = Calendar::new(&settings("2026-11-25T12:00:00Z"));
        assert_eq!(calendar.resolve(late, Some(envelope)), Some((nanos("2025-12-31T23:59:59Z"), 3)));
        let zoned = CalendarSettings { zone: Some(berlin()), ..settings("2026-11-25T12:00:00Z") };
        let mut calendar = Calendar::new(&zoned);
        assert_eq!(calendar.resolve(time(1), Some(envelope)), Some((nanos("2026-01-01T00:00:00.000000001Z"), 3)));
    }

    fn hinted(year: i32, month: u8) -> CalendarSettings {
        CalendarSettings { year_hint: Some((year, month)), ..settings("2026-11-25T12:00:00Z") }
    }

    fn in_zone(zone: Zone) -> CalendarSettings {
        CalendarSettings { zone: Some(zone), ..settings("2026-11-25T12:00:00Z") }
    }

    #[test]
    fn a_leap_day_is_no_time_in_a_pinned_year_without_it() {
        let pinned = CalendarSettings { year: Some(2023), ..settings("2026-11-25T12:00:00Z") };
        for envelope in [None, Some(nanos("2024-02-29T12:00:00Z"))] {
            assert_eq!(Calendar::new(&pinned).resolve(local("02-29T12:00:00"), envelope), None);
        }
        check(&pinned, &[("2024-02-29T12:00:00@2024-02-29T12:00:00.1Z", "2024-02-29T12:00:00Z")]);
    }

    #[test]
    fn a_year_that_is_written_goes_before_a_pinned_one() {
        let pinned = CalendarSettings { year: Some(2020), ..settings("2026-11-25T12:00:00Z") };
        check(&pinned, &[("2023-01-01T01:00:00@2023-01-01T00:00:00.1Z", "2023-01-01T00:00:00Z")]);
        check(&pinned, &[("2023-01-01T01:00:00", "2023-01-01T01:00:00Z")]);
    }

    #[test]
    fn each_envelope_tells_the_year_of_its_own_line() {
        // The same date again, under an envelope of another year; and another date under one of the same day.
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[
                ("01-01T00:00:01@2023-01-01T00:00:01.1Z", "2023-01-01T00:00:01Z"),
                ("01-01T00:00:02@2022-01-01T00:00:02.1Z", "2022-01-01T00:00:02Z"),
                ("01-01T00:00:03@2024-01-01T00:00:03.1Z", "2024-01-01T00:00:03Z"),
                ("12-31T23:59:59@2024-01-01T00:00:03.1Z", "2023-12-31T23:59:59Z"),
                ("01-01T00:00:04@2024-01-01T00:00:04.1Z", "2024-01-01T00:00:04Z"),
            ],
        );
        // The same date, too far from an envelope of the same day: it speaks of another time.
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[
                ("12-31T23:00:00@2023-01-01T00:00:00.1Z", "2023-01-01T00:00:00Z"),
                ("12-31T00:00:00@2023-01-01T20:00:00.1Z", "2025-12-31T00:00:00Z"),
            ],
        );
    }

    #[test]
    fn a_line_is_near_an_envelope_of_the_widest_zones_and_no_farther() {
        let now = settings("2026-11-25T12:00:00Z");
        check(&now, &[("01-01T15:00:00@2023-01-01T00:00:00Z", "2023-01-01T00:00:00Z")]);
        check(&now, &[("12-31T11:00:00@2023-01-01T00:00:00Z", "2023-01-01T00:00:00Z")]);
        check(&now, &[("01-01T15:00:01@2023-01-01T00:00:00Z", "2026-01-01T15:00:01Z")]);
        check(&now, &[("12-31T10:59:59@2023-01-01T00:00:00Z", "2025-12-31T10:59:59Z")]);
    }

    #[test]
    fn a_line_may_be_a_minute_ahead_of_its_envelope_before_it_shows_another_zone() {
        let now = settings("2026-11-25T12:00:00Z");
        check(&now, &[("06-01T12:00:30@2026-06-01T12:00:00Z", "2026-06-01T12:00:30Z")]);
        check(&now, &[("06-01T12:00:59@2026-06-01T12:00:00Z", "2026-06-01T12:00:59Z")]);
        check(&now, &[("06-01T12:01:00@2026-06-01T12:00:00Z", "2026-06-01T11:46:00Z")]);
    }

    #[test]
    fn zones_differ_by_quarters_of_an_hour() {
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[
                ("06-01T05:30:00@2026-06-01T00:00:00.1Z", "2026-06-01T00:00:00Z"),
                ("06-01T05:45:01@2026-06-01T00:00:01.1Z", "2026-06-01T00:00:01Z"),
                ("06-01T05:15:02@2026-06-01T00:00:02.1Z", "2026-06-01T00:00:02Z"),
            ],
        );
    }

    #[test]
    fn a_late_line_shows_a_larger_offset_but_no_smaller_one_unless_nothing_else_fits() {
        // Clocks were put forward, and the first line after that is late.
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[
                ("03-29T01:59:59@2026-03-29T00:59:59.1Z", "2026-03-29T00:59:59Z"),
                ("03-29T03:00:00@2026-03-29T01:00:10Z", "2026-03-29T01:00:00Z"),
            ],
        );
        // Fifteen hours late is too late to be believed.
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[
                ("01-01T14:00:00@2023-01-01T00:00:00.1Z", "2023-01-01T00:00:00Z"),
                ("12-31T22:59:40@2023-01-01T00:00:10Z", "2022-12-31T23:59:40Z"),
            ],
        );
    }

    #[test]
    fn a_time_of_day_lies_on_the_day_of_its_zone() {
        let time = |text: &str| match local(&format!("06-01T{text}")) {
            Time::Local { nanos_of_day, .. } => Time::Local { year: None, month: 0, day: 0, nanos_of_day, digits: 0 },
            other => other,
        };
        let resolved = |calendar: &mut Calendar, text: &str, envelope: &str| {
            calendar.resolve(time(text), Some(nanos(envelope))).map(|(nanos, _)| nanos)
        };
        let mut east = Calendar::new(&in_zone(Zone::Fixed(14 * 3600)));
        assert_eq!(resolved(&mut east, "14:00:00", "2026-06-01T00:00:00.1Z"), Some(nanos("2026-06-01T00:00:00Z")));
        for (envelope, expected) in
            [("2026-10-25T00:30:00.1Z", "2026-10-25T00:30:00Z"), ("2026-10-25T01:30:00.1Z", "2026-10-25T01:30:00Z")]
        {
            let mut calendar = Calendar::new(&in_zone(berlin()));
            assert_eq!(resolved(&mut calendar, "02:30:00", envelope), Some(nanos(expected)));
        }
        // Twenty minutes late, in a zone that other lines have shown.
        let mut calendar = Calendar::new(&settings("2026-11-25T12:00:00Z"));
        calendar.resolve(local("01-01T14:00:00"), Some(nanos("2023-01-01T00:00:00.1Z")));
        let late = resolved(&mut calendar, "14:00:00", "2023-01-01T00:20:00.1Z");
        assert_eq!(late, Some(nanos("2023-01-01T00:00:00Z")));
    }

    #[test]
    fn a_file_begins_near_the_month_of_its_name_or_some_months_before() {
        for (hint, line, expected) in [
            ((2022, 1), "02-05T00:00:00", "2022-02-05T00:00:00Z"),
            ((2022, 1), "03-05T00:00:00", "2021-03-05T00:00:00Z"),
            ((2022, 6), "07-05T00:00:00", "2022-07-05T00:00:00Z"),
            ((2022, 6), "08-05T00:00:00", "2021-08-05T00:00:00Z"),
            ((2021, 12), "02-05T00:00:00", "2021-02-05T00:00:00Z"),
            // Of a century without its leap year.
            ((2103, 5), "02-29T00:00:00", "2096-02-29T00:00:00Z"),
        ] {
            check(&hinted(hint.0, hint.1), &[(line, expected)]);
        }
    }

    #[test]
    fn a_line_that_is_late_by_less_than_a_day_does_not_turn_the_year() {
        check(
            &hinted(2025, 12),
            &[
                ("12-31T23:00:00", "2025-12-31T23:00:00Z"),
                ("01-01T12:00:00", "2026-01-01T12:00:00Z"),
                // A day late, to the second.
                ("12-31T12:00:00", "2025-12-31T12:00:00Z"),
                // More than that: the file goes on to the end of its year.
                ("12-31T11:59:59", "2026-12-31T11:59:59Z"),
            ],
        );
        check(
            &hinted(2025, 12),
            &[
                ("12-31T23:00:00", "2025-12-31T23:00:00Z"),
                ("01-01T00:00:00", "2026-01-01T00:00:00Z"),
                ("12-31T23:59:59", "2025-12-31T23:59:59Z"),
                ("12-30T10:00:00", "2026-12-30T10:00:00Z"),
            ],
        );
        check(
            &hinted(2026, 1),
            &[
                ("02-01T12:00:00", "2026-02-01T12:00:00Z"),
                ("01-31T12:00:00", "2026-01-31T12:00:00Z"),
                ("02-01T12:00:00", "2026-02-01T12:00:00Z"),
                ("01-31T11:59:59", "2027-01-31T11:59:59Z"),
            ],
        );
    }

    #[test]
    fn nothing_lies_more_than_a_day_ahead_unless_the_file_says_so() {
        let now = settings("2026-11-25T12:00:00Z");
        check(&now, &[("11-26T12:00:00", "2026-11-26T12:00:00Z")]);
        check(&now, &[("11-26T12:00:01", "2025-11-26T12:00:01Z")]);
        let ahead = |year: i32| format!("{year}-12-20T00:00:00Z");
        check(&now, &[("11-20T00:00:00", "2026-11-20T00:00:00Z"), ("12-20T00:00:00", &ahead(2025))]);
        check(&hinted(2026, 11), &[("11-20T00:00:00", "2026-11-20T00:00:00Z"), ("12-20T00:00:00", &ahead(2026))]);
        let mut calendar = Calendar::new(&now);
        calendar.created(local("2026-11-19T00:00:00"));
        calendar.resolve(local("11-20T00:00:00"), None);
        assert_eq!(calendar.resolve(local("12-20T00:00:00"), None), Some((nanos(&ahead(2026)), 6)));
    }

    #[test]
    fn a_leap_day_tells_the_year_of_what_follows() {
        check(
            &settings("2026-11-25T12:00:00Z"),
            &[
                ("01-10T00:00:00", "2026-01-10T00:00:00Z"),
                ("02-29T00:00:00", "2024-02-29T00:00:00Z"),
                ("03-01T00:00:00", "2024-03-01T00:00:00Z"),
            ],
        );
    }

    #[test]
    fn in_the_hour_that_comes_twice_the_first_is_meant_until_something_else_shows() {
        let berlin = in_zone(berlin());
        check(&berlin, &[("10-25T02:30:00", "2026-10-25T00:30:00Z")]);
        // A moment ahead of its envelope.
        check(&berlin, &[("10-25T02:30:00@2026-10-25T01:29:59.5Z", "2026-10-25T01:30:00Z")]);
        check(&berlin, &[("10-25T02:30:00@2026-10-25T01:28:59Z", "2026-10-25T00:30:00Z")]);
    }

    #[test]
    fn clocks_may_be_changed_in_the_middle_of_an_hour() {
        // By half an hour: from 02:00 to 01:30 in April, from 02:00 to 02:30 in October.
        let lord_howe = in_zone(Zone::parse("Australia/Lord_Howe").unwrap());
        check(
            &lord_howe,
            &[
                ("04-05T01:10:00", "2026-04-04T14:10:00Z"),
                ("04-05T01:50:00", "2026-04-04T14:50:00Z"),
                ("04-05T01:35:00", "2026-04-04T15:05:00Z"),
                ("04-05T02:10:00", "2026-04-04T15:40:00Z"),
            ],
        );
        check(
            &lord_howe,
            &[
                ("10-04T01:50:00", "2026-10-03T15:20:00Z"),
                ("10-04T02:40:00", "2026-10-03T15:40:00Z"),
                ("10-04T02:10:00", "2026-10-03T15:40:00Z"),
            ],
        );
    }

    #[test]
    fn a_zone_turns_local_times_to_instants_and_back() {
        let at = |text: &str| nanos(&format!("{text}Z"));
        for (zone, written, instant) in [
            (berlin(), "2026-06-01T12:00:00", "2026-06-01T10:00:00"),
            // Twice: the earlier one. Left out: as if clocks had not been put forward.
            (berlin(), "2026-10-25T02:30:00", "2026-10-25T00:30:00"),
            (berlin(), "2026-03-29T02:30:00", "2026-03-29T01:30:00"),
            (Zone::Fixed(-18_000), "2026-01-01T00:00:00", "2026-01-01T05:00:00"),
        ] {
            assert_eq!(zone.instant(at(written)), Some(at(instant)), "{written}");
        }
        assert_eq!(berlin().local_time(at("2026-06-01T10:00:00")), Some(at("2026-06-01T12:00:00")));
        assert_eq!(Zone::Fixed(-18_000).local_time(at("2026-01-01T05:00:00")), Some(at("2026-01-01T00:00:00")));
        assert_eq!(Zone::parse("+18:00"), Ok(Zone::Fixed(64_800)));
        assert!(Zone::parse("+19:00").is_err() && Zone::parse("+00:60").is_err());
        assert_eq!(Zone::parse("+00:59"), Ok(Zone::Fixed(3540)));
    }

    #[test]
    fn reads_zones() {
        for (text, seconds) in [("+05:30", 19800), ("-0800", -28800), ("+02", 7200), ("Z", 0), ("-00:15", -900)] {
            assert_eq!(Zone::parse(text), Ok(Zone::Fixed(seconds)), "{text}");
        }
        assert_eq!(Zone::parse("Europe/Berlin"), Ok(Zone::Named(chrono_tz::Europe::Berlin)));
        assert_eq!(Zone::parse("UTC"), Ok(Zone::Named(chrono_tz::UTC)));
        assert_eq!(Zone::parse("local"), Ok(Zone::local()));
        for bad in ["", "+", "+5", "+25:00", "+01:60", "+é1", "Mars/Base", "+1:30"] {
            assert!(Zone::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn years_of_days_hold_at_their_ends() {
        for year in 1600..2500 {
            let first = days_from_civil(year, 1, 1);
            assert_eq!((year_of(first), year_of(first - 1)), (year, year - 1));
        }
    }

    #[test]
    fn extreme_values_do_not_overflow() {
        for year in [None, Some(0), Some(9999), Some(i32::MAX / 400)] {
            for envelope in [None, Some(i64::MIN), Some(0), Some(i64::MAX)] {
                for zone in [None, Some(berlin()), Some(Zone::Fixed(-64_800))] {
                    let extreme = CalendarSettings { zone, now_nanos: i64::MAX, ..settings("2026-11-25T12:00:00Z") };
                    let mut calendar = Calendar::new(&extreme);
                    for month in 0..=12 {
                        let time = Time::Local { year, month, day: 28, nanos_of_day: DAY, digits: 9 };
                        let _ = calendar.resolve(time, envelope);
                    }
                }
            }
        }
    }
}
