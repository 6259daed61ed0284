//! What comes in goes out: the same bytes, in the same encoding, with the same metadata, whatever protocol they go by.

use bytes::Bytes;
use proptest::prelude::*;
use spanline::otlp::{Compression, Signal, compress};

use super::{block_on, spans};
use crate::harness::capture::{Capture, Captured};
use crate::harness::otlp_client::{Sent, Told, grpc, http};
use crate::harness::tap::{TestTap, config, until};

const ENCODINGS: [&str; 3] = ["identity", "gzip", "zstd"];

/// A destination of each protocol, with a tap before both.
struct Both {
    grpc: Capture,
    http: Capture,
    tap: TestTap,
}

impl Both {
    fn start() -> Both {
        let (grpc, http) = (Capture::start(), Capture::start());
        let urls = [format!("http://{}", grpc.address), format!("http://{}/otlp", http.address)];
        let tap = TestTap::start(&config(&urls));
        Both { grpc, http, tap }
    }

    /// Sends over one protocol; what came to each destination.
    fn pass(&self, by_grpc: bool, sent: &Sent) -> (Told, Captured, Captured) {
        let before = (self.grpc.count(), self.http.count());
        let told = block_on(async {
            if by_grpc { grpc(self.tap.grpc(), sent).await } else { http(self.tap.http(), sent).await }
        });
        until("it is passed on", || self.grpc.count() > before.0 && self.http.count() > before.1);
        (told, self.grpc.captured()[before.0].clone(), self.http.captured()[before.1].clone())
    }
}

fn encoded(body: &[u8], encoding: &str) -> Bytes {
    let compression = match encoding {
        "identity" => Compression::None,
        name => Compression::from_name(name).unwrap(),
    };
    compress(&[Bytes::copy_from_slice(body)], compression).concat().into()
}

fn check(both: &Both, by_grpc: bool, sent: &Sent) {
    let (told, by_grpc_out, by_http_out) = both.pass(by_grpc, sent);
    assert_eq!(told.code, if by_grpc { 0 } else { 200 });
    assert_eq!(told.body, Bytes::new());
    assert_eq!(by_grpc_out.path, sent.signal.grpc_path());
    assert_eq!(by_http_out.path, format!("/otlp{}", sent.signal.http_path()));
    assert_eq!(by_grpc_out.flag, Some(u8::from(sent.encoding != "identity")));
    let encoding = |captured: &Captured, name: &str| {
        captured.headers.get(name).map_or("identity".to_owned(), |name| name.to_str().unwrap().to_owned())
    };
    assert_eq!(encoding(&by_grpc_out, "grpc-encoding"), sent.encoding);
    assert_eq!(encoding(&by_http_out, "content-encoding"), sent.encoding);
    assert_eq!(by_http_out.headers["content-type"], "application/x-protobuf");
    for out in [by_grpc_out, by_http_out] {
        assert!(out.body == sent.body, "{} bytes of {} are others", out.body.len(), sent.body.len());
        for (name, value) in &sent.headers {
            assert!(out.headers.get_all(*name).iter().any(|kept| kept == value.as_str()), "{name}: {:?}", out.headers);
        }
    }
}

#[test]
fn every_signal_goes_out_as_it_came_by_each_protocol_and_encoding() {
    let both = Both::start();
    for by_grpc in [true, false] {
        for encoding in ENCODINGS {
            for signal in Signal::ALL {
                // Fields that nobody knows are the last of them.
                let body = [&spans(3, "a")[..], &[0xba, 0x3e, 3, 1, 2, 3]].concat();
                let sent = Sent {
                    encoding,
                    headers: vec![
                        ("authorization", "Bearer of-the-client".to_owned()),
                        ("x-scope-orgid", "one".to_owned()),
                        ("x-scope-orgid", "two".to_owned()),
                        ("user-agent", "its own".to_owned()),
                    ],
                    ..Sent::new(signal, encoded(&body, encoding))
                };
                check(&both, by_grpc, &sent);
            }
        }
    }
    // Spans of traces alone are counted, over both protocols and in every encoding.
    assert_eq!(both.tap.metric("spanline_spans_received_total"), 18);
}

