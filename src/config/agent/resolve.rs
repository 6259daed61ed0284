//! What the agent's flags, its file and the environment mean together, with defaults for the rest.
//!
//! In go what was typed, the file that it names, and the surroundings; out comes an [`AgentConfig`], or an error that names
//! the flag, or every problem of the file with its line.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::destinations::{are_off, destinations};
use super::fields::Problems;
use super::file::{self, Written};
use super::keys::{NONE, start_of};
use super::paths::absolute;
use super::text::told;
use super::{journal, metadata, own_output, own_telemetry, tap};
use crate::cli::{AgentArgs, LogName};
use crate::config::endpoints::notices;
use crate::config::error::{ConfigError, Surroundings};
use crate::input::tail::config::Start;
use crate::input::tail::pattern::PathPattern;
use crate::run::agent::{
    AgentConfig, FilesConfig, InputsConfig, LinksConfig, LogLevel, PodsConfig, TelemetryConfig, literal,
};
use crate::tap::config::{AnswerWhen, TapConfig};

const STATE_DEFAULT: &str = "/var/lib/spanline";
const MEMORY_DEFAULT: u64 = 128 << 20;
/// Less would be one window of lines and spans after the other.
const MEMORY_LEAST: u64 = 16 << 20;
const PODS_DEFAULT: &str = "/var/log/pods";
const FILES_DEFAULT: [&str; 2] = ["/var/log/kubelet.log", "/var/log/crio/*.log"];
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9464);
const LINK_WAIT_DEFAULT: Duration = Duration::from_secs(10);
/// Spans come seconds after their end; for longer no line of a busy node can be held.
const LINK_WAIT_LEAST: Duration = Duration::from_secs(1);
const LINK_WAIT_MOST: Duration = Duration::from_secs(300);
const MIN_CONFIDENCE_DEFAULT: f32 = 0.9;
const GRACE_DEFAULT: Duration = Duration::from_secs(10);

/// The configuration of `agent`.
pub fn agent(args: &AgentArgs, around: &Surroundings<'_>) -> Result<AgentConfig, ConfigError> {
    let mut problems = Problems::default();
    let mut written = match &args.config {
        Some(path) => file::read(path, &mut problems)?,
        None => Written::default(),
    };
    let inputs = inputs(args, &mut written, around)?;
    let destinations = destinations(args, &written, around, &mut problems)?;
    let otlp = own_telemetry::push(args, &written, around, &mut problems)?;
    let memory_bytes = args.memory.or(written.memory).unwrap_or(MEMORY_DEFAULT);
    let links = links(args, &written, &mut problems)?;
    let tap = tap::tap(&args.tap, written.tap.take(), (memory_bytes, links.wait), around, &mut problems)?;
    if are_off(args, &written) {
        events_only(written.logs_off, tap.as_deref(), &mut problems)?;
    }
    let metadata = metadata::resolved(args, written.metadata.take(), around, &mut problems)?;
    if let Some(path) = args.config.as_ref().filter(|_| !problems.0.is_empty()) {
        return Err(ConfigError::new("--config", told(path, &problems.0)));
    }
    if inputs.pods.is_none() && inputs.files.is_empty() && inputs.journal.is_none() {
        return Err(ConfigError::new("--pods-path", "nothing is followed: all inputs are turned off"));
    }
    if memory_bytes < MEMORY_LEAST {
        return Err(ConfigError::new("--memory", "must be 16MiB or more (memory in the --config file)"));
    }
    let state = args.state.as_deref().map(|path| absolute("--state", path)).transpose()?.or(written.state);
    let listen = match &args.telemetry_listen {
        Some(text) => listen(text)?,
        None => written.listen.unwrap_or(Some(LISTEN_DEFAULT)),
    };
    let log = args.telemetry_log.map(level).or(written.log).unwrap_or(LogLevel::Info);
    let mut notices = notices(&destinations, &[]);
    notices.extend(tap.as_ref().and_then(|tap| open_to_all(tap)));
    notices.extend(listen.filter(|address| !address.ip().is_loopback()).map(|address| {
        format!("metrics and status on {address} can be read by whoever reaches this address: there is no password")
    }));
    Ok(AgentConfig {
        state: state.unwrap_or_else(|| STATE_DEFAULT.into()),
        memory_bytes,
        inputs,
        destinations,
        tap,
        links,
        rules: written.rules,
        metadata,
        telemetry: TelemetryConfig { listen, log, otlp },
        grace: args.grace.or(written.grace).unwrap_or(GRACE_DEFAULT),
        notices,
    })
}

/// Whether lines that are not sent as logs go anywhere. `line`: where that is written, else it is typed.
fn events_only(line: Option<usize>, tap: Option<&TapConfig>, problems: &mut Problems) -> Result<(), ConfigError> {
    let reason = match tap {
        // What is wrong with it itself is told elsewhere.
        None if !problems.0.is_empty() => return Ok(()),
        None => "without logs lines go onto spans only: give tap, through which these come",
        Some(tap) if tap.forward.is_empty() => "without logs lines go onto spans only: tap.forward keeps none of them",
        Some(tap) if !tap.late_events && (tap.hold.is_zero() || tap.answer == AnswerWhen::Delivered) => {
            "without logs lines go onto spans only: tap.span_events, tap.late_events, tap.hold and tap.answer leave nothing of that"
        }
        Some(_) => return Ok(()),
    };
    match line {
        Some(line) => problems.add(line, format!("logs: {reason}")),
        None => return Err(ConfigError::new("--logs-to", reason)),
    }
    Ok(())
}

