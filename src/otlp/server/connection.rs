//! One connection from its first byte to its end.
//!
//! In goes a stream, out go its requests to the service, in whichever protocol it speaks. A connection that is idle or too slow
//! is closed; when the receiver ends, it is told so, and ends with its last request.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep_until, timeout};

use super::Shared;
use super::access::Access;
use super::limits::Limits;
use super::listen::Stream;
use super::peer::Peer;
use super::rewind::{Rewind, Spoken, spoken};
use super::service;
use super::watch::{Activity, Patience};
use crate::otlp::HyperStream;

/// What a client may have on its way on one HTTP/2 connection before it was read.
const WINDOW_BYTES: u32 = 1 << 20;
/// A connection that was told to end may take so long for it.
const END_TIME: Duration = Duration::from_secs(5);
/// The least that HTTP/1 can be told to keep of what it reads.
const HTTP1_BUFFER_BYTES: usize = 64 * 1024;

/// Serves a connection.
pub(super) async fn run(stream: Stream, shared: Arc<Shared>, access: Arc<Access>) {
    let Some((acceptor, has_failed)) = access.acceptor() else { return spoken_on(stream, shared, access).await };
    if has_failed {
        shared.handler.refused("certificate_not_read");
    }
    match timeout(shared.limits.head_time_max, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => spoken_on(stream, shared, access).await,
        Ok(Err(_)) => shared.handler.refused("tls_failed"),
        Err(_) => shared.handler.refused("slow_head"),
    }
}

async fn spoken_on<S>(stream: S, shared: Arc<Shared>, access: Arc<Access>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::new(Instant::now()));
    let mut ending = shared.ending.clone();
    let first = tokio::select! {
        first = timeout(shared.limits.head_time_max, spoken(stream, Arc::clone(&activity))) => first,
        _ = ending.wait_for(|ends| *ends) => return,
    };
    match first {
        Ok(Ok(Some((spoken, stream)))) => serve(spoken, stream, shared, access, activity).await,
        // It ended before it said anything: somebody looked whether there is anybody.
        Ok(Ok(None) | Err(_)) => {}
        Err(_) => shared.handler.refused("slow_head"),
    }
}

async fn serve<S>(spoken: Spoken, stream: Rewind<S>, shared: Arc<Shared>, access: Arc<Access>, activity: Arc<Activity>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = shared.limits;
    let peer = Peer { shared: Arc::clone(&shared), access, activity: Arc::clone(&activity) };
    let service = service_fn(move |request| {
        let peer = peer.clone();
        async move { Ok::<_, Infallible>(service::answer(&peer, request).await) }
    });
    let stream = HyperStream(stream);
    match spoken {
        Spoken::Http1 => {
            let mut http = http1::Builder::new();
            http.max_buf_size(HTTP1_BUFFER_BYTES)
                .max_header_size(limits.header_bytes_max)
                .max_headers(limits.headers_max)
                .header_read_timeout(None);
            drive(http.serve_connection(stream, service), true, &shared, &activity).await;
        }
        Spoken::Http2 => {
            let mut http = http2::Builder::new(Spawn);
            http.max_concurrent_streams(limits.streams_max)
                .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
                .initial_stream_window_size(WINDOW_BYTES)
                .initial_connection_window_size(WINDOW_BYTES);
            drive(http.serve_connection(stream, service), false, &shared, &activity).await;
        }
    }
}

/// Runs a connection until it ends, is let go, or the receiver ends.
async fn drive<C: Graceful>(connection: C, has_heads: bool, shared: &Shared, activity: &Activity) {
    let mut connection = pin!(connection);
    let mut ending = shared.ending.clone();
    loop {
        let wait = match activity.patience(Instant::now(), has_heads, &shared.limits) {
            Patience::Until(time) => time,
            Patience::Idle => break shared.handler.refused("idle_connection"),
            Patience::SlowHead => return shared.handler.refused("slow_head"),
        };
        tokio::select! {
            ended = connection.as_mut() => return ended.err().iter().for_each(|error| failed(error, shared)),
            () = sleep_until(wait.into()) => {}
            _ = ending.wait_for(|ends| *ends) => break,
        }
    }
    connection.as_mut().end();
    let last = limit_of(&shared.limits);
    // Who does not end in time is cut off.
    let _ = timeout(last, connection).await;
}

/// Requests under way are answered before a connection ends.
fn limit_of(limits: &Limits) -> Duration {
    limits.request_time_max + END_TIME
}

fn failed(error: &hyper::Error, shared: &Shared) {
    if error.is_parse_too_large() {
        shared.handler.refused("headers_too_large");
    } else if error.is_parse() {
        shared.handler.refused("not_http");
    }
}

/// A connection that can be told to end.
trait Graceful: Future<Output = Result<(), hyper::Error>> {
    fn end(self: Pin<&mut Self>);
}

impl<S, B, I> Graceful for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, B, I, E> Graceful for http2::Connection<I, S, E>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs the requests of an HTTP/2 connection.
#[derive(Clone)]
struct Spawn;

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}
