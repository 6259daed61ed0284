//! Where traces come from, and how many of their spans are kept.

use std::path::PathBuf;
use std::time::Duration;

use crate::otlp::endpoint::Endpoint;

/// Where traces come from, and how many of their spans are kept.
#[derive(Debug, Clone)]
pub struct TracesConfig {
    /// Files of traces, folders of them, and `-` for standard input.
    pub files: Vec<PathBuf>,
    /// Stores that are asked for traces.
    pub stores: Vec<TraceStore>,
    /// How long before the first line spans may have begun.
    pub look_back: Duration,
    /// Go on without any span.
    pub allow_none: bool,
    /// Spans kept for linking.
    pub spans_max: usize,
    /// Bytes of one request of a file.
    pub request_bytes_max: u64,
}

impl TracesConfig {
    /// There are traces to link to.
    pub fn are_given(&self) -> bool {
        !self.files.is_empty() || !self.stores.is_empty()
    }
}

/// A store that is asked for traces.
#[derive(Debug, Clone)]
pub struct TraceStore {
    /// As the user wrote it.
    pub name: String,
    /// Where it answers.
    pub endpoint: Endpoint,
}
