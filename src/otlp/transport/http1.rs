//! OTLP over HTTP/1.1: one request at a time per connection, connections kept for the next.
//!
//! In go requests, out come the endpoint's answers. How many connections there are follows from how many requests the
//! caller has in flight.

use std::sync::{Mutex, PoisonError};

use bytes::{Buf, BytesMut};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};

use super::clock::unix_seconds;
use super::rope::RopeBody;
use super::stream::{Connector, HyperStream};
use crate::otlp::answer::{NoAnswer, RESPONSE_BYTES_MAX};
use crate::otlp::outcome::{Accepted, Code, SendError};
use crate::otlp::status;

/// The connections to one endpoint.
#[derive(Default)]
pub(crate) struct Http {
    idle: Mutex<Vec<SendRequest<RopeBody>>>,
}

impl Http {
    /// Sends one request on a connection that is free, or on a new one.
    pub(crate) async fn call(&self, connector: &Connector, request: Request<RopeBody>) -> Result<Accepted, SendError> {
        let mut connection = match self.idle() {
            Some(connection) => connection,
            None => connect(connector).await?,
        };
        connection.ready().await.map_err(|error| lost(&error))?;
        let response = connection.send_request(request).await.map_err(|error| lost(&error))?;
        let (head, body) = response.into_parts();
        let Some(body) = read(body).await? else {
            // The connection goes with the rest of the answer.
            let code = Code::Http(head.status.as_u16());
            return match head.status.is_success() {
                true => Err(status::no_answer(code, &NoAnswer::TooLarge(RESPONSE_BYTES_MAX))),
                false => status::of_http(head.status, &head.headers, b"", unix_seconds()),
            };
        };
        let outcome = status::of_http(head.status, &head.headers, &body, unix_seconds());
        // An endpoint that did not read the whole request closes the connection; `is_closed` then finds it.
        if head.status != StatusCode::PAYLOAD_TOO_LARGE && !connection.is_closed() {
            self.lock().push(connection);
        }
        outcome
    }

    fn idle(&self) -> Option<SendRequest<RopeBody>> {
        let mut idle = self.lock();
        while let Some(connection) = idle.pop() {
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SendRequest<RopeBody>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(connector: &Connector) -> Result<SendRequest<RopeBody>, SendError> {
    let stream = connector.connect().await?;
    let (send, connection) = http1::handshake(HyperStream(stream)).await.map_err(|error| lost(&error))?;
    // Errors reach the request that is in flight.
    tokio::spawn(connection);
    Ok(send)
}

/// The body; `None` where it is beyond the limit.
async fn read(mut body: hyper::body::Incoming) -> Result<Option<BytesMut>, SendError> {
    let mut bytes = BytesMut::with_capacity(body.size_hint().lower().min(64 * 1024) as usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| lost(&error))?;
        if let Ok(piece) = frame.into_data() {
            if bytes.len() + piece.remaining() > RESPONSE_BYTES_MAX {
                return Ok(None);
            }
            bytes.extend_from_slice(&piece);
        }
    }
    Ok(Some(bytes))
}

/// The headers that every request carries.
pub(crate) fn headers(uri: &http::Uri) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    if let Some(host) = uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        headers.insert(header::HOST, host);
    }
    headers
}

fn lost(error: &hyper::Error) -> SendError {
    SendError::transport(Code::Broken, error.to_string())
}
