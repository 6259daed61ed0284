//! `spanline agent --check`: what an agent with this configuration would follow, and where it would send it.
//!
//! In goes the configuration, out comes a text for people, and whether the agent could start. Folders are looked at; nothing
//! is read of files, sent or written.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::export::destination::Destination;
use crate::input::journal::start::JournalStart;
use crate::input::tail::config::Start;
use crate::input::tail::pattern::PathPattern;
use crate::line_rules::filter::{Filter, Sample};
use crate::notify::counted;
use crate::otlp::Protocol;
use crate::run::agent::{AgentConfig, JournalConfig, LinksConfig, MetadataConfig};

/// Names in folders that are looked at, of one input.
const NAMES_MAX: u64 = 1_000_000;

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// For people, a line for each part.
    pub text: String,
    /// What keeps the agent from starting.
    pub errors: Vec<String>,
}

/// Looks at what the configuration names.
pub fn check(config: &AgentConfig) -> Checked {
    let mut text = String::new();
    let mut line = |part: &str, words: &str| {
        let _ = writeln!(text, "{part:<10}{words}");
    };
    let mut errors = Vec::new();
    match state(&config.state) {
        Ok(words) => line("state", &words),
        Err(error) => {
            let error = format!("state: {}: {error}", config.state.display());
            line("state", &format!("{} cannot be used", config.state.display()));
            errors.push(error);
        }
    }
    line("memory", &format!("{} MiB", config.memory_bytes >> 20));
    match &config.inputs.pods {
        None => line("pods", "turned off"),
        Some(pods) => {
            let found = pods.files().map(|files| Found::of(&files, &pods.exclude)).unwrap_or_default();
            line("pods", &format!("{}: {}", pods.path.display(), found.words(pods.start)));
        }
    }
    for files in &config.inputs.files {
        let service = files.service.as_ref().map(|service| format!(", as {service}")).unwrap_or_default();
        for include in &files.include {
            let found = Found::of(include, &files.exclude);
            line("files", &format!("{}: {}{service}", include.as_str(), found.words(files.start)));
        }
    }
    line("journal", &config.inputs.journal.as_ref().map_or("turned off".to_owned(), followed));
    if config.destinations.is_empty() {
        line("logs", "nowhere: lines go onto spans only");
    }
    for endpoint in config.destinations.iter().filter_map(Destination::endpoint) {
        let headers = counted(endpoint.headers.len() as u64, "header");
        let compression = endpoint.compression.unwrap_or_default().encoding();
        let protocol = spoken(endpoint.protocol);
        line("logs", &format!("{}: {protocol}, {compression}, {headers}", endpoint.name()));
    }
    match &config.tap {
        None => line("spans", "not received"),
        Some(tap) => {
            let sockets: Vec<String> = tap.sockets().iter().map(ToString::to_string).collect();
            line("spans", &format!("received on {}", sockets.join(", ")));
            if tap.forward.is_empty() {
                line("forward", "nowhere: nothing is kept of what is received");
            }
            for forward in &tap.forward {
                line("forward", &format!("{}: {}", forward.name(), spoken(forward.protocol())));
            }
            line("otlp logs", if tap.hold_logs.is_zero() { "pass as they come" } else { "get links on their way" });
            errors.extend(tap.files_refused().map(|error| format!("tap.tls: {error}")));
        }
    }
    lines_of(config).iter().for_each(|(part, words)| line(part, words));
    match config.telemetry.listen {
        Some(address) => line("telemetry", &format!("http://{address}/metrics, /healthz, /readyz, /status")),
        None => line("telemetry", "turned off"),
    }
    config.notices.iter().for_each(|notice| line("notice", notice));
    Checked { text, errors }
}

/// What is followed of a journal.
fn followed(journal: &JournalConfig) -> String {
    let is_there = if journal.path.is_dir() { "" } else { ", which is not there now" };
    let units = if journal.units.is_empty() { "all units".to_owned() } else { journal.units.join(", ") };
    let matching = match journal.matches.as_slice() {
        [] => String::new(),
        matches => format!(", matching {}", matches.join(", ")),
    };
    let start = match &journal.start {
        JournalStart::End => "from its end".to_owned(),
        JournalStart::Beginning => "from its beginning".to_owned(),
        JournalStart::Since(time) => format!("from {} on", time.text),
    };
    format!("{}{is_there}: {units}{matching}; {start}", journal.path.display())
}

/// How lines are linked, and what is wanted with them.
fn lines_of(config: &AgentConfig) -> Vec<(&'static str, String)> {
    let (mut lines, rules) = (Vec::new(), &config.rules);
    if config.tap.is_some() {
        let LinksConfig { wait, min_confidence } = config.links;
        lines.push(("links", format!("of {min_confidence} and more; lines wait for their spans {wait:?} at most")));
    }
    lines.push(match &config.metadata {
        MetadataConfig::None => ("metadata", "none: lines have no attributes of pods".to_owned()),
        MetadataConfig::Path => ("metadata", "what paths tell of pods".to_owned()),
        MetadataConfig::Kubelet(kubelet) => ("metadata", format!("of the kubelet at {}", kubelet.endpoint.shown)),
    });
    let names: Vec<&str> = rules.formats.all.iter().map(|format| format.name.as_str()).collect();
    if !names.is_empty() {
        lines.push(("parsers", names.join(", ")));
    }
    let Filter { include, exclude, sample } = &*rules.filter;
    if !rules.filter.keeps_all() {
        let mut words = format!("{} to include, {} to exclude", counted(include.len() as u64, "rule"), exclude.len());
        if let Some(Sample { keep, .. }) = sample {
            words.push_str(&format!("; {keep} of records of low levels without a link are kept"));
        }
        lines.push(("filter", words));
    }
    if let Some(redactor) = &rules.redactor {
        lines.push(("redact", redactor.names().join(", ")));
    }
    lines
}

