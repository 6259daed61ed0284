//! The live agent: what is followed goes to a destination as it is written.
//!
//! In go files that are followed, out go their records, and what was acknowledged of them is written down. Each destination has
//! a [`lane`] of its own: one that is slow or down does not hold the others. Which lanes there are is decided in
//! [`pipeline`](crate::pipeline).

mod acknowledged_events;
mod counted;
pub mod destinations;
pub mod hold;
mod in_flight;
pub mod keeper;
pub mod lane;
mod lane_memory;
pub mod late_events;
pub mod learned;
mod line_events;
pub mod linked_lines;
pub mod linking;
pub mod log_requests;
mod notices;
mod outbox;
mod parsed;
mod passing_logs;
pub mod pod_metadata;
mod saving;
mod sent_before;
pub mod source;
pub mod sources;
pub mod span_requests;
pub mod wake;
