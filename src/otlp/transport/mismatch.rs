//! What is spoken at the other end, where it is not what the URL says.
//!
//! In go the first bytes that came over a connection, out comes the mismatch, and in words what to change. Servers of one
//! protocol answer clients of another in ways of their own: by an error in their protocol, by a TLS alert, by their own
//! greeting, or not at all; a [`Probe`] of few bytes then finds out.

use crate::otlp::endpoint::Endpoint;
use crate::otlp::endpoint::Role;
use crate::otlp::protocol::Protocol;
use crate::otlp::signal::Signal;

/// Another protocol than the URL's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// HTTP/1 on a URL for gRPC.
    Http,
    /// HTTP/2 on a URL for HTTP/1.
    Grpc,
    /// TLS on an http URL.
    Tls,
    /// No TLS on an https URL.
    Plain,
}

/// What a server's first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Http1,
    Http2,
    Tls,
    /// HTTP/1 that says it wants TLS.
    HttpOfTls,
    Other,
}

/// Go, nginx and Apache answer plain HTTP on a TLS port by HTTP/1: "Client sent an HTTP request to an HTTPS server", "The
/// plain HTTP request was sent to HTTPS port", "You're speaking plain HTTP to an SSL-enabled server port".
pub(crate) fn wants_tls(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["to an https server", "to https port", "to an ssl-enabled server port"].iter().any(|words| text.contains(words))
}

fn spoken(first: &[u8]) -> Spoken {
    match first {
        // An HTTP/2 frame: length, SETTINGS or GOAWAY, flags, stream 0.
        [_, _, _, 4 | 7, _, 0, 0, 0, 0, ..] => Spoken::Http2,
        // A TLS record: alert or handshake, version 3.x.
        [0x15 | 0x16, 3, ..] => Spoken::Tls,
        _ if first.starts_with(b"HTTP/1") => {
            if wants_tls(&String::from_utf8_lossy(first)) {
                Spoken::HttpOfTls
            } else {
                Spoken::Http1
            }
        }
        // Python's http.server answers a version that it does not know with a page alone.
        _ if first.trim_ascii_start().starts_with(b"<") => Spoken::Http1,
        _ => Spoken::Other,
    }
}

/// `wire` came first over the connection, `inside` first within TLS (without TLS it is the same).
pub(crate) fn recognised(endpoint: &Endpoint, wire: &[u8], inside: &[u8]) -> Option<Mismatch> {
    if endpoint.is_tls() {
        match spoken(wire) {
            Spoken::Http1 | Spoken::Http2 => return Some(Mismatch::Plain),
            Spoken::Tls | Spoken::HttpOfTls | Spoken::Other => {}
        }
    }
    match (spoken(inside), endpoint.protocol) {
        (Spoken::Tls | Spoken::HttpOfTls, _) if !endpoint.is_tls() => Some(Mismatch::Tls),
        (Spoken::Http1, Protocol::Grpc) => Some(Mismatch::Http),
        (Spoken::Http2, Protocol::Http) => Some(Mismatch::Grpc),
        _ => None,
    }
}

/// A question that a server of one protocol answers at once, and others do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// A TLS handshake.
    Tls,
    /// A GET over HTTP/1.
    Http1,
    /// The preface of HTTP/2 with empty SETTINGS.
    Http2,
}

/// What to ask where a server closed the connection, or waited for more, without a byte.
pub(crate) fn probes(endpoint: &Endpoint) -> [Probe; 2] {
    match (endpoint.is_tls(), endpoint.protocol) {
        (true, _) => [Probe::Http1, Probe::Http2],
        (false, Protocol::Grpc) => [Probe::Tls, Probe::Http1],
        (false, Protocol::Http) => [Probe::Tls, Probe::Http2],
    }
}

/// What its own protocol is asked with.
pub(crate) fn probe_as_asked(endpoint: &Endpoint) -> Probe {
    match endpoint.protocol {
        Protocol::Grpc => Probe::Http2,
        Protocol::Http => Probe::Http1,
    }
}

/// Whether its own protocol is what the answer to that is in.
pub(crate) fn is_as_asked(endpoint: &Endpoint, answer: &[u8]) -> bool {
    let own = match endpoint.protocol {
        Protocol::Grpc => Spoken::Http2,
        Protocol::Http => Spoken::Http1,
    };
    spoken(answer) == own
}

/// What is sent for a probe; nothing for [`Probe::Tls`].
pub(crate) fn question(probe: Probe, endpoint: &Endpoint) -> Vec<u8> {
    match probe {
        Probe::Tls => Vec::new(),
        Probe::Http1 => {
            let host = endpoint.uri.authority().map_or("", |authority| authority.as_str());
            format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
        }
        Probe::Http2 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
    }
}

/// What the answer to a probe says.
pub(crate) fn of_probe(endpoint: &Endpoint, answer: &[u8]) -> Option<Mismatch> {
    match (spoken(answer), endpoint.is_tls()) {
        (Spoken::Tls | Spoken::HttpOfTls, false) => Some(Mismatch::Tls),
        (Spoken::Http1 | Spoken::Http2, true) => Some(Mismatch::Plain),
        (Spoken::Http1, false) if endpoint.protocol == Protocol::Grpc => Some(Mismatch::Http),
        (Spoken::Http2, false) if endpoint.protocol == Protocol::Http => Some(Mismatch::Grpc),
        _ => None,
    }
}

