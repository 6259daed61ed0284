//! Traces of running stores, fetched into files that are read like any other.
//!
//! In go stores and a range of time, out comes for each store a file of requests, each after its length, which is deleted
//! with its [`Spool`]. Which queries are made is [`jaeger`]'s.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::config::{TraceStore, TracesConfig};
use super::jaeger::{self, Jaeger};
use super::spool::Spool;
use crate::notify::spelled_time;
use crate::otlp::SendError;
use crate::otlp::query::QueryClient;

/// What stores gave.
#[derive(Debug, Default)]
pub struct FromStores {
    /// The traces, one file for each store that has some.
    pub spools: Vec<Spool>,
    /// The stores that gave none, in words.
    pub without_spans: Vec<String>,
    /// What could not be had, in words.
    pub missing: Vec<String>,
}

/// What one store gave.
struct FromStore {
    /// The traces; `None` where there are none.
    spool: Option<Spool>,
    /// From when on it was asked for traces, ns since the epoch.
    from: i64,
    /// What could not be had, in words.
    missing: Vec<String>,
}

/// Of which times the lines are whose traces are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineTimes {
    /// Between these, ns since the epoch.
    Between(i64, i64),
    /// No line has a time.
    Unknown,
    /// There is no line.
    NoLines,
}

/// Why a store gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// What is wrong with it, or with the connection to it.
    #[error("{name}: {reason}")]
    Store {
        /// As the user wrote it.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// The file cannot be written.
    #[error("{path}: {source}")]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else of this machine.
    #[error(transparent)]
    Io(#[from] io::Error),
}

enum Failure {
    Query(SendError),
    Writing(io::Error),
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Failure {
        Failure::Query(error)
    }
}

/// Fetches the traces of lines from all stores; `tell` is told of those without any.
pub fn fetch(config: &TracesConfig, lines: LineTimes, tell: &dyn Fn(&str)) -> Result<FromStores, FetchError> {
    let mut all = FromStores::default();
    for store in &config.stores {
        let (first, last) = match lines {
            LineTimes::Between(first, last) => (first, last),
            LineTimes::Unknown => {
                all.without_spans.push(format!("{} was not asked: no line has a time", store.name));
                continue;
            }
            // There is nothing to ask for, and nothing to send.
            LineTimes::NoLines => continue,
        };
        let FromStore { spool, from, missing } = fetch_from(config, store, (first, last))?;
        all.missing.extend(missing.iter().map(|missing| format!("{}: {missing}", store.name)));
        if spool.is_none() {
            let (from, to) = (spelled_time(from), spelled_time(last));
            tell(&format!("{}: no traces between {from} and {to}", store.name));
            all.without_spans.push(format!("{} has no traces of the time of the logs", store.name));
        }
        all.spools.extend(spool);
    }
    Ok(all)
}

/// Fetches the traces of a window, and of so long before it as spans last.
fn fetch_from(config: &TracesConfig, store: &TraceStore, (first, to): (i64, i64)) -> Result<FromStore, FetchError> {
    let of_store = |reason: String| FetchError::Store { name: store.name.clone(), reason };
    let client = QueryClient::new(store.endpoint.clone()).map_err(|error| of_store(error.to_string()))?;
    let bytes_max = usize::try_from(config.request_bytes_max).unwrap_or(usize::MAX);
    let mut server = Jaeger::new(client, bytes_max)?;
    let (spool, file) = Spool::create()?;
    let not_written = |source| FetchError::Output { path: spool.path().to_owned(), source };
    let mut output = BufWriter::new(file);
    let fetched = jaeger::fetch_open(&mut server, (first, to), config.look_back, |request| {
        let length = u32::try_from(request.len()).unwrap_or(u32::MAX);
        output.write_all(&length.to_be_bytes()).and_then(|()| output.write_all(request)).map_err(Failure::Writing)
    });
    let fetched = fetched.map_err(|failure| match failure {
        Failure::Query(error) => of_store(error.to_string()),
        Failure::Writing(source) => not_written(source),
    })?;
    output.flush().map_err(not_written)?;
    let spool = Some(spool).filter(|_| fetched.traces > 0);
    Ok(FromStore { spool, from: fetched.from, missing: fetched.missing })
}
