//! OTLP over gRPC: calls of one message, known by their path, and gRPC's health check.
//!
//! In go requests, out come responses with a status in their trailers. The framing is taken off; the message stays as it came.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;

use super::peer::Peer;
use super::read;
use super::received::{Received, metadata};
use super::reply::{Refused, ReplyBody, code, grpc_message, grpc_refusal};
use crate::otlp::wire::spans::within;
use crate::otlp::{Compression, Content, Signal};

/// Flag and length before each message.
const PREFIX_BYTES: usize = 5;

/// <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
/// `HealthCheckResponse { status = 1: SERVING = 1 }`
const SERVING: [u8; 2] = [0x08, 1];
/// The same with `NOT_SERVING = 2`.
const NOT_SERVING: [u8; 2] = [0x08, 2];

pub(super) async fn answer(peer: &Peer, request: Request<Incoming>) -> Response<ReplyBody> {
    match outcome(peer, request).await {
        Ok(response) => response,
        Err(refused) => {
            peer.shared.handler.refused(refused.reason);
            grpc_refusal(&refused)
        }
    }
}

async fn outcome(peer: &Peer, request: Request<Incoming>) -> Result<Response<ReplyBody>, Refused> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path == HEALTH_CHECK {
        return health(peer, body).await;
    }
    let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.grpc_path() == path) else {
        return Err(unknown(path));
    };
    peer.access.check(&head.headers)?;
    let deadline = timeout(&head.headers).and_then(|limit| Instant::now().checked_add(limit));
    let said = compression(&head.headers)?;
    let (framed, room) = read::body(body, &peer.shared, framed_length).await?;
    let (is_compressed, body) = unframed(framed)?;
    let received = Received {
        signal,
        content: Content::Protobuf,
        compression: if is_compressed { said } else { Compression::None },
        body,
        metadata: metadata(&head.headers, peer.access.takes_authorization()),
        deadline,
        room,
    };
    Ok(peer.shared.handler.handle(received).await.grpc())
}

/// `HealthCheckRequest { service = 1 }`; the empty name is that of the whole.
async fn health(peer: &Peer, body: Incoming) -> Result<Response<ReplyBody>, Refused> {
    let (framed, _room) = read::body(body, &peer.shared, framed_length).await?;
    let (is_compressed, message) = unframed(framed)?;
    if is_compressed {
        return Err(Refused::not_understood("encoding", "a health check is not compressed"));
    }
    let asked = within(&message, 1).last().unwrap_or_default();
    let is_known = |signal: &Signal| signal.grpc_path()[1..].trim_end_matches("/Export").as_bytes() == asked;
    if !asked.is_empty() && !Signal::ALL.iter().any(is_known) {
        return Err(Refused::new("unknown_service", code::NOT_FOUND, 404, "unknown service"));
    }
    Ok(grpc_message(if *peer.shared.ending.borrow() { &NOT_SERVING } else { &SERVING }))
}

/// As grpc-go says it.
fn unknown(path: &str) -> Refused {
    let path = path.trim_start_matches('/');
    let (service, method) = path.rsplit_once('/').unwrap_or((path, ""));
    let is_known = Signal::ALL.iter().any(|signal| signal.grpc_path()[1..].starts_with(&format!("{service}/")));
    let message = match is_known {
        true => format!("unknown method {method} for service {service}"),
        false => format!("unknown service {service}"),
    };
    Refused::not_understood("unknown_service", message)
}

fn compression(headers: &HeaderMap) -> Result<Compression, Refused> {
    let name = headers.get("grpc-encoding").map_or(Ok("identity"), |name| name.to_str()).unwrap_or("unreadable");
    match name {
        "identity" => Ok(Compression::None),
        "gzip" | "zstd" => Ok(Compression::from_name(name).unwrap_or_default()),
        other => {
            let message = format!("grpc: Decompressor is not installed for grpc-encoding {other:?}; gzip and zstd are");
            Err(Refused::not_understood("encoding", message))
        }
    }
}

/// The length of a message with its prefix, as soon as that is there.
fn framed_length(framed: &[u8]) -> Option<usize> {
    let (&[_, a, b, c, d], _) = framed.split_first_chunk::<PREFIX_BYTES>()?;
    usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?.checked_add(PREFIX_BYTES)
}

/// `message = compressed-flag(1) length(4, big-endian) bytes`, once: the calls of OTLP are unary.
fn unframed(mut framed: Bytes) -> Result<(bool, Bytes), Refused> {
    let wrong = |reason: &str| Refused::wrong("not_grpc", format!("the request is not framed as gRPC's: {reason}"));
    match framed_length(&framed) {
        None => return Err(wrong("it holds no message")),
        Some(length) if length != framed.len() => return Err(wrong("it does not hold exactly one message")),
        Some(_) => {}
    }
    let is_compressed = match framed[0] {
        0 => false,
        1 => true,
        _ => return Err(wrong("its flag is neither 0 nor 1")),
    };
    framed.advance(PREFIX_BYTES);
    Ok((is_compressed, framed))
}

/// `grpc-timeout = 1*8DIGIT unit`
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_clients_limit_of_time_is_read() {
        for (text, expected) in [
            ("10S", Some(Duration::from_secs(10))),
            ("9999999m", Some(Duration::from_millis(9_999_999))),
            ("2H", Some(Duration::from_secs(7200))),
            ("1u", Some(Duration::from_micros(1))),
            ("123456789S", None),
            ("S", None),
            ("", None),
            ("5", None),
            ("-1S", None),
            ("1é", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", http::HeaderValue::from_bytes(text.as_bytes()).unwrap());
            assert_eq!(timeout(&headers), expected, "{text}");
        }
    }

    #[test]
    fn exactly_one_message_is_taken() {
        let taken = |framed: &[u8]| unframed(Bytes::copy_from_slice(framed)).ok();
        assert_eq!(taken(&[0, 0, 0, 0, 0]), Some((false, Bytes::new())));
        assert_eq!(taken(&[1, 0, 0, 0, 2, 7, 8]), Some((true, Bytes::from_static(&[7, 8]))));
        for wrong in [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 1], &[2, 0, 0, 0, 0], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(taken(wrong), None, "{wrong:?}");
        }
        assert_eq!(taken(&[0, 0xff, 0xff, 0xff, 0xff, 1]), None);
    }

    #[test]
    fn what_is_not_there_is_called_as_grpc_calls_it() {
        let message = |path: &str| unknown(path).message;
        assert_eq!(
            message("/grpc.reflection.v1.ServerReflection/X"),
            "unknown service grpc.reflection.v1.ServerReflection"
        );
        let service = "opentelemetry.proto.collector.trace.v1.TraceService";
        assert_eq!(message(&format!("/{service}/Import")), format!("unknown method Import for service {service}"));
        assert_eq!(message("/"), "unknown service ");
    }

    proptest! {
        #[test]
        fn never_panics(framed: Vec<u8>, path: String, limit: Vec<u8>) {
            let _ = unframed(framed.into());
            unknown(&path);
            if let Ok(value) = http::HeaderValue::from_bytes(&limit) {
                timeout(&HeaderMap::from_iter([(http::HeaderName::from_static("grpc-timeout"), value)]));
            }
        }
    }
}
