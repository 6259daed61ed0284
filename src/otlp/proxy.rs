//! HTTP proxies by the variables that every program reads: `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`.
//!
//! In go an endpoint's URL and a look-up for variables, out comes the proxy to reach it through, or none; and a tunnel through
//! it. The lower-case name wins over the upper-case one. What is on this machine is never asked for through a proxy.

use std::net::IpAddr;

use base64::Engine;
use http::{HeaderValue, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::address::shown;
use super::endpoint_error::{EndpointError, Variables};
use super::message::printable;
use super::outcome::{Class, Code, SendError};
use super::percent::percent_decoded;

/// The head of a proxy's answer to CONNECT.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// A proxy that speaks HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy {
    /// Its URL without credentials.
    pub shown: String,
    /// The variable that names it.
    pub variable: String,
    host: String,
    port: u16,
    /// `Proxy-Authorization`, from the URL's credentials.
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxy {
    /// The proxy for a URL by the variables.
    pub fn of(uri: &Uri, variables: Variables<'_>) -> Result<Option<Proxy>, EndpointError> {
        let get = |name: &str| {
            [name.to_owned(), name.to_ascii_uppercase()].into_iter().find_map(|name| {
                let value = variables(&name).filter(|value| !value.trim().is_empty())?;
                Some((name, value.trim().to_owned()))
            })
        };
        let own = if uri.scheme_str() == Some("https") { "https_proxy" } else { "http_proxy" };
        let Some((variable, url)) = get(own).or_else(|| get("all_proxy")) else { return Ok(None) };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if own == "https_proxy" { 443 } else { 80 });
        let exceptions = get("no_proxy").map(|(_, list)| list).unwrap_or_default();
        if is_local(host) || is_excepted(host, port, &exceptions) {
            return Ok(None);
        }
        Proxy::parse(&url, &variable).map(Some)
    }

    /// proxy = [ "http://" ] [ user [ ":" password ] "@" ] host [ ":" port ]
    fn parse(url: &str, variable: &str) -> Result<Proxy, EndpointError> {
        let wrong = |reason: &str| EndpointError::Variable {
            variable: variable.to_owned(),
            value: shown(url),
            reason: format!("{reason}; or name the destination in no_proxy"),
        };
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = full.parse().map_err(|_| wrong("not a URL of a proxy such as http://proxy:3128"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("only proxies that speak HTTP are used: write http://"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("no host"))?;
        let credentials = authority.as_str().rsplit_once('@').map(|(credentials, _)| credentials);
        let authorization = credentials.and_then(|credentials| {
            let encoded = base64::engine::general_purpose::STANDARD.encode(percent_decoded(credentials));
            let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let host = authority.host();
        let port = authority.port_u16().unwrap_or(80);
        let host_only = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (shown, variable) = (format!("http://{host}:{port}"), variable.to_owned());
        Ok(Proxy { shown, variable, host: host_only, port, authorization })
    }

    /// A connection to the proxy itself.
    pub(super) async fn connect(&self) -> Result<TcpStream, SendError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        stream.map_err(|error| SendError::transport(Code::Connect, format!("to the proxy {}: {error}", self.shown)))
    }

    /// Asks the proxy for a connection to a host; what comes then is the host's.
    pub(super) async fn tunnel(&self, stream: &mut TcpStream, host: &str, port: u16) -> Result<(), SendError> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        let lost = |error: std::io::Error| SendError::transport(Code::Proxy, format!("{}: {error}", self.shown));
        stream.write_all(&request).await.map_err(lost)?;
        // Byte by byte: what follows the head belongs to whoever speaks TLS or HTTP/2 next.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= ANSWER_BYTES_MAX {
                return Err(self.refusal("it does not answer like an HTTP proxy"));
            }
            head.push(stream.read_u8().await.map_err(lost)?);
            if head.len() == 5 && head != b"HTTP/" {
                return Err(self.refusal("it does not answer like an HTTP proxy"));
            }
        }
        let line = String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
        let status = line.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).unwrap_or(0);
        let said = printable(line.split_once(' ').map_or("", |(_, said)| said));
        match status {
            200..=299 => Ok(()),
            407 => {
                Err(self
                    .refusal(&format!("it asks for a user ({said}): write {}=http://USER:PASSWORD@…", self.variable)))
            }
            // The proxy did not reach the host, or not in time.
            429 | 500 | 502..=504 => {
                Err(SendError::transport(Code::Proxy, format!("{} does not reach {host}:{port} ({said})", self.shown)))
            }
            _ => {
                Err(self.refusal(&format!("it does not connect to {host}:{port} ({said}): name the host in no_proxy")))
            }
        }
    }

    fn refusal(&self, reason: &str) -> SendError {
        SendError::new(Class::Misconfigured, Code::Proxy, format!("{} ({}): {reason}", self.shown, self.variable))
    }
}

fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// no-proxy = "*" / exception *( "," exception )
/// exception = ( address / network / [ "." / "*." ] name ) [ ":" port ]
///
/// A name stands for the hosts below it too.
fn is_excepted(host: &str, port: u16, list: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    let exceptions = list.split([',', ' ', '\t']).map(|item| item.trim().to_ascii_lowercase());
    exceptions.filter(|item| !item.is_empty()).any(|item| {
        let (item, item_port) = split_port(&item);
        if item_port.is_some_and(|wanted| wanted != port) {
            return false;
        }
        let name = item.trim_start_matches('*').trim_start_matches('.').trim_end_matches('.');
        match address {
            _ if item == "*" => true,
            Some(address) => is_within(address, item),
            None => {
                !name.is_empty() && (host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')))
            }
        }
    })
}

/// `name:port`, `[::1]:port`; an address of many colons has no port.
fn split_port(item: &str) -> (&str, Option<u16>) {
    if let Some((address, rest)) = item.strip_prefix('[').and_then(|item| item.split_once(']')) {
        return (address, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match item.split_once(':') {
        Some((name, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (item, None),
        },
        _ => (item, None),
    }
}

/// network = address [ "/" bits ]
fn is_within(address: IpAddr, network: &str) -> bool {
    let (base, bits) = network.split_once('/').map_or((network, None), |(base, bits)| (base, Some(bits)));
    let Ok(base) = base.parse::<IpAddr>().map(|base| base.to_canonical()) else { return false };
    // Both as 128 bits, of which the last 32 are IPv4's.
    let wide = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((address, width), (base, base_width)) = (wide(address), wide(base));
    let bits = bits.map_or(Ok(width), str::parse::<u32>);
    match bits {
        Ok(bits) if width == base_width && bits <= width => {
            let shift = width - bits;
            address.checked_shr(shift).unwrap_or(0) == base.checked_shr(shift).unwrap_or(0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, set: &[(&str, &str)], expected: &str) {
        let variables = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let found = match Proxy::of(&url.parse().unwrap(), &variables) {
            Ok(Some(proxy)) => format!("{} by {}", proxy.shown, proxy.variable),
            Ok(None) => "none".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{url} {set:?}");
    }

    #[test]
    fn the_variables_of_a_scheme_name_its_proxy() {
        let both = [("http_proxy", "p:3128"), ("HTTPS_PROXY", "http://s")];
        check("http://c:4317/", &both, "http://p:3128 by http_proxy");
        check("https://c:4317/", &both, "http://s:80 by HTTPS_PROXY");
        check("https://c/", &[("http_proxy", "p:3128")], "none");
        check("https://c/", &[("ALL_PROXY", "p:3128")], "http://p:3128 by ALL_PROXY");
        check("http://c/", &[("http_proxy", "low:1"), ("HTTP_PROXY", "up:1")], "http://low:1 by http_proxy");
        check("http://c/", &[("http_proxy", "http://me:SECRET@p:3128/")], "http://p:3128 by http_proxy");
        let socks = "all_proxy=`socks5://…@p:1080`: only proxies that speak HTTP are used: write http://; or name the \
            destination in no_proxy";
        check("http://c/", &[("all_proxy", "socks5://me:SECRET@p:1080")], socks);
        check("http://localhost:4317/", &[("all_proxy", "socks5://p:1080")], "none");
    }

    #[test]
    fn exceptions_are_names_addresses_and_networks() {
        let check = |url: &str, list: &str, is_direct: bool| {
            let expected = if is_direct { "none" } else { "http://p:1 by all_proxy" };
            check(url, &[("all_proxy", "p:1"), ("NO_PROXY", list)], expected);
        };
        for local in ["http://127.0.0.1:4317/", "http://127.9.9.9/", "http://[::1]:4317/", "https://LOCALHOST/"] {
            check(local, "", true);
        }
        check("http://c.example.com/", "example.com", true);
        check("http://c.example.com/", ".example.com,x", true);
        check("http://c.example.com/", "x, *.Example.com", true);
        check("http://example.com/", ".example.com", true);
        check("http://badexample.com/", "example.com", false);
        check("http://c:4317/", "c:4318", false);
        check("http://c:4317/", "c:4317", true);
        check("http://otel.svc:4317/", "*", true);
        check("http://10.1.2.3/", "10.0.0.0/8", true);
        check("http://11.1.2.3/", "10.0.0.0/8", false);
        check("http://10.1.2.3/", "10.1.2.3", true);
        check("http://[fd00::7]/", "fd00::/8", true);
        check("http://[fe00::7]/", "fd00::/8,10.0.0.0/0", false);
        check("http://10.1.2.3/", "example.com,10.0.0.0/99,/8,", false);
    }
}
