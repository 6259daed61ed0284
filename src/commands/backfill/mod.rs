//! `spanline backfill`: progress, text on the terminal, the summary and the exit code of a run.
//!
//! In goes the configuration, out come text and the code. The pipeline reads, links and sends.

mod summary;
mod text;

use std::io::{self, Write};
use std::sync::Arc;

use super::flags::with_flags;
use super::progress::Progress;
use crate::export::text_view::TextView;
use crate::export::text_view::held_lines::HeldLines;
use crate::notify::{Notify, counted};
use crate::pipeline::{self, Finished};
use crate::run::config::BackfillConfig;
use crate::run::monitor::Monitor;
use crate::run::{Outcome, RunError};
use text::short_names;

/// Runs a backfill, with lines on `output` and the summary on `errors`; returns the exit code.
pub fn run(
    config: &BackfillConfig,
    output: &mut impl Write,
    errors: &mut impl Write,
    monitor: &Arc<Monitor>,
    notify: &Notify,
) -> Result<u8, RunError> {
    let progress = Progress::start(config.read.quiet, monitor, notify);
    let finished = pipeline::backfill(config, monitor, &progress.notify_above(notify));
    // Text goes to the same terminal.
    progress.finish();
    let mut finished = finished?;
    let mut outcome = std::mem::take(&mut finished.outcome);
    if let Some(lines) = finished.lines.take() {
        show(lines, &finished, config, output, &mut outcome);
    }
    let Finished { selection, .. } = &finished;
    outcome.selection_remarks = selection.remarks(finished.spans());
    let summary = if config.read.quiet { outcome.failures() } else { outcome.summary() };
    // A closed stderr is no reason to fail.
    let _ = errors.write_all(with_flags(&summary).as_bytes());
    Ok(exit_code(&outcome))
}

/// Writes the lines.
fn show(
    lines: HeldLines,
    finished: &Finished<'_>,
    config: &BackfillConfig,
    output: &mut impl Write,
    outcome: &mut Outcome,
) {
    let names = if config.text.places { short_names(&finished.sources) } else { Vec::new() };
    let place = |source: u32, file: u32, line: u64| {
        let name = names.get(source as usize).and_then(|files| files.get(file as usize));
        format!("{}:{line}", name.map_or("", String::as_str))
    };
    let (spans, unread) = match finished.traces_of_spans() {
        Ok(spans) => (spans, None),
        Err(error) => (None, Some(error)),
    };
    let text = TextView { config: &config.text, selection: &finished.selection, spans, place: &place };
    let shown = text.write(lines, output);
    (outcome.lines_left_out, outcome.spans_left_out) = (shown.lines_left_out, shown.spans_left_out);
    if let Some(error) = unread.or(shown.failure) {
        outcome.failures.push(format!("the temporary file for text: {error}; not all lines were shown"));
    }
    if let Some((lines, error)) = shown.unwritten.filter(|(_, error)| error.kind() != io::ErrorKind::BrokenPipe) {
        let lines = counted(lines, "line");
        outcome.failures.push(format!("standard output: {error}; of {lines} not all were shown"));
    }
}

/// 0: all was read and delivered; 1: something was not; 130: interrupted.
fn exit_code(outcome: &Outcome) -> u8 {
    let undelivered = outcome.delivered.iter().any(|(_, summary)| !summary.is_complete());
    let refused = outcome.refused_before.iter().any(|(_, reasons)| !reasons.is_empty());
    let unread = outcome.all_failures().next().is_some();
    let not_shown = outcome.lines_left_out + outcome.spans_left_out + outcome.events_left_out > 0;
    match () {
        () if outcome.stopped => 130,
        () if undelivered || refused || unread || not_shown => 1,
        () => 0,
    }
}
