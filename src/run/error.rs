//! What stops a run before it begins.

use std::io;

use crate::checkpoint::folder::FolderError;
use crate::checkpoint::store::StoreError;
use crate::export::outputs::OutputError;
use crate::files::clash::Clash;
use crate::setting::Setting;
use crate::spans::fetch::FetchError;
use crate::tap::TapError;

/// What stops a run before it begins.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An output would destroy an input.
    #[error(transparent)]
    Clash(#[from] Clash),
    /// A file or folder to write cannot be.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The state folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The agent's state folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A store of traces.
    #[error("{traces} {name}: {reason}; nothing was sent", traces = Setting::Traces)]
    Traces {
        /// As the user wrote it.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// Traces that hold no span, each with what it is instead.
    #[error(
        "{traces} {0}. Nothing was sent or written: no line would be linked to it. Name traces that hold spans, or add {allowed}",
        traces = Setting::Traces,
        allowed = Setting::AllowNoTraces
    )]
    NoSpans(String),
    /// A destination.
    #[error("{destination}: {0}", destination = Setting::Destination)]
    Destination(io::Error),
    /// What receives spans.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// A thread or runtime could not be had.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<FetchError> for RunError {
    fn from(error: FetchError) -> RunError {
        match error {
            FetchError::Store { name, reason } => RunError::Traces { name, reason },
            FetchError::Output { path, source } => OutputError { path, source }.into(),
            FetchError::Io(error) => RunError::Io(error),
        }
    }
}
