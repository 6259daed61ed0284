//! What a line, or its trace, must be to be shown and sent.

use std::fmt;

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

/// As it is typed.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Trace(id) => write!(f, "trace={id}"),
            Condition::Errors => f.write_str("errors"),
            Condition::Level(level) => write!(f, "level={}", level_name(*level)),
            Condition::Pod { namespace, name, container } => {
                let before = namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
                let behind = container.as_ref().map(|container| format!("/{container}")).unwrap_or_default();
                write!(f, "pod={before}{name}{behind}")
            }
            Condition::Namespace(name) => write!(f, "namespace={name}"),
            Condition::Service(name) => write!(f, "service={name}"),
            Condition::Span(name) => write!(f, "span={name}"),
            Condition::Grep(pattern) => write!(f, "grep={pattern}"),
            Condition::Linked => f.write_str("linked"),
        }
    }
}

fn level_name(level: Severity) -> &'static str {
    match level.0 {
        ..5 => "trace",
        5..9 => "debug",
        9 => "info",
        10..13 => "notice",
        13..17 => "warn",
        17..21 => "error",
        21.. => "fatal",
    }
}
