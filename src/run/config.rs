//! What a run does: the configurations of the parts that it connects.

use std::path::PathBuf;
use std::time::Duration;

use super::budget::Budget;
use crate::calendar::CalendarSettings;
use crate::checkpoint::store;
use crate::correlate::config::LinkingConfig;
use crate::export::config::{EventsConfig, TextConfig};
use crate::export::destination::Destination;
use crate::export::select::Condition;
use crate::export::text_view::held_lines::HeldLinesConfig;
use crate::files::clash::Output;
use crate::input::config::InputConfig;
use crate::setting::Setting;
use crate::spans::config::TracesConfig;
use crate::spans::file::Limits as TraceLimits;

/// What every run reads and links.
#[derive(Debug, Clone)]
pub struct ReadConfig {
    /// The logs.
    pub input: InputConfig,
    /// How times without a year or zone are read.
    pub calendar: CalendarSettings,
    /// The traces.
    pub traces: TracesConfig,
    /// How lines are linked to them.
    pub linking: LinkingConfig,
    /// How memory is shared out.
    pub memory: Budget,
    /// Show no progress.
    pub quiet: bool,
}

impl ReadConfig {
    /// Limits of reading files of traces.
    pub fn trace_limits(&self) -> TraceLimits {
        TraceLimits {
            request_bytes_max: usize::try_from(self.traces.request_bytes_max).unwrap_or(usize::MAX),
            decompressed_bytes_max: self.input.limits.file_bytes,
        }
    }
}

/// Which records take part.
#[derive(Debug, Clone, Default)]
pub struct SelectConfig {
    /// Shown and sent is what meets all of them.
    pub only: Vec<Condition>,
    /// First record time, ns since the epoch.
    pub since: Option<i64>,
    /// Record time to stop before.
    pub until: Option<i64>,
    /// The index of this shard, and how many there are.
    pub shard: Option<(u32, u32)>,
}

impl SelectConfig {
    /// Lines are chosen by what other lines of their traces say.
    pub fn asks_for_errors(&self) -> bool {
        self.only.iter().any(|condition| matches!(condition, Condition::Errors))
    }
}

/// What `backfill` does.
#[derive(Debug, Clone)]
pub struct BackfillConfig {
    /// What is read and linked.
    pub read: ReadConfig,
    /// Which records take part.
    pub select: SelectConfig,
    /// Where the results go.
    pub destinations: Vec<Destination>,
    /// How long a request is tried.
    pub retry_for: Duration,
    /// The links file.
    pub links: Option<PathBuf>,
    /// The state folder.
    pub state: Option<PathBuf>,
    /// Send again what was sent without traces, or refused.
    pub resend: bool,
    /// Send nothing.
    pub dry_run: bool,
    /// How lines become events of spans.
    pub events: EventsConfig,
    /// What text shows.
    pub text: TextConfig,
    /// Threads that read and encode.
    pub workers: usize,
    /// What the user should know before the run begins.
    pub notices: Vec<String>,
}

impl BackfillConfig {
    /// Lines that are held for the terminal.
    pub(crate) fn held_lines(&self) -> HeldLinesConfig {
        let (memory_max, bytes_max) = (self.read.memory.text_bytes, self.read.input.temporary_bytes_max);
        HeldLinesConfig { fields: self.text.fields, memory_max, bytes_max }
    }

    /// What it writes to. A dry run is told what the real one would be.
    pub fn outputs(&self) -> Vec<Output> {
        let mut outputs = vec![Output::stderr()];
        if let Some(path) = &self.links {
            outputs.push(Output::file(format!("{} {}", Setting::Links, path.display()), path));
        }
        if let Some(folder) = &self.state {
            for name in [store::FILE_NAME, store::LEDGER_NAME] {
                outputs.push(Output::file(format!("{} {}", Setting::State, folder.display()), &folder.join(name)));
            }
        }
        for destination in &self.destinations {
            match destination {
                Destination::Text => outputs.push(Output::stdout()),
                Destination::Files(folder) => {
                    let mut names = vec!["logs.jsonl"];
                    if self.read.traces.are_given() {
                        names.push("traces.jsonl");
                    }
                    for name in names {
                        let path = folder.join(name);
                        outputs.push(Output::file(
                            format!("{} file={} ({name})", Setting::Destination, folder.display()),
                            &path,
                        ));
                    }
                }
                Destination::Logs(_) | Destination::Traces(_) => {}
            }
        }
        outputs
    }
}