/// The mismatch in words, with the change to make.
pub(crate) fn advice(endpoint: &Endpoint, mismatch: Mismatch) -> String {
    let prefix = endpoint.role.prefix();
    let (scheme, rest) = endpoint.shown.split_once("://").unwrap_or(("http", &endpoint.shown));
    let scheme = scheme.to_ascii_lowercase();
    let host = rest.split('/').next().unwrap_or_default();
    let secure = if endpoint.is_tls() { "s" } else { "" };
    let bare = host.strip_suffix(&format!(":{}", endpoint.port())).unwrap_or(host);
    match mismatch {
        Mismatch::Tls => format!("it speaks TLS: use {prefix}{scheme}s://{rest}"),
        Mismatch::Plain => {
            format!("it does not speak TLS: use {prefix}{}://{rest}", scheme.strip_suffix('s').unwrap_or(&scheme))
        }
        Mismatch::Http => match (endpoint.role, &endpoint.protocol_variable) {
            (Role::TraceStore, _) if endpoint.port() == 16685 => {
                format!("it speaks HTTP, not gRPC: use Jaeger's query port, {prefix}http{secure}://{bare}:16686")
            }
            (Role::TraceStore, _) => format!("it speaks HTTP, not gRPC: use {prefix}http{secure}://{host}"),
            (_, Some(variable)) => format!("it speaks HTTP, not gRPC: set {variable}=http/protobuf"),
            (_, None) if endpoint.port() == 4317 => format!(
                "it speaks HTTP, not gRPC: use {prefix}http{secure}://{bare}:4318, or with a path {prefix}{scheme}://{host}{}",
                path_of(endpoint)
            ),
            (_, None) => format!("it speaks HTTP, not gRPC: use {prefix}{scheme}://{host}{}", path_of(endpoint)),
        },
        Mismatch::Grpc => match (endpoint.role, &endpoint.protocol_variable) {
            (Role::TraceStore, _) => format!("it speaks gRPC, not HTTP: use {prefix}grpc{secure}://{host}"),
            (_, Some(variable)) => format!("it speaks gRPC, not HTTP: set {variable}=grpc"),
            (_, None) if endpoint.port() == 4318 => format!(
                "it speaks gRPC, not HTTP: use {prefix}http{secure}://{bare}:4317, or set OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
            ),
            (_, None) => format!("it speaks gRPC, not HTTP: use {prefix}{scheme}://{host} (without a path)"),
        },
    }
}

/// A path makes a URL one of OTLP over HTTP.
fn path_of(endpoint: &Endpoint) -> &'static str {
    let signal = match endpoint.role {
        Role::Logs => Signal::Logs,
        Role::Spans | Role::TraceStore | Role::Forward | Role::Kubelet => Signal::Traces,
        Role::Metrics => Signal::Metrics,
    };
    signal.http_path()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::Signal;

    fn endpoint(url: &str, variable: Option<&str>) -> Endpoint {
        let variables =
            |name: &str| variable.filter(|_| name == "OTEL_EXPORTER_OTLP_PROTOCOL").map(std::borrow::ToOwned::to_owned);
        Endpoint::from_url(url, Signal::Logs, &variables).unwrap()
    }

    fn check(url: &str, first: &[u8], expected: &str) {
        let endpoint = endpoint(url, None);
        let found =
            if endpoint.is_tls() { recognised(&endpoint, first, b"") } else { recognised(&endpoint, first, first) };
        assert_eq!(found.map_or(String::new(), |found| advice(&endpoint, found)), expected, "{url} {first:?}");
    }

    const SETTINGS: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0";

    #[test]
    fn first_bytes_tell_what_is_spoken() {
        check(
            "http://h:9999",
            b"HTTP/1.1 400 Bad Request\r\n",
            "it speaks HTTP, not gRPC: use otlp=http://h:9999/v1/logs",
        );
        let python = b"<!DOCTYPE HTML>\n<html lang=\"en\">";
        check("http://h:9999", python, "it speaks HTTP, not gRPC: use otlp=http://h:9999/v1/logs");
        let standard = "it speaks HTTP, not gRPC: use otlp=http://h:4318, or with a path otlp=http://h:4317/v1/logs";
        check("http://h:4317", b"HTTP/1.1 505 ", standard);
        check("http://h:9999", SETTINGS, "");
        check("http://h:9999/v1/logs", SETTINGS, "it speaks gRPC, not HTTP: use otlp=http://h:9999 (without a path)");
        let standard = "it speaks gRPC, not HTTP: use otlp=http://h:4317, or set OTEL_EXPORTER_OTLP_PROTOCOL=grpc";
        check("http://h:4318", SETTINGS, standard);
        check("http://h:4318", b"HTTP/1.1 200 OK\r\n", "");
        check("http://h:4317", b"\x15\x03\x01\0\x02\x02\x46", "it speaks TLS: use otlp=https://h:4317");
        let go = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
        check("http://h:4317", go, "it speaks TLS: use otlp=https://h:4317");
        check("http://h/x?key=SECRET", b"\x15\x03\x03\0\x02\x02\x0a", "it speaks TLS: use otlp=https://h/x");
        check("https://h:4317", SETTINGS, "it does not speak TLS: use otlp=http://h:4317");
        check("https://h/x", b"HTTP/1.1 400 Bad Request\r\n", "it does not speak TLS: use otlp=http://h/x");
        check("https://h/x", b"\x16\x03\x03", "");
        check("http://h", b"", "");
        check("http://h", b"220 mail.example ESMTP\r\n", "");
    }

    #[test]
    fn a_variable_that_decides_is_named() {
        let endpoint = endpoint("http://h:4318", Some("grpc"));
        let found = recognised(&endpoint, b"HTTP/1.1 400", b"HTTP/1.1 400").unwrap();
        let expected = "it speaks HTTP, not gRPC: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf";
        assert_eq!(advice(&endpoint, found), expected);
    }
}
