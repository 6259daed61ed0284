//! Why lines are linked as they are: the same reading and learning as a backfill, then the story of what was asked for.
//!
//! In go a line's place or a trace id, out comes text: of a line its candidates, the evidence for each and the outcome; of
//! a trace all its lines in order, each with its evidence. What spoke for what is the correlator's to say, how it looks is
//! [`super::story`]'s.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;

use super::PipelineError;
use super::deliveries::Say;
use super::inputs::Inputs;
use super::learned::Learned;
use super::monitor::Monitor;
use super::source::SourceSink;
use super::story::{self, LineStory};
use crate::assemble::RecordSink;
use crate::config::BackfillConfig;
use crate::correlate::Correlator;
use crate::correlate::explain::Explanation;
use crate::export::terminal::Style;
use crate::files::clash::Output;
use crate::input::discover;
use crate::record::Record;

/// Lines of a trace that are told; a trace has rarely a thousand.
const LINES_MAX: usize = 100_000;

/// Files named to choose from.
const NAMES_MAX: usize = 4;

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The record that holds this line.
    Line {
        /// The file, as it is shown or its end.
        file: String,
        /// From 1.
        line: u64,
    },
    /// All lines of a trace.
    Trace([u8; 16]),
}

/// Explains; gives back what could not be read or found.
pub fn explain(
    config: &BackfillConfig,
    wanted: &Wanted,
    output: &mut impl Write,
    monitor: &Arc<Monitor>,
    say: &Say,
) -> Result<Vec<String>, PipelineError> {
    let inputs = Inputs::find(config, monitor.interrupted(), say);
    inputs.protect(config, &[Output::stdout(), Output::stderr()])?;
    let (learned, mut outcome) = Learned::new(config, inputs, true, monitor, say)?;
    let run = learned.run(monitor);
    let Some(correlator) = &learned.correlator else {
        learned.progress.finish();
        outcome.failures.push("no traces were found to link lines to".to_owned());
        return Ok(outcome.all_failures().cloned().collect());
    };
    let mut teller = Teller { correlator, wanted, place: None, files: Vec::new(), stories: Vec::new(), left_out: 0 };
    let mut matching = BTreeSet::new();
    for (index, source) in learned.sources.iter().enumerate() {
        teller.files = source.files.iter().map(|file| file.shown.clone()).collect();
        if let Wanted::Line { file, line } = wanted {
            let found: Vec<usize> = (0..teller.files.len()).filter(|at| ends_alike(&teller.files[*at], file)).collect();
            matching.extend(found.iter().map(|at| teller.files[*at].clone()));
            let Some(first) = found.first() else { continue };
            teller.place = Some((*first as u32, *line));
        }
        outcome.read.add(run.read(index, &mut teller));
    }
    let Teller { stories, left_out, .. } = teller;
    learned.progress.finish();
    let mut text = Vec::new();
    let style = Style { colour: config.colour, width: config.width };
    let missing = match wanted {
        Wanted::Line { file, .. } if matching.is_empty() => Some(format!("no log file {file} was found")),
        Wanted::Line { file, .. } if matching.len() > 1 => {
            Some(format!("{file} may be any of {}: give more of its path", listed(&matching)))
        }
        Wanted::Line { file, line } => match stories.last() {
            Some(line) => {
                story::write_line(&mut text, line, config.min_confidence, style);
                None
            }
            None => Some(format!("{file} has no line {line}")),
        },
        Wanted::Trace(id) => {
            story::write_trace(&mut text, id, correlator.index(), stories, config.min_confidence, style)
        }
    };
    match output.write_all(&text).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    outcome.failures.extend(missing);
    if left_out > 0 {
        outcome.failures.push(format!("{left_out} further lines of the trace are left out"));
    }
    Ok(outcome.all_failures().cloned().collect())
}

/// The first few names, and how many more there are.
fn listed(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    let more = names.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Whether the parts of the shorter path are the last ones of the longer.
fn ends_alike(one: &str, two: &str) -> bool {
    discover::parts_from_end(one).zip(discover::parts_from_end(two)).all(|(one, two)| one == two)
}

/// Asks for each record that is wanted.
struct Teller<'a> {
    correlator: &'a Correlator,
    wanted: &'a Wanted,
    /// File of the source, and line.
    place: Option<(u32, u64)>,
    files: Vec<String>,
    stories: Vec<LineStory>,
    left_out: u64,
}

impl Teller<'_> {
    fn tell(&mut self, record: &Record<'_>, explanation: Explanation) {
        let file = self.files.get(record.position.file as usize).map_or("", String::as_str);
        self.stories.push(LineStory::new(record, file, explanation));
    }
}

impl RecordSink for Teller<'_> {
    fn record(&mut self, record: &Record<'_>) {
        let position = record.position;
        match self.wanted {
            Wanted::Line { .. } => {
                let Some((file, line)) = self.place else { return };
                let holds = (position.line..position.line + u64::from(position.lines.max(1))).contains(&line);
                // Records of two streams may lie in one another: the last to begin before the line is meant.
                let is_later = self.stories.last().is_none_or(|known| known.position.line <= position.line);
                if position.file == file && holds && is_later {
                    self.tell(record, self.correlator.explain(record));
                }
            }
            Wanted::Trace(id) => match self.correlator.link(record) {
                Ok(link) if link.trace_id == *id && self.stories.len() < LINES_MAX => {
                    self.tell(record, self.correlator.explain(record));
                }
                Ok(link) if link.trace_id == *id => self.left_out += 1,
                _ => {}
            },
        }
    }
}

impl SourceSink for Teller<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_files_a_few_are_named() {
        let names = |count: usize| (0..count).map(|at| format!("{at}/0.log")).collect();
        assert_eq!(listed(&names(2)), "0/0.log, 1/0.log");
        assert_eq!(listed(&names(9)), "0/0.log, 1/0.log, 2/0.log, 3/0.log and 5 more");
    }

    #[test]
    fn a_file_is_named_by_its_end() {
        for (one, two, alike) in [
            ("logs/kubelet.log", "kubelet.log", true),
            ("logs/kubelet.log", "/var/logs/kubelet.log", true),
            ("./logs/kubelet.log", "logs/kubelet.log", true),
            ("logs/pods/a/0.log", "pods/b/0.log", false),
            ("logs/old-kubelet.log", "kubelet.log", false),
        ] {
            assert_eq!(ends_alike(one, two), alike, "{one} {two}");
        }
    }
}
