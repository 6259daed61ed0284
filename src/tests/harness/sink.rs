//! A fake OTLP endpoint, gRPC and HTTP/1.1, that counts what it stores and misbehaves as told.
//!
//! In go requests, out come answers by a [`Script`]; what was stored can be asked for at any time, body by body.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::stored::{StoredRecord, names_of, records_of};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use spanline::otlp::HyperStream;
use tokio::net::TcpListener;

/// What the endpoint does to requests, checked in this order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// No such service.
    pub(crate) not_implemented: bool,
    /// The token is wrong.
    pub(crate) unauthorized: bool,
    /// Every request is wrong.
    pub(crate) all_wrong: bool,
    /// The same, once so many requests have come.
    pub(crate) wrong_after: Option<usize>,
    /// Says so of a compression.
    pub(crate) refused_encoding: Option<&'static str>,
    /// So many requests are refused for now, with this `Retry-After` in seconds.
    pub(crate) unavailable: u32,
    pub(crate) retry_after: Option<u32>,
    /// Longer ones (uncompressed) are too large.
    pub(crate) bytes_max: Option<usize>,
    /// The same, but it is not said what the limit is of.
    pub(crate) quiet_bytes_max: Option<usize>,
    /// Such a record makes it refuse the request, as if for now.
    pub(crate) poison: Option<&'static str>,
    /// The same, as if it were at fault itself: INTERNAL or UNKNOWN, and 500.
    pub(crate) faulty: Option<Faulty>,
    /// Of so many requests only the last is taken; the others are refused for its load.
    pub(crate) loaded: Option<Loaded>,
    /// So many requests are answered as if there were no such service.
    pub(crate) absent: u32,
    /// Such a record makes the request wrong.
    pub(crate) wrong: Option<&'static str>,
    /// Each answer takes so long.
    pub(crate) pause: Duration,
    /// So many requests are never answered.
    pub(crate) hang: u32,
    /// So many requests are stored, then the connection is cut.
    pub(crate) reset_after_storing: u32,
    /// Such a record is refused within a request that is stored.
    pub(crate) rejected: Option<&'static str>,
}

/// What it says that it is at fault itself for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faulty {
    /// Such a record; `None`: whatever comes.
    pub(crate) record: Option<&'static str>,
    /// The gRPC code it says so with.
    pub(crate) grpc: u16,
}

/// How it refuses for load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loaded {
    /// Of so many requests only the last is taken.
    pub(crate) one_of: usize,
    /// As an endpoint does that has 413 for it instead of 429.
    pub(crate) says_413: bool,
}

/// The running endpoint; stops when dropped.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    script: Mutex<Script>,
    stored: Mutex<Stored>,
}

#[derive(Debug, Clone, Default)]
struct Stored {
    bodies: HashMap<String, usize>,
    /// When each came first.
    first: HashMap<String, Instant>,
    /// Of each that came again: when it had come first, and when that was.
    again: Vec<(Instant, Instant)>,
    /// Their own times, in ns since the epoch.
    times: HashMap<String, u64>,
    /// The traces they are of.
    traces_of: HashMap<String, [u8; 16]>,
    /// The names of their attributes.
    attributes_of: HashMap<String, Vec<String>>,
    resources_of: HashMap<String, Arc<BTreeMap<String, String>>>,
    traces: Vec<ExportTraceServiceRequest>,
    requests: usize,
}

/// How a request is answered.
enum Answer {
    Ok { rejected: i64 },
    Unavailable(Option<u32>),
    TooLarge,
    Loaded { says_413: bool },
    Faulty { grpc: u16 },
    NotImplemented,
    Unauthorized,
    Encoding,
    Wrong,
    Hang,
    Cut,
}

impl Sink {
    /// Listens on a free port.
    pub(crate) async fn start(script: Script) -> Sink {
        Sink::listening(TcpListener::bind(("127.0.0.1", 0)).await.unwrap(), script)
    }