/// How lines are linked with the spans that come.
fn links(args: &AgentArgs, written: &Written, problems: &mut Problems) -> Result<LinksConfig, ConfigError> {
    let bad_wait = |wait: &Duration| !(LINK_WAIT_LEAST..=LINK_WAIT_MOST).contains(wait);
    let wait_reason = "must be from 1s to 5m";
    if args.link_wait.as_ref().is_some_and(bad_wait) {
        return Err(ConfigError::new("--link-wait", wait_reason));
    }
    if args.min_confidence.is_some_and(|least| !(0.0..=1.0).contains(&least)) {
        return Err(ConfigError::new("--min-confidence", "must lie between 0 and 1"));
    }
    let of_file = written.link_wait.as_ref();
    if let Some(wait) = of_file.filter(|wait| bad_wait(&wait.value)) {
        problems.add(wait.line, format!("link.wait: {wait_reason}"));
    }
    Ok(LinksConfig {
        wait: args.link_wait.or(of_file.map(|wait| wait.value)).unwrap_or(LINK_WAIT_DEFAULT),
        min_confidence: args.min_confidence.or(written.link_min_confidence).unwrap_or(MIN_CONFIDENCE_DEFAULT),
    })
}

/// Who can send and read along, where spans are received from other machines unguarded.
fn open_to_all(tap: &TapConfig) -> Option<String> {
    let mut reachable = [tap.grpc, tap.http].into_iter().flatten().filter(|address| !address.ip().is_loopback());
    let address = reachable.next().filter(|_| tap.tls.is_none())?;
    Some(match tap.token {
        Some(_) => {
            format!("spans on {address} come unencrypted: their token can be read by whoever listens in between")
        }
        None => format!("spans on {address} are taken from anybody who reaches this address, unencrypted"),
    })
}

fn inputs(args: &AgentArgs, written: &mut Written, around: &Surroundings<'_>) -> Result<InputsConfig, ConfigError> {
    let is_off = args.pods_path.as_deref() == Some(Path::new(NONE));
    let of_file = written.pods.take();
    let is_given = args.pods_path.is_some() || args.pods_start.is_some() || !args.pods_exclude.is_empty();
    let pods = match of_file {
        _ if is_off => None,
        Some(None) if !is_given => None,
        of_file => {
            let of_file = of_file.flatten().unwrap_or_default();
            let path = args.pods_path.as_deref().map(|path| absolute("--pods-path", path)).transpose()?;
            let exclude = patterns("--pods-exclude", &args.pods_exclude)?;
            Some(PodsConfig {
                path: path.or(of_file.path).unwrap_or_else(|| PODS_DEFAULT.into()),
                start: args.pods_start.map(start_of).or(of_file.start).unwrap_or_default(),
                exclude: if exclude.is_empty() { of_file.exclude.unwrap_or_default() } else { exclude },
            })
        }
    };
    let files = if args.files_include.is_empty() {
        written.files.take().map_or_else(files_default, Ok)?
    } else {
        vec![FilesConfig {
            include: patterns("--files-include", &args.files_include)?,
            exclude: patterns("--files-exclude", &args.files_exclude)?,
            service: args.files_service.clone(),
            start: args.files_start.map(start_of).unwrap_or_default(),
        }]
    };
    let mut inputs = InputsConfig { pods, files, journal: journal::resolved(args, written.journal.take(), around)? };
    let root = inputs.pods.as_ref().map_or(Path::new(PODS_DEFAULT), |pods| &pods.path);
    let own = own_output::patterns(root);
    inputs.pods.iter_mut().for_each(|pods| pods.exclude.extend_from_slice(&own));
    inputs.files.iter_mut().for_each(|files| files.exclude.extend_from_slice(&own));
    Ok(inputs)
}

fn files_default() -> Result<Vec<FilesConfig>, ConfigError> {
    let include = patterns("--files-include", &FILES_DEFAULT.map(str::to_owned))?;
    Ok(vec![FilesConfig { include, exclude: Vec::new(), service: None, start: Start::End }])
}

fn patterns(flag: &'static str, texts: &[String]) -> Result<Vec<PathPattern>, ConfigError> {
    let pattern = |text: &String| {
        // A relative one is meant from where its user is, whose folder is no pattern.
        let path = match text.starts_with('/') {
            true => text.clone(),
            false => format!("{}/{text}", literal(&absolute(flag, Path::new("."))?)),
        };
        PathPattern::new(&path).map_err(|error| ConfigError::new(flag, error))
    };
    texts.iter().map(pattern).collect()
}

fn listen(text: &str) -> Result<Option<SocketAddr>, ConfigError> {
    if text == NONE {
        return Ok(None);
    }
    let bad = || format!("{text:?} is no IP address with a port, such as 127.0.0.1:9464, nor none");
    text.parse().map(Some).map_err(|_| ConfigError::new("--telemetry-listen", bad()))
}

fn level(name: LogName) -> LogLevel {
    match name {
        LogName::Error => LogLevel::Error,
        LogName::Warn => LogLevel::Warn,
        LogName::Info => LogLevel::Info,
        LogName::Debug => LogLevel::Debug,
    }
}
