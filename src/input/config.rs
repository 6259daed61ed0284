//! Which logs are read, and how.

use std::path::PathBuf;
use std::sync::Arc;

use super::journal::query::JournalQuery;
use super::read::ReadLimits;
use super::writers::Writers;
use crate::line_rules::LineRules;
use crate::metadata::directory::PodDirectory;

/// Which logs are read, and how.
#[derive(Debug, Clone)]
pub struct InputConfig {
    /// Where to look for them.
    pub paths: Vec<PathBuf>,
    /// Who wrote them, as far as the user says it.
    pub writers: Writers,
    /// Files that the user names to be read besides, each with what names it.
    pub read_besides: Vec<(&'static str, PathBuf)>,
    /// Name all that is left out.
    pub verbose: bool,
    /// Limits of reading.
    pub limits: ReadLimits,
    /// Bytes that may be kept in temporary files.
    pub temporary_bytes_max: u64,
    /// Messages keep their terminal sequences.
    pub keep_ansi: bool,
    /// All fields of a journal's entries are attributes.
    pub journal_fields: bool,
    /// Which entries of journals are wanted.
    pub journal: JournalQuery,
    /// What is wanted with lines.
    pub rules: LineRules,
    /// All of them are read, and those that are not wanted told as left out: places in a file stay the same, whatever is wanted
    /// of it.
    pub reads_whole_journals: bool,
    /// What Kubernetes knows of pods.
    pub pods: Option<Arc<PodDirectory>>,
}
