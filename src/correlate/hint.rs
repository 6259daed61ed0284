//! What rules say of a line before and after its span is looked for: data only.
//!
//! A [`Hint`] is what the line says when it is read, [`Known`] what follows from it once all spans are in. Rules fill them,
//! learning keeps the first and starts from the second.

use super::index::Slot;
use crate::record::Relation;

/// What a rule made of a line when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Hint {
    /// Nothing.
    #[default]
    None,
    /// It names a request of CRI-O (hash of the id).
    Request(u64),
    /// kubelet's line about a pod (hash of its key).
    Pod(u64, Site),
    /// Written by a loop of the program's own, in no request.
    Outside,
    /// It tells the call it is about: number of the method, and when that began.
    Call(u64, i64),
}

/// What rules know of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing: the engine decides.
    Nothing,
    /// Its span.
    Span(Slot),
    /// Its span, and how it stands to it: a link.
    Linked(Slot, Relation),
    /// It is about a call of this method that began then.
    Call(u64, i64),
    /// It has none, or another rule decides it.
    NoSpan,
}

/// How a call site stands to the spans open at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Site {
    /// On the goroutine that holds the pod's (or the request's) span.
    Inside,
    /// About a pod, on another goroutine.
    Elsewhere,
    /// In no request.
    Outside,
    /// Now here, now there.
    Unknown,
}
