//! Asks a running agent for its status.
//!
//! In goes the address of its server, out comes the status, under limits of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::Authority;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use tokio::net::TcpStream;

use crate::metrics::status::Status;
use crate::otlp::HyperStream;

/// Of the answer: a thousand sources with long paths.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// The agent itself waits a second for its loop.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where an agent serves its status.
#[derive(Debug, Clone)]
pub struct Address {
    shown: String,
    authority: Authority,
    path: String,
}

impl Address {
    /// The address of a URL such as `http://127.0.0.1:9464`; an error in words.
    pub fn new(url: &str) -> Result<Address, String> {
        let bad = || format!("{url:?} is no address such as http://127.0.0.1:9464");
        let uri: Uri = url.parse().map_err(|_| bad())?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) => {
                let path = format!("{}/status", uri.path().trim_end_matches('/'));
                Ok(Address { shown: url.to_owned(), authority: authority.clone(), path })
            }
            _ => Err(bad()),
        }
    }

    /// The status now; an error in words.
    pub fn status(&self) -> Result<Status, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", self.shown);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(&error))?;
        let asked = runtime.block_on(async {
            let answer = get(&self.authority, &self.path);
            tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err("no answer within 10 s".to_owned()))
        });
        // A name that is being looked up is not awaited.
        runtime.shutdown_background();
        let bytes = asked.map_err(|error| failed(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| failed(&format!("{NO_AGENT}: {error}")))
    }
}

/// What is said of another server.
const NO_AGENT: &str = "what answers there is no spanline agent";

async fn get(authority: &Authority, path: &str) -> Result<Bytes, String> {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await.map_err(|error| format!("no connection: {error}"))?;
    let broken = |error: hyper::Error| format!("{NO_AGENT}: {error}");
    let (mut send, connection) = http1::handshake(HyperStream(stream)).await.map_err(broken)?;
    tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, authority.as_str()).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let (head, mut body) = send.send_request(request).await.map_err(broken)?.into_parts();
    if !head.status.is_success() {
        return Err(format!("{NO_AGENT}: {}", head.status));
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame.map_err(broken)?.into_data() {
            if bytes.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(format!("an answer of more than {ANSWER_BYTES_MAX} bytes"));
            }
            bytes.extend_from_slice(&piece);
        }
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::metrics::Metrics;
    use crate::telemetry::server::Server;

    #[test]
    fn a_running_agent_tells_its_status() {
        let metrics = Arc::new(Metrics::new(Instant::now()));
        metrics.destination("otlp=http://c:4317").delivered.add(7);
        let server = Server::start("127.0.0.1:0".parse().unwrap(), metrics).unwrap();
        let status = Address::new(&format!("http://{}/", server.address())).unwrap().status().unwrap();
        assert_eq!((status.destinations[0].delivered, status.not_ready.len()), (7, 1));
    }

    #[test]
    fn what_is_no_agent_is_said() {
        for (url, words) in [
            ("127.0.0.1:9464", "is no address such as"),
            ("https://127.0.0.1:9464", "is no address such as"),
            ("http://", "is no address such as"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1: no connection:"),
        ] {
            let error = Address::new(url).and_then(|address| address.status()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
