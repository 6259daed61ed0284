//! A client of OTLP that sends exactly the bytes that it is given, over gRPC or HTTP/1.1.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use spanline::otlp::{HyperStream, Signal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) signal: Signal,
    /// `identity`, `gzip` or `zstd`.
    pub(crate) encoding: &'static str,
    /// Over HTTP.
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Sent {
    pub(crate) fn new(signal: Signal, body: impl Into<Bytes>) -> Sent {
        Sent {
            signal,
            encoding: "identity",
            content_type: "application/x-protobuf",
            headers: Vec::new(),
            body: body.into(),
        }
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// Of gRPC its code, of HTTP its status.
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    /// Of gRPC without its prefix.
    pub(crate) body: Bytes,
}

/// Sends one request over a connection of its own.
pub(crate) async fn grpc(address: SocketAddr, sent: &Sent) -> Told {
    grpc_over(TcpStream::connect(address).await.unwrap(), sent).await
}

pub(crate) async fn grpc_over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, sent: &Sent) -> Told {
    call(stream, sent.signal.grpc_path(), sent).await.unwrap()
}

/// Calls a method by its path.
pub(crate) async fn call(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    path: &str,
    sent: &Sent,
) -> Result<Told, h2::Error> {
    let (requests, connection) = h2::client::handshake(stream).await?;
    let driver = tokio::spawn(connection);
    let request = Request::post(format!("http://localhost{path}")).version(Version::HTTP_2);
    let mut request = request.header("content-type", "application/grpc").header("te", "trailers").body(()).unwrap();
    for (name, value) in &sent.headers {
        request.headers_mut().append(*name, HeaderValue::try_from(value).unwrap());
    }
    if sent.encoding != "identity" {
        request.headers_mut().insert("grpc-encoding", HeaderValue::from_static(sent.encoding));
    }
    let (response, mut stream) = requests.ready().await?.send_request(request, false)?;
    let mut framed = BytesMut::new();
    framed.put_u8(u8::from(sent.encoding != "identity"));
    framed.put_u32(sent.body.len() as u32);
    framed.put_slice(&sent.body);
    // An answer that comes before all is sent counts.
    let _ = stream.send_data(framed.freeze(), true);
    let (head, mut body) = response.await?.into_parts();
    let mut framed = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        let _ = body.flow_control().release_capacity(piece.len());
        framed.put(piece);
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let headers: HeaderMap =
        head.headers.into_iter().chain(trailers).filter_map(|(name, value)| Some((name?, value))).collect();
    let code = headers["grpc-status"].to_str().unwrap().parse().unwrap();
    driver.abort();
    Ok(Told { code, headers, body: framed.freeze().slice(framed_prefix(code)..) })
}

/// Only a message has a prefix.
fn framed_prefix(code: u16) -> usize {
    if code == 0 { 5 } else { 0 }
}

/// Sends one request over a connection of its own.
pub(crate) async fn http(address: SocketAddr, sent: &Sent) -> Told {
    http_over(TcpStream::connect(address).await.unwrap(), sent).await
}

pub(crate) async fn http_over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, sent: &Sent) -> Told {
    let (mut requests, connection) = http1::handshake(HyperStream(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut request = Request::post(sent.signal.http_path())
        .header("host", "localhost")
        .header("content-type", sent.content_type)
        .body(Full::new(sent.body.clone()))
        .unwrap();
    for (name, value) in &sent.headers {
        request.headers_mut().append(*name, HeaderValue::try_from(value).unwrap());
    }
    if sent.encoding != "identity" {
        request.headers_mut().insert("content-encoding", HeaderValue::from_static(sent.encoding));
    }
    let (head, body) = requests.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    driver.abort();
    Told { code: head.status.as_u16(), headers: head.headers, body }
}
