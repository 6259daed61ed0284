//! Where the agent's own metrics and traces go: `telemetry.otlp`, and whose they are.
//!
//! In go the text of a flag or of the file and the environment, out comes an endpoint with resource attributes, or what is
//! wrong with the text.

use super::fields::{Problems, Sited};
use super::file::Written;
use crate::cli::AgentArgs;
use crate::config::error::{ConfigError, Surroundings};
use crate::otlp::address::shown;
use crate::otlp::percent::percent_decoded;
use crate::otlp::proxy::Proxy;
use crate::otlp::{Compression, Endpoint, Signal};
use crate::telemetry::push::PushConfig;

/// What turns them off by a flag.
const NONE: &str = "none";

/// Where they go, if anywhere.
pub(super) fn push(
    args: &AgentArgs,
    written: &Written,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Result<Option<Box<PushConfig>>, ConfigError> {
    let (endpoint, traces) = match (&args.telemetry_otlp, &written.otlp) {
        (Some(text), _) if text == NONE => return Ok(None),
        (Some(text), _) => endpoints(text, around).map_err(|error| ConfigError::new("--telemetry-otlp", error))?,
        (None, Some(Sited { line, value: text })) => match endpoints(text, around) {
            Ok(endpoints) => endpoints,
            Err(error) => {
                problems.add(*line, format!("telemetry.otlp: {error}"));
                return Ok(None);
            }
        },
        (None, None) => return Ok(None),
    };
    Ok(Some(Box::new(PushConfig { endpoint, traces, resource: resource(around) })))
}

/// Where metrics go, and where traces do.
fn endpoints(to: &str, around: &Surroundings<'_>) -> Result<(Endpoint, Endpoint), String> {
    Ok((endpoint(to, Signal::Metrics, around)?, endpoint(to, Signal::Traces, around)?))
}

/// dest = "otlp" [ "=" url ]
fn endpoint(to: &str, signal: Signal, around: &Surroundings<'_>) -> Result<Endpoint, String> {
    let endpoint = match to.split_once('=') {
        None if to == "otlp" => Endpoint::from_variables(signal, around.variable),
        Some(("otlp", url)) => Endpoint::from_url(&url_of(url, signal), signal, around.variable),
        _ => return Err(format!("{:?} is neither otlp=URL nor otlp", shown(to))),
    };
    let mut endpoint = endpoint.map_err(|error| error.to_string())?;
    endpoint.compression = endpoint.compression.or(Some(Compression::Gzip));
    endpoint.proxy = Proxy::of(&endpoint.uri, around.variable).map_err(|error| error.to_string())?;
    Ok(endpoint)
}

/// A URL that ends in the path of metrics, or of traces, is meant for both.
fn url_of(url: &str, signal: Signal) -> String {
    let paths = [Signal::Metrics, Signal::Traces].map(Signal::http_path);
    let base = paths.iter().find_map(|path| url.strip_suffix(path));
    base.map_or_else(|| url.to_owned(), |base| format!("{base}{}", signal.http_path()))
}

/// What the variables of the SDKs say, and what is known without them.
/// <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>
fn resource(around: &Surroundings<'_>) -> Vec<(String, String)> {
    let set = |name: &str| (around.variable)(name).filter(|value| !value.trim().is_empty());
    let mut resource: Vec<(String, String)> = Vec::new();
    let mut add = |key: &str, value: String| {
        if !resource.iter().any(|(known, _)| known == key) {
            resource.push((key.to_owned(), value));
        }
    };
    if let Some(name) = set("OTEL_SERVICE_NAME") {
        add("service.name", name);
    }
    for pair in set("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default().split(',') {
        if let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.trim().is_empty()) {
            add(key.trim(), String::from_utf8_lossy(&percent_decoded(value.trim())).into_owned());
        }
    }
    add("service.name", "spanline".to_owned());
    add("service.version", env!("CARGO_PKG_VERSION").to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if !host.trim().is_empty() {
        add("host.name", host.trim().to_owned());
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_and_traces_have_their_own_paths() {
        let around = Surroundings { variable: &|_| None, now_nanos: 0, columns: None };
        for url in ["otlp=http://c:4318", "otlp=http://c:4318/v1/metrics", "otlp=http://c:4318/v1/traces"] {
            let (metrics, traces) = endpoints(url, &around).unwrap();
            assert_eq!(metrics.uri.to_string(), "http://c:4318/v1/metrics");
            assert_eq!(traces.uri.to_string(), "http://c:4318/v1/traces");
        }
    }

    #[test]
    fn variables_say_whose_metrics_they_are() {
        let variable = |name: &str| match name {
            "OTEL_SERVICE_NAME" => Some("agent".to_owned()),
            "OTEL_RESOURCE_ATTRIBUTES" => {
                Some("service.name=other, k8s.node.name=a%20b,=x,nonsense,host.name=h".to_owned())
            }
            _ => None,
        };
        let around = Surroundings { variable: &variable, now_nanos: 0, columns: None };
        let version = env!("CARGO_PKG_VERSION");
        let expected =
            [("service.name", "agent"), ("k8s.node.name", "a b"), ("host.name", "h"), ("service.version", version)];
        assert_eq!(resource(&around), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let around = Surroundings { variable: &|_| None, now_nanos: 0, columns: None };
        assert_eq!(resource(&around)[0], ("service.name".to_owned(), "spanline".to_owned()));
    }
}
