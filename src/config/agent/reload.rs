//! The configuration read once more while the agent runs.
//!
//! In go the same arguments and the configuration that is running, out comes the one to go on with, and in words what
//! changed, and what stays as it was until a restart. A file with problems changes nothing.

use super::resolve::agent;
use crate::cli::AgentArgs;
use crate::config::error::{ConfigError, Surroundings};
use crate::run::agent::AgentConfig;
use crate::tap::config::TapConfig;

/// What became of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Reload {
    /// The one to go on with.
    pub config: AgentConfig,
    /// Keys whose values are others now.
    pub changed: Vec<&'static str>,
    /// Keys whose values are others in the file, and stay as they were until the agent is started again.
    pub needs_restart: Vec<&'static str>,
}

/// Reads the configuration again. The state folder is locked, and the address of the telemetry taken, as long as the process
/// lives: they stay as they are, and so does where metrics are sent.
pub fn reload(args: &AgentArgs, around: &Surroundings<'_>, running: &AgentConfig) -> Result<Reload, ConfigError> {
    let mut config = agent(args, around)?;
    // What could not be started would end the agent.
    let refused = config.tap.as_deref().filter(|_| config.tap != running.tap).and_then(TapConfig::files_refused);
    if let Some(reason) = refused {
        return Err(ConfigError::new("tap.tls", reason));
    }
    let mut needs_restart = Vec::new();
    if config.state != running.state {
        config.state.clone_from(&running.state);
        needs_restart.push("state");
    }
    if config.telemetry.listen != running.telemetry.listen {
        config.telemetry.listen = running.telemetry.listen;
        needs_restart.push("telemetry.listen");
    }
    if config.telemetry.otlp != running.telemetry.otlp {
        config.telemetry.otlp.clone_from(&running.telemetry.otlp);
        needs_restart.push("telemetry.otlp");
    }
    let compared = [
        ("memory", config.memory_bytes == running.memory_bytes),
        ("inputs.pods", config.inputs.pods == running.inputs.pods),
        ("inputs.files", config.inputs.files == running.inputs.files),
        ("inputs.journal", config.inputs.journal == running.inputs.journal),
        ("logs", config.destinations == running.destinations),
        ("tap", config.tap == running.tap),
        ("link", config.links == running.links),
        ("metadata", config.metadata == running.metadata),
        ("rules for lines", config.rules == running.rules),
        ("telemetry.log", config.telemetry.log == running.telemetry.log),
        ("grace", config.grace == running.grace),
    ];
    let changed = compared.into_iter().filter(|(_, is_equal)| !is_equal).map(|(key, _)| key).collect();
    Ok(Reload { config, changed, needs_restart })
}
