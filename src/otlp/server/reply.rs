//! What a client is answered, in the form that it speaks: gRPC's statuses, or HTTP's with a body in protobuf or JSON.
//!
//! In go outcomes, out come responses. Codes of both protocols are mapped onto each other as OTLP's specification and the
//! Collector's receiver do.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use crate::otlp::outcome::{Accepted, Class, Code, SendError};
use crate::otlp::wire::write;
use crate::otlp::{Content, Signal};

/// Codes of gRPC that are used here.
pub(crate) mod code {
    pub(crate) const UNKNOWN: u32 = 2;
    pub(crate) const INVALID_ARGUMENT: u32 = 3;
    pub(crate) const DEADLINE_EXCEEDED: u32 = 4;
    pub(crate) const NOT_FOUND: u32 = 5;
    pub(crate) const PERMISSION_DENIED: u32 = 7;
    pub(crate) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(crate) const UNIMPLEMENTED: u32 = 12;
    pub(crate) const UNAVAILABLE: u32 = 14;
    pub(crate) const UNAUTHENTICATED: u32 = 16;
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is taken, perhaps but for some items.
    Taken(Accepted),
    /// It is not.
    Refused(Refused),
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// In one word, for those who count.
    pub reason: &'static str,
    /// As gRPC says it.
    pub grpc: u32,
    /// As HTTP does.
    pub http: u16,
    /// In words.
    pub message: String,
    /// When it may be tried again.
    pub retry_after: Option<Duration>,
}

impl Refused {
    /// A refusal for good.
    pub(crate) fn new(reason: &'static str, grpc: u32, http: u16, message: impl Into<String>) -> Refused {
        Refused { reason, grpc, http, message: message.into(), retry_after: None }
    }

    /// Not now: the client should try again. It is told when, as a client with little patience would else come too late.
    pub fn for_now(reason: &'static str, message: impl Into<String>, after: Duration) -> Refused {
        Refused { retry_after: Some(after), ..Refused::new(reason, code::UNAVAILABLE, 503, message) }
    }

    /// More than is taken at once.
    pub fn too_large(message: impl Into<String>) -> Refused {
        // Without RetryInfo clients do not try the same again.
        Refused::new("too_large", code::RESOURCE_EXHAUSTED, 413, message)
    }

    /// The request is wrong.
    pub fn wrong(reason: &'static str, message: impl Into<String>) -> Refused {
        Refused::new(reason, code::INVALID_ARGUMENT, 400, message)
    }

    /// In a form that is not understood.
    pub fn not_understood(reason: &'static str, message: impl Into<String>) -> Refused {
        Refused::new(reason, code::UNIMPLEMENTED, 415, message)
    }

    /// What somebody else answered.
    pub fn of(error: &SendError) -> Refused {
        let after = match error.class {
            Class::Retryable { after } => after,
            _ => None,
        };
        let (grpc, http) = match error.code {
            Code::Grpc(grpc) => (grpc, http_of(grpc, after)),
            Code::Http(http @ 300..) => (grpc_of(http), http),
            // No answer, or none of OTLP.
            _ => (code::UNAVAILABLE, 503),
        };
        let message = if error.code.is_answer() { error.message.clone() } else { error.to_string() };
        Refused { reason: "by_destination", grpc, http, message, retry_after: after }
    }
}

/// <https://opentelemetry.io/docs/specs/otlp/#failures>: what may be tried again stays so.
fn http_of(grpc: u32, after: Option<Duration>) -> u16 {
    match grpc {
        1 | 4 | 10 | 11 | 14 | 15 => 503,
        code::RESOURCE_EXHAUSTED if after.is_some() => 429,
        code::RESOURCE_EXHAUSTED => 413,
        code::INVALID_ARGUMENT => 400,
        code::UNAUTHENTICATED => 401,
        code::PERMISSION_DENIED => 403,
        code::UNIMPLEMENTED => 404,
        _ => 500,
    }
}

fn grpc_of(http: u16) -> u32 {
    match http {
        400 | 422 => code::INVALID_ARGUMENT,
        401 => code::UNAUTHENTICATED,
        403 => code::PERMISSION_DENIED,
        404 | 405 | 415 | 501 => code::UNIMPLEMENTED,
        413 => code::RESOURCE_EXHAUSTED,
        429 | 502 | 503 | 504 => code::UNAVAILABLE,
        _ => code::UNKNOWN,
    }
}

impl Reply {
    /// As gRPC has it.
    pub(super) fn grpc(&self) -> Response<ReplyBody> {
        match self {
            Reply::Taken(accepted) => grpc_message(&protobuf(accepted)),
            Reply::Refused(refused) => grpc_refusal(refused),
        }
    }

