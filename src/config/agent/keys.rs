//! The keys of the agent's configuration file: plain data.

use super::fields::Names;
use crate::cli::StartName;
use crate::input::tail::config::Start;

/// Keys of the file, as paths.
pub(super) const KEYS: [&str; 34] = [
    "state",
    "memory",
    "inputs.pods",
    "inputs.pods.path",
    "inputs.pods.start",
    "inputs.pods.exclude",
    "inputs.files",
    "inputs.files[].include",
    "inputs.files[].exclude",
    "inputs.files[].service",
    "inputs.files[].start",
    "inputs.journal",
    "inputs.journal.path",
    "inputs.journal.units",
    "inputs.journal.match",
    "inputs.journal.fields",
    "inputs.journal.start",
    "tap.grpc",
    "tap.http",
    "tap.unix",
    "tap.tls",
    "tap.token",
    "tap.insecure",
    "tap.forward",
    "tap.queue",
    "tap.spill",
    "tap.answer",
    "logs.to",
    "logs.compression",
    "logs.headers",
    "telemetry.listen",
    "telemetry.log",
    "telemetry.otlp",
    "grace",
];

/// What turns a part off by a flag.
pub(super) const NONE: &str = "none";

/// Where an input begins.
pub(super) const STARTS: [(&str, Start); 2] = [("end", Start::End), ("beginning", Start::Beginning)];

/// The same by a flag.
pub(super) fn start_of(name: StartName) -> Start {
    match name {
        StartName::End => Start::End,
        StartName::Beginning => Start::Beginning,
    }
}

/// Names that a map may have, of which some are of parts that are not built.
pub(super) const fn names(known: &'static [&'static str], not_yet: &'static [&'static str]) -> Names {
    Names { known, not_yet, anywhere: &KEYS }
}
