//! How good the links are: a links file against the truth.
//!
//! In go the truth, one row for every physical line, and a links file, one row for every record; out comes a [`Score`]:
//! counts by producer, by method and by class of lines, how often links of each confidence were right, and which kinds of
//! lines have most faults, for which the lines themselves are read. It judges links only: nothing here knows how they were made.

mod judged;
mod kinds;
mod rows;
mod table;
mod tally;

use std::io::{self, Write};
use std::path::PathBuf;

use kinds::JudgedRecords;

pub use judged::Tally;
pub use kinds::{Kind, Kinds, LineAt, NotRead};
pub use rows::ScoreError;
pub use tally::{Bucket, Score};

/// What `score` does.
#[derive(Debug, Clone)]
pub struct ScoreConfig {
    /// The truth.
    pub truth: PathBuf,
    /// The links.
    pub links: PathBuf,
    /// One JSON object instead of tables.
    pub json: bool,
    /// The kinds of lines are told, too.
    pub by_kind: bool,
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
    let mut records = config.by_kind.then(JudgedRecords::default);
    rows::each_link(&config.links, |row| {
        let judged = score.add_record(&mut truth, row);
        if let (Some(records), Some(judged)) = (&mut records, judged) {
            records.add(row, judged);
        }
    })?;
    score.add_rest(&truth);
    score.kinds = records.map(JudgedRecords::into_kinds);
    Ok(score)
}

#[cfg(test)]
mod tests;
