//! Where requests go and how: from a URL, or from the standard `OTEL_EXPORTER_OTLP_*` variables.
//!
//! In go the URL as typed and a look-up for variables, out comes an [`Endpoint`] or an error that names what is wrong.
//! The environment itself is never read here, and nothing is resolved or opened.
//!
//! Variables: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>. Each exists once for all signals
//! (`OTEL_EXPORTER_OTLP_HEADERS`) and once for each (`OTEL_EXPORTER_OTLP_LOGS_HEADERS`), which wins.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Uri};
use thiserror::Error;

use super::{Compression, Signal};

/// The specification's default for one try.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// A look-up for environment variables.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where requests of one signal go.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// The address in full: scheme, host, port and path.
    pub uri: Uri,
    /// How requests are carried.
    pub protocol: Protocol,
    /// Headers (gRPC: metadata) of each request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What the variables ask for; `None` where they do not say.
    pub compression: Option<Compression>,
    /// Limit of one try.
    pub timeout: Duration,
    /// Files for TLS.
    pub tls: TlsFiles,
}

/// How requests are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `grpc`
    Grpc,
    /// `http/protobuf`
    Http,
}

/// PEM files for TLS, all optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates to trust instead of the system's.
    pub authority: Option<PathBuf>,
    /// The client's own certificate chain.
    pub certificate: Option<PathBuf>,
    /// The key to it.
    pub key: Option<PathBuf>,
}

/// Why there is no endpoint.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EndpointError {
    /// No URL at all.
    #[error("OTLP endpoint `{url}`: {reason}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A variable's value.
    #[error("{variable}=`{value}`: {reason}")]
    Variable {
        /// Its name.
        variable: String,
        /// Its value; of headers only the name, as the rest may be secret.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
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
        settings.endpoint(uri, protocol)
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
        let uri = parse(&settings.with_scheme(&url))?;
        let protocol = protocol.unwrap_or_else(|| protocol_of(&uri));
        let uri = match protocol {
            Protocol::Grpc => grpc_uri(&url, &uri)?,
            // The specification: a signal's own endpoint is used as it is.
            Protocol::Http if is_own => uri,
            Protocol::Http => with_signal(&url, &uri, signal)?,
        };
        let mut endpoint = settings.endpoint(uri, protocol)?;
        endpoint.headers = settings.headers()?;
        endpoint.compression = settings.compression()?;
        Ok(endpoint)
    }

    /// Adds a header as typed with `--header K=V`.
    pub fn add_header(&mut self, typed: &str) -> Result<(), EndpointError> {
        self.headers.push(header(typed, |value| value.as_bytes().to_vec()).map_err(|reason| {
            let name = typed.split('=').next().unwrap_or_default();
            EndpointError::Variable { variable: "--header".into(), value: name.into(), reason }
        })?);
        Ok(())
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
        self.read("PROTOCOL", |value| match value {
            "grpc" => Ok(Protocol::Grpc),
            "http/protobuf" => Ok(Protocol::Http),
            "http/json" => Err("JSON is not sent; use grpc or http/protobuf"),
            _ => Err("use grpc or http/protobuf"),
        })
    }

    fn compression(&self) -> Result<Option<Compression>, EndpointError> {
        self.read("COMPRESSION", |value| Compression::from_name(value).ok_or("use none, gzip or zstd"))
    }

    fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, EndpointError> {
        let Some((variable, list)) = self.get("HEADERS") else { return Ok(Vec::new()) };
        let pairs = list.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                header(pair, percent_decoded).map_err(|reason| {
                    let name = pair.split('=').next().unwrap_or_default();
                    EndpointError::Variable { variable: variable.clone(), value: name.into(), reason }
                })
            })
            .collect()
    }

    fn endpoint(&self, uri: Uri, protocol: Protocol) -> Result<Endpoint, EndpointError> {
        let timeout = self.read("TIMEOUT", |value| match value.parse() {
            Ok(0) | Err(_) => Err("use whole milliseconds above 0"),
            Ok(millis) => Ok(Duration::from_millis(millis)),
        })?;
        let file = |setting| self.get(setting).map(|(_, path)| PathBuf::from(path));
        let tls = TlsFiles {
            authority: file("CERTIFICATE"),
            certificate: file("CLIENT_CERTIFICATE"),
            key: file("CLIENT_KEY"),
        };
        let (headers, compression) = (Vec::new(), None);
        Ok(Endpoint { uri, protocol, headers, compression, timeout: timeout.unwrap_or(TIMEOUT_DEFAULT), tls })
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

fn wrong(url: &str, reason: impl Into<String>) -> EndpointError {
    EndpointError::Url { url: url.to_owned(), reason: reason.into() }
}

fn parse(url: &str) -> Result<Uri, EndpointError> {
    let url = url.trim();
    if !url.contains("://") {
        return Err(wrong(url, format!("no scheme; write http://{url} or https://{url}")));
    }
    let uri: Uri = url.parse().map_err(|error| wrong(url, format!("not a URL: {error}")))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(other) => return Err(wrong(url, format!("scheme {other} is not spoken; use http or https"))),
        None => return Err(wrong(url, "no scheme; use http or https")),
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(wrong(url, "no host"));
    }
    let authority = uri.authority().map_or("", Authority::as_str);
    if let Some((credentials, _)) = authority.rsplit_once('@') {
        // Not repeated in the message: it may be a password.
        let shown = url.replacen(credentials, "…", 1);
        return Err(wrong(&shown, "credentials in a URL are not used; give an authorization header"));
    }
    // A port that is no port reads as none at all in `Uri`.
    let after_host = authority.strip_prefix(uri.host().unwrap_or_default()).unwrap_or_default();
    if !after_host.is_empty() && uri.port_u16().is_none_or(|port| port == 0) {
        return Err(wrong(url, "the port is not a number from 1 to 65535"));
    }
    Ok(uri)
}

