//! How good the links are: a links file against the truth.
//!
//! In go the truth, one row for every physical line, and a links file, one row for every record; out comes a [`Score`]:
//! counts by producer, by method and by class of lines, and how often links of each confidence were right. It judges
//! links only: nothing here knows how they were made.

mod rows;
mod table;
mod tally;

use std::io::{self, Write};
use std::path::PathBuf;

pub use rows::ScoreError;
pub use tally::{Bucket, Score, Tally};

/// What `score` does.
#[derive(Debug, Clone)]
pub struct ScoreConfig {
    /// The truth.
    pub truth: PathBuf,
    /// The links.
    pub links: PathBuf,
    /// One JSON object instead of tables.
    pub json: bool,
    /// Trace precision over all lines, below which the exit code is 1.
    pub min_precision: Option<f64>,
    /// Trace recall over all lines, below which the exit code is 1.
    pub min_recall: Option<f64>,
}

/// Scores, and says what is below the thresholds.
pub fn run(config: &ScoreConfig, output: &mut impl Write) -> Result<Vec<String>, ScoreError> {
    let score = score(config)?;
    let written = if config.json { table::write_json(&score, output) } else { table::write_text(&score, output) };
    match written.and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(ScoreError::Output(error)),
        _ => {}
    }
    let all = &score.total;
    let below = |what: &str, found: Option<f64>, wanted: Option<f64>| {
        let (found, wanted) = (found.unwrap_or(0.0), wanted?);
        (found < wanted).then(|| format!("{what} {found:.4} is below {wanted}"))
    };
    let precision = below("trace precision", all.trace_precision(), config.min_precision);
    let recall = below("trace recall", all.trace_recall(), config.min_recall);
    Ok(precision.into_iter().chain(recall).collect())
}

/// Reads both files and compares them.
pub fn score(config: &ScoreConfig) -> Result<Score, ScoreError> {
    let mut truth = rows::Truth::read(&config.truth)?;
    let mut score = Score::default();
    rows::each_link(&config.links, |row| score.add_record(&mut truth, row))?;
    score.add_rest(&truth);
    Ok(score)
}

#[cfg(test)]
mod tests;
