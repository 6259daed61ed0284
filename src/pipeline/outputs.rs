//! What is written or held on this machine: the links file, files of OTLP/JSON, lines for the terminal.
//!
//! In go records through their takers, out come files that appear when they are whole. One that can't be written, or whose
//! run is stopped, leaves the file before it as it was, and the others go on.

use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::BackfillConfig;
use super::error::PipelineError;
use super::given::Given;
use super::only::Only;
use super::outcome::Outcome;
use super::show::Show;
use super::traces;
use crate::correlate::Correlator;
use crate::export::carriers;
use crate::export::destination::Destination;
use crate::export::held_events::HeldEvents;
use crate::export::links::LinkRows;
use crate::export::local::{HeldLines, LogsFile};
use crate::export::takers::Tap;
use crate::files::replace::Replacement;
use crate::input::sources::Source;
use crate::notify::counted;

/// The links file.
pub(super) type LinksFile = LinkRows<BufWriter<Replacement>>;

/// What is written or held.
pub(super) struct Outputs<'a> {
    /// Files of the traces that are given.
    traces: &'a [PathBuf],
    pub(super) only: Arc<Only<'a>>,
    links: Option<(PathBuf, LinksFile)>,
    lines: Option<HeldLines>,
    folders: Vec<Folder>,
    pub(super) events: Vec<HeldEvents>,
}

/// A destination `file=DIR`.
struct Folder {
    /// Its place in the configuration.
    place: usize,
    path: PathBuf,
    logs: LogsFile,
}

/// What takes records: the links file, and all others.
pub(super) type Takers<'o> = (Option<&'o mut LinksFile>, Vec<&'o mut (dyn Tap + Send)>);

impl<'a> Outputs<'a> {
    /// Begins to write them all.
    pub(super) fn open(
        config: &BackfillConfig,
        traces: &'a [PathBuf],
        only: Only<'a>,
    ) -> Result<Outputs<'a>, PipelineError> {
        let create = |path: &Path| {
            Replacement::create(path).map_err(|source| PipelineError::Output { path: path.to_owned(), source })
        };
        let links = match &config.links {
            Some(path) => Some((path.clone(), LinkRows::new(BufWriter::new(create(path)?)))),
            None => None,
        };
        let only = Arc::new(only);
        let mut outputs = Outputs { traces, only, links, lines: None, folders: Vec::new(), events: Vec::new() };
        for (place, destination) in config.destinations.iter().enumerate().filter(|_| !config.dry_run) {
            let wants_events = !traces.is_empty();
            match destination {
                Destination::Text => {
                    outputs.lines = Some(HeldLines::new(config.events.held_bytes_max, config.text.fields))
                }
                Destination::Files(path) => {
                    fs::create_dir_all(path).map_err(|source| PipelineError::Output { path: path.clone(), source })?;
                    let logs = LogsFile::new(create(&path.join("logs.jsonl"))?, config.read.calendar.now_nanos);
                    outputs.folders.push(Folder { place, path: path.clone(), logs });
                }
                Destination::Logs(_) | Destination::Traces(_) => {}
            }
            if wants_events && matches!(destination, Destination::Files(_) | Destination::Traces(_)) {
                outputs.events.push(HeldEvents::new(place, config.events.held_bytes_max, config.events.style));
            }
        }
        Ok(outputs)
    }

    /// Rows and lines come in the order of the sources.
    pub(super) fn wants_order(&self) -> bool {
        self.links.is_some() || self.lines.is_some() || !self.folders.is_empty() || !self.events.is_empty()
    }

    /// What takes the records of one worker.
    pub(super) fn takers(&mut self) -> Takers<'_> {
        let mut takers: Vec<&mut (dyn Tap + Send)> = Vec::new();
        takers.extend(self.lines.iter_mut().map(|lines| lines as &mut (dyn Tap + Send)));
        takers.extend(self.folders.iter_mut().map(|folder| &mut folder.logs as &mut (dyn Tap + Send)));
        takers.extend(self.events.iter_mut().map(|events| events as &mut (dyn Tap + Send)));
        (self.links.as_mut().map(|(_, links)| links), takers)
    }

    /// Writes what was held, and puts all files in their places. `stopped`: the records are not all there.
    pub(super) fn finish(
        mut self,
        config: &BackfillConfig,
        sources: &[Source],
        correlator: Option<&Correlator>,
        stopped: bool,
        outcome: &mut Outcome,
    ) {
        if let Some((path, links)) = self.links {
            let rows = counted(links.rows(), "row");
            settle(&format!("--links {}", path.display()), &rows, links.finish(), stopped, outcome);
        }
        for folder in self.folders {
            let name = |file: &str| folder.path.join(file).display().to_string();
            let records = counted(folder.logs.records(), "record");
            settle(&name("logs.jsonl"), &records, folder.logs.finish(), stopped, outcome);
            let events = self.events.iter_mut().find(|events| events.destination == folder.place);
            let (Some(events), Some(correlator)) = (events, correlator) else { continue };
            if stopped {
                outcome.unwritten.push(name("traces.jsonl"));
                continue;
            }
            let given = Given::new(self.traces, config, correlator, outcome.traces.own > 0);
            let written = write_traces(&given, events, &self.only, &folder.path.join("traces.jsonl"));
            let written = written.map(|(output, carried)| {
                outcome.count_events(events, &carried);
                output
            });
            settle(&name("traces.jsonl"), &counted(outcome.traces.spans, "span"), written, stopped, outcome);
        }
        if let Some(lines) = self.lines.filter(|_| !stopped) {
            outcome.lines_left_out = lines.left_out;
            let show = Show { lines: &lines, correlator, only: &self.only, config: &config.text, sources };
            match show.write(&mut io::stdout().lock()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    let lines = counted(lines.lines.len() as u64, "line");
                    outcome.failures.push(format!("standard output: {error}; of {lines} not all were shown"));
                }
                _ => {}
            }
        }
    }
}

fn write_traces(
    given: &Given<'_>,
    events: &mut HeldEvents,
    only: &Only<'_>,
    path: &Path,
) -> io::Result<(BufWriter<Replacement>, carriers::Counts)> {
    let mut output = BufWriter::new(Replacement::create(path)?);
    let carried = traces::write_file(given, events, only, &mut output)?;
    Ok((output, carried))
}

/// Puts a file in its place, if all of it was written.
fn settle(
    name: &str,
    content: &str,
    written: io::Result<BufWriter<Replacement>>,
    stopped: bool,
    outcome: &mut Outcome,
) {
    let whole = written.and_then(|output| output.into_inner().map_err(|error| error.into_error()));
    let placed = match whole {
        Ok(output) if stopped && output.is_beside() => {
            outcome.unwritten.push(name.to_owned());
            Ok(())
        }
        whole => whole.and_then(Replacement::commit),
    };
    if let Err(error) = placed {
        outcome.failures.push(format!(
            "{name}: {error}; its {content} were not written, and a file of this name that was there before is as it was"
        ));
    }
}
