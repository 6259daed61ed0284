//! A client of one OTLP endpoint.
//!
//! In go encoded, already compressed requests; out comes what the endpoint made of each, within a limit of time. Any
//! number of requests may be in flight; gRPC shares one connection. A lost connection is made anew by the next request.
//! Nothing is tried again here, and nothing is compressed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use tokio::sync::Mutex;

use super::compress::Compression;
use super::content::Content;
use super::endpoint::Endpoint;
use super::outcome::{Accepted, Class, Code, SendError};
use super::protocol::Protocol;
use super::signal::Signal;
use super::transport::grpc::{self, Grpc};
use super::transport::http1::{self, Http};
use super::transport::rope::RopeBody;
use super::transport::stream::Connector;
pub use super::transport::tls::ClientError;

/// A request that came from somebody else, with what is to be kept of how it came.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Which service it is for.
    pub signal: Signal,
    /// How its bytes are to be read.
    pub content: Content,
    /// How they are compressed.
    pub compression: Compression,
    /// The bytes.
    pub body: Bytes,
    /// Headers (gRPC: metadata) in addition to the endpoint's; those that its user set win.
    pub metadata: HeaderMap,
}

/// Sends requests to one endpoint.
pub struct Client {
    endpoint: Endpoint,
    connector: Connector,
    transport: Transport,
    /// Headers of every request.
    headers: HeaderMap,
    /// Connections made so far.
    connections: AtomicU64,
}

enum Transport {
    Grpc(Mutex<Option<Connected>>),
    Http(Http),
}

/// The connection in use, and its number: a timeout retires the one it happened on, not its successor.
struct Connected {
    number: u64,
    grpc: Grpc,
}

impl Client {
    /// A client; it connects with its first request. Reads the files for TLS.
    pub fn new(endpoint: Endpoint) -> Result<Client, ClientError> {
        let connector = Connector::new(&endpoint).map_err(|source| ClientError { name: endpoint.name(), source })?;
        let (transport, mut headers) = match endpoint.protocol {
            Protocol::Grpc => (Transport::Grpc(Mutex::new(None)), grpc::headers()),
            Protocol::Http => (Transport::Http(Http::default()), http1::headers(&endpoint.uri)),
        };
        let agent = concat!("spanline/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        if endpoint.protocol == Protocol::Grpc {
            headers.insert("grpc-timeout", grpc_timeout(endpoint.timeout));
        }
        endpoint.add_to(&mut headers);
        Ok(Client { endpoint, connector, transport, headers, connections: AtomicU64::new(0) })
    }

    /// Where it sends to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Connects once and lets go: whether there is anybody at all.
    pub async fn try_connecting(&self) -> Result<(), SendError> {
        let connecting = tokio::time::timeout(self.endpoint.timeout, self.connector.connect()).await;
        connecting.unwrap_or_else(|_| Err(timed_out(self.endpoint.timeout))).map(drop)
    }

    /// Sends one request, whose bytes are compressed as said, within the endpoint's limit of time.
    pub async fn send(
        &self,
        signal: Signal,
        message: Vec<Bytes>,
        compression: Compression,
    ) -> Result<Accepted, SendError> {
        self.send_within(self.endpoint.timeout, signal, message, compression).await
    }

    /// The same within another limit of time.
    pub async fn send_within(
        &self,
        limit: Duration,
        signal: Signal,
        message: Vec<Bytes>,
        compression: Compression,
    ) -> Result<Accepted, SendError> {
        self.send_with(limit, signal, message, (compression, self.headers.clone())).await
    }

