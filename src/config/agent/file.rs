//! The agent's configuration file as it is written: YAML to values, without defaults.
//!
//! In goes the file, out come its values and all of its problems. What values mean together, and with flags, is decided in
//! the module above.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fields::{Field, Names, Problems, Section, Sited};
use super::file_tap::{self, TapWritten};
use super::journal::{self, JournalWritten};
use super::keys::{STARTS, TOP_KEYS, names};
use super::metadata::{self, MetadataWritten};
use super::text::text;
use crate::config::error::ConfigError;
use crate::config::{rules, yaml};
use crate::input::tail::config::Start;
use crate::input::tail::pattern::PathPattern;
use crate::line_rules::LineRules;
use crate::otlp::Compression;
use crate::run::agent::{FilesConfig, LogLevel};

/// What stands in a file; `None`: it does not.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) state: Option<PathBuf>,
    pub(super) memory: Option<u64>,
    /// `Some(None)`: turned off.
    pub(super) pods: Option<Option<PodsWritten>>,
    pub(super) files: Option<Vec<FilesConfig>>,
    /// `Some(None)`: turned off.
    pub(super) journal: Option<Option<JournalWritten>>,
    pub(super) to: Vec<Sited<String>>,
    /// The line that says that logs go nowhere.
    pub(super) logs_off: Option<usize>,
    pub(super) compression: Option<Compression>,
    pub(super) headers: Vec<Sited<(String, String)>>,
    /// `Some(None)`: turned off.
    pub(super) listen: Option<Option<SocketAddr>>,
    pub(super) log: Option<LogLevel>,
    pub(super) otlp: Option<Sited<String>>,
    pub(super) grace: Option<Duration>,
    pub(super) link_wait: Option<Sited<Duration>>,
    pub(super) link_min_confidence: Option<f32>,
    /// `Some(None)`: turned off.
    pub(super) tap: Option<Option<Sited<TapWritten>>>,
    /// What is wanted with lines.
    pub(super) rules: LineRules,
    /// `Some(None)`: turned off.
    pub(super) metadata: Option<Option<MetadataWritten>>,
}

#[derive(Debug, Default)]
pub(super) struct PodsWritten {
    pub(super) path: Option<PathBuf>,
    pub(super) start: Option<Start>,
    pub(super) exclude: Option<Vec<PathPattern>>,
}

const TOP: Names = names(&TOP_KEYS, &[]);
const INPUTS: Names = names(&["pods", "files", "journal"], &[]);
const PODS: Names = names(&["path", "start", "exclude"], &[]);
const FILES: Names = names(&["include", "exclude", "service", "start"], &[]);
const LOGS: Names = names(&["to", "compression", "headers"], &[]);
const LINK: Names = names(&["wait", "min_confidence"], &["call_sites", "links"]);
const TELEMETRY: Names = names(&["listen", "log", "otlp"], &[]);

