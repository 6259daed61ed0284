//! What can be typed for `spanline convert`: types only, `config` gives them their meaning.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::writer::WriterArgs;
use super::{ColorWhen, parse_bytes};

/// Flags of `spanline convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// Who wrote the files. First, since a derived parser takes the files out of the matches.
    #[command(flatten)]
    pub writer: WriterArgs,
    /// Files to read, compressed or not; standard input when there is none, and for -
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the lines are; auto decides for each line: first its envelope, then its payload
    #[arg(long, value_enum, default_value = "auto", value_name = "FORMAT")]
    pub from: FromFormat,
    /// What to write: one record per line
    #[arg(long, value_enum, default_value = "json", value_name = "FORMAT")]
    pub to: ToFormat,
    /// The year of every line that has none
    #[arg(long, value_name = "YEAR")]
    pub year: Option<i32>,
    /// The zone of every time that has none: an IANA name or ±hh:mm
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    pub zone: Option<String>,
    /// Leave the terminal sequences (colours) that a program wrote in the messages; they count for nothing else either way
    #[arg(long)]
    pub keep_ansi: bool,
    /// A longer line is cut into marked pieces
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = parse_bytes)]
    pub max_line_bytes: u64,
    /// A file whose decompressed size is beyond this is read so far and said to be cut
    #[arg(long, value_name = "BYTES", default_value = "64GiB", value_parser = parse_bytes)]
    pub max_decompressed_bytes: u64,
    /// When to colour --to text
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: ColorWhen,
}

/// `--from`: each name covers the text and the JSON form of its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum FromFormat {
    Auto,
    Cri,
    Docker,
    Journal,
    Kubectl,
    Klog,
    Logrus,
    Logfmt,
    Json,
    Conmonrs,
    Conmon,
    Syslog,
    Text,
}

/// `--to` of convert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ToFormat {
    /// One JSON object per record
    Json,
    /// OTLP/JSON, one resourceLogs object per record
    OtlpJson,
    /// key=value
    Logfmt,
    /// For people, coloured on a terminal
    Text,
}
