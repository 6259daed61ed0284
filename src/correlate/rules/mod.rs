//! Explicit evidence: ids in the line, events that are the line, call sites of known programs.
//!
//! In go a record and the index, out comes a link, a hint for learning, or the reason for neither. Every rule is exact by
//! itself; times only choose among spans that an id has named already. A file for each program, data in tables of its own.

pub(crate) mod api_server;
pub(crate) mod call_sites;
pub(crate) mod conmon_rs;
mod conmon_stack;
pub(crate) mod containerd;
pub(crate) mod crio;
mod crio_sites;
pub(crate) mod hints;
pub(crate) mod named;
pub(crate) mod outcome;
pub(crate) mod process;
pub(crate) mod silent_spans;
pub(crate) mod written;
