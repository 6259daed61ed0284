//! Where the agent's logs go: `logs.to`, with compression and headers; nowhere, if that is said.
//!
//! In go the texts of flags or of a file, out come endpoints, or what is wrong with a text.

use super::fields::{Problems, Sited};
use super::file::Written;
use super::keys::NONE;
use crate::cli::{AgentArgs, CompressionName};
use crate::config::endpoints::compression;
use crate::config::error::{ConfigError, Surroundings};
use crate::export::destination::Destination;
use crate::otlp::address::shown;
use crate::otlp::proxy::Proxy;
use crate::otlp::{Compression, Endpoint, Signal};

/// What a collector of today understands, at a third of gzip's cost.
const COMPRESSION_DEFAULT: Compression = Compression::Zstd;

/// The destinations of flags, else of the file, else of the environment.
pub(super) fn destinations(
    args: &AgentArgs,
    written: &Written,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Result<Vec<Destination>, ConfigError> {
    let given = args.logs_compression.map(|name: CompressionName| compression(name)).or(written.compression);
    let mut destinations: Vec<Destination> = Vec::new();
    if are_off(args, written) {
        return Ok(destinations);
    }
    if !args.logs_to.is_empty() {
        for to in &args.logs_to {
            let destination = destination(to, given, around).and_then(|new| not_twice(&destinations, new));
            destinations.push(destination.map_err(|error| ConfigError::new("--logs-to", error))?);
        }
    } else if !written.to.is_empty() {
        for Sited { line, value: to } in &written.to {
            match destination(to, given, around).and_then(|new| not_twice(&destinations, new)) {
                Ok(destination) => destinations.push(destination),
                Err(error) => problems.add(*line, format!("logs.to: {error}")),
            }
        }
    } else if ENDPOINT_VARIABLES.iter().any(|name| (around.variable)(name).is_some_and(|value| !value.is_empty())) {
        let destination = destination("otlp", given, around);
        destinations.push(destination.map_err(|error| ConfigError::new("--logs-to", error))?);
    } else if problems.0.is_empty() {
        return Err(ConfigError::new(
            "--logs-to",
            "there is no destination: give --logs-to otlp=http://HOST:4317, logs.to in the --config file, or \
             OTEL_EXPORTER_OTLP_ENDPOINT; none for lines that go nowhere but onto spans",
        ));
    }
    let mut endpoints: Vec<&mut Endpoint> = destinations.iter_mut().filter_map(endpoint).collect();
    for Sited { line, value: (name, value) } in &written.headers {
        let header = format!("{name}={value}");
        let added = endpoints.iter_mut().try_for_each(|endpoint| endpoint.add_header(&header));
        if let Err(error) = added {
            problems.add(*line, format!("logs.headers: {error}"));
        }
    }
    Ok(destinations)
}

/// Whether logs are to go nowhere.
pub(super) fn are_off(args: &AgentArgs, written: &Written) -> bool {
    args.logs_to == [NONE] || args.logs_to.is_empty() && written.logs_off.is_some()
}

/// Variables that name a destination by themselves.
const ENDPOINT_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"];

/// dest = "otlp" [ "=" url ]
fn destination(to: &str, given: Option<Compression>, around: &Surroundings<'_>) -> Result<Destination, String> {
    let endpoint = match to.split_once('=') {
        None if to == "otlp" => Endpoint::from_variables(Signal::Logs, around.variable),
        Some(("otlp", url)) => Endpoint::from_url(url, Signal::Logs, around.variable),
        _ if to == NONE => return Err("none stands alone: with it lines go onto spans only".to_owned()),
        _ => return Err(format!("{:?} is neither otlp=URL nor otlp", shown(to))),
    };
    let mut endpoint = endpoint.map_err(|error| error.to_string())?;
    endpoint.compression = given.or(endpoint.compression).or(Some(COMPRESSION_DEFAULT));
    endpoint.proxy = Proxy::of(&endpoint.uri, around.variable).map_err(|error| error.to_string())?;
    Ok(Destination::Logs(Box::new(endpoint)))
}

fn not_twice(before: &[Destination], new: Destination) -> Result<Destination, String> {
    match new.endpoint() {
        Some(endpoint) if before.contains(&new) => {
            Err(format!("{} is given twice: everything would be sent to it twice", endpoint.name()))
        }
        _ => Ok(new),
    }
}

fn endpoint(destination: &mut Destination) -> Option<&mut Endpoint> {
    match destination {
        Destination::Logs(endpoint) | Destination::Traces(endpoint) => Some(endpoint),
        Destination::Text | Destination::Files(_) => None,
    }
}
