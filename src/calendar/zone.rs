//! Time zones: by offset, by name, or this machine's.
//!
//! In goes a local time, out come the offsets that it may have: one, two in the hour that comes twice, none in the one
//! that is left out. The calendar decides which of two is meant.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeZone};

use super::units::{DAY, SECOND};

/// A time zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Zone {
    /// Seconds east of UTC.
    Fixed(i32),
    /// By its IANA name.
    Named(chrono_tz::Tz),
    /// This machine's.
    #[default]
    Local,
}

/// A zone that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone {0:?}: give an IANA name such as Europe/Berlin, or ±hh:mm")]
pub struct UnknownZone(pub String);

impl Zone {
    /// Reads `Europe/Berlin`, `UTC`, `Z`, `+05:30`, `-0800`, `+02`, `local`.
    pub fn parse(text: &str) -> Result<Zone, UnknownZone> {
        let unknown = || UnknownZone(text.to_owned());
        match text.as_bytes() {
            [b'+' | b'-', digits @ ..] => {
                let seconds = offset_seconds(digits).ok_or_else(unknown)?;
                Ok(Zone::Fixed(if text.starts_with('-') { -seconds } else { seconds }))
            }
            b"Z" | b"z" => Ok(Zone::Fixed(0)),
            b"local" => Ok(Zone::Local),
            _ => text.parse().map(Zone::Named).map_err(|_| unknown()),
        }
    }

    /// This machine's zone.
    pub fn local() -> Zone {
        Zone::Local
    }

    /// The instant of a local time, ns: the earlier where there are two; where clocks are put forward, as if they were not.
    pub fn instant(self, local: i64) -> Option<i64> {
        let offset = match self.offsets(local) {
            Some((earlier, _)) => earlier,
            None => self.offsets(local.checked_sub(DAY)?)?.0,
        };
        local.checked_sub(offset)
    }

    /// The local time at an instant, as ns.
    pub fn local_time(self, nanos: i64) -> Option<i64> {
        let utc = DateTime::from_timestamp(nanos.div_euclid(SECOND), 0)?.naive_utc();
        let seconds = match self {
            Zone::Fixed(seconds) => seconds,
            Zone::Named(zone) => zone.offset_from_utc_datetime(&utc).fix().local_minus_utc(),
            Zone::Local => chrono::Local.offset_from_utc_datetime(&utc).fix().local_minus_utc(),
        };
        nanos.checked_add(i64::from(seconds) * SECOND)
    }

    /// Offsets that a local time may have, earlier instant first; `None` in the hour that is left out.
    pub(super) fn offsets(self, local: i64) -> Option<(i64, i64)> {
        let naive = DateTime::from_timestamp(local.div_euclid(SECOND), 0)?.naive_utc();
        match self {
            Zone::Fixed(seconds) => Some((i64::from(seconds) * SECOND, i64::from(seconds) * SECOND)),
            Zone::Named(zone) => offsets_in(&zone, &naive),
            Zone::Local => offsets_in(&chrono::Local, &naive),
        }
    }
}

/// hh [ [":"] mm ]
fn offset_seconds(digits: &[u8]) -> Option<i32> {
    let (hours, minutes) = match digits {
        [a, b] => ([*a, *b], [b'0'; 2]),
        [a, b, c, d] | [a, b, b':', c, d] => ([*a, *b], [*c, *d]),
        _ => return None,
    };
    let two = |pair: [u8; 2]| spanline_parsers::timestamp::two(&pair, 0).map(i32::from);
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours <= 18 && minutes < 60).then_some(hours * 3600 + minutes * 60)
}

fn offsets_in<Z: TimeZone>(zone: &Z, local: &NaiveDateTime) -> Option<(i64, i64)> {
    let nanos = |offset: Z::Offset| i64::from(offset.fix().local_minus_utc()) * SECOND;
    match zone.offset_from_local_datetime(local) {
        MappedLocalTime::Single(offset) => Some((nanos(offset.clone()), nanos(offset))),
        MappedLocalTime::Ambiguous(one, other) => {
            let (one, other) = (nanos(one), nanos(other));
            // The larger offset gives the earlier instant.
            Some((one.max(other), one.min(other)))
        }
        MappedLocalTime::None => None,
    }
}
