//! The year and zone of sources whose lines have none and no envelope.
//!
//! In go the times of the first lines of each source, and the complete times of spans and of other sources; out comes how
//! the calendar of each source begins. A file's age tells its year where nothing better does, never its zone.

use std::collections::BTreeSet;

use spanline_parsers::Time;
use spanline_parsers::timestamp::days_from_civil;

use super::{CalendarSettings, Zone};
use crate::setting::Setting;

/// Zones that are no whole hours east of UTC, in minutes.
const PARTS_OF_HOURS: [i64; 12] = [-570, -270, -210, -150, 210, 270, 330, 345, 390, 570, 630, 765];
/// The widest zones, west and east, in hours.
const HOURS: std::ops::RangeInclusive<i64> = -12..=14;
/// A zone other than the local one needs at least so many seconds in which both lines and spans (or other sources) fall: with
/// few of them, some zone fits by chance.
const SECONDS_MIN: usize = 20;
/// Least range of the coinciding seconds: the lines of one burst prove no more than one of them.
const STRETCH_MIN: i64 = 60;
/// The zone must explain at least this share of the sampled seconds, in percent, …
const SHARE_MIN_PERCENT: usize = 50;
/// … and by this factor more than any other zone.
const TIMES_OTHERS: usize = 2;

/// What times the first lines of a source have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleTimes {
    /// The first complete one, ns since the epoch.
    pub first: Option<i64>,
    /// Seconds since the epoch of the complete ones; of neighbours in one second, one.
    pub seconds: Vec<i64>,
    /// Those without a zone or year.
    pub local: Vec<Time>,
}

impl SampleTimes {
    /// Whether there are any: what has times is a log.
    pub fn any(&self) -> bool {
        !self.seconds.is_empty() || !self.local.is_empty()
    }

    /// Adds a complete time, ns since the epoch.
    pub fn add(&mut self, nanos: i64) {
        let second = nanos.div_euclid(1_000_000_000);
        self.first.get_or_insert(nanos);
        if self.seconds.last() != Some(&second) {
            self.seconds.push(second);
        }
    }

    /// Adds those of the file behind it.
    pub fn extend(&mut self, others: SampleTimes) {
        self.first = self.first.or(others.first);
        let join = |mine: &mut Vec<i64>, others: Vec<i64>| {
            if mine.is_empty() { *mine = others } else { mine.extend(others) }
        };
        join(&mut self.seconds, others.seconds);
        self.local.extend(others.local);
    }
}

/// What is known of a source's times before it is read.
pub struct Sample<'s> {
    /// Its first file, as it is shown.
    pub file: &'s str,
    /// The times of its first lines.
    pub times: &'s SampleTimes,
    /// Year and month that a file's name tells.
    pub year_hint: Option<(i32, u8)>,
    /// When the newest of its files was last changed, ns since the epoch.
    pub changed: Box<dyn Fn() -> Option<i64> + 's>,
}

/// How each source's calendar begins. `seconds`: at which spans began. `tell` is called with messages for the user.
pub fn calendars(
    given: &CalendarSettings,
    samples: &[Sample<'_>],
    seconds: &BTreeSet<i64>,
    tell: &dyn Fn(&str),
) -> Vec<CalendarSettings> {
    let has_spans = !seconds.is_empty();
    let mut seconds = seconds.clone();
    // Where all tell their times in full, nothing is to be fitted.
    let is_open = |sample: &Sample<'_>| sample.times.seconds.is_empty() && !sample.times.local.is_empty();
    if samples.iter().any(is_open) {
        samples.iter().for_each(|sample| seconds.extend(&sample.times.seconds));
    }
    let mut told = BTreeSet::new();
    let mut calendar = |sample: &Sample<'_>| {
        let mut settings = CalendarSettings { year_hint: sample.year_hint, ..given.clone() };
        let local = &sample.times.local;
        if !is_open(sample) {
            return settings;
        }
        let age = || (sample.changed)().map(|nanos| year_and_month(nanos.div_euclid(86_400_000_000_000)));
        if let Some(fit) = fit(local, &seconds, settings.year, settings.zone) {
            settings.year_hint = Some(fit.year_hint);
            let other = offset_of(settings.fallback_zone);
            if settings.zone.is_none() && fit.offset != other {
                let is_clear = fit.is_clear();
                if is_clear {
                    settings.fallback_zone = Zone::Fixed(fit.offset as i32);
                }
                if (is_clear || fit.hits > fit.hits_at(other)) && told.insert((fit.offset, is_clear)) {
                    tell(&note(sample.file, &fit, is_clear, has_spans));
                }
            }
        } else {
            settings.year_hint = settings.year_hint.or_else(age);
        }
        settings
    };
    samples.iter().map(&mut calendar).collect()
}