    /// Passes on a request as it came. Over gRPC its bytes must be protobuf.
    pub async fn pass_on(&self, limit: Duration, passed: Passed) -> Result<Accepted, SendError> {
        let mut headers = self.headers.clone();
        if let (Transport::Http(_), Content::Json) = (&self.transport, passed.content) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Content::Json.media_type()));
        }
        for name in passed.metadata.keys() {
            if self.endpoint.headers.iter().all(|(set, _)| set != name) {
                headers.remove(name);
                headers.extend(passed.metadata.get_all(name).iter().map(|value| (name.clone(), value.clone())));
            }
        }
        self.send_with(limit, passed.signal, vec![passed.body], (passed.compression, headers)).await
    }

    async fn send_with(
        &self,
        limit: Duration,
        signal: Signal,
        message: Vec<Bytes>,
        (compression, headers): (Compression, HeaderMap),
    ) -> Result<Accepted, SendError> {
        let mut used = None;
        let outcome = match &self.transport {
            Transport::Grpc(connection) => {
                let call = self.call_grpc(connection, &mut used, (signal, limit), message, (compression, headers));
                tokio::time::timeout(limit, call).await
            }
            Transport::Http(http) => {
                let request = self.http_request(message, compression, headers);
                tokio::time::timeout(limit, http.call(&self.connector, request)).await
            }
        };
        match outcome.unwrap_or_else(|_| Err(timed_out(limit))) {
            Ok(accepted) => Ok(accepted),
            Err(error) => {
                if !error.code.is_answer() {
                    self.retire(used).await;
                }
                Err(self.connector.explained(error).await)
            }
        }
    }

    async fn call_grpc(
        &self,
        connection: &Mutex<Option<Connected>>,
        used: &mut Option<u64>,
        (signal, limit): (Signal, Duration),
        message: Vec<Bytes>,
        (compression, mut headers): (Compression, HeaderMap),
    ) -> Result<Accepted, SendError> {
        if limit != self.endpoint.timeout {
            headers.insert("grpc-timeout", grpc_timeout(limit));
        }
        let compressed = compression != Compression::None;
        if compressed {
            headers.insert("grpc-encoding", HeaderValue::from_static(compression.encoding()));
        }
        let Some(message) = grpc::framed(message, compressed) else {
            return Err(SendError::new(Class::TooLarge, Code::Broken, "over 4 GiB"));
        };
        let mut parts = self.endpoint.uri.clone().into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static(signal.grpc_path()));
        let uri = Uri::from_parts(parts).map_err(|error| SendError::transport(Code::Connect, error.to_string()))?;
        let connected = self.connected(connection, used).await?;
        connected.call(grpc::request(uri, &headers), message).await
    }

    /// The connection, made anew where there is none; whoever comes meanwhile waits for it.
    async fn connected(
        &self,
        connection: &Mutex<Option<Connected>>,
        used: &mut Option<u64>,
    ) -> Result<Grpc, SendError> {
        let mut current = connection.lock().await;
        if let Some(connected) = &*current {
            let (grpc, number) = (connected.grpc.clone(), connected.number);
            *used = Some(number);
            drop(current);
            // Waits, without the lock, for a free stream.
            if let Ok(grpc) = grpc.ready().await {
                return Ok(grpc);
            }
            current = connection.lock().await;
            if let Some(newer) = current.as_ref().filter(|newer| newer.number != number) {
                *used = Some(newer.number);
                return newer.grpc.clone().ready().await;
            }
        }
        *current = None;
        let stream = self.connector.connect().await?;
        let grpc = Grpc::handshake(stream).await;
        let grpc = grpc.map_err(|error| SendError::transport(Code::Connect, error.to_string()))?;
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        *used = Some(number);
        *current = Some(Connected { number, grpc: grpc.clone() });
        drop(current);
        grpc.ready().await
    }

    /// Lets the next request make a new connection; those in flight on the old one go on.
    async fn retire(&self, used: Option<u64>) {
        if let (Transport::Grpc(connection), Some(number)) = (&self.transport, used) {
            let mut current = connection.lock().await;
            if current.as_ref().is_some_and(|connected| connected.number == number) {
                *current = None;
            }
        }
    }

    fn http_request(&self, message: Vec<Bytes>, compression: Compression, headers: HeaderMap) -> Request<RopeBody> {
        let mut request = Request::new(RopeBody::new(message.into_iter().collect()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = match self.connector.is_forwarded() {
            true => self.endpoint.uri.clone(),
            false => self.endpoint.uri.path_and_query().map(|path| Uri::from(path.clone())).unwrap_or_default(),
        };
        *request.headers_mut() = headers;
        if compression != Compression::None {
            let encoding = HeaderValue::from_static(compression.encoding());
            request.headers_mut().insert(header::CONTENT_ENCODING, encoding);
        }
        request
    }
}

fn timed_out(limit: Duration) -> SendError {
    SendError::transport(Code::Timeout, format!("waited {} ms", limit.as_millis()))
}

/// `grpc-timeout = 1*8DIGIT unit`; milliseconds reach beyond a day.
fn grpc_timeout(limit: Duration) -> HeaderValue {
    let text = format!("{}m", limit.as_millis().clamp(1, 99_999_999));
    HeaderValue::try_from(text).expect("BUG: digits and a letter are a header's value")
}
