//! What is written or held on this machine: the links file, files of OTLP/JSON, lines for the terminal.
//!
//! In go records through their takers, out come files that appear when they are whole, and the lines. A file that can't be
//! written, or whose run is stopped, leaves the file before it as it was, and the others go on.

use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::config::EventsConfig;
use super::destination::Destination;
use super::formats::links::LinkRows;
use super::formats::logs_file::LogsFile;
use super::sinks::RecordOutput;
use super::span_events::held_events::HeldEvents;
use super::text_view::held_lines::{HeldLines, HeldLinesConfig};
use crate::files::replace::Replacement;
use crate::notify::counted;
use crate::setting::Setting;

/// The links file.
pub type LinksFile = LinkRows<BufWriter<Replacement>>;

/// Outputs of records: the links file, and all others.
pub type RecordOutputs<'o> = (Option<&'o mut LinksFile>, Vec<&'o mut (dyn RecordOutput + Send)>);

/// What is to be written or held.
#[derive(Debug, Clone, Copy)]
pub struct OutputsConfig<'c> {
    /// The links file.
    pub links: Option<&'c Path>,
    /// All destinations; those over the network are only given their span events.
    pub destinations: &'c [Destination],
    /// How lines become events of spans; `None` without spans.
    pub events: Option<EventsConfig>,
    /// Not all lines and traces are wanted.
    pub is_selective: bool,
    /// Lines for the terminal.
    pub lines: HeldLinesConfig,
    /// When the run reads them, ns since the epoch.
    pub observed: i64,
}

/// A file or folder that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct OutputError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// What is written or held.
#[derive(Default)]
pub struct Outputs {
    links: Option<(PathBuf, LinksFile)>,
    /// Lines for the terminal.
    pub lines: Option<HeldLines>,
    folders: Vec<Folder>,
    /// Span events, by destination.
    pub events: Vec<HeldEvents>,
}

/// A destination in a folder.
struct Folder {
    /// Its place in the configuration.
    place: usize,
    path: PathBuf,
    logs: LogsFile,
}

/// What became of the files.
#[derive(Debug, Default)]
pub struct Written {
    /// One message for each that could not be written.
    pub failures: Vec<String>,
    /// Those that were not written since the run was stopped.
    pub stopped: Vec<String>,
    /// Lines for the terminal, unless the run was stopped.
    pub lines: Option<HeldLines>,
}

/// Writes the traces with these events on them.
pub type WriteTraces<'a> = &'a mut dyn FnMut(&mut HeldEvents, &mut BufWriter<Replacement>) -> io::Result<()>;

impl Outputs {
    /// Begins to write them all.
    pub fn open(config: &OutputsConfig<'_>) -> Result<Outputs, OutputError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            |source| OutputError { path, source }
        };
        let create = |path: &Path| Replacement::create(path).map_err(at(path));
        let mut outputs = Outputs::default();
        if let Some(path) = config.links {
            outputs.links = Some((path.to_owned(), LinkRows::new(BufWriter::new(create(path)?))));
        }
        let takes_events = |to: &&Destination| matches!(to, Destination::Files(_) | Destination::Traces(_));
        let share = config.destinations.iter().filter(takes_events).count().max(1);
        for (place, destination) in config.destinations.iter().enumerate() {
            match destination {
                Destination::Text => outputs.lines = Some(HeldLines::new(config.lines)),
                Destination::Files(path) => {
                    fs::create_dir_all(path).map_err(at(path))?;
                    let logs = LogsFile::new(create(&path.join("logs.jsonl"))?, config.observed);
                    outputs.folders.push(Folder { place, path: path.clone(), logs });
                }
                Destination::Logs(_) | Destination::Traces(_) => {}
            }
            if let Some(events) = config.events.filter(|_| takes_events(&destination)) {
                let memory_max = events.memory_bytes / share;
                let held = HeldEvents::new(place, memory_max, events.bytes_max, events.style);
                outputs.events.push(held.with_traces(config.is_selective));
            }
        }
        Ok(outputs)
    }

    /// Rows and lines come in the order of the sources.
    pub fn wants_order(&self) -> bool {
        self.links.is_some() || self.lines.is_some() || !self.folders.is_empty() || !self.events.is_empty()
    }

    /// The outputs of records, for one worker.
    pub fn record_outputs(&mut self) -> RecordOutputs<'_> {
        let mut record_outputs: Vec<&mut (dyn RecordOutput + Send)> = Vec::new();
        record_outputs.extend(self.lines.iter_mut().map(|lines| lines as &mut (dyn RecordOutput + Send)));
        record_outputs.extend(self.folders.iter_mut().map(|folder| &mut folder.logs as &mut (dyn RecordOutput + Send)));
        record_outputs.extend(self.events.iter_mut().map(|events| events as &mut (dyn RecordOutput + Send)));
        (self.links.as_mut().map(|(_, links)| links), record_outputs)
    }

    /// Moves all files to their final names. `spans`: how many the traces have; `stopped`: not all records were read.
    pub fn finish(mut self, stopped: bool, spans: u64, write_traces: WriteTraces<'_>) -> Written {
        let mut written = Written::default();
        if let Some((path, links)) = self.links {
            let rows = counted(links.rows(), "row");
            written.commit(&format!("{} {}", Setting::Links, path.display()), &rows, links.finish(), stopped);
        }
        for folder in self.folders {
            let name = |file: &str| folder.path.join(file).display().to_string();
            let records = counted(folder.logs.records(), "record");
            written.commit(&name("logs.jsonl"), &records, folder.logs.finish(), stopped);
            let Some(events) = self.events.iter_mut().find(|events| events.destination == folder.place) else {
                continue;
            };
            if stopped {
                written.stopped.push(name("traces.jsonl"));
                continue;
            }
            let traces = Replacement::create(&folder.path.join("traces.jsonl")).map(BufWriter::new);
            let traces = traces.and_then(|mut output| write_traces(events, &mut output).map(|()| output));
            written.commit(&name("traces.jsonl"), &counted(spans, "span"), traces, stopped);
        }
        written.lines = self.lines.filter(|_| !stopped);
        written
    }
}

impl Written {
    /// Moves a file to its final name, if all of it was written.
    fn commit(&mut self, name: &str, content: &str, output: io::Result<BufWriter<Replacement>>, stopped: bool) {
        let whole = output.and_then(|output| output.into_inner().map_err(|error| error.into_error()));
        let placed = match whole {
            Ok(output) if stopped && output.replaces_a_file() => {
                self.stopped.push(name.to_owned());
                Ok(())
            }
            whole => whole.and_then(Replacement::commit),
        };
        if let Err(error) = placed {
            self.failures.push(format!(
                "{name}: {error}; its {content} were not written, and a file of this name that was there before is as it was"
            ));
        }
    }
}
