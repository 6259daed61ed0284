//! What a real Jaeger once answered, answered again: the client reads all of it, over HTTP and over gRPC.
//!
//! `testdata/jaeger/exchanges.jsonl` holds the recorded exchanges; a server on loopback replays them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::Value;
use spanline::otlp::query::QueryClient;
use spanline::otlp::{Endpoint, HyperStream, Protocol, Signal};
use spanline::spans::jaeger::{Jaeger, Search, Server, fetch_open};
use tokio::net::TcpListener;

use crate::harness::run::ClosedPort;
use crate::harness::sink::{Frames, Spawn};

/// 2026-11-23T09:15:00Z, and a second and a half later.
const FROM: i64 = 1_795_425_300_000_000_000;
const TO: i64 = 1_795_425_301_500_000_000;

struct Exchange {
    store: String,
    /// Path and query, or method and message; without what asks for raw traces, which some recordings did not.
    question: String,
    response: Value,
}

fn exchanges() -> Vec<Exchange> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/jaeger/exchanges.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let exchange = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let request = &row["request"];
        let question = match row["protocol"].as_str().unwrap() {
            "http" => {
                let pairs = request["query"].as_object().unwrap().iter();
                let pairs = pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()));
                asked_over_http(request["path"].as_str().unwrap(), pairs.collect())
            }
            _ => {
                let message = STANDARD.decode(request["message_b64"].as_str().unwrap()).unwrap();
                asked_over_grpc(request["method"].as_str().unwrap(), &message)
            }
        };
        Exchange { store: row["store"].as_str().unwrap().into(), question, response: row["response"].clone() }
    };
    text.lines().map(exchange).collect()
}

fn asked_over_http(path: &str, mut query: BTreeMap<String, String>) -> String {
    query.remove("query.rawTraces");
    format!("{path} {query:?}")
}

/// `raw_traces` is the query's last field: two bytes at its end, counted in its length.
fn asked_over_grpc(method: &str, message: &[u8]) -> String {
    let mut message = message.to_vec();
    if message.ends_with(&[0x48, 1]) {
        message.truncate(message.len() - 2);
        message[1] -= 2;
    }
    format!("{method} {message:?}")
}

async fn serve(listener: TcpListener, exchanges: Arc<Vec<Exchange>>, store: &'static str) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let exchanges = Arc::clone(&exchanges);
        tokio::spawn(async move {
            let mut start = [0; 3];
            while stream.peek(&mut start).await.unwrap_or(3) < 3 {}
            let is_grpc = &start == b"PRI";
            let service = service_fn(move |request| answer(request, is_grpc, Arc::clone(&exchanges), store));
            if is_grpc {
                let server = hyper::server::conn::http2::Builder::new(Spawn);
                drop(server.serve_connection(HyperStream(stream), service).await);
            } else {
                let server = hyper::server::conn::http1::Builder::new();
                drop(server.serve_connection(HyperStream(stream), service).await);
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    is_grpc: bool,
    exchanges: Arc<Vec<Exchange>>,
    store: &'static str,
) -> Result<Response<Frames>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let question = if is_grpc {
        asked_over_grpc(head.uri.path(), &body[5..])
    } else {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        let query = head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(pair);
        asked_over_http(head.uri.path(), query.collect())
    };
    let known = exchanges.iter().find(|exchange| exchange.store == store && exchange.question == question);
    let response = &known.unwrap_or_else(|| panic!("never asked: {question}")).response;
    Ok(if is_grpc { grpc_reply(response) } else { http_reply(response) })
}

fn http_reply(response: &Value) -> Response<Frames> {
    let body = Bytes::from(response["body"].as_str().unwrap().to_owned());
    let mut reply = Response::new(Frames([Frame::data(body)].into()));
    *reply.status_mut() = u16::try_from(response["status"].as_u64().unwrap()).unwrap().try_into().unwrap();
    reply
}

/// In pieces that fit neither messages nor frames.
fn grpc_reply(response: &Value) -> Response<Frames> {
    let mut framed = BytesMut::new();
    for message in response["messages_b64"].as_array().unwrap() {
        let message = STANDARD.decode(message.as_str().unwrap()).unwrap();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).unwrap());
        framed.put_slice(&message);
    }
    let mut frames: VecDeque<_> = framed.chunks(777).map(|piece| Frame::data(Bytes::copy_from_slice(piece))).collect();
    let mut trailers = HeaderMap::new();
    let codes = [("OK", "0"), ("UNKNOWN", "2"), ("INVALID_ARGUMENT", "3")];
    let code = codes.iter().find(|(name, _)| response["code"] == *name).unwrap().1;
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    let message = response["message"].as_str().unwrap();
    trailers.insert("grpc-message", HeaderValue::from_str(message).unwrap());
    frames.push_back(Frame::trailers(trailers));
    let mut reply = Response::new(Frames(frames));
    reply.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    reply
}

