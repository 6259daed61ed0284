//! Where traces come from and where results go: `--traces` and `--to`, with headers and TLS.
//!
//! In go the texts of the flags and the environment, out come endpoints, or an error that names the flag.

use std::path::PathBuf;
use std::time::Duration;

use super::error::{ConfigError, Surroundings};
use crate::cli::{BackfillArgs, CompressionName, DestinationArgs, InputArgs};
use crate::commands::flags::flag;
use crate::export::destination::Destination;
use crate::otlp::address::shown;
use crate::otlp::compress::Compression;
use crate::otlp::endpoint::ConnectionSetting;
use crate::otlp::endpoint::Endpoint;
use crate::otlp::proxy::Proxy;
use crate::otlp::{Protocol, Role, Signal};
use crate::spans::config::TraceStore;

/// A store may have to read a whole day for one answer.
const QUERY_TIMEOUT: Duration = Duration::from_secs(120);

/// store = "jaeger=" ( "http" / "https" / "grpc" / "grpcs" ) "://" host [ ":" port ] [ base-path ]
///
/// gRPC is spoken on its port 16685 and with the schemes that say so, otherwise HTTP.
pub(super) fn trace_store(text: &str, args: &InputArgs, around: &Surroundings<'_>) -> Result<TraceStore, ConfigError> {
    let bad = |error: &dyn std::fmt::Display| ConfigError::new("--traces", error);
    let written = text.strip_prefix("jaeger=").unwrap_or(text);
    let url = written.trim_end_matches('/');
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
    endpoint.shown = shown(written);
    endpoint.role = Role::TraceStore;
    endpoint.protocol_variable = None;
    let is_grpc = said_grpc || endpoint.uri.port_u16() == Some(16685);
    if is_grpc && !base.is_empty() {
        return Err(bad(&format!("{}: gRPC takes no path", endpoint.name())));
    }
    if !is_grpc {
        endpoint.protocol = Protocol::Http;
        let mut parts = endpoint.uri.clone().into_parts();
        let path = if base.is_empty() { "/" } else { base };
        parts.path_and_query = Some(path.parse().map_err(|error| bad(&error))?);
        endpoint.uri = http::Uri::from_parts(parts).map_err(|error| bad(&error))?;
        if endpoint.uri.query().is_some() {
            return Err(bad(&format!("{}: a query cannot stand here", endpoint.name())));
        }
    }
    endpoint.timeout = QUERY_TIMEOUT;
    let args = &args.store;
    let given = Given {
        headers: &args.traces_header,
        ca_file: args.traces_ca_file.as_ref(),
        cert_file: args.traces_cert_file.as_ref(),
        key_file: args.traces_key_file.as_ref(),
        skip_verify: args.traces_insecure_skip_verify,
    };
    given.to(&mut endpoint, "--traces-header")?;
    endpoint.proxy = Proxy::of(&endpoint.uri, around.variable).map_err(|error| bad(&error))?;
    Ok(TraceStore { name: endpoint.name(), endpoint })
}

pub(super) fn destination(
    to: &str,
    args: &BackfillArgs,
    around: &Surroundings<'_>,
) -> Result<Destination, ConfigError> {
    let bad = |error: &dyn std::fmt::Display| ConfigError::new("--to", error);
    let endpoint = |url: Option<&str>, signal: Signal| -> Result<Box<Endpoint>, ConfigError> {
        let mut endpoint = match url {
            Some(url) => Endpoint::from_url(url, signal, around.variable),
            None => Endpoint::from_variables(signal, around.variable),
        }
        .map_err(|error| bad(&error))?;
        endpoint.compression = args.compression.map(compression).or(endpoint.compression).or(Some(Compression::Gzip));
        let args = &args.connect;
        let given = Given {
            headers: &args.header,
            ca_file: args.ca_file.as_ref(),
            cert_file: args.cert_file.as_ref(),
            key_file: args.key_file.as_ref(),
            skip_verify: args.insecure_skip_verify,
        };
        given.to(&mut endpoint, "--header")?;
        endpoint.proxy = Proxy::of(&endpoint.uri, around.variable).map_err(|error| bad(&error))?;
        Ok(Box::new(endpoint))
    };
    match to.split_once('=') {
        None if to == "text" => Ok(Destination::Text),
        None if to == "otlp" => Ok(Destination::Logs(endpoint(None, Signal::Logs)?)),
        Some(("file", folder)) if !folder.is_empty() => Ok(Destination::Files(folder.into())),
        Some(("otlp", url)) => Ok(Destination::Logs(endpoint(Some(url), Signal::Logs)?)),
        Some(("jaeger", url)) => Ok(Destination::Traces(endpoint(Some(url), Signal::Traces)?)),
        _ => Err(bad(&format!("{:?} is none of text, file=DIR, otlp, otlp=URL, jaeger=URL", shown(to)))),
    }
}

/// The flags for endpoints of one kind.
struct Given<'a> {
    headers: &'a [String],
    ca_file: Option<&'a PathBuf>,
    cert_file: Option<&'a PathBuf>,
    key_file: Option<&'a PathBuf>,
    skip_verify: bool,
}

impl Given<'_> {
    fn to(&self, endpoint: &mut Endpoint, header_flag: &'static str) -> Result<(), ConfigError> {
        for header in self.headers {
            endpoint.add_header(header).map_err(|error| ConfigError::new(header_flag, error))?;
        }
        let tls = &mut endpoint.tls;
        tls.authority = self.ca_file.cloned().or(tls.authority.take());
        tls.certificate = self.cert_file.cloned().or(tls.certificate.take());
        tls.key = self.key_file.cloned().or(tls.key.take());
        tls.skip_verify = self.skip_verify;
        Ok(())
    }
}

/// Notices about the connections before anything is sent: who can listen, through which proxy they go, which flags are not
/// used.
pub(super) fn notices(destinations: &[Destination], stores: &[TraceStore]) -> Vec<String> {
    let endpoints = destinations.iter().filter_map(Destination::endpoint).chain(stores.iter().map(|s| &s.endpoint));
    let mut notices = Vec::new();
    for endpoint in endpoints {
        let name = endpoint.name();
        if endpoint.tls.skip_verify && endpoint.is_tls() {
            let flag = flag(endpoint.role.setting(ConnectionSetting::InsecureSkipVerify));
            notices.push(format!(
                "{name}: its certificate is not checked ({flag}), so anyone in between can read and change what goes over, \
                 headers included"
            ));
        }
        if let Some(proxy) = &endpoint.proxy {
            notices.push(format!("{name} is reached through the proxy {} ({})", proxy.shown, proxy.variable));
        }
    }
    notices
}

/// A notice where flags for destinations are given, and there is none over the network.
pub(super) fn unused(args: &DestinationArgs, destinations: &[Destination]) -> Option<String> {
    let is_given = !args.header.is_empty() || args.ca_file.is_some() || args.cert_file.is_some();
    let is_unused = is_given && !destinations.iter().any(|to| to.endpoint().is_some());
    is_unused.then(|| {
        "--header, --ca-file and --cert-file are for destinations (--to), of which none is over the network: for --traces \
         jaeger= give --traces-header, --traces-ca-file and --traces-cert-file"
            .to_owned()
    })
}

pub(super) fn compression(name: CompressionName) -> Compression {
    match name {
        CompressionName::None => Compression::None,
        CompressionName::Gzip => Compression::Gzip,
        CompressionName::Zstd => Compression::Zstd,
    }
}
