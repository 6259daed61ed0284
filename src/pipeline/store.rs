//! Traces of a running store, brought into a file that the run reads like any other.
//!
//! In go the logs' own range of time and a store, out comes a file of requests, each behind its length, which is deleted
//! with its [`Spool`]. Which questions are asked is `spans::jaeger`'s.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use prost::Message;

use super::config::{ReadConfig, SelectConfig};
use super::error::PipelineError;
use super::source::{Reading, SourceSink, read_source};
use crate::assemble::RecordSink;
use crate::calendar::fit;
use crate::files::leftovers;
use crate::input::sources::Source;
use crate::notify::Say;
use crate::otlp::SendError;
use crate::otlp::query::Asker;
use crate::record::Record;
use crate::spans::config::TraceStore;
use crate::spans::jaeger::{self, Jaeger};

/// Lines may be written this long before their span's start is, by clocks and buffers.
const AFTER: i64 = 5_000_000_000;

/// A file of traces, deleted when it is dropped.
pub(super) struct Spool {
    path: PathBuf,
}

impl Spool {
    pub(super) fn create() -> io::Result<(Spool, File)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        for _ in 0..100 {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), number);
            let path = std::env::temp_dir().join(format!("spanline-{}-{random:016x}.traces", std::process::id()));
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            // Traces tell much: nobody else reads them here.
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            match options.open(&path) {
                Ok(file) => {
                    leftovers::add(&path);
                    return Ok((Spool { path }, file));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        leftovers::forget(&self.path);
    }
}

/// From when to when the lines lie; `None` without any time.
pub(super) fn window(
    config: &ReadConfig,
    select: &SelectConfig,
    sources: &[Source],
    stop: &AtomicBool,
    say: &Say,
) -> Option<(i64, i64)> {
    let samples: Vec<_> = sources.iter().map(Source::sample).collect();
    let calendars = fit::calendars(&config.calendar, &samples, &BTreeSet::new(), &**say);
    let bytes_read = Arc::default();
    let spare = Mutex::default();
    let reading = Reading {
        limits: config.input.limits,
        keep_ansi: false,
        journal_fields: false,
        bytes_read: &bytes_read,
        stop,
        spare: &spare,
        services: &Default::default(),
    };
    let mut times = Times(None);
    for (index, source) in sources.iter().enumerate() {
        let origin = Arc::new(source.origin.clone());
        read_source(index as u32, source, &origin, &calendars[index], &reading, &mut times);
    }
    let (first, last) = times.0?;
    let first = select.since.map_or(first, |since| first.max(since));
    let last = select.until.map_or(last, |until| last.min(until));
    Some((first, last.saturating_add(AFTER)))
}

struct Times(Option<(i64, i64)>);

impl RecordSink for Times {
    fn record(&mut self, record: &Record<'_>) {
        if let Some(time) = record.time {
            let (first, last) = self.0.unwrap_or((time, time));
            self.0 = Some((first.min(time), last.max(time)));
        }
    }
}

impl SourceSink for Times {}

enum Failure {
    Asking(SendError),
    Writing(io::Error),
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Failure {
        Failure::Asking(error)
    }
}

/// Brings the traces of a window, and of so long before it as spans last; `None` where there are none.
pub(super) fn bring(
    config: &ReadConfig,
    store: &TraceStore,
    (first, to): (i64, i64),
    failures: &mut Vec<String>,
    say: &Say,
) -> Result<Option<Spool>, PipelineError> {
    let failed = |reason: String| PipelineError::Traces { name: store.name.clone(), reason };
    let asker = Asker::new(store.endpoint.clone()).map_err(|error| failed(error.to_string()))?;
    let bytes_max = usize::try_from(config.traces.request_bytes_max).unwrap_or(usize::MAX);
    let mut server = Jaeger::new(asker, bytes_max)?;
    let (spool, file) = Spool::create()?;
    let mut output = BufWriter::new(file);
    let brought = jaeger::bring_open(&mut server, (first, to), config.traces.look_back, |request| {
        let bytes = request.encode_to_vec();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        output.write_all(&length.to_be_bytes()).and_then(|()| output.write_all(&bytes)).map_err(Failure::Writing)
    });
    let brought = brought.map_err(|failure| match failure {
        Failure::Asking(error) => failed(error.to_string()),
        Failure::Writing(source) => PipelineError::Output { path: spool.path.clone(), source },
    })?;
    failures.extend(brought.missing.iter().map(|missing| format!("{}: {missing}", store.name)));
    output.flush().map_err(|source| PipelineError::Output { path: spool.path.clone(), source })?;
    if brought.traces == 0 {
        let between = [brought.from, to].map(super::summary::spelled_time);
        say(&format!("{}: no traces between {} and {}", store.name, between[0], between[1]));
        return Ok(None);
    }
    Ok(Some(spool))
}
