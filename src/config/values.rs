//! Values that several commands' flags have: calendars, limits of reading, colour.

use std::io::IsTerminal;

use super::error::{ConfigError, Surroundings};
use crate::calendar::{CalendarSettings, Zone};
use crate::cli::{AboutEventsName, ColorWhen, FieldsShown};
use crate::export::formats::text_fields::Fields;
use crate::export::span_events::event::AboutEvents;
use crate::input::journal::query::JournalQuery;
use crate::input::read::ReadLimits;

pub(super) fn calendar(
    year: Option<i32>,
    zone: Option<&str>,
    around: &Surroundings<'_>,
) -> Result<CalendarSettings, ConfigError> {
    let zone = zone.map(Zone::parse).transpose().map_err(|error| ConfigError::new("--zone", error))?;
    if year.is_some_and(|year| !(1970..=2200).contains(&year)) {
        return Err(ConfigError::new("--year", "must lie between 1970 and 2200"));
    }
    Ok(CalendarSettings { year, zone, year_hint: None, now_nanos: around.now_nanos, fallback_zone: Zone::local() })
}

pub(super) fn limits(line: u64, file: u64) -> Result<ReadLimits, ConfigError> {
    let line_bytes = usize::try_from(line).map_err(|error| ConfigError::new("--max-line-bytes", error))?;
    if line_bytes < 1024 {
        return Err(ConfigError::new("--max-line-bytes", "must be 1024 or more"));
    }
    Ok(ReadLimits { line_bytes, file_bytes: file })
}

pub(super) fn colour(when: ColorWhen, around: &Surroundings<'_>) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            (around.variable)("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stdout().is_terminal()
        }
    }
}

/// `--journal`.
pub(super) fn journal(matches: &[String]) -> Result<JournalQuery, ConfigError> {
    let mut query = JournalQuery::default();
    for text in matches {
        query.add(text).map_err(|error| ConfigError::new("--journal", format!("{text}: {error}")))?;
    }
    Ok(query)
}

/// `--about-events`.
pub(super) fn about_events(which: AboutEventsName) -> AboutEvents {
    match which {
        AboutEventsName::All => AboutEvents::All,
        AboutEventsName::None => AboutEvents::None,
    }
}

/// `--fields`.
pub(super) fn fields(which: FieldsShown) -> Fields {
    match which {
        FieldsShown::All => Fields::All,
        FieldsShown::Some => Fields::Some,
        FieldsShown::None => Fields::None,
    }
}