    pub(crate) fn listening(listener: TcpListener, script: Script) -> Sink {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { script: Mutex::new(script), stored: Mutex::default() });
        let task = tokio::spawn(serve(listener, Arc::clone(&state)));
        Sink { address, state, task }
    }

    /// How often each body is stored.
    pub(crate) fn stored(&self) -> HashMap<String, usize> {
        self.state.stored.lock().unwrap().bodies.clone()
    }

    /// How many bodies are stored.
    pub(crate) fn stored_count(&self) -> usize {
        self.state.stored.lock().unwrap().bodies.len()
    }

    /// The time that a record says it is of, in ns since the epoch.
    pub(crate) fn time_of(&self, body: &str) -> Option<u64> {
        self.state.stored.lock().unwrap().times.get(body).copied()
    }

    /// The trace that a record says it is of.
    pub(crate) fn trace_of(&self, body: &str) -> Option<[u8; 16]> {
        self.state.stored.lock().unwrap().traces_of.get(body).copied()
    }

    /// The names of the attributes of a record.
    pub(crate) fn attributes_of(&self, body: &str) -> Vec<String> {
        self.state.stored.lock().unwrap().attributes_of.get(body).cloned().unwrap_or_default()
    }

    /// The attributes of the resource of a record, as far as they are text.
    pub(crate) fn resource_of(&self, body: &str) -> BTreeMap<String, String> {
        let stored = self.state.stored.lock().unwrap();
        stored.resources_of.get(body).map(|resource| (**resource).clone()).unwrap_or_default()
    }

    /// Of each body that came again: when it had come first, and when that was.
    pub(crate) fn again(&self) -> Vec<(Instant, Instant)> {
        self.state.stored.lock().unwrap().again.clone()
    }

    /// Requests of spans that were stored.
    pub(crate) fn traces(&self) -> Vec<ExportTraceServiceRequest> {
        self.state.stored.lock().unwrap().traces.clone()
    }

    /// Requests that arrived.
    pub(crate) fn requests(&self) -> usize {
        self.state.stored.lock().unwrap().requests
    }

    /// From now on.
    pub(crate) fn follow(&self, script: Script) {
        *self.state.script.lock().unwrap() = script;
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    // Dropped with this task: connections end with the endpoint.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let mut start = [0; 3];
            while stream.peek(&mut start).await.is_ok_and(|len| len > 0 && len < 3) {}
            let cut = Arc::new(tokio::sync::Notify::new());
            let (is_grpc, closing) = (&start == b"PRI", Arc::clone(&cut));
            let service = service_fn(move |request| answer(request, is_grpc, Arc::clone(&state), Arc::clone(&cut)));
            let stream = HyperStream(stream);
            let connection: Pin<Box<dyn Future<Output = ()> + Send>> = if is_grpc {
                let connection = hyper::server::conn::http2::Builder::new(Spawn).serve_connection(stream, service);
                Box::pin(async { drop(connection.await) })
            } else {
                let connection = hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
                Box::pin(async { drop(connection.await) })
            };
            tokio::select! { () = connection => {}, () = closing.notified() => {} }
        });
    }
}

#[derive(Clone)]
pub(crate) struct Spawn;

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

type Reply = Response<BoxBody<Bytes, Infallible>>;

async fn answer(
    request: Request<Incoming>,
    is_grpc: bool,
    state: Arc<State>,
    cut: Arc<tokio::sync::Notify>,
) -> Result<Reply, hyper::Error> {
    let (head, body) = request.into_parts();
    if head.method != hyper::Method::POST {
        let mut reply = Response::new(Full::default().boxed());
        *reply.status_mut() = hyper::StatusCode::METHOD_NOT_ALLOWED;
        return Ok(reply);
    }
    let body = body.collect().await?.to_bytes();
    let encoding = if is_grpc { "grpc-encoding" } else { "content-encoding" };
    let encoding = head.headers.get(encoding).map_or("identity", |encoding| encoding.to_str().unwrap()).to_owned();
    let expected = if is_grpc { "application/grpc" } else { "application/x-protobuf" };
    assert_eq!(head.headers["content-type"], expected);
    let signals = if is_grpc { ["logs.v1.LogsService", "trace.v1.TraceService"] } else { ["/v1/logs", "/v1/traces"] };
    let of_signal = |signal| match is_grpc {
        true => head.uri.path() == format!("/opentelemetry.proto.collector.{signal}/Export"),
        false => head.uri.path() == signal,
    };
    let signal = signals.iter().position(|signal| of_signal(*signal));
    let is_traces = signal.unwrap_or_else(|| panic!("{}", head.uri)) == 1;
    let body = if is_grpc {
        assert_eq!(head.headers["te"], "trailers");
        assert_eq!(body[0], u8::from(encoding != "identity"));
        assert_eq!(u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize, body.len() - 5);
        body.slice(5..)
    } else {
        body
    };
    let pause = state.script.lock().unwrap().pause;
    let answer = state.handle(&plain(&body, &encoding), is_traces, &encoding);
    tokio::time::sleep(pause).await;
    match answer {
        Answer::Hang => std::future::pending().await,
        Answer::Cut => {
            cut.notify_one();
            std::future::pending().await
        }
        answer if is_grpc => Ok(grpc_reply(&answer)),
        answer => Ok(http_reply(&answer)),
    }
}

