//! Where span facts come from.
//!
//! In go trace files ([`file`]) of every kind that is known ([`trace_format`]) and a Jaeger's answers ([`jaeger`]), out come export
//! requests in protobuf, one at a time, and from each of them the facts that correlation needs ([`scan`]). Nothing here
//! decides what belongs to a span.

mod bounded;
pub mod by_time;
pub mod by_trace;
pub mod config;
mod documents;
pub mod fetch;
pub mod file;
pub mod jaeger;
mod json_scan;
mod limits;
pub mod list;
pub mod load;
pub mod scan;
pub mod spool;
pub mod telemetry;
pub mod trace_format;
pub mod transcode;