const COMPRESSIONS: [(&str, Compression); 3] =
    [("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)];
const LEVELS: [(&str, LogLevel); 4] =
    [("error", LogLevel::Error), ("warn", LogLevel::Warn), ("info", LogLevel::Info), ("debug", LogLevel::Debug)];

/// Reads a file; what cannot be read at all is an error, what is wrong within it are problems.
pub(super) fn read(path: &Path, problems: &mut Problems) -> Result<Written, ConfigError> {
    let text = text("--config", path, problems)?;
    Ok(text.map(|text| written(&text, problems)).unwrap_or_default())
}

/// The values of a text.
pub(super) fn written(text: &str, problems: &mut Problems) -> Written {
    let mut written = Written::default();
    let node = match yaml::parse(text) {
        Ok(node) if node.is_null() => return written,
        Ok(node) => node,
        Err(error) => {
            problems.add(error.line, error.reason);
            return written;
        }
    };
    let top = Field { path: String::new(), node: &node };
    let Some(top) = top.section(TOP, problems) else { return written };
    written.state = top.read("state", problems, Field::absolute_path);
    written.memory = top.read("memory", problems, Field::bytes);
    written.grace = top.read("grace", problems, Field::duration);
    match top.read_or_off("inputs", problems, |field, problems| field.section(INPUTS, problems)) {
        Some(Some(inputs)) => written.inputs(&inputs, problems),
        Some(None) => (written.pods, written.files, written.journal) = (Some(None), Some(Vec::new()), Some(None)),
        None => {}
    }
    written.rules = rules::of_section(&top, problems);
    written.metadata = top.read_or_off("metadata", problems, metadata::written);
    written.tap = top.read_or_off("tap", problems, file_tap::tap);
    if let Some(logs) = top.field("logs") {
        if logs.node.is_null() {
            written.logs_off = Some(logs.node.line);
        } else if let Some(logs) = logs.section(LOGS, problems) {
            written.logs(&logs, problems);
        }
    }
    if let Some(link) = top.read("link", problems, |field, problems| field.section(LINK, problems)) {
        let wait = |field: &Field<'_>, problems: &mut Problems| {
            Some(Sited { line: field.node.line, value: field.duration(problems)? })
        };
        written.link_wait = link.read("wait", problems, wait);
        written.link_min_confidence = link.read("min_confidence", problems, Field::share);
    }
    match top.read_or_off("telemetry", problems, |field, problems| field.section(TELEMETRY, problems)) {
        Some(Some(telemetry)) => {
            written.listen = telemetry.read_or_off("listen", problems, Field::address);
            written.log = telemetry.read("log", problems, |field, problems| field.choice(&LEVELS, problems));
            let otlp = |field: &Field<'_>, problems: &mut Problems| {
                Some(Sited { line: field.node.line, value: field.text(problems)? })
            };
            written.otlp = telemetry.read_or_off("otlp", problems, otlp).flatten();
        }
        Some(None) => written.listen = Some(None),
        None => {}
    }
    written
}

impl Written {
    fn inputs(&mut self, inputs: &Section<'_>, problems: &mut Problems) {
        let pods = |field: &Field<'_>, problems: &mut Problems| {
            let pods = field.section(PODS, problems)?;
            Some(PodsWritten {
                path: pods.read("path", problems, Field::absolute_path),
                start: pods.read("start", problems, start),
                exclude: pods.read_or_off("exclude", problems, patterns).map(Option::unwrap_or_default),
            })
        };
        self.pods = inputs.read_or_off("pods", problems, pods);
        let all = |field: &Field<'_>, problems: &mut Problems| Some(field.each(problems, files));
        let all = inputs.read_or_off("files", problems, all).map(Option::unwrap_or_default);
        self.files = all.map(|all| all.into_iter().map(|sited| sited.value).collect());
        self.journal = inputs.read_or_off("journal", problems, journal::written);
    }

    fn logs(&mut self, logs: &Section<'_>, problems: &mut Problems) {
        let to = |field: &Field<'_>, problems: &mut Problems| Some(field.each(problems, Field::text));
        self.to = logs.read_or_off("to", problems, to).flatten().unwrap_or_default();
        self.compression = logs.read("compression", problems, |field, problems| field.choice(&COMPRESSIONS, problems));
        let headers = |field: &Field<'_>, problems: &mut Problems| Some(field.pairs(problems));
        self.headers = logs.read_or_off("headers", problems, headers).flatten().unwrap_or_default();
    }
}

fn files(field: &Field<'_>, problems: &mut Problems) -> Option<FilesConfig> {
    let files = field.section(FILES, problems)?;
    if files.field("include").is_none_or(|include| include.list().is_empty()) {
        problems.add(field.node.line, format!("{}: give include, the files that are followed", field.path));
    }
    Some(FilesConfig {
        include: files.read("include", problems, patterns).unwrap_or_default(),
        exclude: files.read_or_off("exclude", problems, patterns).flatten().unwrap_or_default(),
        service: files.read_or_off("service", problems, Field::text).flatten(),
        start: files.read("start", problems, start).unwrap_or_default(),
    })
}

fn patterns(field: &Field<'_>, problems: &mut Problems) -> Option<Vec<PathPattern>> {
    Some(field.patterns(problems))
}

fn start(field: &Field<'_>, problems: &mut Problems) -> Option<Start> {
    field.choice(&STARTS, problems)
}
