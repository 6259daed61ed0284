//! One gRPC connection: HTTP/2 with many calls in flight, framed by hand.
//!
//! In go framed requests, out come the endpoint's answers. A connection that ends, or that the endpoint asks to leave
//! (GOAWAY), makes [`Grpc::is_usable`] false or a call fail as lost; the [`Client`](crate::otlp::Client) then makes another.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{Connection, SendRequest};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};

use super::gather::{Drain, Gather, SharedRoom, gather};
use super::rope::Rope;
use super::stream::Stream;
use crate::otlp::answer::{self, NoAnswer, RESPONSE_BYTES_MAX, encoding_of};
use crate::otlp::outcome::{Accepted, Code, SendError};
use crate::otlp::status;

/// Answers are small, but many can be in flight: they must never wait for our window.
const WINDOW_BYTES: u32 = 1024 * 1024;

/// Flag and length before each message.
const PREFIX_BYTES: usize = 5;

/// One connection; clones share it.
#[derive(Clone)]
pub(crate) struct Grpc {
    requests: SendRequest<Rope>,
    shared: SharedRoom,
}

impl Grpc {
    /// Speaks HTTP/2 over a stream; a task drives it until the last clone is gone.
    pub(crate) async fn handshake(stream: Stream) -> Result<Grpc, h2::Error> {
        let (gather, drain, shared) = gather(stream);
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(4 * WINDOW_BYTES)
            // Answers have three or four short headers: nothing worth remembering.
            .header_table_size(0)
            .max_header_list_size(64 * 1024);
        // The preface lies in the gatherer until the driver runs.
        let (requests, connection) = builder.handshake(gather).await?;
        tokio::spawn(Driver { connection, drain });
        Ok(Grpc { requests, shared })
    }

    /// Waits until the endpoint allows one more call. An error means that the connection is no use any more.
    pub(crate) async fn ready(self) -> Result<Grpc, SendError> {
        let Grpc { requests, shared } = self;
        requests.ready().await.map(|requests| Grpc { requests, shared }).map_err(|error| lost(&error))
    }

    /// Makes one call. Dropping the future resets the stream.
    pub(crate) async fn call(mut self, request: Request<()>, message: Rope) -> Result<Accepted, SendError> {
        let _lent = self.shared.lend(message.pieces());
        let (response, mut stream) = self.requests.send_request(request, false).map_err(|error| lost(&error))?;
        // An endpoint that answers before it has read everything may reset the stream: its answer counts, not that.
        let sent = stream.send_data(message, true);
        let response = response.await.map_err(|error| lost(&error))?;
        sent.ok();
        let (head, mut body) = response.into_parts();
        if head.status != StatusCode::OK || !is_grpc(&head.headers) {
            return Err(status::of_not_grpc(head.status, &head.headers, super::clock::unix_seconds()));
        }
        if head.headers.contains_key("grpc-status") {
            // Trailers only.
            return status::of_grpc(&head.headers).and_then(|()| accepted(&[], ""));
        }
        let mut framed = BytesMut::new();
        while let Some(piece) = body.data().await {
            let piece = piece.map_err(|error| lost(&error))?;
            // Releasing more than is in use is the only error, and BUG-free code does not.
            body.flow_control().release_capacity(piece.len()).ok();
            if framed.len() + piece.len() > RESPONSE_BYTES_MAX + PREFIX_BYTES {
                return Err(status::no_answer(Code::Http(200), &NoAnswer::TooLarge(RESPONSE_BYTES_MAX)));
            }
            framed.put(piece);
        }
        let trailers = body.trailers().await.map_err(|error| lost(&error))?;
        // A stream that ends without a status was cut off by something between.
        let trailers = trailers.ok_or_else(|| SendError::transport(Code::Broken, "the answer has no grpc-status"))?;
        status::of_grpc(&trailers)?;
        accepted(&framed, encoding_of(&head.headers, "grpc-encoding"))
    }

