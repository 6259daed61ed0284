//! Where results go, and the names under which destinations over the network are remembered.
//!
//! In go destinations, out come targets. A name holds no query, no credentials and no header: these may be secret.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::otlp::endpoint::Endpoint;

/// Where results go.
#[derive(Debug, Clone, PartialEq)]
pub enum Destination {
    /// The terminal.
    Text,
    /// OTLP/JSON files in a folder.
    Files(PathBuf),
    /// Logs over OTLP.
    Logs(Box<Endpoint>),
    /// Traces with their lines over OTLP.
    Traces(Box<Endpoint>),
}

impl Destination {
    /// Where it is, if that is over the network.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Destination::Logs(endpoint) | Destination::Traces(endpoint) => Some(endpoint),
            Destination::Text | Destination::Files(_) => None,
        }
    }
}

/// A destination to deliver to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its place in the configuration.
    pub place: usize,
    /// It takes logs; else it takes traces.
    pub takes_logs: bool,
    /// Its name in the state.
    pub remembered_as: String,
    /// Where it is.
    pub endpoint: Endpoint,
}

/// Headers that prove who sends, or say with what: they change without the destination becoming another one. Any other may
/// choose a tenant: to take one tenant's records for another's would lose them, which is worse than sending again.
const NO_TENANT: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "user-agent"];

/// The destinations over the network.
pub fn targets(destinations: &[Destination]) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut known: HashMap<String, u32> = HashMap::new();
    for (place, destination) in destinations.iter().enumerate() {
        let (kind, endpoint, takes_logs) = match destination {
            Destination::Logs(endpoint) => ("otlp", endpoint, true),
            Destination::Traces(endpoint) => ("jaeger", endpoint, false),
            Destination::Text | Destination::Files(_) => continue,
        };
        let name = format!("{kind}={}", endpoint.address());
        let mut remembered_as = match tenant(endpoint) {
            Some(tenant) => format!("{name} headers={tenant:08x}"),
            None => name,
        };
        // Two that differ by their queries alone do not acknowledge for one another.
        let alike = known.entry(remembered_as.clone()).or_default();
        *alike += 1;
        if *alike > 1 {
            remembered_as.push_str(&format!(" number={alike}"));
        }
        targets.push(Target { place, takes_logs, remembered_as, endpoint: (**endpoint).clone() });
    }
    targets
}

/// A hash of the headers that may choose whose data it is, too short to tell them by.
fn tenant(endpoint: &Endpoint) -> Option<u32> {
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in &endpoint.headers {
        let name = name.as_str().to_ascii_lowercase();
        if !NO_TENANT.contains(&name.as_str()) {
            headers.push((name, value.as_bytes().to_vec()));
        } else if let Some(user) = basic_user(value.as_bytes()) {
            headers.push((name, user));
        }
    }
    headers.sort();
    let mut text = Vec::new();
    for (name, value) in &headers {
        text.extend([name.as_bytes(), b"\0", value, b"\0"].concat());
    }
    (!headers.is_empty()).then(|| twox_hash::XxHash64::oneshot(0, &text) as u32)
}

/// The user of `Basic` credentials, which several services take for the tenant; the password is left out.
fn basic_user(value: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine;
    let (scheme, encoded) = value.split_at_checked(6)?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim_ascii());
    let decoded = decoded.ok().filter(|_| scheme.eq_ignore_ascii_case(b"basic "))?;
    Some(decoded.split(|byte| *byte == b':').next().unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::Signal;

    fn endpoint(url: &str, headers: &[&str]) -> Endpoint {
        let mut endpoint = Endpoint::from_url(url, Signal::Logs, &|_| None).unwrap();
        headers.iter().for_each(|header| endpoint.add_header(header).unwrap());
        endpoint
    }

    #[test]
    fn another_tenant_is_another_destination_and_a_new_token_is_not() {
        let tenant = |headers: &[&str]| tenant(&endpoint("http://host:4317", headers));
        assert_eq!(tenant(&[]), None);
        assert_eq!(tenant(&["authorization=Bearer one", "Cookie=a"]), None);
        assert_ne!(tenant(&["x-scope-orgid=a"]), tenant(&["x-scope-orgid=b"]));
        assert_eq!(tenant(&["a=1", "b=2"]), tenant(&["b=2", "A=1", "authorization=Bearer two"]));
        // "user:one", "user:two", "other:one"
        let basic = |credentials: &str| tenant(&[format!("authorization=Basic {credentials}").as_str()]);
        assert_eq!(basic("dXNlcjpvbmU="), basic("dXNlcjp0d28="));
        assert_ne!(basic("dXNlcjpvbmU="), basic("b3RoZXI6b25l"));
    }
}
