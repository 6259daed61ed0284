//! What a line, or its trace, must be to be shown and sent.

use regex::bytes::Regex;
use spanline_parsers::Severity;

/// What a line, or its trace, must be.
#[derive(Debug, Clone)]
pub enum Condition {
    /// In the trace whose id begins so: lower-case hex digits.
    Trace(String),
    /// In a trace with a failed span or a line from ERROR on; or such a line itself.
    Errors,
    /// From this level on.
    Level(Severity),
    /// Written by this pod.
    Pod {
        /// `None`: any.
        namespace: Option<String>,
        /// Its name.
        name: String,
        /// `None`: any.
        container: Option<String>,
    },
    /// Written by a pod of this namespace.
    Namespace(String),
    /// Written by this service.
    Service(String),
    /// In a trace with a span of this name.
    Span(String),
    /// The message or a field matches.
    Grep(Regex),
    /// Linked to a span.
    Linked,
}
