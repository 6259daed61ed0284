//! The agent's own HTTP server: `/metrics`, `/healthz`, `/readyz`, `/status`.
//!
//! In go requests, out come answers from what the agent counts. It has a thread of its own, which sleeps while nobody asks,
//! so that it answers while the agent's loop hangs. Connections, what is read of each, and its time are bounded.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};

use super::accept;
use crate::metrics::{Metrics, openmetrics, status};
use crate::otlp::HyperStream;

/// Connections at a time; further ones wait.
const CONNECTIONS_MAX: usize = 16;
/// A connection with its one request and answer.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Fields of a request's head.
const HEADERS_MAX: usize = 64;
/// How long an answer waits for the loop to tell of its sources, before it has the older ones.
const SOURCES_PATIENCE: Duration = Duration::from_secs(1);
/// After a connection could not be accepted: descriptors may be free again then.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {source}")]
pub struct ServerError {
    /// Where it should listen.
    pub address: SocketAddr,
    /// What was in the way.
    pub source: std::io::Error,
}

/// A server that listens. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Listens, and answers from now on.
    pub fn start(address: SocketAddr, metrics: Arc<Metrics>) -> Result<Server, ServerError> {
        let failed = |source| ServerError { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! { () = accept_all(listener, metrics) => {}, _ = stopped => {} }
            });
        };
        std::thread::Builder::new().name("telemetry".into()).spawn(serve).map_err(failed)?;
        Ok(Server { address: bound, _stop: stop })
    }

    /// Where it listens, with the port that it was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept_all(listener: TcpListener, metrics: Arc<Metrics>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(permit) = Arc::clone(&free).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let metrics = Arc::clone(&metrics);
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(CONNECTION_TIME_MAX, connection(stream, metrics)).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
}

async fn connection(stream: TcpStream, metrics: Arc<Metrics>) {
    let service = service_fn(move |request| {
        let metrics = Arc::clone(&metrics);
        async move { Ok::<_, Infallible>(answer(&request, &metrics).await) }
    });
    let mut http = http1::Builder::new();
    http.keep_alive(false).max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX).header_read_timeout(None);
    // Whoever breaks the connection off does not want the answer.
    let _ = http.serve_connection(HyperStream(stream), service).await;
}

async fn answer<B>(request: &Request<B>, metrics: &Metrics) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/metrics" => {
            let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
            let format = accept::format(accept);
            let sources = metrics.fresh_sources(SOURCES_PATIENCE).await;
            let page = openmetrics::text(metrics, sources.as_deref(), format);
            typed(StatusCode::OK, format.content_type(), page)
        }
        "/status" => {
            let sources = metrics.fresh_sources(SOURCES_PATIENCE).await;
            let status = status::status(metrics, sources.as_deref(), Instant::now(), now_nanos());
            match serde_json::to_string(&status) {
                Ok(json) => typed(StatusCode::OK, "application/json", json + "\n"),
                // A path that is not text cannot be told so.
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
            }
        }
        "/healthz" => {
            let health = metrics.health(Instant::now());
            match health.is_alive() {
                true => text(StatusCode::OK, "alive\n"),
                false => text(StatusCode::SERVICE_UNAVAILABLE, &stands_still(health.since_turn)),
            }
        }
        "/readyz" => {
            let health = metrics.health(Instant::now());
            let mut reasons = health.not_ready.clone();
            if !health.is_alive() {
                reasons.push(stands_still(health.since_turn).trim_end().to_owned());
            }
            match reasons.is_empty() {
                true => text(StatusCode::OK, "ready\n"),
                false => text(StatusCode::SERVICE_UNAVAILABLE, &(reasons.join("\n") + "\n")),
            }
        }
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /healthz, /readyz and /status\n"),
    }
}

fn stands_still(since_turn: Duration) -> String {
    format!("the loop has stood still for {} s\n", since_turn.as_secs())
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", text.to_owned())
}

fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn now_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn started(metrics: &Arc<Metrics>) -> Server {
        Server::start("127.0.0.1:0".parse().unwrap(), Arc::clone(metrics)).unwrap()
    }

    /// The answer to a request, as it comes.
    fn asked(server: &Server, request: &str) -> String {
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(server: &Server, path: &str, headers: &str) -> String {
        asked(server, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n"))
    }

    #[test]
    fn each_page_is_answered_in_its_type() {
        let metrics = Arc::new(Metrics::new(Instant::now()));
        metrics.input("pods").lines_read.add(3);
        metrics.set_sources(Instant::now(), std::iter::empty());
        let server = started(&metrics);
        let page = get(&server, "/metrics", "");
        assert!(
            page.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/openmetrics-text; version=1.0.0"),
            "{page}"
        );
        assert!(
            page.contains("\nspanline_lines_read_total{input=\"pods\"} 3\n") && page.ends_with("# EOF\n"),
            "{page}"
        );
        let plain = get(&server, "/metrics", "accept: text/plain\r\n");
        assert!(plain.contains("content-type: text/plain; version=0.0.4") && !plain.contains("# EOF"), "{plain}");
        let status = get(&server, "/status", "");
        let json = status.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(serde_json::from_str::<status::Status>(json).unwrap().inputs[0].lines_read, 3);
        assert!(get(&server, "/", "").starts_with("HTTP/1.1 404 "));
        let refused = asked(&server, "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
        assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET, HEAD"), "{refused}");
        let head = asked(&server, "HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    }

    #[test]
    fn health_says_what_is_in_the_way() {
        let metrics = Arc::new(Metrics::new(Instant::now()));
        let server = started(&metrics);
        assert!(get(&server, "/healthz", "").ends_with("\r\n\r\nalive\n"));
        let not_ready = get(&server, "/readyz", "");
        assert!(not_ready.starts_with("HTTP/1.1 503 "), "{not_ready}");
        assert!(not_ready.ends_with("\r\n\r\nthe inputs are not read yet\n"), "{not_ready}");
        metrics.inputs_begin();
        assert!(get(&server, "/readyz", "").ends_with("\r\n\r\nready\n"));
    }

    #[test]
    fn a_loop_that_stands_still_is_told() {
        let Some(long_ago) = Instant::now().checked_sub(Duration::from_secs(100)) else { return };
        let server = started(&Arc::new(Metrics::new(long_ago)));
        for path in ["/healthz", "/readyz"] {
            let answer = get(&server, path, "");
            assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("stood still for 10"), "{answer}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused_and_others_are_answered() {
        let server = started(&Arc::new(Metrics::new(Instant::now())));
        // More than are served at a time, half of them silent.
        let silent: Vec<_> =
            (0..CONNECTIONS_MAX - 1).map(|_| std::net::TcpStream::connect(server.address()).unwrap()).collect();
        assert!(asked(&server, "\u{16}\u{3}\u{1} nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        // It may close before all is written.
        let _ = stream.write_all(long.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
        assert!(get(&server, "/healthz", "").ends_with("alive\n"));
        drop(silent);
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let metrics = Arc::new(Metrics::new(Instant::now()));
        let server = started(&metrics);
        let error = Server::start(server.address(), metrics).unwrap_err().to_string();
        assert!(error.starts_with(&server.address().to_string()) && error.contains("in use"), "{error}");
    }
}
