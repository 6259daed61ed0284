//! The configuration of `score`.

use super::error::ConfigError;
use crate::cli::{ScoreArgs, ScoreBy};
use crate::commands::score::ScoreConfig;

/// The configuration of `score`.
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
        by_kind: args.by == Some(ScoreBy::Kind),
        min_precision: args.min_precision,
        min_recall: args.min_recall,
    })
}
