//! Where span facts come from.
//!
//! In go trace files ([`file`]) of every kind that is known ([`kind`]), out come export requests one at a time, and from
//! each of them the facts that correlation lives on ([`facts`]). Nothing here decides what belongs to a span.

mod bounded;
pub mod config;
mod documents;
pub mod facts;
pub mod file;
pub mod jaeger;
mod json;
mod json_cursor;
mod json_facts;
mod json_scan;
pub mod kind;
mod limits;
pub mod recognise;
mod transcode;
