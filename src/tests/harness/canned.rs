//! A server that answers everything alike, in bytes or over HTTP/2, and remembers what it was asked.
//!
//! For answers that no OTLP endpoint gives: web pages, other protocols, broken messages, none at all.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use spanline::otlp::HyperStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::sink::{Frames, Spawn};

/// What it does.
#[derive(Debug, Clone)]
pub(crate) enum Canned {
    /// Reads a request of HTTP/1 (or what comes instead), answers these bytes, closes.
    Bytes(Vec<u8>),
    /// Sends these bytes before it has read anything, then closes.
    Greeting(Vec<u8>),
    /// Closes as soon as anything came.
    Close,
    /// Answers these bytes to who begins like this, and closes on everybody else without a word.
    OnlyTo(&'static str, Vec<u8>),
    /// Reads for ever.
    Hang,
    /// Over HTTP/2: a status, headers, a body (none: the headers end the answer) and trailers.
    Http2(u16, &'static [(&'static str, &'static str)], Option<Vec<u8>>, &'static [(&'static str, &'static str)]),
    /// Passes on to this address what CONNECT asks for.
    Proxy(SocketAddr),
    /// Refuses to, with this status line.
    NoProxy(&'static str),
}

/// The running server; its thread ends when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    pub(crate) fn start(canned: Canned) -> Server {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (give, take) = mpsc::channel();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&heads);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
                give.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! { () = serve(listener, canned, kept) => {}, _ = stopped => {} }
            });
        });
        Server { address: take.recv().unwrap(), heads, _stop: stop }
    }

    /// Answers one response of HTTP/1.
    pub(crate) fn http(status: &str, headers: &str, body: &[u8]) -> Server {
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
        Server::start(Canned::Bytes([head.as_bytes(), body].concat()))
    }

    /// Heads of the requests that came, or the first bytes of what is none.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

async fn serve(listener: TcpListener, canned: Canned, heads: Arc<Mutex<Vec<String>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (canned, heads) = (canned.clone(), Arc::clone(&heads));
        tokio::spawn(async move { drop(answer(stream, canned, heads).await) });
    }
}

async fn answer(mut stream: TcpStream, canned: Canned, heads: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let keep = |head: &[u8]| heads.lock().unwrap().push(String::from_utf8_lossy(head).into_owned());
    match canned {
        Canned::Bytes(bytes) => {
            keep(&request(&mut stream).await?);
            stream.write_all(&bytes).await?;
            // Whoever sends more than was read gets the answer all the same.
            stream.shutdown().await?;
            while stream.read(&mut [0; 4096]).await? > 0 {}
        }
        Canned::Greeting(bytes) => {
            stream.write_all(&bytes).await?;
            keep(&request(&mut stream).await?);
        }
        Canned::Close => {
            stream.read_u8().await?;
        }
        Canned::OnlyTo(start, bytes) => {
            if request(&mut stream).await?.starts_with(start.as_bytes()) {
                stream.write_all(&bytes).await?;
            }
        }
        Canned::Hang => while stream.read(&mut [0; 4096]).await? > 0 {},
        Canned::Http2(status, headers, body, trailers) => {
            let service = service_fn(move |request: http::Request<Incoming>| {
                keep(format!("{} {:?}", request.uri().path(), request.headers()).as_bytes());
                let (body, answer) = (body.clone(), Response::builder().status(StatusCode::from_u16(status).unwrap()));
                async move {
                    request.into_body().collect().await.unwrap();
                    let answer = headers.iter().fold(answer, |answer, (name, value)| answer.header(*name, *value));
                    let mut frames: VecDeque<_> = body.into_iter().map(|body| Frame::data(Bytes::from(body))).collect();
                    if !trailers.is_empty() {
                        frames.push_back(Frame::trailers(map(trailers)));
                    }
                    Ok::<_, Infallible>(answer.body(Frames(frames)).unwrap())
                }
            });
            let connection = hyper::server::conn::http2::Builder::new(Spawn);
            drop(connection.serve_connection(HyperStream(stream), service).await);
        }
        Canned::Proxy(behind) => {
            let head = head(&mut stream).await?;
            keep(&head);
            let mut far = TcpStream::connect(behind).await?;
            if head.starts_with(b"CONNECT ") {
                stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n").await?;
            } else {
                // A request to pass on: the path alone, for a server that is none of HTTP/1.1's proxies.
                let head = String::from_utf8(head).unwrap();
                let path = head.split("://").nth(1).unwrap().split_once('/').unwrap().1;
                far.write_all(format!("POST /{path}").as_bytes()).await?;
            }
            tokio::io::copy_bidirectional(&mut stream, &mut far).await?;
        }
        Canned::NoProxy(status) => {
            keep(&head(&mut stream).await?);
            stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await?;
        }
    }
    Ok(())
}

fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

/// Up to the empty line.
async fn head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

/// A request of HTTP/1 with its body, of which the head is returned; of anything else what comes first.
async fn request(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut start = [0; 8];
    let length = stream.peek(&mut start).await?;
    if !start[..length].starts_with(b"POST") && !start[..length].starts_with(b"GET") {
        let length = stream.read(&mut start).await?;
        return Ok(start[..length].to_vec());
    }
    let head = head(stream).await?;
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok(head)
}
