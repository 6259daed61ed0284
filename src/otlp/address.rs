//! The URL of an endpoint: what of it is meant, and what of it may be shown.
//!
//! In goes a URL as typed, out come its parts with the path that the protocol wants, or what is wrong with it. A query and
//! credentials may hold secrets: no message repeats them.

use http::Uri;
use http::uri::{Authority, PathAndQuery};

use super::endpoint_error::EndpointError;
use super::message;
use super::protocol::Protocol;
use super::signal::Signal;

/// The URL as it was written, without credentials, query and fragment. Takes anything: what is no URL is shown as well.
pub fn shown(url: &str) -> String {
    let url = url.trim();
    let url = &url[..url.find(['?', '#']).unwrap_or(url.len())];
    // Without a port that is one, what follows a host's colon may be the beginning of a password.
    let is_clean = |authority: &Authority| {
        let text = authority.as_str();
        !text.contains('@') && (authority.port_u16().is_some() || text == authority.host())
    };
    let has_credentials = !url.parse::<Uri>().is_ok_and(|uri| uri.authority().is_some_and(is_clean));
    let credentials = url.rfind('@').filter(|_| has_credentials);
    let shown = match credentials {
        // A password may hold a slash: then this is no URL, and a path with an @ is cut too much rather than too little.
        Some(at) => {
            let start = url.find("://").map_or(0, |scheme| scheme + 3).min(at);
            format!("{}…{}", &url[..start], &url[at..])
        }
        None => url.to_owned(),
    };
    message::printable(&shown)
}

pub(super) fn wrong(url: &str, reason: impl Into<String>) -> EndpointError {
    EndpointError::Url { url: shown(url), reason: reason.into() }
}

/// url = ( "http" / "https" ) "://" host [ ":" port ] [ path ] [ "?" query ]
pub(super) fn parse(url: &str) -> Result<Uri, EndpointError> {
    let url = url.trim();
    if !url.contains("://") {
        let shown = shown(url);
        return Err(wrong(url, format!("no scheme; write http://{shown} or https://{shown}")));
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
    if authority.contains('@') {
        return Err(wrong(url, "credentials in a URL are not used; give an authorization header"));
    }
    // A port that is no port reads as none at all in `Uri`.
    let after_host = authority.strip_prefix(uri.host().unwrap_or_default()).unwrap_or_default();
    if !after_host.is_empty() && uri.port_u16().is_none_or(|port| port == 0) {
        return Err(wrong(url, "the port is not a number from 1 to 65535"));
    }
    Ok(uri)
}

/// A URL is gRPC, unless its port is 4318 or it has a path.
pub(super) fn protocol_of(uri: &Uri) -> Protocol {
    if uri.port_u16() == Some(4318) || uri.path() != "/" { Protocol::Http } else { Protocol::Grpc }
}

pub(super) fn grpc_uri(url: &str, uri: &Uri) -> Result<Uri, EndpointError> {
    if uri.path() != "/" || uri.query().is_some() {
        return Err(wrong(url, "gRPC takes no path; leave it out, or use http/protobuf"));
    }
    Ok(uri.clone())
}

/// Appends the signal's path to a base URL that does not end with it; a query stays.
pub(super) fn with_signal(url: &str, uri: &Uri, signal: Signal) -> Result<Uri, EndpointError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        for (url, expected) in [
            ("http://c:4317", "http://c:4317"),
            ("https://c/x?key=SECRET", "https://c/x"),
            ("https://c/x#SECRET", "https://c/x"),
            ("http://me:SECRET@c:4317/v1", "http://…@c:4317/v1"),
            ("http://me:SEC/RET@c", "http://…@c"),
            ("http://me:SECRET@", "http://…@"),
            ("me:SECRET@c:4317", "…@c:4317"),
            ("otlp2=http://me:SECRET@c", "otlp2=http://…@c"),
            ("http://c/a@b", "http://c/a@b"),
            ("http://c\u{1b}[31m:4317", "http://c:4317"),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
    }
}
