//! The year and zone of sources whose lines have none and stand in no envelope.
//!
//! In go the first and last lines' times of each source, and those of spans and of siblings that are complete; out comes
//! for each source how its calendar begins. A file's age tells its year where nothing better does, never its zone.

use std::collections::BTreeSet;
use std::time::UNIX_EPOCH;

use spanline_parsers::Time;
use spanline_parsers::timestamp::days_from_civil;

use super::traces::TracesReport;
use super::{Say, Source};
use crate::calendar::{CalendarSettings, Zone};
use crate::config::BackfillConfig;

/// Zones differ from UTC by multiples of this, in seconds.
const STEP: i64 = 15 * 60;
/// The widest zones, east and west.
const OFFSETS: std::ops::RangeInclusive<i64> = -12 * 3600 / STEP..=14 * 3600 / STEP;
/// Another zone than the local one must explain this many more of the sampled lines, in percent.
const MARGIN_PERCENT: usize = 10;

/// How each source's calendar begins.
pub(super) fn calendars(
    config: &BackfillConfig,
    sources: &[Source],
    traces: &TracesReport,
    say: &Say,
) -> Vec<CalendarSettings> {
    let mut seconds = traces.seconds.clone();
    for source in sources {
        seconds.extend(source.times.complete.iter().map(|nanos| nanos.div_euclid(1_000_000_000)));
    }
    let mut said = BTreeSet::new();
    let calendar = |source: &Source| {
        let mut settings = CalendarSettings { year_hint: source.year_hint, ..config.calendar.clone() };
        let local: Vec<Time> = source.times.local.clone();
        if local.is_empty() || !source.times.complete.is_empty() {
            return settings;
        }
        let age = || newest_change(source).map(|nanos| year_and_month(nanos.div_euclid(86_400_000_000_000)));
        if let Some(fit) = fit(&local, &seconds, settings.year, settings.zone) {
            settings.year_hint = Some(fit.year_hint);
            if settings.zone.is_none() && fit.is_clear(settings.fallback_zone) {
                settings.fallback_zone = Zone::Fixed(fit.offset as i32);
                if fit.offset != 0 && said.insert(fit.offset) {
                    say(&format!(
                        "{}: its times have no zone; {} fits the spans and the other logs best (--zone says otherwise)",
                        source.files.first().map_or("", |file| file.shown.as_str()),
                        spelled(fit.offset)
                    ));
                }
            }
        } else {
            settings.year_hint = settings.year_hint.or_else(age);
        }
        settings
    };
    let mut calendar = calendar;
    sources.iter().map(&mut calendar).collect()
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
    /// The same for each offset.
    all: Vec<(i64, usize)>,
}

impl Fit {
    /// Does it explain clearly more than the zone that would be taken otherwise?
    fn is_clear(&self, otherwise: Zone) -> bool {
        let other = match otherwise {
            Zone::Fixed(seconds) => i64::from(seconds),
            Zone::Named(_) | Zone::Local => {
                // The local zone's offset at that time is one of these; without changes of the clock it is today's.
                i64::from(chrono::Local::now().offset().local_minus_utc())
            }
        };
        let hits = self.all.iter().find(|(offset, _)| *offset == other).map_or(0, |(_, hits)| *hits);
        self.hits > 0 && self.hits * 100 > hits * (100 + MARGIN_PERCENT)
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
        // A day beside the others, at most: then nothing can be said.
        if *start > last + 86_400 || *end < first - 86_400 {
            continue;
        }
        let count = |offset: i64| {
            let active = |time: &&i64| seconds.range(*time - offset - 1..=*time - offset + 1).next().is_some();
            times.iter().filter(active).count()
        };
        let pinned = match zone {
            Some(Zone::Fixed(seconds)) => vec![(i64::from(seconds), count(i64::from(seconds)))],
            _ => OFFSETS.map(|step| (step * STEP, count(step * STEP))).collect(),
        };
        let (offset, hits) = pinned.iter().copied().max_by_key(|(offset, hits)| (*hits, -offset.abs()))?;
        if best.as_ref().is_none_or(|best| hits > best.hits) {
            let month = year_and_month(start.div_euclid(86_400)).1;
            best = Some(Fit { offset, year_hint: (year, month), hits, all: pinned });
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

fn newest_change(source: &Source) -> Option<i64> {
    let changed = |path: &std::path::Path| {
        let changed = std::fs::metadata(path).ok()?.modified().ok()?;
        i64::try_from(changed.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
    };
    source.files.iter().filter_map(|file| changed(&file.path)).max()
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
        assert!(fit.is_clear(Zone::Fixed(0)));
        // A zone that explains as much is not left for another.
        assert!(!fit.is_clear(Zone::Fixed(19_800)));
    }

    #[test]
    fn a_file_of_another_season_is_not_fitted() {
        let day = days_from_civil(2026, 11, 23) * 86_400;
        let seconds: BTreeSet<i64> = (0..300).map(|second| day + second).collect();
        assert!(fit(&[klog(3, 1, 0)], &seconds, None, None).is_none());
        assert!(fit(&[klog(11, 23, 0)], &BTreeSet::new(), None, None).is_none());
    }
}
