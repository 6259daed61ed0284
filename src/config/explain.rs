//! The configuration of `explain`: how it reads and links, and what it explains.

use super::backfill;
use super::endpoints::notices;
use super::error::{ConfigError, Surroundings};
use crate::cli::ExplainArgs;
use crate::commands::explain::config::{ExplainConfig, Wanted};
use crate::run::config::SelectConfig;

/// The configuration of `explain`.
pub fn explain(args: &ExplainArgs, around: &Surroundings<'_>) -> Result<ExplainConfig, ConfigError> {
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
    let read = backfill::read(&args.input, around)?;
    Ok(ExplainConfig {
        notices: notices(&[], &read.traces.stores),
        read,
        select: SelectConfig { only: backfill::conditions(&args.input)?, ..SelectConfig::default() },
        wanted,
        as_json: args.json,
        text: backfill::text(&args.input, around),
    })
}
