//! Where requests go and how: from a URL, or from the standard `OTEL_EXPORTER_OTLP_*` variables.
//!
//! In go the URL as typed and a look-up for variables, out comes an [`Endpoint`] or an error that names what is wrong.
//! The environment itself is never read here, and nothing is resolved or opened.
//!
//! Variables: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>. Each exists once for all signals
//! (`OTEL_EXPORTER_OTLP_HEADERS`) and once for each (`OTEL_EXPORTER_OTLP_LOGS_HEADERS`), which wins.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::address::{grpc_uri, parse, protocol_of, shown, with_signal};
use super::compress::Compression;
use super::endpoint_error::{EndpointError, Variables};
use super::headers;
use super::percent::percent_decoded;
use super::protocol::Protocol;
use super::proxy::Proxy;
use super::signal::Signal;
use crate::setting::Setting;

/// The specification's default for one try.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// Where requests of one signal go.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// The address in full: scheme, host, port and path.
    pub uri: Uri,
    /// The URL as the user wrote it, without credentials and query: what messages name.
    pub shown: String,
    /// What it is for, and so how it is typed.
    pub role: Role,
    /// How requests are carried.
    pub protocol: Protocol,
    /// The variable that decided the protocol; `None` where the URL did.
    pub protocol_variable: Option<String>,
    /// Headers (gRPC: metadata) of each request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What the variables ask for; `None` where they do not say.
    pub compression: Option<Compression>,
    /// Limit of one try.
    pub timeout: Duration,
    /// Whom it trusts over TLS.
    pub tls: TlsSettings,
    /// The proxy that it is reached through.
    pub proxy: Option<Proxy>,
}

/// What is set of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionSetting {
    /// Whom it trusts.
    CaFile,
    /// Who it is.
    CertFile,
    /// The key to that.
    KeyFile,
    /// It trusts everybody.
    InsecureSkipVerify,
}

/// What an endpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A destination of logs.
    Logs,
    /// A destination of traces.
    Spans,
    /// A destination of spanline's own metrics.
    Metrics,
    /// A store that traces are asked of.
    TraceStore,
    /// Where requests of any signal are passed on to.
    Forward,
    /// The kubelet, which is asked for its pods.
    Kubelet,
}

impl Role {
    /// What stands before its URL.
    pub fn prefix(self) -> &'static str {
        match self {
            Role::Logs | Role::Metrics | Role::Forward => "otlp=",
            Role::Spans | Role::TraceStore => "jaeger=",
            Role::Kubelet => "",
        }
    }

    /// The setting for it: of a destination, or of a store of traces.
    pub fn setting(self, of: ConnectionSetting) -> Setting {
        match (of, self) {
            (ConnectionSetting::CaFile, Role::TraceStore) => Setting::TracesCaFile,
            (ConnectionSetting::CaFile, Role::Kubelet) => Setting::KubeletCaFile,
            (ConnectionSetting::CaFile, _) => Setting::CaFile,
            (ConnectionSetting::CertFile, Role::TraceStore) => Setting::TracesCertFile,
            (ConnectionSetting::CertFile, _) => Setting::CertFile,
            (ConnectionSetting::KeyFile, Role::TraceStore) => Setting::TracesKeyFile,
            (ConnectionSetting::KeyFile, _) => Setting::KeyFile,
            (ConnectionSetting::InsecureSkipVerify, Role::TraceStore) => Setting::TracesInsecureSkipVerify,
            (ConnectionSetting::InsecureSkipVerify, Role::Kubelet) => Setting::KubeletInsecureSkipVerify,
            (ConnectionSetting::InsecureSkipVerify, _) => Setting::InsecureSkipVerify,
        }
    }
}

/// Whom an endpoint trusts over TLS, and who it is itself: PEM files, all optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificates to trust instead of the system's.
    pub authority: Option<PathBuf>,
    /// The client's own certificate chain.
    pub certificate: Option<PathBuf>,
    /// The key to it.
    pub key: Option<PathBuf>,
    /// Any certificate of any server will do.
    pub skip_verify: bool,
}

