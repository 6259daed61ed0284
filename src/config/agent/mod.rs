//! The configuration of `agent`: flags, else its file, else the environment, else defaults.
//!
//! In go what was typed, the file that it names, and the surroundings; out comes an
//! [`AgentConfig`](crate::run::agent::AgentConfig), or an error that names the flag, or every problem of the file with its
//! line. [`resolve`] is where all of it comes together.

mod destinations;
pub(super) mod fields;
mod file;
mod file_tap;
mod journal;
pub(super) mod keys;
mod metadata;
mod nearest;
mod own_output;
mod own_telemetry;
mod paths;
mod reload;
mod resolve;
mod tap;
pub(super) mod text;

pub use reload::{Reload, reload};
pub use resolve::agent;

/// The file with all defaults and what they mean.
pub const DEFAULT_FILE: &str = include_str!("default.yaml");

#[cfg(test)]
mod tests;
