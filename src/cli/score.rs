//! What can be typed for `spanline score`: types only, `config` gives them their meaning.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `--by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScoreBy {
    /// By who wrote a line and what it says without its values
    Kind,
}

/// Flags of `spanline score`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  spanline score truth.jsonl links.jsonl --min-precision 0.99\n  \
                        spanline score truth.jsonl links.jsonl --by kind\n  \
                        spanline score truth.jsonl links.jsonl --json | jq .total")]
pub struct ScoreArgs {
    /// The truth: one JSON object for every physical line, with file, line, trace_id, span_id (null: none) and class
    #[arg(value_name = "TRUTH")]
    pub truth: PathBuf,
    /// What backfill --links wrote
    #[arg(value_name = "LINKS")]
    pub links: PathBuf,
    /// Also the kinds of lines with most faults, read from the files that LINKS names
    #[arg(long, value_name = "WHAT", value_enum)]
    pub by: Option<ScoreBy>,
    /// One JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// End with 1 if fewer of all links lead to the right trace
    #[arg(long, value_name = "P")]
    pub min_precision: Option<f64>,
    /// End with 1 if fewer of all lines with a span are linked to its trace
    #[arg(long, value_name = "R")]
    pub min_recall: Option<f64>,
}
