//! Clients that are slow, greedy or broken: they are let go and counted, and others are served meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use spanline::otlp::server::access::Access;
use spanline::otlp::server::{Handler, Limits, Listener, Received, Reply, Server, Socket};
use spanline::otlp::{Accepted, Signal};

use super::{block_on, spans};
use crate::harness::capture::Capture;
use crate::harness::otlp_client::{Sent, grpc, http};
use crate::harness::tap::{TestTap, config, until};

/// Takes everything, and keeps what was refused.
#[derive(Default)]
struct Keeping {
    refused: Mutex<Vec<&'static str>>,
    taken: Mutex<usize>,
}

impl Handler for Keeping {
    fn handle(&self, _: Received) -> std::pin::Pin<Box<dyn Future<Output = Reply> + Send + '_>> {
        *self.taken.lock().unwrap() += 1;
        Box::pin(async { Reply::Taken(Accepted::default()) })
    }

    fn refused(&self, reason: &'static str) {
        self.refused.lock().unwrap().push(reason);
    }
}

/// A receiver with little patience.
struct Small {
    address: std::net::SocketAddr,
    kept: Arc<Keeping>,
    ending: tokio::sync::watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn small() -> Limits {
    Limits {
        request_bytes_max: 100_000,
        reading_bytes_max: 150_000,
        connections_max: 8,
        streams_max: 4,
        header_bytes_max: 8 * 1024,
        headers_max: 20,
        head_time_max: Duration::from_millis(400),
        request_time_max: Duration::from_millis(800),
        idle_time_max: Duration::from_millis(1500),
    }
}

impl Small {
    fn start(limits: Limits) -> Small {
        let (ending, ends) = tokio::sync::watch::channel(false);
        let kept = Arc::<Keeping>::default();
        let (give, take) = std::sync::mpsc::channel();
        let handler = Arc::clone(&kept);
        let thread = std::thread::spawn(move || {
            block_on(async {
                let listener = Listener::bind(&Socket::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
                let Socket::Tcp(address) = listener.socket().unwrap() else { unreachable!() };
                give.send(address).unwrap();
                let server = Server::new(handler, limits, ends);
                server.serve(listener, Access::open()).await;
                server.ended().await;
            });
        });
        Small { address: take.recv().unwrap(), kept, ending, thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn refused(&self, reason: &str) -> usize {
        self.kept.refused.lock().unwrap().iter().filter(|known| **known == reason).count()
    }

    /// Others are served.
    fn serves(&self) {
        let sent = Sent::new(Signal::Traces, spans(1, "a"));
        let codes = block_on(async { (grpc(self.address, &sent).await.code, http(self.address, &sent).await.code) });
        assert_eq!(codes, (0, 200));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = self.ending.send(true);
        let _ = self.thread.take().unwrap().join();
    }
}

/// What comes until the other side closes.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn who_says_nothing_or_little_is_let_go() {
    let small = Small::start(small());
    // Nothing at all, a part of the preface, a part of a head.
    for first in ["", "PR", "POST /v1/traces HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let start = Instant::now();
        let mut stream = small.connect();
        stream.write_all(first.as_bytes()).unwrap();
        let mut dripping = stream.try_clone().unwrap();
        // One byte after the other does not help.
        std::thread::spawn(move || {
            while dripping.write_all(b"P").is_ok() && start.elapsed() < Duration::from_secs(10) && first.len() > 2 {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        rest(stream);
        assert!(start.elapsed() < Duration::from_secs(5), "{first:?} {:?}", start.elapsed());
        small.serves();
    }
    assert_eq!(small.refused("slow_head"), 3);
}

#[test]
fn a_body_that_does_not_come_to_its_end_is_given_up() {
    let small = Small::start(small());
    let mut stream = small.connect();
    let head =
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 5000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&[0; 2500]).unwrap();
    small.serves();
    let answer = rest(stream);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(small.refused("slow_request"), 1);
    // Half a body, and gone.
    let mut stream = small.connect();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&[0; 2500]).unwrap();
    drop(stream);
    until("it is counted", || small.refused("broken_off") == 1);
    small.serves();
}

#[test]
fn an_idle_connection_is_closed() {
    let small = Small::start(small());
    let mut stream = small.connect();
    stream
        .write_all(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
        )
        .unwrap();
    let start = Instant::now();
    assert!(rest(stream).starts_with("HTTP/1.1 200 "));
    assert!(
        start.elapsed() > Duration::from_secs(1) && start.elapsed() < Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(small.refused("idle_connection"), 1);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let small = Small::start(small());
    // A length prefix beyond all, with nothing behind it.
    let huge = block_on(async {
        let (requests, connection) =
            h2::client::handshake(tokio::net::TcpStream::connect(small.address).await.unwrap()).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post(format!("http://x{}", Signal::Traces.grpc_path()));
        let request =
            request.version(http::Version::HTTP_2).header("content-type", "application/grpc").body(()).unwrap();
        let (response, mut stream) = requests.ready().await.unwrap().send_request(request, false).unwrap();
        stream.send_data(bytes::Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]), false).unwrap();
        response.await.unwrap().headers()["grpc-status"].to_str().unwrap().to_owned()
    });
    assert_eq!(huge, "8");
    let large = Sent::new(Signal::Traces, vec![0; 100_001]);
    let codes = block_on(async { (grpc(small.address, &large).await.code, http(small.address, &large).await.code) });
    assert_eq!(codes, (8, 413));
    assert_eq!((small.refused("too_large"), *small.kept.taken.lock().unwrap()), (3, 0));
    small.serves();
}

#[test]
fn giant_headers_are_refused() {
    let small = Small::start(small());
    let mut stream = small.connect();
    let long = format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    // It may be closed before all is written.
    let _ = stream.write_all(long.as_bytes());
    let answer = rest(stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut stream = small.connect();
    let many = (0..30).map(|number| format!("x-{number}: 1\r\n")).collect::<String>();
    stream.write_all(format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 431 "));
    until("they are counted", || small.refused("headers_too_large") == 2);
    let mut sent = Sent::new(Signal::Traces, spans(1, "a"));
    sent.headers.push(("x-long", "x".repeat(20_000)));
    let refused = block_on(async {
        let stream = tokio::net::TcpStream::connect(small.address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post(format!("http://x{}", Signal::Traces.grpc_path()));
        let request = request.version(http::Version::HTTP_2).header("x-long", &sent.headers[0].1).body(()).unwrap();
        let (response, _stream) = requests.ready().await.unwrap().send_request(request, true).unwrap();
        response.await.map(|response| response.status().as_u16())
    });
    assert!(matches!(refused, Ok(431) | Err(_)), "{refused:?}");
    small.serves();
}

#[test]
fn connections_have_a_limit_for_all() {
    let small = Small::start(Limits { head_time_max: Duration::from_secs(20), ..small() });
    let silent: Vec<TcpStream> = (0..8).map(|_| small.connect()).collect();
    until("one more is closed at once", || rest_is_closed(small.connect()));
    assert!(small.refused("too_many_connections") > 0);
    drop(silent);
    until("they are free again", || !rest_is_closed(small.connect()));
}

#[test]
fn the_memory_of_requests_that_are_read_has_a_limit_for_all() {
    let small = Small::start(Limits { request_time_max: Duration::from_secs(20), ..small() });
    let head =
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 90000\r\n\r\n";
    let halfway = |bytes: usize| {
        let mut stream = small.connect();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![0; bytes]).unwrap();
        stream
    };
    // Whichever of them comes last is refused.
    let both = [halfway(89_000), halfway(89_000)];
    until("one is refused", || small.refused("too_much_at_once") == 1);
    let mut answers = both.map(|stream| {
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        rest(stream)
    });
    answers.sort();
    assert!(answers[0].is_empty() && answers[1].starts_with("HTTP/1.1 503 "), "{answers:?}");
    assert!(answers[1].contains("retry-after: 1"), "{answers:?}");
    small.serves();
}

fn rest_is_closed(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    matches!(stream.read(&mut [0; 1]), Ok(0)) || stream.take_error().unwrap().is_some()
}

#[test]
fn what_is_no_http_is_refused_and_others_are_served() {
    let small = Small::start(small());
    for noise in
        [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"SSH-2.0-x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", &[0; 500]]
    {
        let mut stream = small.connect();
        let _ = stream.write_all(noise);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        rest(stream);
        small.serves();
    }
    assert!(small.refused("not_http") >= 2, "{:?}", small.kept.refused.lock().unwrap());
    for (request, status) in [
        ("GET /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "405"),
        ("POST /v2/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "404"),
    ] {
        let mut stream = small.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let answer = rest(stream);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[test]
fn a_small_request_that_decompresses_to_a_giant_one_is_refused() {
    let capture = Capture::start();
    let tap = TestTap::start(&config(&[format!("http://{}", capture.address)]));
    let giant = zstd::encode_all(Read::take(std::io::repeat(0), 80 << 20), 1).unwrap();
    assert!(giant.len() < 64 * 1024, "{}", giant.len());
    let sent = Sent { encoding: "zstd", ..Sent::new(Signal::Traces, giant) };
    let codes = block_on(async { (grpc(tap.grpc(), &sent).await.code, http(tap.http(), &sent).await.code) });
    assert_eq!((codes, capture.count()), ((8, 413), 0));
    assert_eq!(tap.metric("spanline_requests_refused_total{reason=\"too_large\"}"), 2);
}
