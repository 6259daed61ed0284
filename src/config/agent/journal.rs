//! `inputs.journal`: as it is written in the agent's file, and what that means with flags and defaults.
//!
//! In go the node of the file, and flags, out come its values, problems, and the configuration of the journal's input.

use std::path::{Path, PathBuf};

use super::fields::{Field, Names, Problems};
use super::keys::{NONE, names};
use super::paths::absolute;
use crate::calendar::Zone;
use crate::cli::AgentArgs;
use crate::config::error::{ConfigError, Surroundings};
use crate::config::times;
use crate::input::journal::query::JournalQuery;
use crate::input::journal::start::{JournalStart, StartTime};
use crate::run::agent::JournalConfig;

/// What stands in a file; `None`: it does not.
#[derive(Debug, Default)]
pub(super) struct JournalWritten {
    path: Option<PathBuf>,
    units: Option<Vec<String>>,
    matches: Option<Vec<String>>,
    all_fields: Option<bool>,
    start: Option<String>,
}

const JOURNAL: Names = names(&["path", "units", "match", "fields", "start"], &[]);
const FIELDS: [(&str, bool); 2] = [("some", false), ("all", true)];
const START: &str = "--journal-start";
const PATH_DEFAULT: &str = "/var/log/journal";
const UNITS_DEFAULT: [&str; 4] = ["kubelet", "crio", "containerd", "conmonrs"];
/// What a flag gives in place of units for all of them.
const ALL: &str = "*";

pub(super) fn written(field: &Field<'_>, problems: &mut Problems) -> Option<JournalWritten> {
    let journal = field.section(JOURNAL, problems)?;
    Some(JournalWritten {
        path: journal.read("path", problems, Field::absolute_path),
        units: journal.read_or_off("units", problems, units).map(Option::unwrap_or_default),
        matches: journal.read_or_off("match", problems, matches).map(Option::unwrap_or_default),
        all_fields: journal.read("fields", problems, |field, problems| field.choice(&FIELDS, problems)),
        start: journal.read("start", problems, start_written),
    })
}

/// Names of units, or programs.
fn units(field: &Field<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let named = field.each(problems, Field::text);
    for unit in &named {
        if let Err(error) = JournalQuery::default().add_program(&unit.value) {
            problems.add(unit.line, format!("{}: {error}", field.path));
        }
    }
    Some(named.into_iter().map(|unit| unit.value).collect())
}

/// Matches as `journalctl` takes them.
fn matches(field: &Field<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let written = field.each(problems, Field::text);
    let mut matches = Vec::new();
    for one in written {
        match add_match(&mut JournalQuery::default(), &one.value) {
            Ok(()) => matches.push(one.value),
            Err(reason) => problems.add(one.line, format!("{}: {reason}", field.path)),
        }
    }
    Some(matches)
}

fn add_match(query: &mut JournalQuery, text: &str) -> Result<(), String> {
    query.add(text).map_err(|error| error.to_string())?;
    // Which is the last one changes while the agent runs.
    if query.needs_boots() { Err("a boot is told by its id here".to_owned()) } else { Ok(()) }
}

fn start_written(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.scalar(problems, "end, beginning or a time is expected", |text| Some(text.to_owned()))?;
    // Any time will do here: whether it is one is told with its line.
    match start(&text, 0) {
        Ok(_) => Some(text),
        Err(error) => {
            problems.add(field.node.line, format!("{}: end, beginning, or a time: {}", field.path, error.reason));
            None
        }
    }
}

/// start = "end" / "beginning" / time
fn start(text: &str, now_nanos: i64) -> Result<JournalStart, ConfigError> {
    Ok(match text {
        "end" => JournalStart::End,
        "beginning" => JournalStart::Beginning,
        text => {
            let nanos = times::time(START, text, Zone::local(), now_nanos)?;
            let usec = u64::try_from(nanos.div_euclid(1000)).unwrap_or_default();
            JournalStart::Since(StartTime { text: text.to_owned(), usec })
        }
    })
}

/// `of_file`: what stands in the file; `Some(None)`: there it is turned off.
pub(super) fn resolved(
    args: &AgentArgs,
    of_file: Option<Option<JournalWritten>>,
    around: &Surroundings<'_>,
) -> Result<Option<JournalConfig>, ConfigError> {
    let is_given = args.journal_path.is_some() || args.journal_start.is_some() || !args.journal_units.is_empty();
    let of_file = match of_file {
        _ if args.journal_path.as_deref() == Some(Path::new(NONE)) => return Ok(None),
        Some(None) if !is_given => return Ok(None),
        of_file => of_file.flatten().unwrap_or_default(),
    };
    let path = args.journal_path.as_deref().map(|path| absolute("--journal-path", path)).transpose()?;
    let units = match args.journal_units.as_slice() {
        [] => of_file.units.unwrap_or_else(|| UNITS_DEFAULT.map(str::to_owned).to_vec()),
        [all] if all == ALL => Vec::new(),
        named => named.to_vec(),
    };
    let mut query = JournalQuery::default();
    for unit in &units {
        query.add_program(unit).map_err(|error| ConfigError::new("--journal-units", error))?;
    }
    let matches = of_file.matches.unwrap_or_default();
    for one in &matches {
        add_match(&mut query, one).map_err(|reason| ConfigError::new("--config", reason))?;
    }
    let begins = args.journal_start.clone().or(of_file.start);
    Ok(Some(JournalConfig {
        path: path.or(of_file.path).unwrap_or_else(|| PATH_DEFAULT.into()),
        units,
        matches,
        query,
        all_fields: of_file.all_fields.unwrap_or_default(),
        start: begins.map_or(Ok(JournalStart::End), |text| start(&text, around.now_nanos))?,
    }))
}
