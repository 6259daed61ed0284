//! Questions to a server of traces: one GET over HTTP/1.1, or one gRPC call that is answered by a stream of messages.
//!
//! In goes an [`Endpoint`] and a question, out come the answer's bytes, under limits of size and time. Each question has a
//! connection of its own: there are few, and their answers are large. What is asked, and when again, is decided elsewhere.

use std::borrow::Cow;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1;

use super::answer::{self, NoAnswer};
use super::endpoint::Endpoint;
use super::outcome::{Class, Code, SendError};
use super::protocol::Protocol;
use super::status;
use super::transport::grpc::{self, Grpc};
use super::transport::rope::RopeBody;
use super::transport::stream::{Connector, HyperStream};
use super::transport::tls::ClientError;

/// Asks one server.
pub struct QueryClient {
    endpoint: Endpoint,
    connector: Connector,
    headers: HeaderMap,
}

impl QueryClient {
    /// Reads the files for TLS; connects with the first question.
    pub fn new(endpoint: Endpoint) -> Result<QueryClient, ClientError> {
        let connector = Connector::new(&endpoint).map_err(|source| ClientError { name: endpoint.name(), source })?;
        let mut headers = match endpoint.protocol {
            Protocol::Grpc => grpc::headers(),
            Protocol::Http => HeaderMap::new(),
        };
        if let Some(host) = endpoint.uri.authority().filter(|_| endpoint.protocol == Protocol::Http) {
            headers.extend(HeaderValue::from_str(host.as_str()).ok().map(|host| (header::HOST, host)));
        }
        let agent = concat!("spanline/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        endpoint.add_to(&mut headers);
        Ok(QueryClient { endpoint, connector, headers })
    }

    /// Where it asks.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// GETs a path below the endpoint's own; at most this many bytes.
    pub async fn get(&self, path_and_query: &str, bytes_max: usize) -> Result<(StatusCode, Bytes), SendError> {
        let base = self.endpoint.uri.path().trim_end_matches('/');
        let uri: Uri = format!("{base}{path_and_query}").parse().map_err(|error: http::uri::InvalidUri| {
            SendError::new(Class::Permanent, Code::Broken, error.to_string())
        })?;
        self.in_time(async {
            let (mut send, connection) =
                http1::handshake(HyperStream(self.connector.connect().await?)).await.map_err(|error| broken(&error))?;
            tokio::spawn(connection);
            let mut request = Request::new(RopeBody::new(std::iter::empty().collect()));
            *request.uri_mut() = match self.connector.is_forwarded() {
                true => self.in_full(uri)?,
                false => uri,
            };
            *request.headers_mut() = self.headers.clone();
            let response = send.send_request(request).await.map_err(|error| broken(&error))?;
            let (head, mut body) = response.into_parts();
            let mut bytes = BytesMut::new();
            while let Some(frame) = body.frame().await {
                if let Ok(piece) = frame.map_err(|error| broken(&error))?.into_data() {
                    if bytes.len() + piece.remaining() > bytes_max {
                        return Err(SendError::too_large(bytes_max));
                    }
                    bytes.extend_from_slice(&piece);
                }
            }
            if let Some(location) = head.headers.get(header::LOCATION).filter(|_| head.status.is_redirection()) {
                let location = super::address::shown(&String::from_utf8_lossy(location.as_bytes()));
                let (class, code) = (Class::Misconfigured, Code::Http(head.status.as_u16()));
                return Err(SendError::new(class, code, format!("redirected to {location}; use that address")));
            }
            let encoding = answer::encoding_of(&head.headers, "content-encoding");
            match answer::decoded(&bytes, encoding, bytes_max) {
                Ok(Cow::Borrowed(_)) => Ok((head.status, bytes.freeze())),
                Ok(Cow::Owned(plain)) => Ok((head.status, plain.into())),
                Err(NoAnswer::TooLarge(_)) => Err(SendError::too_large(bytes_max)),
                Err(reason) => Err(status::no_answer(Code::Http(head.status.as_u16()), &reason)),
            }
        })
        .await
    }

    /// Calls a method whose answer is a stream of messages, each of at most this many bytes.
    pub async fn call(
        &self,
        method: &'static str,
        message: Vec<u8>,
        bytes_max: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), SendError> {
        self.in_time(async {
            let grpc = Grpc::handshake(self.connector.connect().await?).await;
            let grpc = grpc.map_err(|error| SendError::transport(Code::Connect, error.to_string()))?;
            let mut parts = self.endpoint.uri.clone().into_parts();
            parts.path_and_query = Some(http::uri::PathAndQuery::from_static(method));
            let uri = Uri::from_parts(parts).map_err(|error| SendError::transport(Code::Connect, error.to_string()))?;
            let message = grpc::framed(vec![message.into()], false).unwrap_or_default();
            let grpc = grpc.ready().await?;
            grpc.call_stream(grpc::request(uri, &self.headers), message, bytes_max, each).await
        })
        .await
    }

    /// A path as a whole URL, for a proxy.
    fn in_full(&self, path: Uri) -> Result<Uri, SendError> {
        let mut parts = self.endpoint.uri.clone().into_parts();
        parts.path_and_query = path.into_parts().path_and_query;
        Uri::from_parts(parts).map_err(|error| SendError::new(Class::Permanent, Code::Broken, error.to_string()))
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, SendError>>) -> Result<T, SendError> {
        let limit = self.endpoint.timeout;
        let late = || SendError::transport(Code::Timeout, format!("waited {} ms", limit.as_millis()));
        match tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(late())) {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.connector.explained(error).await),
        }
    }
}

fn broken(error: &hyper::Error) -> SendError {
    SendError::transport(Code::Broken, error.to_string())
}
