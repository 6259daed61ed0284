//! How a running agent is watched: its metrics, health and status over HTTP, and its own messages.
//!
//! In go the numbers and states that [`metrics`](crate::metrics) holds, and words; out come answers and lines on stderr. Nothing
//! of the agent is decided here.

pub mod accept;
pub mod ask;
mod encode;
pub mod log;
pub mod push;
pub mod server;
pub mod spans;