    /// Makes one call that is answered by any number of messages, and gives each on as it is whole.
    pub(crate) async fn call_stream(
        mut self,
        request: Request<()>,
        message: Rope,
        bytes_max: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), SendError> {
        let (response, mut stream) = self.requests.send_request(request, false).map_err(|error| lost(&error))?;
        let sent = stream.send_data(message, true);
        let (head, mut body) = response.await.map_err(|error| lost(&error))?.into_parts();
        sent.ok();
        if head.status != StatusCode::OK || !is_grpc(&head.headers) {
            return Err(status::of_not_grpc(head.status, &head.headers, super::clock::unix_seconds()));
        }
        if head.headers.contains_key("grpc-status") {
            return status::of_grpc(&head.headers);
        }
        let encoding = encoding_of(&head.headers, "grpc-encoding");
        let mut framed = BytesMut::new();
        while let Some(piece) = body.data().await {
            let piece = piece.map_err(|error| lost(&error))?;
            body.flow_control().release_capacity(piece.len()).ok();
            framed.put(piece);
            while let Some((&[_, a, b, c, d], rest)) = framed.split_first_chunk::<5>() {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if length > bytes_max {
                    return Err(SendError::too_large(bytes_max));
                }
                if rest.len() < length {
                    break;
                }
                let message = framed.split_to(PREFIX_BYTES + length);
                match unframed(&message, encoding, bytes_max) {
                    Ok(message) => each(&message),
                    Err(NoAnswer::TooLarge(_)) => return Err(SendError::too_large(bytes_max)),
                    Err(reason) => return Err(status::no_answer(Code::Grpc(0), &reason)),
                }
            }
        }
        let trailers = body.trailers().await.map_err(|error| lost(&error))?;
        let trailers = trailers.ok_or_else(|| SendError::transport(Code::Broken, "the answer has no grpc-status"))?;
        status::of_grpc(&trailers)
    }
}

/// A POST of one message. `content-length` is left out, as gRPC does.
pub(crate) fn request(uri: http::Uri, headers: &HeaderMap) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers.clone();
    request
}

/// The headers that every call carries.
pub(crate) fn headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers
}

/// `message = compressed-flag(1) length(4, big-endian) bytes`; `None` where the message does not fit a length.
pub(crate) fn framed(message: Vec<Bytes>, compressed: bool) -> Option<Rope> {
    let len: usize = message.iter().map(Bytes::len).sum();
    let mut prefix = BytesMut::with_capacity(5);
    prefix.put_u8(compressed.into());
    prefix.put_u32(u32::try_from(len).ok()?);
    Some(std::iter::once(prefix.freeze()).chain(message).collect())
}

/// What an answer with the status OK accepts: it is exactly one message. None, or several, is a violation of gRPC
/// (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>), and no acknowledgement.
fn accepted(framed: &[u8], encoding: &str) -> Result<Accepted, SendError> {
    let accepted = if framed.is_empty() {
        let reason = "answered without a message, as no OTLP receiver does: check host and port";
        Err(NoAnswer::Other(reason.to_owned()))
    } else {
        unframed(framed, encoding, RESPONSE_BYTES_MAX).and_then(|message| answer::of_protobuf(&message))
    };
    accepted.map_err(|reason| status::no_answer(Code::Grpc(0), &reason))
}

/// The one message in these bytes, decompressed.
fn unframed<'f>(framed: &'f [u8], encoding: &str, bytes_max: usize) -> Result<Cow<'f, [u8]>, NoAnswer> {
    let broken = |reason: &str| NoAnswer::Other(format!("the answer is not framed as gRPC's ({reason})"));
    let Some((&[flag, a, b, c, d], message)) = framed.split_first_chunk::<PREFIX_BYTES>() else {
        return Err(broken("it is cut"));
    };
    if message.len() != u32::from_be_bytes([a, b, c, d]) as usize {
        return Err(broken("its length is wrong, or it is more than one message"));
    }
    match flag {
        0 => answer::decoded(message, "", bytes_max),
        1 if encoding.is_empty() || encoding == "identity" => Err(broken("it is compressed, and does not say how")),
        1 => answer::decoded(message, encoding, bytes_max),
        _ => Err(broken("its flag is neither 0 nor 1")),
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

fn lost(error: &h2::Error) -> SendError {
    SendError::transport(Code::Broken, error.to_string())
}

/// Drives the connection, then writes what it gathered.
struct Driver {
    connection: Connection<Gather<Stream>, Rope>,
    drain: Drain<Stream>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Errors reach every call through its own stream.
        let connection = Pin::new(&mut self.connection).poll(cx);
        match self.drain.poll(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            _ => connection.map(|_| ()),
        }
    }
}
