//! OTLP over HTTP: a POST to each signal's path, in protobuf or JSON.
//!
//! In go requests, out come responses in the form of the request. Paths, types and encodings that are not OTLP's are refused in
//! words.

use http::{HeaderMap, Method, Request, Response, header};
use hyper::body::Incoming;

use super::peer::Peer;
use super::read;
use super::received::{Received, metadata};
use super::reply::{Refused, ReplyBody, code, http_refusal};
use crate::otlp::{Compression, Content, Signal};

pub(super) async fn answer(peer: &Peer, request: Request<Incoming>) -> Response<ReplyBody> {
    // What cannot be told is answered in what can be read by eye.
    let content = content(request.headers());
    match outcome(peer, request, content).await {
        Ok(response) => response,
        Err(refused) => {
            peer.shared.handler.refused(refused.reason);
            http_refusal(&refused, content.unwrap_or(Content::Json))
        }
    }
}

async fn outcome(
    peer: &Peer,
    request: Request<Incoming>,
    content: Option<Content>,
) -> Result<Response<ReplyBody>, Refused> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.http_path() == path.trim_end_matches('/')) else {
        let paths = Signal::ALL.map(Signal::http_path).join(", ");
        let message = format!("requests are taken at {paths}");
        return Err(Refused::new("unknown_service", code::UNIMPLEMENTED, 404, message));
    };
    if head.method != Method::POST {
        return Err(Refused::new("not_a_post", code::UNIMPLEMENTED, 405, "requests are sent by POST"));
    }
    peer.access.check(&head.headers)?;
    let Some(content) = content else {
        let message = "the content type must be application/x-protobuf or application/json";
        return Err(Refused::not_understood("content_type", message));
    };
    let compression = compression(&head.headers)?;
    let (body, room) = read::body(body, &peer.shared, |_| None).await?;
    let received = Received {
        signal,
        content,
        compression,
        body,
        metadata: metadata(&head.headers, peer.access.takes_authorization()),
        deadline: None,
        room,
    };
    Ok(peer.shared.handler.handle(received).await.http(signal, content))
}

fn content(headers: &HeaderMap) -> Option<Content> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    match kind.split(';').next()?.trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" | "application/protobuf" => Some(Content::Protobuf),
        "application/json" => Some(Content::Json),
        _ => None,
    }
}

fn compression(headers: &HeaderMap) -> Result<Compression, Refused> {
    let name = headers.get(header::CONTENT_ENCODING).map_or(Ok("identity"), |name| name.to_str());
    match name.unwrap_or("unreadable").trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Compression::None),
        "gzip" | "x-gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        other => {
            let message = format!("unsupported Content-Encoding {other:?}; gzip and zstd are supported");
            Err(Refused::not_understood("encoding", message))
        }
    }
}
