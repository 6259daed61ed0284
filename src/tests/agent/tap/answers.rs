//! What clients are answered: once a request is held, or with the destination's own words; and who is let in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use spanline::otlp::Signal;
use spanline::otlp::server::access::ServerTls;
use spanline::tap::config::{AnswerWhen, TapConfig};
use tokio::net::{TcpStream, UnixStream};

use super::{block_on, spans};
use crate::harness::capture::{Answer, Capture};
use crate::harness::otlp_client::{Sent, Told, call, grpc, grpc_over, http, http_over};
use crate::harness::run::{ClosedPort, testdata};
use crate::harness::tap::{TestTap, config, until};

fn url(capture: &Capture) -> String {
    format!("http://{}", capture.address)
}

fn delivered(forward: &[String]) -> TapConfig {
    TapConfig { answer: AnswerWhen::Delivered, ..config(forward) }
}

fn words(told: &Told) -> String {
    let of_grpc = told.headers.get("grpc-message").map_or("", |message| message.to_str().unwrap());
    format!("{of_grpc}{}", String::from_utf8_lossy(&told.body))
}

#[test]
fn in_delivered_mode_the_destinations_answer_is_handed_on() {
    let capture = Capture::start();
    let tap = TestTap::start(&delivered(&[url(&capture)]));
    let sent = Sent::new(Signal::Traces, spans(5, "a"));
    for (answer, of_grpc, of_http) in
        [(Answer::Ok, 0, 200), (Answer::Unavailable, 14, 503), (Answer::Wrong, 3, 400), (Answer::Partly(3), 0, 200)]
    {
        capture.answers(answer);
        let (by_grpc, by_http) = block_on(async { (grpc(tap.grpc(), &sent).await, http(tap.http(), &sent).await) });
        assert_eq!((by_grpc.code, by_http.code), (of_grpc, of_http), "{answer:?}");
        match answer {
            Answer::Ok => assert!(by_grpc.body.is_empty() && by_http.body.is_empty()),
            Answer::Partly(_) => {
                let expected = b"\x0a\x07\x08\x03\x12\x03old";
                assert_eq!((&by_grpc.body[..], &by_http.body[..]), (&expected[..], &expected[..]));
            }
            _ => assert!(words(&by_grpc).contains("as it was told") && words(&by_http).contains("as it was told")),
        }
    }
    // Four were taken, of which two but for three spans each.
    assert_eq!(tap.metric(&format!("spanline_spans_forwarded_total{{destination=\"otlp={}\"}}", url(&capture))), 14);
    assert_eq!(tap.metric("spanline_spans_dropped_total{reason=\"rejected\"}"), 6);
    assert_eq!(tap.metric("spanline_memory_bytes{part=\"tap\"}"), 0);
}

#[test]
fn in_delivered_mode_an_answer_comes_before_the_client_stops_waiting() {
    let capture = Capture::start();
    capture.answers(Answer::Never);
    let tap = TestTap::start(&delivered(&[url(&capture)]));
    let mut sent = Sent::new(Signal::Traces, spans(1, "a"));
    sent.headers.push(("grpc-timeout", "1500m".to_owned()));
    let start = Instant::now();
    let told = block_on(grpc(tap.grpc(), &sent));
    assert!(told.code == 14 && start.elapsed() < Duration::from_millis(1400), "{} {:?}", told.code, start.elapsed());
    // With nobody there it is told at once.
    let closed = ClosedPort::new();
    let tap = TestTap::start(&delivered(&[format!("http://{}", closed.address())]));
    let start = Instant::now();
    let told = block_on(http(tap.http(), &Sent::new(Signal::Traces, spans(1, "a"))));
    assert!(told.code == 503 && start.elapsed() < Duration::from_secs(5), "{} {:?}", told.code, start.elapsed());
}

#[test]
fn in_accepted_mode_a_partial_success_is_counted_and_the_client_is_not_told() {
    let capture = Capture::start();
    capture.answers(Answer::Partly(2));
    let tap = TestTap::start(&config(&[url(&capture)]));
    let told = block_on(grpc(tap.grpc(), &Sent::new(Signal::Traces, spans(5, "a"))));
    assert!(told.code == 0 && told.body.is_empty());
    until("it is counted", || tap.metric("spanline_spans_dropped_total{reason=\"rejected\"}") == 2);
    assert!(tap.said().contains("refused a part of a request: old"), "{}", tap.said());
}

#[test]
fn what_is_never_taken_is_dropped_counted_and_said() {
    let capture = Capture::start();
    capture.answers(Answer::Wrong);
    let tap = TestTap::start(&config(&[url(&capture)]));
    let told = block_on(grpc(tap.grpc(), &Sent::new(Signal::Traces, spans(5, "a"))));
    assert_eq!(told.code, 0);
    until("it is dropped", || tap.metric("spanline_spans_dropped_total{reason=\"refused\"}") == 5);
    assert_eq!(tap.metric("spanline_requests_dropped_total{reason=\"refused\"}"), 1);
    assert!(tap.said().contains("5 spans dropped, INVALID_ARGUMENT: as it was told"), "{}", tap.said());
}

#[test]
fn kept_nowhere_on_purpose_is_taken_and_counted() {
    let tap = TestTap::start(&config(&[]));
    let told = block_on(grpc(tap.grpc(), &Sent::new(Signal::Traces, spans(7, "a"))));
    assert_eq!((told.code, tap.metric("spanline_spans_received_total")), (0, 7));
}