/// A URL is gRPC, unless its port is 4318 or it has a path.
fn protocol_of(uri: &Uri) -> Protocol {
    if uri.port_u16() == Some(4318) || uri.path() != "/" { Protocol::Http } else { Protocol::Grpc }
}

fn grpc_uri(url: &str, uri: &Uri) -> Result<Uri, EndpointError> {
    if uri.path() != "/" || uri.query().is_some() {
        return Err(wrong(url, "gRPC takes no path; leave it out, or use http/protobuf"));
    }
    Ok(uri.clone())
}

/// Appends the signal's path to a base URL that does not end with it; a query stays.
fn with_signal(url: &str, uri: &Uri, signal: Signal) -> Result<Uri, EndpointError> {
    let base = uri.path().trim_end_matches('/');
    if base.ends_with(signal.http_path()) {
        return Ok(uri.clone());
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = PathAndQuery::try_from(format!("{base}{}{query}", signal.http_path()));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.map_err(|error| wrong(url, error.to_string()))?);
    Uri::from_parts(parts).map_err(|error| wrong(url, error.to_string()))
}

fn header(pair: &str, decode: impl Fn(&str) -> Vec<u8>) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = pair.split_once('=').ok_or("a header is written name=value")?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| "not a header's name")?;
    let mut value = HeaderValue::from_bytes(&decode(value.trim())).map_err(|_| "not a header's value")?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Undoes `%41`; anything else stays.
pub(super) fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = match after {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
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
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS=`a b`: not a header's name",
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
        let bare = [("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317"), ("OTEL_EXPORTER_OTLP_INSECURE", "true")];
        check("", &bare, "Grpc http://c:4317/");
        check("", &bare[..1], "Grpc https://c:4317/");
    }

    #[test]
    fn headers_timeout_compression_and_files_come_from_the_variables() {
        let set = [
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20YWI6Yw%3D%3D, x-tenant = a=b ,"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "zstd"),
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
        assert_eq!(endpoint.tls, TlsFiles { authority: Some("/ca.pem".into()), ..TlsFiles::default() });
        // A typed URL takes the limits, but never the keys to another place.
        let typed = Endpoint::from_url("http://c", Signal::Logs, &variables(&set)).unwrap();
        assert_eq!((typed.headers.len(), typed.compression, typed.timeout), (0, None, endpoint.timeout));
    }
}
