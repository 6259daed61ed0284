//! From what was typed to what is meant: validated, resolved, one field per part.
//!
//! In go arguments, the environment and the clock, out come the commands' configurations, or an error that names the flag.
//! Nothing below this module reads the environment.

mod backfill;
mod only;
mod places;
mod times;
mod writers;

use std::io::IsTerminal;

use crate::calendar::{CalendarSettings, Zone};
use crate::cli::{ColorWhen, ConvertArgs, ExplainArgs, JournalFields, ScoreArgs, ToFormat};
use crate::commands::convert::ConvertConfig;
use crate::commands::score::ScoreConfig;
use crate::input::read::ReadLimits;
use crate::pipeline::Wanted;

pub use backfill::{BackfillConfig, backfill};
pub use only::Condition;
pub use places::{Destination, TraceStore};

/// Why the arguments mean nothing.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: {reason}")]
pub struct ConfigError {
    /// The flag.
    pub flag: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl ConfigError {
    fn new(flag: &'static str, reason: impl ToString) -> ConfigError {
        ConfigError { flag, reason: reason.to_string() }
    }
}

/// The world outside that a configuration depends on.
pub struct Surroundings<'e> {
    /// Environment variables.
    pub variable: &'e dyn Fn(&str) -> Option<String>,
    /// ns since the epoch.
    pub now_nanos: i64,
    /// Columns of the terminal, where there is one.
    pub columns: Option<usize>,
}

/// What `convert` does.
pub fn convert(args: &ConvertArgs, around: &Surroundings<'_>) -> Result<ConvertConfig, ConfigError> {
    Ok(ConvertConfig {
        files: args.files.clone(),
        writers: writers::writers(&args.writer)?,
        from: args.from,
        to: args.to,
        calendar: calendar(args.year, args.zone.as_deref(), around)?,
        keep_ansi: args.keep_ansi,
        // JSON is for programs, which leave out what they do not want.
        journal_fields: match args.journal_fields {
            Some(fields) => fields == JournalFields::All,
            None => args.to == ToFormat::Json,
        },
        limits: limits(args.max_line_bytes, args.max_decompressed_bytes)?,
        fields: backfill::fields(args.fields),
        colour: colour(args.color, around),
    })
}

/// What `explain` does: how it reads and links, and what it tells of.
pub fn explain(args: &ExplainArgs, around: &Surroundings<'_>) -> Result<(BackfillConfig, Wanted), ConfigError> {
    if args.input.traces.is_empty() {
        return Err(ConfigError::new("--traces", "give the traces that lines are to be linked to"));
    }
    let wanted = match (&args.at, &args.trace) {
        (Some(at), _) => {
            let bad = || ConfigError::new("--at", format!("{at:?} is no place such as kubelet.log:17"));
            let (file, line) = at.rsplit_once(':').ok_or_else(bad)?;
            let line = line.parse().ok().filter(|line| *line > 0 && !file.is_empty()).ok_or_else(bad)?;
            Wanted::Line { file: file.to_owned(), line }
        }
        (None, None) => Wanted::Chosen,
        (None, Some(id)) => {
            let parsed = u128::from_str_radix(id, 16).ok().filter(|parsed| id.len() == 32 && *parsed != 0);
            let bad = || ConfigError::new("--trace", format!("{id:?} is no trace id of 32 hex digits"));
            Wanted::Trace(parsed.ok_or_else(bad)?.to_be_bytes())
        }
    };
    Ok((backfill::input(&args.input, around)?, wanted))
}

/// What `score` does.
pub fn score(args: &ScoreArgs) -> Result<ScoreConfig, ConfigError> {
    for (flag, value) in [("--min-precision", args.min_precision), ("--min-recall", args.min_recall)] {
        if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            return Err(ConfigError::new(flag, "must lie between 0 and 1"));
        }
    }
    Ok(ScoreConfig {
        truth: args.truth.clone(),
        links: args.links.clone(),
        json: args.json,
        min_precision: args.min_precision,
        min_recall: args.min_recall,
    })
}

fn calendar(year: Option<i32>, zone: Option<&str>, around: &Surroundings<'_>) -> Result<CalendarSettings, ConfigError> {
    let zone = zone.map(Zone::parse).transpose().map_err(|error| ConfigError::new("--zone", error))?;
    if year.is_some_and(|year| !(1970..=2200).contains(&year)) {
        return Err(ConfigError::new("--year", "must lie between 1970 and 2200"));
    }
    Ok(CalendarSettings { year, zone, year_hint: None, now_nanos: around.now_nanos, fallback_zone: Zone::local() })
}

fn limits(line: u64, file: u64) -> Result<ReadLimits, ConfigError> {
    let line_bytes = usize::try_from(line).map_err(|error| ConfigError::new("--max-line-bytes", error))?;
    if line_bytes < 1024 {
        return Err(ConfigError::new("--max-line-bytes", "must be 1024 or more"));
    }
    Ok(ReadLimits { line_bytes, file_bytes: file })
}

fn colour(when: ColorWhen, around: &Surroundings<'_>) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            (around.variable)("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stdout().is_terminal()
        }
    }
}
