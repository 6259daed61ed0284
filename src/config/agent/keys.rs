//! The keys of the agent's configuration file: plain data.

use super::fields::Names;

/// Keys of the file, as paths.
pub(super) const KEYS: [&str; 28] = [
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

/// Names that a map may have, of which some are of parts that are not built.
pub(super) const fn names(known: &'static [&'static str], not_yet: &'static [&'static str]) -> Names {
    Names { known, not_yet, anywhere: &KEYS }
}