impl Endpoint {
    /// The endpoint at a URL that was typed. It is gRPC, unless its port is 4318 or it has a path;
    /// `OTEL_EXPORTER_OTLP_PROTOCOL` wins. Headers and compression are the business of who typed it, so these
    /// variables are left alone: they may hold a key to somewhere else.
    pub fn from_url(url: &str, signal: Signal, variables: Variables<'_>) -> Result<Endpoint, EndpointError> {
        let settings = Settings { signal, variables };
        let uri = parse(url)?;
        let protocol = settings.protocol()?.unwrap_or_else(|| protocol_of(&uri));
        let uri = match protocol {
            Protocol::Grpc => grpc_uri(url, &uri)?,
            Protocol::Http => with_signal(url, &uri, signal)?,
        };
        settings.endpoint(uri, url, protocol)
    }

    /// A server of HTTP that is no OTLP endpoint: the URL as it is, and no variables.
    pub fn of_server(url: &str, role: Role) -> Result<Endpoint, EndpointError> {
        Ok(Endpoint {
            uri: parse(url)?,
            shown: shown(url),
            role,
            protocol: Protocol::Http,
            protocol_variable: None,
            headers: Vec::new(),
            compression: None,
            timeout: TIMEOUT_DEFAULT,
            tls: TlsSettings::default(),
            proxy: None,
        })
    }

    /// The endpoint that the variables describe.
    pub fn from_variables(signal: Signal, variables: Variables<'_>) -> Result<Endpoint, EndpointError> {
        let settings = Settings { signal, variables };
        let protocol = settings.protocol()?;
        let own = variables(&settings.own_name("ENDPOINT")).filter(|url| !url.is_empty());
        let general = variables("OTEL_EXPORTER_OTLP_ENDPOINT").filter(|url| !url.is_empty());
        let (url, is_own) = match (own, general, protocol) {
            (Some(url), _, _) => (url, true),
            (None, Some(url), _) => (url, false),
            (None, None, Some(Protocol::Grpc)) => ("http://localhost:4317".to_owned(), false),
            // Without a word about it, the specification's default is http/protobuf.
            (None, None, _) => ("http://localhost:4318".to_owned(), false),
        };
        let url = settings.with_scheme(&url);
        let uri = parse(&url)?;
        let protocol = protocol.unwrap_or_else(|| protocol_of(&uri));
        let uri = match protocol {
            Protocol::Grpc => grpc_uri(&url, &uri)?,
            // The specification: a signal's own endpoint is used as it is.
            Protocol::Http if is_own => uri,
            Protocol::Http => with_signal(&url, &uri, signal)?,
        };
        let mut endpoint = settings.endpoint(uri, &url, protocol)?;
        endpoint.headers = settings.headers()?;
        endpoint.compression = settings.compression()?;
        Ok(endpoint)
    }

    /// Adds a header as typed, `name=value`; an error does not repeat its value.
    pub fn add_header(&mut self, typed: &str) -> Result<(), String> {
        self.headers.push(headers::header(typed, |value| value.as_bytes().to_vec())?);
        Ok(())
    }

    /// Adds the user's headers to those of a request, and what a proxy that passes it on wants.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            // There is one program; the user may name it.
            if *name == header::USER_AGENT {
                headers.remove(name);
            }
            headers.append(name, value.clone());
        }
        let proxy = self.proxy.as_ref().filter(|_| self.protocol == Protocol::Http && !self.is_tls());
        if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization.clone()) {
            headers.insert(header::PROXY_AUTHORIZATION, authorization);
        }
    }

    /// As the user names it: `otlp=http://collector:4317`, without credentials and query.
    pub fn name(&self) -> String {
        format!("{}{}", self.role.prefix(), self.shown)
    }

    /// The address in full, without its query.
    pub fn address(&self) -> String {
        let (scheme, authority) = (self.uri.scheme_str().unwrap_or_default(), self.uri.authority());
        format!("{scheme}://{}{}", authority.map_or("", |authority| authority.as_str()), self.uri.path())
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// The host without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port, written or by the scheme.
    pub fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }
}

/// The variables of one signal.
struct Settings<'v> {
    signal: Signal,
    variables: Variables<'v>,
}

