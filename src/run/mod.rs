//! A run in data: what it is to do, what can be seen of it while it goes on, and its outcome, or why it has none.
//!
//! The configuration comes from [`config`](crate::config), the pipeline fills in the rest, and the commands show it. Nothing
//! is read or sent here.

pub mod agent;
pub mod budget;
pub mod config;
mod error;
pub mod monitor;
mod outcome;

pub use error::RunError;
pub use outcome::Outcome;
