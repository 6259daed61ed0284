//! The keys of the agent's configuration file: plain data.

use super::fields::Names;
use crate::cli::StartName;
use crate::input::tail::config::Start;

/// Keys of the file, as paths.
pub(crate) const KEYS: [&str; 54] = [
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
    "metadata.from",
    "metadata.url",
    "metadata.token",
    "metadata.ca",
    "metadata.insecure_skip_verify",
    "metadata.labels",
    "metadata.annotations",
    "parsers",
    "parsers[].name",
    "parsers[].match",
    "parsers[].regex",
    "parsers[].time",
    "parsers[].zone",
    "parsers[].multiline.start",
    "filter.include",
    "filter.exclude",
    "filter.sample",
    "redact.builtin",
    "redact.keys",
    "redact.patterns",
    "telemetry.listen",
    "telemetry.log",
    "telemetry.otlp",
    "grace",
];

/// Keys at the top of the file.
pub(crate) const TOP_KEYS: [&str; 12] = [
    "state",
    "memory",
    "inputs",
    "tap",
    "logs",
    "link",
    "metadata",
    "parsers",
    "filter",
    "redact",
    "telemetry",
    "grace",
];

/// What turns a part off by a flag.
pub(crate) const NONE: &str = "none";

/// Where an input begins.
pub(crate) const STARTS: [(&str, Start); 2] = [("end", Start::End), ("beginning", Start::Beginning)];

/// The same by a flag.
pub(crate) fn start_of(name: StartName) -> Start {
    match name {
        StartName::End => Start::End,
        StartName::Beginning => Start::Beginning,
    }
}

/// Names that a map may have, of which some are of parts that are not built.
pub(crate) const fn names(known: &'static [&'static str], not_yet: &'static [&'static str]) -> Names {
    Names { known, not_yet, anywhere: &KEYS }
}