    /// As HTTP has it.
    pub(super) fn http(&self, signal: Signal, content: Content) -> Response<ReplyBody> {
        match self {
            Reply::Taken(accepted) => {
                let body = match content {
                    Content::Protobuf => protobuf(accepted),
                    Content::Json => json(accepted, signal),
                };
                http_response(StatusCode::OK, content, body)
            }
            Reply::Refused(refused) => http_refusal(refused, content),
        }
    }
}

/// One message with the status OK.
pub(super) fn grpc_message(message: &[u8]) -> Response<ReplyBody> {
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or_default());
    framed.put_slice(message);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let mut response = Response::new(ReplyBody { data: Some(framed.freeze()), trailers: Some(trailers) });
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

pub(super) fn grpc_refusal(refused: &Refused) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::default());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(refused.grpc));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(&refused.message)) {
        headers.insert("grpc-message", message);
    }
    if refused.grpc == code::UNIMPLEMENTED {
        headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip,zstd"));
    }
    if refused.retry_after.is_some() {
        let details = base64::engine::general_purpose::STANDARD_NO_PAD.encode(status(refused));
        headers.extend(HeaderValue::try_from(details).ok().map(|details| (DETAILS, details)));
    }
    response
}

const DETAILS: http::HeaderName = http::HeaderName::from_static("grpc-status-details-bin");

pub(super) fn http_refusal(refused: &Refused, content: Content) -> Response<ReplyBody> {
    let body = match content {
        Content::Protobuf => status(refused),
        Content::Json => serde_json::json!({"code": refused.grpc, "message": refused.message}).to_string().into_bytes(),
    };
    let status = StatusCode::from_u16(refused.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = http_response(status, content, body);
    let headers = response.headers_mut();
    if let Some(after) = refused.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs_f64().ceil() as u64));
    }
    match status {
        StatusCode::METHOD_NOT_ALLOWED => drop(headers.insert(header::ALLOW, HeaderValue::from_static("POST"))),
        StatusCode::UNAUTHORIZED => drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        _ => {}
    }
    response
}

fn http_response(status: StatusCode, content: Content, body: Vec<u8>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody { data: Some(body.into()), trailers: None });
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content.media_type()));
    response
}

/// response = { partial_success = 1 }; partial_success = { rejected = 1, error_message = 2 }
fn protobuf(accepted: &Accepted) -> Vec<u8> {
    let mut response = Vec::new();
    if accepted.rejected > 0 || !accepted.message.is_empty() {
        let mut partial = Vec::new();
        if accepted.rejected > 0 {
            partial.push(0x08);
            write::varint(&mut partial, accepted.rejected);
        }
        if !accepted.message.is_empty() {
            write::bytes(&mut partial, 0x12, accepted.message.as_bytes());
        }
        write::bytes(&mut response, 0x0a, &partial);
    }
    response
}

fn json(accepted: &Accepted, signal: Signal) -> Vec<u8> {
    if accepted.rejected == 0 && accepted.message.is_empty() {
        return b"{}".to_vec();
    }
    let rejected = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
        Signal::Profiles => "rejectedProfiles",
    };
    let partial = serde_json::json!({rejected: accepted.rejected.to_string(), "errorMessage": accepted.message});
    serde_json::json!({"partialSuccess": partial}).to_string().into_bytes()
}

/// `google.rpc.Status { code = 1; message = 2; repeated Any details = 3 }`, with a `RetryInfo { Duration retry_delay = 1 }`.
fn status(refused: &Refused) -> Vec<u8> {
    let mut status = vec![0x08];
    write::varint(&mut status, refused.grpc.into());
    write::bytes(&mut status, 0x12, refused.message.as_bytes());
    if let Some(after) = refused.retry_after {
        let mut delay = vec![0x08];
        write::varint(&mut delay, after.as_secs());
        delay.push(0x10);
        write::varint(&mut delay, after.subsec_nanos().into());
        let (mut info, mut any) = (Vec::new(), Vec::new());
        write::bytes(&mut info, 0x0a, &delay);
        write::bytes(&mut any, 0x0a, b"type.googleapis.com/google.rpc.RetryInfo");
        write::bytes(&mut any, 0x12, &info);
        write::bytes(&mut status, 0x1a, &any);
    }
    status
}

/// Printable ASCII but `%` stays, all else becomes `%XX`
/// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses>).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | 0..0x20 | 0x7f.. => encoded.push_str(&format!("%{byte:02X}")),
            byte => encoded.push(byte.into()),
        }
    }
    encoded
}

/// The body of an answer: data, trailers, both or none.
#[derive(Debug, Default)]
pub(super) struct ReplyBody {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}
