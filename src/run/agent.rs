//! What the agent does, in data: read from its file, flags and variables by [`config`](crate::config).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::export::destination::Destination;
use crate::input::journal::query::JournalQuery;
use crate::input::journal::start::JournalStart;
use crate::input::tail::config::Start;
use crate::input::tail::pattern::PathPattern;
use crate::line_rules::LineRules;
use crate::metadata::kubelet::KubeletConfig;
use crate::tap::config::TapConfig;
use crate::telemetry::push::PushConfig;

/// What the agent does.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentConfig {
    /// The folder that holds what it must remember.
    pub state: PathBuf,
    /// Bytes of memory: a quarter for batches, a quarter for lines that wait for their rest; with a tap a quarter for lines that
    /// wait for their spans, and one for these.
    pub memory_bytes: u64,
    /// What it follows.
    pub inputs: InputsConfig,
    /// Where log records go: endpoints with their compression and headers. None: lines go onto the spans of the tap only.
    pub destinations: Vec<Destination>,
    /// How spans are received and passed on; `None`: they are not.
    pub tap: Option<Box<TapConfig>>,
    /// How lines are linked, where spans come.
    pub links: LinksConfig,
    /// What is wanted with lines.
    pub rules: LineRules,
    /// What is told of pods.
    pub metadata: MetadataConfig,
    /// How it can be watched itself.
    pub telemetry: TelemetryConfig,
    /// How long stopping may take before what is not delivered is left in its files.
    pub grace: Duration,
    /// What its user should know before it begins.
    pub notices: Vec<String>,
}

/// What is told of pods beside their lines.
#[derive(Debug, Clone, PartialEq)]
pub enum MetadataConfig {
    /// Nothing.
    None,
    /// What the paths of their logs tell.
    Path,
    /// What the kubelet tells.
    Kubelet(Box<KubeletConfig>),
}

/// How lines are linked with the spans that come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinksConfig {
    /// Lines wait for their spans no longer.
    pub wait: Duration,
    /// Links below are not made.
    pub min_confidence: f32,
}

/// What the agent follows; at least one input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputsConfig {
    /// Logs of containers.
    pub pods: Option<PodsConfig>,
    /// Other files.
    pub files: Vec<FilesConfig>,
    /// systemd's journal.
    pub journal: Option<JournalConfig>,
}

/// systemd's journal, from its own files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// The folder of its files, or of the folders that hold them.
    pub path: PathBuf,
    /// The units, or programs, whose entries are read; none: all.
    pub units: Vec<String>,
    /// What entries must match in addition, as it is written.
    pub matches: Vec<String>,
    /// Both as what entries are held against.
    pub query: JournalQuery,
    /// All fields become attributes; else without those that journald adds to every entry.
    pub all_fields: bool,
    /// Where reading begins.
    pub start: JournalStart,
}

/// Logs of containers, as kubelet lays them out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodsConfig {
    /// The folder of all pods.
    pub path: PathBuf,
    /// Where reading begins.
    pub start: Start,
    /// Files that are left out.
    pub exclude: Vec<PathPattern>,
}

/// Files by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesConfig {
    /// Files that are followed; at least one pattern.
    pub include: Vec<PathPattern>,
    /// Files that are left out.
    pub exclude: Vec<PathPattern>,
    /// The `service.name` of their lines; `None`: what the file's name tells.
    pub service: Option<String>,
    /// Where reading begins.
    pub start: Start,
}

/// How the agent can be watched itself.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryConfig {
    /// Where `/metrics`, `/healthz`, `/readyz` and `/status` are served; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// What of its own messages is shown.
    pub log: LogLevel,
    /// Where its metrics are sent; `None`: nowhere.
    pub otlp: Option<Box<PushConfig>>,
}

/// Messages of this weight and above are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What went wrong for good.
    Error,
    /// What may need attention.
    Warn,
    /// What happens, in outline.
    Info,
    /// What happens.
    Debug,
}

impl PodsConfig {
    /// What the files are called: `POD/CONTAINER/N.log` below the folder of all pods.
    pub fn files(&self) -> Option<PathPattern> {
        PathPattern::new(&format!("{}/*/*/*.log", literal(&self.path))).ok()
    }
}

/// A path as a pattern that is like this path alone.
pub fn literal(path: &Path) -> String {
    let mut text = String::new();
    for character in path.to_string_lossy().trim_end_matches('/').chars() {
        text.extend(matches!(character, '*' | '?' | '[' | '\\').then_some('\\'));
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_wildcards_in_its_name_is_like_itself_alone() {
        for path in ["/a/b", "/a*[b]/?", "/a\\b"] {
            let pattern = PathPattern::new(&literal(Path::new(path))).unwrap();
            assert_eq!(pattern.literal().as_deref(), Some(Path::new(path)));
        }
    }
}
