//! Times as people write them: `--since` and `--until`.
//!
//! In go the text of a flag and the clock, out comes a time, or an error that names the flag.

use super::{ConfigError, Surroundings};
use crate::cli::parse_duration;

pub(super) fn time(flag: &'static str, text: &str, around: &Surroundings<'_>) -> Result<i64, ConfigError> {
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return time.timestamp_nanos_opt().ok_or_else(|| ConfigError::new(flag, "is out of range"));
    }
    let back = parse_duration(text).map_err(|_| {
        ConfigError::new(flag, format!("{text:?} is neither an RFC 3339 time nor a span back such as 2h"))
    })?;
    Ok(around.now_nanos - i64::try_from(back.as_nanos()).map_err(|error| ConfigError::new(flag, error))?)
}