impl Settings<'_> {
    fn own_name(&self, setting: &str) -> String {
        format!("OTEL_EXPORTER_OTLP_{}_{setting}", self.signal.variable())
    }

    /// The variable that holds and its value; an empty one counts as not set.
    fn get(&self, setting: &str) -> Option<(String, String)> {
        [self.own_name(setting), format!("OTEL_EXPORTER_OTLP_{setting}")].into_iter().find_map(|name| {
            let value = (self.variables)(&name).filter(|value| !value.trim().is_empty())?;
            Some((name, value.trim().to_owned()))
        })
    }

    /// Reads a setting; `read` says what is wrong with it.
    fn read<T>(
        &self,
        setting: &str,
        read: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<Option<T>, EndpointError> {
        let Some((variable, value)) = self.get(setting) else { return Ok(None) };
        match read(&value) {
            Ok(meant) => Ok(Some(meant)),
            Err(reason) => Err(EndpointError::Variable { variable, value, reason: reason.into() }),
        }
    }

    fn protocol(&self) -> Result<Option<Protocol>, EndpointError> {
        // The specification: values of enums are read in any case.
        self.read("PROTOCOL", |value| match value.to_ascii_lowercase().as_str() {
            "grpc" => Ok(Protocol::Grpc),
            "http/protobuf" => Ok(Protocol::Http),
            "http/json" => Err("JSON is not sent; use grpc or http/protobuf"),
            _ => Err("use grpc or http/protobuf"),
        })
    }

    fn compression(&self) -> Result<Option<Compression>, EndpointError> {
        let name = |value: &str| Compression::from_name(&value.to_ascii_lowercase()).ok_or("use none, gzip or zstd");
        self.read("COMPRESSION", name)
    }

    fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, EndpointError> {
        let Some((variable, list)) = self.get("HEADERS") else { return Ok(Vec::new()) };
        let pairs = list.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let wrong = |reason| EndpointError::Headers { variable: variable.clone(), reason };
        pairs.map(|pair| headers::header(pair, percent_decoded).map_err(wrong)).collect()
    }

    fn endpoint(&self, uri: Uri, url: &str, protocol: Protocol) -> Result<Endpoint, EndpointError> {
        let timeout = self.read("TIMEOUT", |value| match value.parse() {
            Ok(0) | Err(_) => Err("use whole milliseconds above 0"),
            Ok(millis) => Ok(Duration::from_millis(millis)),
        })?;
        let file = |setting| self.get(setting).map(|(_, path)| PathBuf::from(path));
        let tls = TlsSettings {
            authority: file("CERTIFICATE"),
            certificate: file("CLIENT_CERTIFICATE"),
            key: file("CLIENT_KEY"),
            skip_verify: false,
        };
        Ok(Endpoint {
            uri,
            shown: shown(url),
            role: match self.signal {
                Signal::Logs => Role::Logs,
                Signal::Traces => Role::Spans,
                Signal::Metrics => Role::Metrics,
                Signal::Profiles => Role::Forward,
            },
            protocol,
            protocol_variable: self.get("PROTOCOL").map(|(name, _)| name),
            headers: Vec::new(),
            compression: None,
            timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
            tls,
            proxy: None,
        })
    }

    /// gRPC's variables may name `host:port` alone; then INSECURE decides.
    fn with_scheme(&self, url: &str) -> String {
        if url.contains("://") {
            return url.to_owned();
        }
        let insecure = self.get("INSECURE").is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"));
        format!("{}://{url}", if insecure { "http" } else { "https" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'v>(set: &'v [(&'v str, &'v str)]) -> impl Fn(&str) -> Option<String> + 'v {
        |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    fn check(url: &str, set: &[(&str, &str)], expected: &str) {
        let found = match url {
            "" => Endpoint::from_variables(Signal::Logs, &variables(set)),
            url => Endpoint::from_url(url, Signal::Logs, &variables(set)),
        };
        let shown = match found {
            Ok(endpoint) => format!("{:?} {}", endpoint.protocol, endpoint.uri),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{url} {set:?}");
    }

    #[test]
    fn a_url_is_grpc_unless_its_port_or_path_says_http() {
        check("http://c:4317", &[], "Grpc http://c:4317/");
        check("https://c", &[], "Grpc https://c/");
        check("http://c:4317/", &[], "Grpc http://c:4317/");
        check("http://c:4318", &[], "Http http://c:4318/v1/logs");
        check("http://[::1]:4318", &[], "Http http://[::1]:4318/v1/logs");
        check("http://c:4317/otlp", &[], "Http http://c:4317/otlp/v1/logs");
        check("http://c:4317/otlp/", &[], "Http http://c:4317/otlp/v1/logs");
        check("http://c/v1/logs", &[], "Http http://c/v1/logs");
        check("https://c/x?key=1", &[], "Http https://c/x/v1/logs?key=1");
        let protocol = |value| [("OTEL_EXPORTER_OTLP_PROTOCOL", value)];
        check("http://c:4317", &protocol("http/protobuf"), "Http http://c:4317/v1/logs");
        check("http://c:4318", &protocol("grpc"), "Grpc http://c:4318/");
        check("http://c:4317", &[("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf")], "Http http://c:4317/v1/logs");
    }

    #[test]
    fn an_error_names_its_subject() {
        check("c:4317", &[], "OTLP endpoint `c:4317`: no scheme; write http://c:4317 or https://c:4317");
        check("ftp://c", &[], "OTLP endpoint `ftp://c`: scheme ftp is not spoken; use http or https");
        check("http://c:99999", &[], "OTLP endpoint `http://c:99999`: the port is not a number from 1 to 65535");
        check(
            "http://me:secret@c:4317",
            &[],
            "OTLP endpoint `http://…@c:4317`: credentials in a URL are not used; give an authorization header",
        );
        check(
            "http://c:4317",
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
            "OTEL_EXPORTER_OTLP_PROTOCOL=`http/json`: JSON is not sent; use grpc or http/protobuf",
        );
        check(
            "",
            &[("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "a b=secret")],
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS: `a` is not a header's name",
        );
        check(
            "http://c",
            &[("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")],
            "OTEL_EXPORTER_OTLP_TIMEOUT=`10s`: use whole milliseconds above 0",
        );
    }

    #[test]
    fn the_standard_variables_describe_an_endpoint() {
        check("", &[], "Http http://localhost:4318/v1/logs");
        check("", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "Grpc http://localhost:4317/");
        check("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:4318/base/")], "Http https://c:4318/base/v1/logs");
        check("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:4317")], "Grpc https://c:4317/");
        // A signal's own endpoint wins, and is used as it is.
        let both = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://l/in")];
        check("", &both, "Http http://l/in");
        check("", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "gRPC")], "Grpc http://localhost:4317/");
        check("", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/Protobuf")], "Http http://localhost:4318/v1/logs");
        let bare = [("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317"), ("OTEL_EXPORTER_OTLP_INSECURE", "TRUE")];
        check("", &bare, "Grpc http://c:4317/");
        check("", &bare[..1], "Grpc https://c:4317/");
    }

    #[test]
    fn headers_timeout_compression_and_files_come_from_the_variables() {
        let set = [
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20YWI6Yw%3D%3D, x-tenant = a=b ,"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "ZSTD"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", ""),
        ];
        let endpoint = Endpoint::from_variables(Signal::Logs, &variables(&set)).unwrap();
        let headers: Vec<_> =
            endpoint.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("authorization", "Basic YWI6Yw=="), ("x-tenant", "a=b")]);
        assert_eq!(endpoint.compression, Some(Compression::Zstd));
        assert_eq!(endpoint.timeout, Duration::from_millis(2500));
        assert_eq!(endpoint.tls, TlsSettings { authority: Some("/ca.pem".into()), ..TlsSettings::default() });
        // A typed URL takes the limits, but never the keys to another place.
        let typed = Endpoint::from_url("http://c", Signal::Logs, &variables(&set)).unwrap();
        assert_eq!((typed.headers.len(), typed.compression, typed.timeout), (0, None, endpoint.timeout));
    }
}
