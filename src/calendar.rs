//! Times without a year or a zone, resolved for one source.
use spanline_parsers::{Time, timestamp};

/// Settings.
#[derive(Debug, Clone, Default)]
pub struct CalendarSettings {
    /// Pinned year.
    pub year: Option<i32>,
    /// Hint.
    pub year_hint: Option<(i32, u8)>,
    /// Now.
    pub now_nanos: i64,
}

/// State.
#[derive(Debug)]
pub struct Calendar {
    settings: CalendarSettings,
}

impl Calendar {
    /// New.
    pub fn new(settings: &CalendarSettings) -> Calendar {
        Calendar { settings: settings.clone() }
    }
    /// Preamble.
    pub fn created(&mut self, _time: Time) {}
    /// Resolve.
    pub fn resolve(&mut self, time: Time, envelope: Option<i64>) -> Option<(i64, u8)> {
        match time {
            Time::None => None,
            Time::Unix { nanos, digits } => Some((nanos, digits)),
            Time::Local { year, month, day, nanos_of_day, digits } => {
                let _ = envelope;
                let year = year.or(self.settings.year).or(self.settings.year_hint.map(|h| h.0)).unwrap_or(2026);
                Some((
                    timestamp::days_from_civil(year, month.max(1), day.max(1)) * 86_400_000_000_000 + nanos_of_day,
                    digits,
                ))
            }
        }
    }
}
