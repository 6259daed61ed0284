//! Spans in which the programs of a node write no line.
//!
//! In go a program and what a span is, out comes whether it may hold lines of that program. Data about programs, kept apart
//! from learning, which knows none.

use crate::facts::Kind;
use crate::record::Producer;

/// Spans that only wait for a process to end, on a goroutine of their own: containerd writes no line in them.
const WAITING: &[&str] = &["task.Wait", "process.Wait", "Task/Wait"];

/// A span that holds no line of its program.
pub(crate) fn only_waits(name: &str) -> bool {
    let last = name.rsplit_once(".v3.").or_else(|| name.rsplit_once(".v2.")).map_or(name, |(_, last)| last);
    WAITING.contains(&last)
}

/// Which spans of a program hold none of its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Silent {
    /// It may write a line in any of its spans.
    None,
    /// kubelet writes no line while it calls another: an error is told after the call's span has ended.
    Clients,
    /// See [`only_waits`].
    Waiting,
}

impl Silent {
    /// That of a program.
    pub(crate) fn of(producer: Producer) -> Silent {
        match producer {
            Producer::Kubelet => Silent::Clients,
            Producer::Containerd => Silent::Waiting,
            _ => Silent::None,
        }
    }

    /// A span of this kind holds none of the program's lines. `only_waits`: see [`only_waits`].
    pub(crate) fn includes(self, kind: Kind, only_waits: bool) -> bool {
        match self {
            Silent::None => false,
            Silent::Clients => kind == Kind::Client,
            Silent::Waiting => only_waits,
        }
    }
}