#[test]
fn what_is_no_protobuf_or_not_compressed_as_it_says_goes_out_as_it_came() {
    let both = Both::start();
    for encoding in ENCODINGS {
        for body in [&b""[..], b"no protobuf", b"\x0a\xff\xff\xff\xff\x0f"] {
            let sent = Sent { encoding, ..Sent::new(Signal::Traces, body.to_vec()) };
            check(&both, true, &sent);
            check(&both, false, &sent);
        }
    }
}

#[test]
fn large_requests_go_out_as_they_came() {
    let both = Both::start();
    let noise: Vec<u8> =
        (0..3_000_000u64).map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    for encoding in ENCODINGS {
        let sent = Sent { encoding, ..Sent::new(Signal::Traces, encoded(&noise, encoding)) };
        check(&both, true, &sent);
        check(&both, false, &sent);
    }
}

#[test]
fn json_goes_to_http_as_json_and_to_grpc_as_protobuf() {
    let both = Both::start();
    let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a","traceId":"01020304050607080102030405060708","spanId":"0102030405060708","unknown":1}]}]}]}"#;
    for encoding in ENCODINGS {
        let sent = Sent {
            encoding,
            content_type: "application/json; charset=utf-8",
            ..Sent::new(Signal::Traces, encoded(json, encoding))
        };
        let (told, by_grpc, by_http) = both.pass(false, &sent);
        assert_eq!((told.code, &told.body[..]), (200, &b"{}"[..]));
        assert_eq!(told.headers["content-type"], "application/json");
        assert_eq!((by_http.body, by_http.headers["content-type"].to_str().unwrap()), (sent.body, "application/json"));
        let plain = match encoding {
            "gzip" => {
                let mut plain = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&by_grpc.body[..]), &mut plain).unwrap();
                plain
            }
            "zstd" => zstd::decode_all(&by_grpc.body[..]).unwrap(),
            _ => by_grpc.body.to_vec(),
        };
        use prost::Message;
        let request =
            opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest::decode(&plain[..]).unwrap();
        assert_eq!(request.resource_spans[0].scope_spans[0].spans[0].name, "a");
    }
    assert_eq!(both.tap.metric("spanline_spans_received_total"), 3);
}

#[test]
fn json_that_cannot_go_to_grpc_alone_is_refused_in_words() {
    let capture = Capture::start();
    let tap = TestTap::start(&config(&[format!("http://{}", capture.address)]));
    for (signal, body) in
        [(Signal::Metrics, &b"{}"[..]), (Signal::Profiles, b"{}"), (Signal::Logs, b"{"), (Signal::Traces, b"{")]
    {
        let sent = Sent { content_type: "application/json", ..Sent::new(signal, body.to_vec()) };
        let told = block_on(http(tap.http(), &sent));
        let words = String::from_utf8(told.body.to_vec()).unwrap();
        assert!(told.code == 400 && words.contains("send protobuf"), "{} {words}", told.code);
    }
    assert_eq!((capture.count(), tap.metric("spanline_requests_refused_total{reason=\"no_form\"}")), (0, 4));
}

/// Each case takes a tap and two destinations of its own: few, unless more are asked for.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn any_bytes_go_out_as_they_came(
        bodies in proptest::collection::vec((any::<Vec<u8>>(), 0..3usize, 0..4usize, any::<bool>()), 1..8),
    ) {
        let both = Both::start();
        for (body, encoding, signal, by_grpc) in bodies {
            let encoding = ENCODINGS[encoding];
            let sent = Sent { encoding, ..Sent::new(Signal::ALL[signal], encoded(&body, encoding)) };
            check(&both, by_grpc, &sent);
        }
    }
}
