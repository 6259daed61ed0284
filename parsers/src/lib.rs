//! Log lines as borrowed values.
//!
//! In go bytes, out come an envelope ([`cri`], [`docker_json`], journal) and an [`Entry`]: what the line itself
//! says of its time, severity, message, fields and trace. Parsing never fails: what is not understood is text.
//! Nothing here knows files, tasks, the clock or OTLP.

pub mod access;
pub mod ansi;
mod audit;
mod behind;
pub mod conmon;
pub mod conmon_rs;
pub mod continuation;
mod crashes;
pub mod cri;
mod databases;
mod dates;
pub mod detect;
pub mod docker_json;
pub mod entry;
pub mod epoch;
pub mod frames;
pub mod glog;
mod golang;
mod held;
pub mod journal;
pub mod journal_blocks;
pub mod journal_export;
pub mod journal_json;
pub mod journal_text;
pub mod json;
pub mod json_line;
pub mod klog;
pub mod klog_json;
mod klog_values;
pub mod kubectl;
mod lanes;
mod levels;
pub mod log4j;
pub mod logfmt;
pub mod logrus;
mod near;
mod number_time;
mod parts;
mod plain;
pub mod pod_path;
pub mod python;
pub mod quote;
mod record_start;
pub mod rotation;
mod ruby;
pub mod spring;
pub mod syslog;
pub mod timestamp;
pub mod trace_context;
pub mod utiltrace;
pub mod value;
mod web;
pub mod wrapper;
mod zones;

pub use entry::{CodeSite, Entry, Field, Format, Severity, Text, Time, TraceContext, Value};