fn plain(body: &[u8], encoding: &str) -> Vec<u8> {
    let mut plain = Vec::new();
    match encoding {
        "gzip" => {
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(body), &mut plain).unwrap();
        }
        "zstd" => plain = zstd::decode_all(body).unwrap(),
        "identity" => plain = body.to_vec(),
        other => panic!("{other}"),
    }
    plain
}

fn counts_down(count: &mut u32) -> bool {
    let holds = *count > 0;
    *count = count.saturating_sub(1);
    holds
}

impl State {
    fn handle(&self, message: &[u8], is_traces: bool, encoding: &str) -> Answer {
        let mut script = self.script.lock().unwrap();
        let mut stored = self.stored.lock().unwrap();
        let now = Instant::now();
        stored.requests += 1;
        let traces = is_traces.then(|| ExportTraceServiceRequest::decode(message).unwrap());
        let of_name =
            |body| StoredRecord { body, time: 0, trace: None, attributes: Vec::new(), resource: Arc::default() };
        let without_time = |request| names_of(request).into_iter().map(of_name).collect();
        let bodies: Vec<StoredRecord> = traces.as_ref().map_or_else(|| records_of(message), without_time);
        let holds = |word: Option<&str>| word.is_some_and(|word| bodies.iter().any(|record| record.body == word));
        if script.not_implemented || counts_down(&mut script.absent) {
            return Answer::NotImplemented;
        }
        if script.unauthorized {
            return Answer::Unauthorized;
        }
        if script.all_wrong || script.wrong_after.is_some_and(|after| stored.requests > after) {
            return Answer::Wrong;
        }
        if script.refused_encoding == Some(encoding) {
            return Answer::Encoding;
        }
        if counts_down(&mut script.unavailable) {
            return Answer::Unavailable(script.retry_after);
        }
        if script.bytes_max.is_some_and(|max| message.len() > max) {
            return Answer::TooLarge;
        }
        if script.quiet_bytes_max.is_some_and(|max| message.len() > max) {
            return Answer::Loaded { says_413: false };
        }
        if let Some(loaded) = script.loaded.filter(|loaded| !stored.requests.is_multiple_of(loaded.one_of)) {
            return Answer::Loaded { says_413: loaded.says_413 };
        }
        if let Some(faulty) = script.faulty.filter(|faulty| faulty.record.is_none() || holds(faulty.record)) {
            return Answer::Faulty { grpc: faulty.grpc };
        }
        if holds(script.poison) {
            return Answer::Unavailable(None);
        }
        if holds(script.wrong) {
            return Answer::Wrong;
        }
        if counts_down(&mut script.hang) {
            return Answer::Hang;
        }
        let rejected = script.rejected;
        let is_rejected = |record: &&StoredRecord| rejected == Some(record.body.as_str());
        for StoredRecord { body, time, trace, attributes, resource } in bodies.iter().filter(|body| !is_rejected(body))
        {
            stored.times.insert(body.clone(), *time);
            stored.traces_of.extend(trace.map(|trace| (body.clone(), trace)));
            stored.resources_of.entry(body.clone()).or_insert_with(|| resource.clone());
            stored.attributes_of.entry(body.clone()).or_insert_with(|| attributes.clone());
            *stored.bodies.entry(body.clone()).or_default() += 1;
            let first = *stored.first.entry(body.clone()).or_insert(now);
            if first < now {
                stored.again.push((first, now));
            }
        }
        stored.traces.extend(traces);
        if counts_down(&mut script.reset_after_storing) {
            return Answer::Cut;
        }
        Answer::Ok { rejected: bodies.iter().filter(|body| is_rejected(body)).count() as i64 }
    }
}

