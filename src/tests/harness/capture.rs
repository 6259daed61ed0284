//! An OTLP endpoint, gRPC and HTTP/1.1, that keeps requests exactly as they come, and answers all alike.
//!
//! For what is passed on byte for byte. Nothing is decoded here.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use spanline::otlp::HyperStream;
use tokio::net::{TcpListener, TcpStream};

use super::run::ClosedPort;
use super::sink::{Frames, Spawn};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Captured {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// Of gRPC without its prefix.
    pub(crate) body: Bytes,
    /// Of gRPC: the flag that it is compressed.
    pub(crate) flag: Option<u8>,
}

/// How it answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Ok,
    /// It refused so many items.
    Partly(u64),
    /// 14, or 503.
    Unavailable,
    /// 3, or 400.
    Wrong,
    /// The same, of what holds this.
    WrongIf(&'static str),
    Never,
}

/// The running endpoint; its thread ends when this is dropped.
pub(crate) struct Capture {
    pub(crate) address: SocketAddr,
    captured: Arc<Mutex<Vec<Captured>>>,
    answer: Arc<Mutex<Answer>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Capture {
    pub(crate) fn start() -> Capture {
        Capture::on(ClosedPort::new())
    }

    /// On a port that was closed.
    pub(crate) fn on(port: ClosedPort) -> Capture {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (give, take) = mpsc::channel();
        let (captured, answer) = (Arc::<Mutex<Vec<Captured>>>::default(), Arc::new(Mutex::new(Answer::Ok)));
        let (kept, answers) = (Arc::clone(&captured), Arc::clone(&answer));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = port.open();
                give.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! { () = serve(listener, kept, answers) => {}, _ = stopped => {} }
            });
        });
        Capture { address: take.recv().unwrap(), captured, answer, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn captured(&self) -> Vec<Captured> {
        self.captured.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.captured.lock().unwrap().len()
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }
}

impl Drop for Capture {
    /// Its port is free afterwards.
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn serve(listener: TcpListener, captured: Arc<Mutex<Vec<Captured>>>, answer: Arc<Mutex<Answer>>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, Arc::clone(&captured), Arc::clone(&answer)));
    }
}

async fn connection(stream: TcpStream, captured: Arc<Mutex<Vec<Captured>>>, answer: Arc<Mutex<Answer>>) {
    let mut start = [0; 3];
    while stream.peek(&mut start).await.is_ok_and(|length| length > 0 && length < 3) {}
    let is_grpc = &start == b"PRI";
    let service = service_fn(move |request: Request<Incoming>| {
        let (captured, answer) = (Arc::clone(&captured), Arc::clone(&answer));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let (flag, body) = if is_grpc { (Some(body[0]), body.slice(5..)) } else { (None, body) };
            let answer = match *answer.lock().unwrap() {
                Answer::WrongIf(word) if holds(&body, word) => Answer::Wrong,
                Answer::WrongIf(_) => Answer::Ok,
                answer => answer,
            };
            if matches!(answer, Answer::Ok | Answer::Partly(_)) {
                let path = head.uri.path().to_owned();
                captured.lock().unwrap().push(Captured { path, headers: head.headers, body, flag });
            }
            if matches!(answer, Answer::Never) {
                std::future::pending::<()>().await;
            }
            Ok::<_, hyper::Error>(if is_grpc { grpc(answer) } else { plain(answer) })
        }
    });
    let stream = HyperStream(stream);
    if is_grpc {
        drop(hyper::server::conn::http2::Builder::new(Spawn).serve_connection(stream, service).await);
    } else {
        drop(hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await);
    }
}

fn holds(body: &[u8], word: &str) -> bool {
    body.windows(word.len()).any(|part| part == word.as_bytes())
}

/// `partial_success { rejected; "old" }`, of fewer than 128.
fn message(answer: Answer) -> Vec<u8> {
    match answer {
        Answer::Partly(rejected) => vec![0x0a, 7, 0x08, rejected as u8, 0x12, 3, b'o', b'l', b'd'],
        _ => Vec::new(),
    }
}

fn grpc(answer: Answer) -> Response<Frames> {
    let mut frames = VecDeque::new();
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let code = match answer {
        Answer::Unavailable => 14,
        Answer::Wrong => 3,
        _ => 0,
    };
    if code == 0 {
        let message = message(answer);
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(message.len() as u32);
        framed.put_slice(&message);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        frames.extend([Frame::data(framed.freeze()), Frame::trailers(trailers)]);
    } else {
        response.headers_mut().insert("grpc-status", HeaderValue::from(code));
        response.headers_mut().insert("grpc-message", HeaderValue::from_static("as it was told"));
    }
    response.map(|()| Frames(frames))
}

fn plain(answer: Answer) -> Response<Frames> {
    let mut response = Response::new(Frames([Frame::data(Bytes::from(message(answer)))].into()));
    *response.status_mut() = match answer {
        Answer::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Answer::Wrong => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/x-protobuf"));
    response
}
