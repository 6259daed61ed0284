//! Traces of a running store, fetched into a file that is read like any other.
//!
//! In goes a store and a range of time, out comes a file of requests, each after its length, which is deleted with its
//! [`Spool`]. Which queries are made is [`jaeger`]'s.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::config::{TraceStore, TracesConfig};
use super::jaeger::{self, Jaeger};
use super::spool::Spool;
use crate::otlp::SendError;
use crate::otlp::query::QueryClient;

/// What a store gave.
#[derive(Debug)]
pub struct FromStore {
    /// The traces; `None` where there are none.
    pub spool: Option<Spool>,
    /// From when on it was asked for traces, ns since the epoch.
    pub from: i64,
    /// What could not be had, in words.
    pub missing: Vec<String>,
}

/// Why a store gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// What is wrong with it, or with the connection to it.
    #[error("{0}")]
    Store(String),
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

/// Fetches the traces of a window, and of so long before it as spans last.
pub fn fetch(config: &TracesConfig, store: &TraceStore, (first, to): (i64, i64)) -> Result<FromStore, FetchError> {
    let client = QueryClient::new(store.endpoint.clone()).map_err(|error| FetchError::Store(error.to_string()))?;
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
        Failure::Query(error) => FetchError::Store(error.to_string()),
        Failure::Writing(source) => not_written(source),
    })?;
    output.flush().map_err(not_written)?;
    let spool = Some(spool).filter(|_| fetched.traces > 0);
    Ok(FromStore { spool, from: fetched.from, missing: fetched.missing })
}
