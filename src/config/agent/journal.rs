//! `inputs.journal`: as it is written in the agent's file, and what that means with flags and defaults.
//!
//! In go the node of the file, and flags, out come its values, problems, and the configuration of the journal's input.

use std::path::{Path, PathBuf};

use super::fields::{Field, Names, Problems};
use super::keys::{NONE, STARTS, names, start_of};
use super::paths::absolute;
use crate::cli::AgentArgs;
use crate::config::error::ConfigError;
use crate::input::journal::query::JournalQuery;
use crate::input::tail::config::Start;
use crate::run::agent::JournalConfig;

/// What stands in a file; `None`: it does not.
#[derive(Debug, Default)]
pub(super) struct JournalWritten {
    path: Option<PathBuf>,
    units: Option<Vec<String>>,
    start: Option<Start>,
}

const JOURNAL: Names = names(&["path", "units", "start"], &[]);
const PATH_DEFAULT: &str = "/var/log/journal";
const UNITS_DEFAULT: [&str; 4] = ["kubelet", "crio", "containerd", "conmonrs"];
/// What a flag gives in place of units for all of them.
const ALL: &str = "*";

pub(super) fn written(field: &Field<'_>, problems: &mut Problems) -> Option<JournalWritten> {
    let journal = field.section(JOURNAL, problems)?;
    Some(JournalWritten {
        path: journal.read("path", problems, Field::absolute_path),
        units: journal.read_or_off("units", problems, units).map(Option::unwrap_or_default),
        start: journal.read("start", problems, |field, problems| field.choice(&STARTS, problems)),
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

/// `of_file`: what stands in the file; `Some(None)`: there it is turned off.
pub(super) fn resolved(
    args: &AgentArgs,
    of_file: Option<Option<JournalWritten>>,
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
    Ok(Some(JournalConfig {
        path: path.or(of_file.path).unwrap_or_else(|| PATH_DEFAULT.into()),
        units,
        query,
        start: args.journal_start.map(start_of).or(of_file.start).unwrap_or_default(),
    }))
}
