//! Headers that a user adds to each request.
//!
//! In goes `name=value` as typed, out comes a header or what is wrong with it, in words without its value, which may be
//! secret. Headers that HTTP, gRPC or the content decide are refused: with another value, requests break in ways that are
//! hard to see.

use http::{HeaderName, HeaderValue};

/// Headers that cannot be given, and what decides them.
const OWNED: [(&str, &str); 16] = [
    ("host", "follows from the URL"),
    ("content-type", "follows from the protocol"),
    ("content-encoding", "follows from the compression"),
    ("content-length", "belongs to HTTP"),
    ("transfer-encoding", "belongs to HTTP"),
    ("connection", "belongs to HTTP"),
    ("proxy-connection", "belongs to HTTP"),
    ("keep-alive", "belongs to HTTP"),
    ("te", "belongs to HTTP"),
    ("trailer", "belongs to HTTP"),
    ("upgrade", "belongs to HTTP"),
    ("expect", "belongs to HTTP"),
    ("http2-settings", "belongs to HTTP"),
    ("accept", "follows from the protocol"),
    ("accept-encoding", "follows from what spanline can read"),
    ("proxy-authorization", "follows from the user in the proxy's URL"),
];

/// header = name "=" value
pub(super) fn header(pair: &str, decode: impl Fn(&str) -> Vec<u8>) -> Result<(HeaderName, HeaderValue), String> {
    let shown = name_of(pair);
    if pair.trim_start().starts_with(':') {
        return Err(format!("`{shown}` belongs to HTTP and cannot be given"));
    }
    let (name, value) = match pair.split_once('=') {
        Some((name, _)) if name.contains(':') => return Err(format!("`{shown}`: write name=value, not name: value")),
        Some(pair) => pair,
        None => return Err(format!("`{shown}`: a header is written name=value")),
    };
    let name =
        HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| format!("`{shown}` is not a header's name"))?;
    if let Some((_, reason)) = OWNED.iter().find(|(owned, _)| *owned == name.as_str()) {
        return Err(format!("`{name}` {reason} and cannot be given"));
    }
    if name.as_str().starts_with("grpc-") {
        return Err(format!("`{name}` belongs to gRPC and cannot be given"));
    }
    let value = HeaderValue::from_bytes(&decode(value.trim()));
    let mut value = value.map_err(|_| format!("`{name}`: its value holds characters that no header may have"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// What of a pair is surely its name: where nothing separates the two, all may be a secret.
fn name_of(pair: &str) -> String {
    let pair = pair.trim();
    let start = usize::from(pair.starts_with(':'));
    match pair[start..].find([':', '=', ' ', '\t']) {
        Some(end) => super::message::printable(&pair[..start + end]),
        None => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pair: &str) -> String {
        header(pair, |value| value.as_bytes().to_vec()).unwrap_err()
    }

    #[test]
    fn headers_that_http_owns_are_refused_whatever_their_case() {
        for (name, _) in OWNED {
            let refusal = refusal(&format!("{}=secret", name.to_uppercase()));
            assert!(refusal.contains(&format!("`{name}`")) && refusal.contains("cannot be given"), "{refusal}");
            assert!(!refusal.contains("secret"), "{refusal}");
        }
        for pair in ["grpc-timeout=1S", "Grpc-Encoding=gzip", ":path=/", ":authority=x"] {
            assert!(refusal(pair).contains("cannot be given"), "{pair}");
        }
        for pair in ["authorization=Bearer abc", "x-scope-orgid=1", "user-agent=me", "host-name=a", "tenant=a=b"] {
            assert!(header(pair, |value| value.as_bytes().to_vec()).is_ok(), "{pair}");
        }
    }

    #[test]
    fn a_value_is_never_shown() {
        for pair in ["Authorization: Basic SECRET==", "SECRET", "a b=SECRET", "x=SECRET\u{1}", "Authorization SECRET"] {
            assert!(!refusal(pair).contains("SECRET"), "{}", refusal(pair));
        }
        assert_eq!(refusal("Authorization: Basic Zm9v"), "`Authorization`: a header is written name=value");
        assert_eq!(refusal("Authorization: Basic Zg=="), "`Authorization`: write name=value, not name: value");
    }
}
