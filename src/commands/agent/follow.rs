//! `spanline agent`: follows until it is told to stop, and says how that ended.
//!
//! In goes the configuration with what it is watched by, out comes an exit code.

use std::sync::mpsc::Receiver;

use super::watch::Watch;
use crate::pipeline;
pub use crate::pipeline::Command;
use crate::run::RunError;
use crate::run::agent::{AgentConfig, LogLevel};

/// Runs an agent until it is told to stop; says how it ended, and returns the exit code.
pub fn run(config: &AgentConfig, watch: &Watch, commands: &Receiver<Command>) -> Result<u8, RunError> {
    let end = pipeline::agent(config, &watch.metrics, commands, &watch.notify())?;
    for name in &end.unsettled {
        let message = format!("{name} had not taken all that was read: it stays in its files for the next start");
        watch.say(LogLevel::Warn, &message);
    }
    for error in &end.unsaved {
        watch.say(LogLevel::Error, &format!("the state was not written: {error}"));
    }
    Ok(u8::from(!end.unsaved.is_empty()))
}