/// The message about a file whose times have no zone.
fn note(file: &str, fit: &Fit, is_clear: bool, has_spans: bool) -> String {
    let (zone, others) =
        (spelled(fit.offset), if has_spans { "the spans and the other logs" } else { "the other logs" });
    if is_clear {
        format!("{file}: its times have no zone; {zone} fits {others} best ({} says otherwise)", Setting::Zone)
    } else {
        format!(
            "{file}: its times have no zone and are taken as local; {others} hint at {zone}, but not enough ({})",
            Setting::Zone
        )
    }
}

/// Seconds east of UTC, today: without changes of the clock also when the lines were written.
fn offset_of(zone: Zone) -> i64 {
    match zone {
        Zone::Fixed(seconds) => i64::from(seconds),
        Zone::Named(_) | Zone::Local => i64::from(chrono::Local::now().offset().local_minus_utc()),
    }
}

/// Offsets of the zones that there are, in seconds.
fn offsets() -> impl Iterator<Item = i64> {
    HOURS.map(|hours| hours * 3600).chain(PARTS_OF_HOURS.map(|minutes| minutes * 60))
}

/// ±hh:mm
fn spelled(offset: i64) -> String {
    let (sign, size) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
    format!("{sign}{:02}:{:02}", size / 3600, size % 3600 / 60)
}

/// How a zone explains the sampled lines.
struct Fit {
    /// Seconds east of UTC.
    offset: i64,
    /// Year and month of the first line.
    year_hint: (i32, u8),
    /// Sampled seconds at which spans or siblings were at work.
    hits: usize,
    /// Seconds of spans and siblings that are met so.
    met: usize,
    /// From the first of these seconds to the last.
    stretch: i64,
    /// All sampled seconds.
    sampled: usize,
    /// The hits of each offset.
    all: Vec<(i64, usize)>,
}

impl Fit {
    fn hits_at(&self, offset: i64) -> usize {
        self.all.iter().find(|(other, _)| *other == offset).map_or(0, |(_, hits)| *hits)
    }

    /// Is it more than chance, and clearly better than any other zone?
    fn is_clear(&self) -> bool {
        let others = self.all.iter().filter(|(offset, _)| *offset != self.offset).map(|(_, hits)| *hits).max();
        self.hits.min(self.met) >= SECONDS_MIN
            && self.stretch >= STRETCH_MIN
            && self.hits * 100 >= self.sampled * SHARE_MIN_PERCENT
            && self.hits >= others.unwrap_or(0) * TIMES_OTHERS
    }
}

/// The year and offset at which the sampled lines fall into seconds when others were at work; `None` if nothing is known
/// of others, or none is near.
fn fit(local: &[Time], seconds: &BTreeSet<i64>, year: Option<i32>, zone: Option<Zone>) -> Option<Fit> {
    let (first, last) = (*seconds.first()?, *seconds.last()?);
    let reference_year = year.unwrap_or_else(|| year_and_month(((first + last) / 2).div_euclid(86_400)).0);
    let years = if year.is_some() { reference_year..=reference_year } else { reference_year - 1..=reference_year + 1 };
    let mut best: Option<Fit> = None;
    for year in years {
        let times: BTreeSet<i64> = local.iter().filter_map(|time| as_utc(*time, year)).collect();
        let Some((start, end)) = times.first().zip(times.last()) else { continue };
        // All lie a day away from the others at most: then nothing can be concluded.
        if *start > last + 86_400 || *end < first - 86_400 {
            continue;
        }
        let near = |time: i64, offset: i64| seconds.range(time - offset - 1..=time - offset + 1);
        let count = |offset: i64| times.iter().filter(|time| near(**time, offset).next().is_some()).count();
        let pinned = match zone {
            Some(Zone::Fixed(seconds)) => vec![(i64::from(seconds), count(i64::from(seconds)))],
            _ => offsets().map(|offset| (offset, count(offset))).collect(),
        };
        let (offset, hits) = pinned.iter().copied().max_by_key(|(offset, hits)| (*hits, -offset.abs()))?;
        if best.as_ref().is_none_or(|best| hits > best.hits) {
            let month = year_and_month(start.div_euclid(86_400)).1;
            let met: BTreeSet<i64> = times.iter().flat_map(|time| near(*time, offset)).copied().collect();
            let stretch = met.first().zip(met.last()).map_or(0, |(first, last)| last - first);
            let (year_hint, met, sampled) = ((year, month), met.len(), times.len());
            best = Some(Fit { offset, year_hint, hits, met, stretch, sampled, all: pinned });
        }
    }
    best
}

