//! Log lines as borrowed values.
//!
//! In go bytes, out come an envelope ([`cri`], [`docker_json`], journal) and an [`Entry`]: what the line itself
//! says of its time, severity, message, fields and trace. Parsing never fails: what is not understood is text.
//! Nothing here knows files, tasks, the clock or OTLP.

pub mod detect;
pub mod entry;
mod envelopes;
mod formats;
pub mod json;
mod number_time;
mod records;
mod stacks;
mod text;
mod time;
pub mod trace_context;

pub use entry::{CodeSite, Entry, Field, Format, NumberTime, Severity, Text, Time, TraceContext, Value};
pub use envelopes::{
    cri, docker_json, journal, journal_blocks, journal_export, journal_file, journal_frames, journal_hash,
    journal_json, journal_text, kubectl, pod_path, rotation, wrapper,
};
pub use formats::{
    access, conmon, conmon_rs, glog, json_line, klog, klog_json, log4j, logfmt, logrus, python, spring, syslog,
    utiltrace,
};
pub use records::continuation;
pub use stacks::frames;
pub use text::{ansi, quote, value};
pub use time::{epoch, timestamp};
