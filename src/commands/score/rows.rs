//! Rows of the truth and of the links file.
//!
//! truth-row = { "file", "line", "trace_id", "span_id", "class", "quirk"? }    ; a physical line
//! link-row  = { "file", "line", "lines", "trace_id", "span_id", "method", "confidence", "relation", "verified" }

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::input::sources;
use crate::input::{discover, open};
use crate::record::Producer;

/// What to do about files in the places of one another.
const ORDER: &str = "the order is: score TRUTH LINKS";

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A row is not what it should be.
    #[error("{path}, line {line}: {reason}")]
    Row {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// Standard output.
    #[error("standard output: {0}")]
    Output(io::Error),
}

/// The true span of a physical line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TrueSpan {
    /// `None`: no recorded span was active.
    pub(super) ids: Option<([u8; 16], Option<[u8; 8]>)>,
    pub(super) class: u16,
    /// Not judged: its span is not known.
    pub(super) left_out: bool,
    /// A record of the links file took it.
    pub(super) seen: bool,
}

/// The truth of one file.
#[derive(Debug)]
pub(super) struct TrueFile {
    pub(super) name: String,
    pub(super) producer: String,
    pub(super) lines: HashMap<u64, TrueSpan>,
}

/// All of the truth.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) files: Vec<TrueFile>,
    pub(super) classes: Vec<String>,
    /// Paths of the links file to places in `files`.
    matched: HashMap<String, Option<usize>>,
}

#[derive(Deserialize)]
struct TruthRow {
    file: String,
    line: u64,
    trace_id: Option<String>,
    span_id: Option<String>,
    #[serde(default)]
    class: String,
    quirk: Option<serde::de::IgnoredAny>,
    /// Only a links file has it.
    lines: Option<serde::de::IgnoredAny>,
}

/// One record of the links file.
#[derive(Debug, Deserialize)]
pub(super) struct LinkRow {
    pub(super) file: String,
    pub(super) line: u64,
    #[serde(default = "one")]
    pub(super) lines: u64,
    #[serde(deserialize_with = "trace_id", default)]
    pub(super) trace_id: Option<[u8; 16]>,
    #[serde(deserialize_with = "span_id", default)]
    pub(super) span_id: Option<[u8; 8]>,
    pub(super) method: Option<String>,
    pub(super) confidence: Option<f64>,
    pub(super) relation: Option<String>,
    pub(super) verified: Option<bool>,
    /// Only the truth has it.
    class: Option<serde::de::IgnoredAny>,
}

fn one() -> u64 {
    1
}

impl LinkRow {
    /// A link that says: this span encloses this line.
    pub(super) fn within(&self) -> Option<([u8; 16], Option<[u8; 8]>)> {
        let trace_id = self.trace_id.filter(|_| self.relation.as_deref() != Some("about"))?;
        Some((trace_id, self.span_id))
    }
}

fn trace_id<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<[u8; 16]>, D::Error> {
    ids(Option::<String>::deserialize(from)?.as_deref()).map_err(serde::de::Error::custom)
}

fn span_id<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<[u8; 8]>, D::Error> {
    ids(Option::<String>::deserialize(from)?.as_deref()).map_err(serde::de::Error::custom)
}

/// id = N*( 2HEXDIG ) / ""
fn ids<const N: usize>(text: Option<&str>) -> Result<Option<[u8; N]>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong = || format!("{text:?} is not an id of {} hex digits", 2 * N);
    if text.len() != 2 * N || !text.is_ascii() {
        return Err(wrong());
    }
    let mut id = [0; N];
    for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(Some(id))
}

/// Calls `each` with every line that is not empty, and its number.
fn each_line(path: &Path, mut each: impl FnMut(&[u8]) -> Result<(), String>) -> Result<(), ScoreError> {
    let failed = |source| ScoreError::Read { path: path.to_owned(), source };
    let mut input = BufReader::with_capacity(1 << 18, open::open(path).map_err(failed)?);
    let (mut text, mut line) = (Vec::new(), 0);
    loop {
        text.clear();
        if input.read_until(b'\n', &mut text).map_err(failed)? == 0 {
            return Ok(());
        }
        line += 1;
        if !text.trim_ascii().is_empty() {
            each(&text).map_err(|reason| ScoreError::Row { path: path.to_owned(), line, reason })?;
        }
    }
}

/// Calls `each` with every row of a links file.
pub(super) fn each_link(path: &Path, mut each: impl FnMut(&LinkRow)) -> Result<(), ScoreError> {
    each_line(path, |text| {
        let row: LinkRow = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if row.class.is_some() {
            return Err(format!("this is a row of a truth, and no link; {ORDER}"));
        }
        each(&row);
        Ok(())
    })
}

impl Truth {
    pub(super) fn read(path: &Path) -> Result<Truth, ScoreError> {
        let mut truth = Truth::default();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut classes: HashMap<String, u16> = HashMap::new();
        each_line(path, |text| {
            let row: TruthRow = serde_json::from_slice(text).map_err(|error| error.to_string())?;
            if row.lines.is_some() {
                return Err(format!("this is a row of a links file, and no truth; {ORDER}"));
            }
            let ids = match ids(row.trace_id.as_deref())? {
                Some(trace_id) => Some((trace_id, ids(row.span_id.as_deref())?)),
                None => None,
            };
            let class = match classes.get(&row.class) {
                Some(class) => *class,
                None => {
                    let class = u16::try_from(truth.classes.len()).map_err(|_| "more classes than 65,536")?;
                    classes.insert(row.class.clone(), class);
                    truth.classes.push(row.class.clone());
                    class
                }
            };
            let left_out = row.quirk.is_some() || row.class == "unknown-span";
            let place = *places.entry(row.file).or_insert_with_key(|file| {
                truth.files.push(TrueFile { name: file.clone(), producer: producer(file), lines: HashMap::new() });
                truth.files.len() - 1
            });
            truth.files[place].lines.insert(row.line, TrueSpan { ids, class, left_out, seen: false });
            Ok(())
        })?;
        Ok(truth)
    }

    /// The file that a path of the links file means: the one whose last parts are the same, if it is the only one.
    pub(super) fn file(&mut self, path: &str) -> Option<usize> {
        if let Some(known) = self.matched.get(path) {
            return *known;
        }
        let (mut best, mut found) = (0, None);
        for (place, file) in self.files.iter().enumerate() {
            match same_end(&file.name, path) {
                0 => {}
                parts if parts > best => (best, found) = (parts, Some(place)),
                parts if parts == best => found = None,
                _ => {}
            }
        }
        self.matched.insert(path.to_owned(), found);
        found
    }
}

/// How many parts at the end of two paths are the same.
fn same_end(one: &str, two: &str) -> usize {
    discover::parts_from_end(one).zip(discover::parts_from_end(two)).take_while(|(one, two)| one == two).count()
}

/// Who wrote a file, by its name.
fn producer(name: &str) -> String {
    let origin = sources::origin_of(name);
    match origin.producer {
        Producer::Pod => "pods".to_owned(),
        _ if name.split('/').any(|part| part == "pods") => "pods".to_owned(),
        _ if origin.service_name.is_empty() => "other".to_owned(),
        _ => origin.service_name,
    }
}