/// Seconds since the epoch, as if local time were UTC.
fn as_utc(time: Time, in_year: i32) -> Option<i64> {
    match time {
        Time::Local { year, month, day, nanos_of_day, .. } if month > 0 => {
            let days = days_from_civil(year.unwrap_or(in_year), month, day);
            Some(days * 86_400 + nanos_of_day.div_euclid(1_000_000_000))
        }
        _ => None,
    }
}

/// The year and month of a day since the epoch.
fn year_and_month(day: i64) -> (i32, u8) {
    use chrono::Datelike;
    let date = chrono::DateTime::from_timestamp(day * 86_400, 0).unwrap_or_default();
    (date.year(), date.month() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn klog(month: u8, day: u8, second_of_day: i64) -> Time {
        Time::Local { year: None, month, day, nanos_of_day: second_of_day * 1_000_000_000, digits: 6 }
    }

    #[test]
    fn year_and_zone_come_from_what_others_did_at_the_time() {
        // 2026-11-23, spans from 09:13 to 09:18 UTC; the file says 14:43, which is 05:30 east.
        let day = days_from_civil(2026, 11, 23) * 86_400;
        let seconds: BTreeSet<i64> = (0..300).map(|second| day + 9 * 3600 + 13 * 60 + second).collect();
        let lines: Vec<Time> = (0..200).map(|second| klog(11, 23, 14 * 3600 + 43 * 60 + second)).collect();
        let fit = fit(&lines, &seconds, None, None).unwrap();
        assert_eq!((fit.offset, fit.year_hint), (19_800, (2026, 11)));
        assert!(fit.is_clear());
    }

    #[test]
    fn a_zone_is_not_guessed_on_thin_evidence() {
        let nine = days_from_civil(2026, 11, 23) * 86_400 + 9 * 3600;
        let lines = |count: i64, step: i64| -> Vec<Time> {
            (0..count).map(|line| klog(11, 23, 10 * 3600 + line * step)).collect()
        };
        let clear = |lines: &[Time], seconds: &[i64]| {
            let seconds = seconds.iter().map(|second| nine + second).collect();
            fit(lines, &seconds, None, None).is_some_and(|fit| fit.is_clear())
        };
        let dense: Vec<i64> = (0..200).collect();
        assert!(clear(&lines(200, 1), &dense));
        // One line of another file, or two; a burst; a stretch that is met only in part; an hour that others fill, too.
        assert!(!clear(&lines(200, 1), &[0]));
        assert!(!clear(&lines(200, 1), &[-60, 1800]));
        assert!(!clear(&lines(1, 1), &dense));
        assert!(!clear(&lines(30, 1), &dense[..30]));
        assert!(!clear(&lines(200, 1), &dense[..80]));
        assert!(!clear(&lines(200, 1), &(0..7200).collect::<Vec<_>>()));
    }

    #[test]
    fn only_zones_that_there_are_are_looked_for() {
        assert!(offsets().all(|offset| offset % 900 == 0) && offsets().any(|offset| offset == 20_700));
        assert!(!offsets().any(|offset| [900, 1800, 2700].contains(&offset.abs())));
    }

    #[test]
    fn a_file_of_another_season_is_not_fitted() {
        let day = days_from_civil(2026, 11, 23) * 86_400;
        let seconds: BTreeSet<i64> = (0..300).map(|second| day + second).collect();
        assert!(fit(&[klog(3, 1, 0)], &seconds, None, None).is_none());
        assert!(fit(&[klog(11, 23, 0)], &BTreeSet::new(), None, None).is_none());
    }
}