#[test]
fn both_protocols_are_understood_on_every_socket() {
    let capture = Capture::start();
    let tap = TestTap::start(&config(&[url(&capture)]));
    let sent = Sent::new(Signal::Traces, spans(1, "a"));
    let codes = block_on(async { (grpc(tap.http(), &sent).await.code, http(tap.grpc(), &sent).await.code) });
    assert_eq!(codes, (0, 200));
}

#[test]
fn health_is_answered_and_what_is_not_there_is_unimplemented() {
    let tap = TestTap::start(&config(&[]));
    let ask = |path: &str, message: &[u8]| {
        let sent = Sent::new(Signal::Traces, message.to_vec());
        block_on(async {
            let stream = TcpStream::connect(tap.grpc()).await.unwrap();
            call(stream, path, &sent).await.unwrap()
        })
    };
    let check = "/grpc.health.v1.Health/Check";
    let named = |name: &str| [&[0x0a, name.len() as u8][..], name.as_bytes()].concat();
    for name in ["", "opentelemetry.proto.collector.trace.v1.TraceService"] {
        let told = ask(check, &named(name));
        assert_eq!((told.code, &told.body[..]), (0, &[0x08, 1][..]), "{name}");
    }
    assert_eq!(ask(check, &named("other")).code, 5);
    for path in ["/grpc.health.v1.Health/Watch", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/x"] {
        assert_eq!(ask(path, b"").code, 12, "{path}");
    }
    let sent = Sent { encoding: "snappy", ..Sent::new(Signal::Traces, spans(1, "a")) };
    let (by_grpc, by_http) = block_on(async { (grpc(tap.grpc(), &sent).await, http(tap.http(), &sent).await) });
    assert_eq!((by_grpc.code, by_http.code), (12, 415));
    assert_eq!(by_grpc.headers["grpc-accept-encoding"], "identity,gzip,zstd");
    let text = Sent { content_type: "text/plain", ..sent };
    assert_eq!(block_on(http(tap.http(), &text)).code, 415);
    assert_eq!(tap.metric("spanline_requests_refused_total{reason=\"encoding\"}"), 2);
}

#[test]
fn a_token_is_asked_for_and_not_passed_on() {
    let capture = Capture::start();
    let tap = TestTap::start(&TapConfig { token: Some("secret".to_owned()), ..config(&[url(&capture)]) });
    let mut sent = Sent::new(Signal::Traces, spans(1, "a"));
    let both = |sent: &Sent| block_on(async { (grpc(tap.grpc(), sent).await.code, http(tap.http(), sent).await.code) });
    assert_eq!(both(&sent), (16, 401));
    sent.headers = vec![("authorization", "Bearer secret".to_owned()), ("x-kept", "1".to_owned())];
    assert_eq!(both(&sent), (0, 200));
    until("they are passed on", || capture.count() == 2);
    let captured = capture.captured();
    assert!(captured.iter().all(|one| !one.headers.contains_key("authorization") && one.headers["x-kept"] == "1"));
}

#[test]
fn a_unix_socket_takes_both_protocols_and_no_token() {
    let capture = Capture::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otlp.sock");
    let tap = TestTap::start(&TapConfig {
        token: Some("secret".to_owned()),
        unix: Some(path.clone()),
        ..config(&[url(&capture)])
    });
    let sent = Sent::new(Signal::Traces, spans(1, "a"));
    let codes = block_on(async {
        let by_grpc = grpc_over(UnixStream::connect(&path).await.unwrap(), &sent).await.code;
        (by_grpc, http_over(UnixStream::connect(&path).await.unwrap(), &sent).await.code)
    });
    assert_eq!(codes, (0, 200));
    tap.end(Duration::from_secs(5));
    assert!(!path.exists());
}

#[test]
fn over_tls_clients_are_taken_that_have_the_certificate_that_is_asked_for() {
    let capture = Capture::start();
    let tls = |client_ca| {
        let (cert, key) = (testdata("tls/server.pem"), testdata("tls/server.key"));
        Some(ServerTls { cert, key, client_ca })
    };
    let open = TestTap::start(&TapConfig { tls: tls(None), ..config(&[url(&capture)]) });
    let asks = TestTap::start(&TapConfig { tls: tls(Some(testdata("tls/ca.pem"))), ..config(&[url(&capture)]) });
    let sent = Sent::new(Signal::Traces, spans(1, "a"));
    block_on(async {
        let stream = connect(&open, false).await.unwrap();
        assert_eq!(grpc_over(stream, &sent).await.code, 0);
        let stream = connect(&open, true).await.unwrap();
        assert_eq!(http_over(stream, &sent).await.code, 200);
        let stream = connect(&asks, true).await.unwrap();
        assert_eq!(grpc_over(stream, &sent).await.code, 0);
        // Over TLS 1.3 a client learns only with the first answer that it is not taken.
        if let Ok(stream) = connect(&asks, false).await {
            assert!(call(stream, sent.signal.grpc_path(), &sent).await.is_err());
        }
    });
    until("it is counted", || asks.metric("spanline_requests_refused_total{reason=\"tls_failed\"}") == 1);
}

async fn connect(tap: &TestTap, shows: bool) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificate = |name: &str| CertificateDer::from_pem_file(testdata(name)).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate("tls/ca.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match shows {
        true => {
            let key = PrivateKeyDer::from_pem_file(testdata("tls/client.key")).unwrap();
            builder.with_client_auth_cert(vec![certificate("tls/client.pem")], key).unwrap()
        }
        false => builder.with_no_client_auth(),
    };
    let stream = TcpStream::connect(tap.grpc()).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect("localhost".try_into().unwrap(), stream).await
}
