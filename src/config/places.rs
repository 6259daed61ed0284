//! Where traces come from and where results go: `--traces` and `--to`, with headers and TLS.
//!
//! In go the texts of the flags and the environment, out come endpoints, or an error that names the flag.

use std::path::PathBuf;
use std::time::Duration;

use super::{ConfigError, Surroundings};
use crate::cli::{BackfillArgs, CompressionName, InputArgs};
use crate::otlp::compress::Compression;
use crate::otlp::endpoint::Endpoint;
use crate::otlp::{Protocol, Signal};

/// A store may have to read a whole day for one answer.
const QUERY_TIMEOUT: Duration = Duration::from_secs(120);

/// A `--traces jaeger=`.
#[derive(Debug, Clone)]
pub struct TraceStore {
    /// As the user wrote it.
    pub name: String,
    /// Where it answers.
    pub endpoint: Endpoint,
}

/// One `--to`.
#[derive(Debug, Clone)]
pub enum Destination {
    /// The terminal.
    Text,
    /// OTLP/JSON files in a folder.
    Files(PathBuf),
    /// Logs over OTLP.
    Logs(Box<Endpoint>),
    /// Annotated traces over OTLP.
    Traces(Box<Endpoint>),
}

/// store = "jaeger=" ( "http" / "https" / "grpc" / "grpcs" ) "://" host [ ":" port ] [ base-path ]
///
/// gRPC is spoken on its port 16685 and with the schemes that say so, HTTP else.
pub(super) fn trace_store(text: &str, args: &InputArgs) -> Result<TraceStore, ConfigError> {
    let bad = |error: &dyn std::fmt::Display| ConfigError::new("--traces", error);
    let url = text.strip_prefix("jaeger=").unwrap_or(text).trim_end_matches('/');
    let (said_grpc, url) = match url.strip_prefix("grpc") {
        Some(rest) => (true, format!("http{rest}")),
        None => (false, url.to_owned()),
    };
    let (root, base) = match url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest.len() - at)) {
        Some(length) => url.split_at(url.len() - length),
        None => (url.as_str(), ""),
    };
    // The variables speak of where to send to.
    let none = |name: &str| (name == "OTEL_EXPORTER_OTLP_PROTOCOL").then(|| "grpc".to_owned());
    let mut endpoint = Endpoint::from_url(root, Signal::Traces, &none).map_err(|error| bad(&error))?;
    let is_grpc = said_grpc || endpoint.uri.port_u16() == Some(16685);
    if is_grpc && !base.is_empty() {
        return Err(bad(&format!("{text:?}: gRPC takes no path")));
    }
    if !is_grpc {
        endpoint.protocol = Protocol::Http;
        let mut parts = endpoint.uri.into_parts();
        let path = if base.is_empty() { "/" } else { base };
        parts.path_and_query = Some(path.parse().map_err(|error| bad(&error))?);
        endpoint.uri = http::Uri::from_parts(parts).map_err(|error| bad(&error))?;
        if endpoint.uri.query().is_some() {
            return Err(bad(&format!("{text:?}: a query cannot stand here")));
        }
    }
    endpoint.timeout = QUERY_TIMEOUT;
    with_flags(&mut endpoint, args)?;
    Ok(TraceStore { name: text.to_owned(), endpoint })
}

pub(super) fn destination(
    to: &str,
    args: &BackfillArgs,
    around: &Surroundings<'_>,
) -> Result<Destination, ConfigError> {
    let endpoint = |url: Option<&str>, signal: Signal| -> Result<Box<Endpoint>, ConfigError> {
        let mut endpoint = match url {
            Some(url) => Endpoint::from_url(url, signal, around.variable),
            None => Endpoint::from_variables(signal, around.variable),
        }
        .map_err(|error| ConfigError::new("--to", error))?;
        endpoint.compression = args.compression.map(compression).or(endpoint.compression).or(Some(Compression::Gzip));
        with_flags(&mut endpoint, &args.input)?;
        Ok(Box::new(endpoint))
    };
    match to.split_once('=') {
        None if to == "text" => Ok(Destination::Text),
        None if to == "otlp" => Ok(Destination::Logs(endpoint(None, Signal::Logs)?)),
        Some(("file", folder)) if !folder.is_empty() => Ok(Destination::Files(folder.into())),
        Some(("otlp", url)) => Ok(Destination::Logs(endpoint(Some(url), Signal::Logs)?)),
        Some(("jaeger", url)) => Ok(Destination::Traces(endpoint(Some(url), Signal::Traces)?)),
        _ => Err(ConfigError::new("--to", format!("{to:?} is none of text, file=DIR, otlp, otlp=URL, jaeger=URL"))),
    }
}

/// Headers and TLS, which every destination and store is given.
fn with_flags(endpoint: &mut Endpoint, args: &InputArgs) -> Result<(), ConfigError> {
    for header in &args.header {
        endpoint.add_header(header).map_err(|error| ConfigError::new("--header", error))?;
    }
    endpoint.tls.authority = args.ca_file.clone().or(endpoint.tls.authority.take());
    endpoint.tls.certificate = args.cert_file.clone().or(endpoint.tls.certificate.take());
    endpoint.tls.key = args.key_file.clone().or(endpoint.tls.key.take());
    Ok(())
}

fn compression(name: CompressionName) -> Compression {
    match name {
        CompressionName::None => Compression::None,
        CompressionName::Gzip => Compression::Gzip,
        CompressionName::Zstd => Compression::Zstd,
    }
}