fn response_message(rejected: i64) -> Vec<u8> {
    use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
    let partial_success = (rejected > 0)
        .then(|| ExportLogsPartialSuccess { rejected_log_records: rejected, error_message: "too old".into() });
    ExportLogsServiceResponse { partial_success }.encode_to_vec()
}

fn grpc_reply(answer: &Answer) -> Reply {
    let (code, message, details) = match answer {
        Answer::Ok { rejected } => {
            let message = response_message(*rejected);
            let mut framed = BytesMut::new();
            framed.put_u8(0);
            framed.put_u32(message.len() as u32);
            framed.put_slice(&message);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let frames = [Frame::data(framed.freeze()), Frame::trailers(trailers)];
            return grpc(Frames(frames.into()).boxed());
        }
        Answer::Unavailable(after) => (14, "try%20later", after.map(retry_info)),
        Answer::TooLarge => (8, "grpc: received message larger than max (1 vs. 0)", None),
        Answer::Loaded { .. } => (8, "rate limit exceeded", None),
        Answer::Faulty { grpc } => (*grpc, "something went wrong", None),
        Answer::NotImplemented => (12, "unknown service opentelemetry.proto.collector.logs.v1.LogsService", None),
        Answer::Unauthorized => (16, "wrong token", None),
        Answer::Encoding => (12, "grpc: Decompressor is not installed for grpc-encoding \"zstd\"", None),
        Answer::Wrong => (3, "wrong record", None),
        Answer::Hang | Answer::Cut => unreachable!(),
    };
    // Trailers only.
    let mut reply = grpc(Full::default().boxed());
    reply.headers_mut().insert("grpc-status", HeaderValue::from(code));
    reply.headers_mut().insert("grpc-message", HeaderValue::from_static(message));
    if let Some(details) = details {
        reply.headers_mut().insert("grpc-status-details-bin", HeaderValue::try_from(details).unwrap());
    }
    reply
}

fn grpc(body: BoxBody<Bytes, Infallible>) -> Reply {
    let mut reply = Response::new(body);
    reply.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    reply
}

/// A `google.rpc.Status` with a `RetryInfo`, by hand: seconds below 128.
fn retry_info(seconds: u32) -> String {
    use base64::Engine;
    let url = b"type.googleapis.com/google.rpc.RetryInfo";
    let mut any = vec![0x0a, url.len() as u8];
    any.extend_from_slice(url);
    any.extend_from_slice(&[0x12, 4, 0x0a, 2, 0x08, seconds as u8]);
    let mut status = vec![0x08, 14, 0x1a, any.len() as u8];
    status.extend_from_slice(&any);
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(status)
}

fn http_reply(answer: &Answer) -> Reply {
    let (status, body): (u16, Vec<u8>) = match answer {
        Answer::Ok { rejected } => (200, response_message(*rejected)),
        Answer::Unavailable(_) => (503, b"\x08\x0e\x12\x09try later".to_vec()),
        Answer::TooLarge => (400, b"\x08\x03\x12\x1bhttp: request body too large".to_vec()),
        Answer::Loaded { says_413 } => (if *says_413 { 413 } else { 429 }, Vec::new()),
        Answer::Faulty { .. } => (500, b"something went wrong".to_vec()),
        Answer::NotImplemented => (404, b"404 page not found".to_vec()),
        Answer::Unauthorized => (401, b"wrong token".to_vec()),
        Answer::Encoding => (400, b"unsupported \"Content-Encoding\": zstd".to_vec()),
        Answer::Wrong => (400, b"\x08\x03\x12\x0cwrong record".to_vec()),
        Answer::Hang | Answer::Cut => unreachable!(),
    };
    let kind = if body.first().is_some_and(|byte| *byte < 0x20) { "application/x-protobuf" } else { "text/plain" };
    let mut reply = Response::new(Full::from(body).boxed());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    reply.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    if let Answer::Unavailable(Some(after)) = answer {
        reply.headers_mut().insert("retry-after", HeaderValue::from(*after));
    }
    reply
}

/// A body of frames that are there.
pub(crate) struct Frames(pub(crate) VecDeque<Frame<Bytes>>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// Long enough that a test which waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