/// Calls with a client of each kind for each store.
fn with_each(mut check: impl FnMut(&'static str, Protocol, &mut Jaeger)) {
    let exchanges = Arc::new(exchanges());
    for store in ["memory", "badger"] {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let exchanges = Arc::clone(&exchanges);
        // Ends with the process: it only waits.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { serve(TcpListener::from_std(listener).unwrap(), exchanges, store).await });
        });
        for protocol in [Protocol::Http, Protocol::Grpc] {
            let url = format!("http://{address}");
            let mut endpoint = Endpoint::from_url(&url, Signal::Traces, &|_| None).unwrap();
            endpoint.protocol = protocol;
            check(store, protocol, &mut Jaeger::new(QueryClient::new(endpoint).unwrap(), 1 << 20).unwrap());
        }
    }
}

fn search(service: &str) -> Search {
    Search { service: service.into(), from: FROM, to: TO }
}

#[test]
fn recorded_traces_are_read_alike_over_http_and_grpc() {
    let mut found: BTreeMap<&str, Vec<BTreeSet<_>>> = BTreeMap::new();
    with_each(|store, _, jaeger| {
        let requests = jaeger.find(&search("kubelet"), 2).unwrap();
        let requests = requests.iter().map(|request| ExportTraceServiceRequest::decode(&request[..]).unwrap());
        let spans = requests.flat_map(|request| request.resource_spans);
        let spans = spans.flat_map(|group| group.scope_spans).flat_map(|scope| scope.spans);
        let facts = spans.map(|span| (span.trace_id, span.span_id, span.name, span.start_time_unix_nano));
        found.entry(store).or_default().push(facts.collect());
    });
    for (store, of_store) in found {
        let traces: BTreeSet<_> = of_store[0].iter().map(|span| &span.0).collect();
        assert_eq!(traces.len(), 2, "{store}");
        assert_eq!(of_store[0], of_store[1], "{store}");
    }
}

#[test]
fn recorded_services_are_read() {
    with_each(|store, protocol, jaeger| {
        let services = jaeger.services().unwrap();
        assert!(services.iter().any(|service| service == "crio"), "{store} {protocol:?}: {services:?}");
        assert_eq!(services.len(), if store == "badger" { 9 } else { 8 });
    });
}

#[test]
fn recorded_refusals_are_understood() {
    with_each(|store, protocol, jaeger| {
        let place = format!("{store} {protocol:?}");
        let all = jaeger.find(&search(""), 3);
        if store == "badger" {
            let error = all.unwrap_err();
            assert!(error.message.contains("requires a service name"), "{place}: {error}");
        } else {
            assert!(!all.unwrap().is_empty(), "{place}");
            let error = jaeger.find(&search("crio"), 1_000_000).unwrap_err();
            assert!(error.message.contains("search depth"), "{place}: {error}");
        }
        if protocol == Protocol::Grpc {
            assert!(jaeger.find(&search("nosuch"), 10).unwrap().is_empty(), "{place}");
        }
    });
}

#[test]
fn a_server_that_is_not_there_is_said_at_once() {
    let closed = ClosedPort::new();
    let endpoint = Endpoint::from_url(&format!("http://{}", closed.address()), Signal::Traces, &|_| None).unwrap();
    let mut jaeger = Jaeger::new(QueryClient::new(endpoint).unwrap(), 1 << 20).unwrap();
    let error =
        fetch_open(&mut jaeger, (FROM, TO), std::time::Duration::ZERO, |_| Ok::<_, spanline::otlp::SendError>(()))
            .unwrap_err();
    assert!(error.to_string().starts_with("no connection"), "{error}");
}
