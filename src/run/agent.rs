//! What the agent does, in data: read from its file, flags and variables by [`config`](crate::config).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::export::destination::Destination;

/// What the agent does.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentConfig {
    /// The folder that holds what it must remember.
    pub state: PathBuf,
    /// Bytes of memory for all that it holds.
    pub memory_bytes: u64,
    /// What it follows.
    pub inputs: InputsConfig,
    /// Where log records go: endpoints with their compression and headers; at least one.
    pub destinations: Vec<Destination>,
    /// How it can be watched itself.
    pub telemetry: TelemetryConfig,
    /// How long stopping may take before what is not delivered is left in its files.
    pub grace: Duration,
}

/// What the agent follows; at least one input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputsConfig {
    /// Logs of containers.
    pub pods: Option<PodsConfig>,
    /// Other files.
    pub files: Vec<FilesConfig>,
}

/// Logs of containers, as kubelet lays them out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodsConfig {
    /// The folder of all pods.
    pub path: PathBuf,
    /// Where reading begins.
    pub start: Start,
    /// Patterns of files to leave out; absolute, checked.
    pub exclude: Vec<String>,
}

/// Files by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesConfig {
    /// Patterns of files to follow; absolute, checked, at least one.
    pub include: Vec<String>,
    /// Patterns of files to leave out; absolute, checked.
    pub exclude: Vec<String>,
    /// The `service.name` of their lines; `None`: what the file's name tells.
    pub service: Option<String>,
    /// Where reading begins.
    pub start: Start,
}

/// Where reading begins in files that exist at the agent's first start. Later ones are read from their beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With what is written from then on.
    #[default]
    End,
    /// With what is there.
    Beginning,
}

/// How the agent can be watched itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// Where `/metrics`, `/healthz`, `/readyz` and `/status` are served; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// What of its own messages is shown.
    pub log: LogLevel,
}

/// Messages of this weight and above are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What went wrong for good.
    Error,
    /// What may need attention.
    Warn,
    /// What happens, in outline.
    Info,
    /// What happens.
    Debug,
}
