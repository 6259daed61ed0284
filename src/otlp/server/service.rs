//! Which protocol a request is of: gRPC is known by its content type.
//!
//! In go requests of HTTP/1 and HTTP/2, out come responses.

use http::{Request, Response, header};
use hyper::body::Incoming;

use super::peer::Peer;
use super::reply::ReplyBody;
use super::{grpc, http as plain};

/// Answers a request.
pub(super) async fn answer(peer: &Peer, request: Request<Incoming>) -> Response<ReplyBody> {
    let _under_way = peer.activity.request();
    let kind = request.headers().get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    match kind.starts_with(b"application/grpc") {
        true => grpc::answer(peer, request).await,
        false => plain::answer(peer, request).await,
    }
}