fn spoken(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "gRPC",
        Protocol::Http => "HTTP",
    }
}

/// Whether the state folder is there or can be made.
fn state(folder: &Path) -> Result<String, io::Error> {
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => Err(io::ErrorKind::NotADirectory.into()),
        Ok(_) => {
            may(folder, Access::WRITE_OK | Access::EXEC_OK)?;
            Ok(folder.display().to_string())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = folder.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"));
            if !above.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            may(above, Access::WRITE_OK | Access::EXEC_OK)?;
            Ok(format!("{} is made at the first start", folder.display()))
        }
        Err(error) => Err(error),
    }
}

/// Whether this process may, as opening it would tell: access(2) itself leaves out the capabilities of a user other than root, such
/// as CAP_DAC_READ_SEARCH.
fn may(path: &Path, access: Access) -> io::Result<()> {
    Ok(accessat(CWD, path, access, AtFlags::EACCESS)?)
}

/// The files of one input.
#[derive(Debug, Default)]
struct Found {
    files: u64,
    unreadable: Vec<(PathBuf, io::Error)>,
    names: u64,
    /// The folder that all of them lie below is not there.
    is_missing: Option<PathBuf>,
}

impl Found {
    fn of(pattern: &PathPattern, exclude: &[PathPattern]) -> Found {
        let mut found = Found::default();
        let top = pattern.folder();
        let mut folders = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if folder == top && error.kind() == io::ErrorKind::NotFound => {
                    found.is_missing = Some(top);
                    return found;
                }
                Err(error) => {
                    found.unreadable.push((folder, error));
                    continue;
                }
            };
            for entry in entries.filter_map(Result::ok) {
                found.names += 1;
                if found.names > NAMES_MAX {
                    return found;
                }
                let path = entry.path();
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && pattern.may_be_below(&path) {
                    folders.push(path);
                } else if !is_folder && pattern.is_match(&path) && !exclude.iter().any(|not| not.is_match(&path)) {
                    found.file(path);
                }
            }
        }
        found
    }

    fn file(&mut self, path: PathBuf) {
        match may(&path, Access::READ_OK) {
            Ok(()) => self.files += u64::from(path.is_file()),
            Err(error) => self.unreadable.push((path, error)),
        }
    }

    fn words(&self, start: Start) -> String {
        if let Some(folder) = &self.is_missing {
            return format!("no file now: there is no folder {}; it is followed once there is", folder.display());
        }
        let start = match start {
            Start::End => "end",
            Start::Beginning => "beginning",
        };
        let more = if self.names > NAMES_MAX { "more than " } else { "" };
        let files = counted(self.files, "file");
        let unreadable = match self.unreadable.as_slice() {
            [] => String::new(),
            [(path, error), ..] => {
                let count = counted(self.unreadable.len() as u64, "path");
                format!("; {count} cannot be read, such as {}: {error}", path.display())
            }
        };
        format!("{more}{files} now, from the {start} at the first start{unreadable}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_as_the_pattern_says() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in
            ["pods/a_b_c/app/0.log", "pods/a_b_c/app/1.log", "pods/x_y_z/app/0.log", "pods/x_y_z/app/0.txt", "k.log"]
        {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        std::os::unix::fs::symlink(root.join("k.log"), root.join("link.log")).unwrap();
        std::os::unix::fs::symlink(root.join("gone"), root.join("dangling.log")).unwrap();
        let pattern = |text: &str| PathPattern::new(&format!("{}{text}", root.display())).unwrap();
        let count = |text: &str, exclude: &[PathPattern]| Found::of(&pattern(text), exclude).files;
        assert_eq!(count("/pods/*/*/*.log", &[]), 3);
        assert_eq!(count("/pods/*/*/*.log", &[pattern("/pods/x_*/**")]), 2);
        assert_eq!((count("/k.log", &[]), count("/*.log", &[]), count("/**/*.log", &[])), (1, 2, 5));
        let missing = Found::of(&pattern("/missing/*.log"), &[]);
        assert!(missing.words(Start::End).starts_with("no file now: there is no folder"));
        let dangling = Found::of(&pattern("/dangling.log"), &[]);
        assert!(
            dangling.words(Start::Beginning).starts_with("0 files now, from the beginning at the first start; 1 path")
        );
    }

    #[test]
    fn a_state_folder_is_used_or_made_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        std::fs::write(place.join("file"), "").unwrap();
        assert_eq!(state(place).unwrap(), place.display().to_string());
        assert!(state(&place.join("a/b")).unwrap().ends_with("a/b is made at the first start"));
        for name in ["file", "file/below"] {
            assert_eq!(state(&place.join(name)).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        }
    }
}
