//! What an answer means: only OTLP's acknowledge, and one that shows a mistake in the configuration ends the run at once.

use crate::harness::canned::{Canned, Server};
use crate::harness::run::{Place, Ran, gzip};

const LINES: &str = "2026-11-23T09:14:51.1Z stdout F one\n2026-11-23T09:14:51.2Z stdout F two\n\
    2026-11-23T09:14:51.3Z stdout F three\n";

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";
const JSON: &str = "content-type: application/json\r\n";

/// `partial_success { rejected = 1; error_message = "too old" }`
const PARTIAL: &[u8] = b"\x0a\x0b\x08\x01\x12\x07too old";

/// Retries would take minutes: a test that waits for them has failed.
fn send(to: &str) -> Ran {
    let place = Place::new();
    place.write("a.log", LINES);
    place.run(&["backfill", "a.log", "--to", to, "--retry-for", "10m"])
}

fn send_http(server: &Server) -> Ran {
    send(&format!("otlp=http://127.0.0.1:{}/v1/logs?key=SECRET", server.port()))
}

fn send_grpc(server: &Server) -> Ran {
    send(&format!("otlp=http://127.0.0.1:{}", server.port()))
}

/// Nothing counts as delivered, nothing is tried again, nothing secret is said.
fn check_refused(run: &Ran, server: &Server, words: &str) {
    run.says(words).says("3 left for another run").text(1);
    assert!(run.err.contains(": 0 items in 0 requests") && !run.err.contains("SECRET"), "{}", run.err);
    assert!(!run.err.contains('\u{1b}'), "{}", run.err);
    assert_eq!(server.heads().len(), 1, "{:?}", server.heads());
}

#[test]
fn an_answer_over_http_that_is_none_does_not_acknowledge() {
    let large = vec![0; 5 << 20];
    for (status, headers, body, words) in [
        (
            "200 OK",
            "content-type: text/html\r\n",
            &b"<html>\x1b[31mWelcome</html>"[..],
            "web page (“<html>Welcome</html>”)",
        ),
        ("200 OK", "content-type: text/plain\r\n", b"ok", "answered with text/plain (“ok”)"),
        ("201 Created", JSON, br#"{"status":"ok"}"#, "that is not OTLP's"),
        ("200 OK", JSON, b"{", "that is not OTLP's"),
        ("200 OK", PROTOBUF, &PARTIAL[..9], "does not decode"),
        ("200 OK", PROTOBUF, b"<html>", "does not decode"),
        ("200 OK", "", b"hello", "check host, port and path"),
        ("200 OK", "content-type: application/x-protobuf\r\ncontent-encoding: br\r\n", PARTIAL, "encoded as br"),
        (
            "200 OK",
            "content-type: application/x-protobuf\r\ncontent-encoding: gzip\r\n",
            PARTIAL,
            "not gzip as it says",
        ),
        ("200 OK", PROTOBUF, &large, "larger than 4194304 bytes"),
        ("302 Found", "location: https://login.example/?token=SECRET\r\n", b"", "redirected to https://login.example/"),
        ("404 Not Found", "content-type: text/html\r\n", b"<html>404</html>", "a web page"),
        ("405 Method Not Allowed", "", b"Method Not Allowed", "check host, port and path"),
    ] {
        let server = Server::http(status, headers, body);
        check_refused(&send_http(&server), &server, words);
    }
    // The same where it only becomes large.
    let server =
        Server::http("200 OK", "content-type: application/x-protobuf\r\ncontent-encoding: gzip\r\n", &gzip(&large));
    check_refused(&send_http(&server), &server, "larger than 4194304 bytes");
}

#[test]
fn an_answer_over_http_acknowledges_if_it_is_empty_or_decodes() {
    let gzipped = gzip(b"{}");
    for (status, headers, body) in [
        ("200 OK", PROTOBUF, &b""[..]),
        ("204 No Content", "", b""),
        ("200 OK", JSON, b"{}"),
        ("200 OK", JSON, br#"{"partialSuccess":{}}"#),
        ("200 OK", "content-type: text/html\r\n", b""),
        ("202 Accepted", "", b"{}"),
        ("200 OK", "content-type: application/json\r\ncontent-encoding: gzip\r\n", &gzipped),
    ] {
        let server = Server::http(status, headers, body);
        send_http(&server).says("3 items in 1 request").text(0);
    }
}

#[test]
fn a_partial_success_is_seen_in_gzip_too() {
    let zipped = gzip(PARTIAL);
    let http = [
        Server::http("200 OK", PROTOBUF, PARTIAL),
        Server::http("200 OK", "content-type: application/x-protobuf\r\ncontent-encoding: gzip\r\n", &zipped),
        Server::http("200 OK", JSON, br#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}"#),
    ];
    let (plain, zipped) = (framed(0, PARTIAL), framed(1, &zipped));
    let grpc = [
        Server::start(Canned::Http2(200, GRPC, Some(plain), OK)),
        Server::start(Canned::Http2(200, GRPC_GZIP, Some(zipped), OK)),
    ];
    for run in http.iter().map(send_http).chain(grpc.iter().map(send_grpc)) {
        run.says("too old").says("2 items in 1 request").text(1);
    }
}

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];
const GRPC_GZIP: &[(&str, &str)] = &[("content-type", "application/grpc+proto"), ("grpc-encoding", "gzip")];
const GRPC_BR: &[(&str, &str)] = &[("content-type", "application/grpc"), ("grpc-encoding", "br")];
const GRPC_OK: &[(&str, &str)] = &[("content-type", "application/grpc"), ("grpc-status", "0")];
const HTML: &[(&str, &str)] = &[("content-type", "text/html")];
const OK: &[(&str, &str)] = &[("grpc-status", "0")];

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

#[test]
fn an_answer_over_grpc_that_is_none_does_not_acknowledge() {
    let answer = |headers, body: &[u8]| Canned::Http2(200, headers, Some(body.to_vec()), OK);
    for (canned, words) in [
        // gRPC: exactly one message with the status OK.
        (Canned::Http2(200, GRPC_OK, None, &[]), "without a message"),
        (answer(GRPC, b""), "without a message"),
        (answer(GRPC, &framed(0, PARTIAL).repeat(2)), "more than one message"),
        (answer(GRPC, &framed(0, PARTIAL)[..9]), "not framed"),
        (answer(GRPC, &framed(0, b"<html>")), "does not decode"),
        (answer(GRPC, &framed(1, PARTIAL)), "does not say how"),
        (answer(GRPC_GZIP, &framed(1, PARTIAL)), "not gzip as it says"),
        (answer(GRPC_BR, &framed(1, PARTIAL)), "encoded as br"),
        (answer(GRPC, &framed(0, &vec![0; 5 << 20])), "larger than 4194304 bytes"),
        (answer(GRPC_GZIP, &framed(1, &gzip(&vec![0; 5 << 20]))), "larger than 4194304 bytes"),
        (answer(HTML, b"<html>Welcome</html>"), "text/html, not by gRPC; it speaks HTTP, not gRPC: use otlp=http://"),
        (Canned::Http2(404, HTML, Some(b"no".to_vec()), &[]), "it speaks HTTP, not gRPC"),
    ] {
        let server = Server::start(canned);
        check_refused(&send_grpc(&server), &server, words);
    }
    let empty = Server::start(answer(GRPC, &framed(0, b"")));
    send_grpc(&empty).says("3 items in 1 request").text(0);
}

/// HTTP/2's first frame from a server.
const SETTINGS: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0";
const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n400 Bad Request";
const TO_HTTPS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
const ALERT: &[u8] = b"\x15\x03\x01\x00\x02\x02\x46";

#[test]
fn another_protocol_is_said_at_the_first_answer_with_the_change_to_make() {
    let http = "it speaks HTTP, not gRPC: use otlp=http://127.0.0.1:PORT/v1/logs";
    let grpc = "it speaks gRPC, not HTTP: use otlp=http://127.0.0.1:PORT (without a path)";
    let tls = "it speaks TLS: use otlp=https://127.0.0.1:PORT";
    let plain = "it does not speak TLS: use otlp=http://127.0.0.1:PORT";
    for (url, canned, words) in [
        ("http://127.0.0.1:PORT", Canned::Bytes(BAD_REQUEST.into()), http),
        ("http://127.0.0.1:PORT", Canned::Bytes(b"<!DOCTYPE HTML>\n<html>Error 505</html>".into()), http),
        ("http://127.0.0.1:PORT/x/v1/logs?key=SECRET", Canned::Greeting(SETTINGS.into()), grpc),
        ("http://127.0.0.1:PORT/x/v1/logs?key=SECRET", Canned::Bytes(SETTINGS.into()), grpc),
        ("http://127.0.0.1:PORT", Canned::Bytes(ALERT.into()), tls),
        ("http://127.0.0.1:PORT/v1/logs", Canned::Bytes(ALERT.into()), tls),
        ("http://127.0.0.1:PORT", Canned::Bytes(TO_HTTPS.into()), tls),
        ("http://127.0.0.1:PORT/v1/logs?key=SECRET", Canned::Bytes(TO_HTTPS.into()), tls),
        ("https://127.0.0.1:PORT", Canned::Bytes(BAD_REQUEST.into()), plain),
        ("https://127.0.0.1:PORT", Canned::Greeting(SETTINGS.into()), plain),
        ("https://127.0.0.1:PORT/v1/logs?key=SECRET", Canned::Bytes(BAD_REQUEST.into()), plain),
    ] {
        let server = Server::start(canned);
        let port = server.port().to_string();
        let run = send(&format!("otlp={}", url.replace("PORT", &port)));
        run.says(&words.replace("PORT", &port)).says("3 left for another run").text(1);
        assert!(!run.err.contains("SECRET") && !run.err.contains("trying again"), "{}", run.err);
    }
}

#[test]
fn who_asks_for_traces_is_told_the_same() {
    let place = Place::new();
    place.write("a.log", LINES);
    let html = Server::http("200 OK", "content-type: text/html\r\n", b"<html>Welcome</html>");
    let bytes = |bytes: &[u8]| Server::start(Canned::Bytes(bytes.into()));
    let (http, alert, greeting) = (bytes(BAD_REQUEST), bytes(ALERT), Server::start(Canned::Greeting(SETTINGS.into())));
    let away = Server::http("302 Found", "location: https://login.example/?token=SECRET\r\n", b"");
    for (url, server, words) in [
        ("http://127.0.0.1:PORT", &html, "query port"),
        ("grpc://127.0.0.1:PORT", &http, "it speaks HTTP, not gRPC: use jaeger=http://127.0.0.1:PORT"),
        ("http://127.0.0.1:PORT/jaeger", &alert, "it speaks TLS: use jaeger=https://127.0.0.1:PORT/jaeger"),
        ("http://127.0.0.1:PORT", &greeting, "it speaks gRPC, not HTTP: use jaeger=grpc://127.0.0.1:PORT"),
        ("grpcs://127.0.0.1:PORT", &http, "it does not speak TLS: use jaeger=grpc://127.0.0.1:PORT"),
        ("http://127.0.0.1:PORT", &away, "redirected to https://login.example/; use that address"),
    ] {
        let port = server.port().to_string();
        let run = place.run(&["backfill", "a.log", "--traces", &format!("jaeger={}", url.replace("PORT", &port))]);
        run.says(&words.replace("PORT", &port));
        assert!(run.code == Some(1) && !run.err.contains("SECRET"), "{}", run.err);
    }
}

#[test]
fn spans_are_acknowledged_by_the_same_rules() {
    let place = Place::new();
    place.write("a.log", LINES);
    let span = r#"{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"GET",
        "startTimeUnixNano":"1795425291000000000","endTimeUnixNano":"1795425292000000000"}"#;
    let request = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#).replace('\n', "");
    place.write("traces.jsonl", request + "\n");
    let run = |server: &Server| {
        let to = format!("jaeger=http://127.0.0.1:{}/v1/traces", server.port());
        place.run(&["backfill", "a.log", "--traces", "traces.jsonl", "--to", &to, "--retry-for", "10m"])
    };
    let html = Server::http("200 OK", "content-type: text/html\r\n", b"<html>Welcome</html>");
    run(&html).says("web page").says("1 left for another run").text(1);
    let good = Server::http("200 OK", JSON, b"{}");
    run(&good).says("1 item in 1 request").text(0);
}

#[test]
fn a_server_that_closes_or_waits_without_a_word_is_asked_in_other_protocols() {
    let place = Place::new();
    place.write("a.log", LINES);
    // A TLS port that drops what is no TLS: its front passes only what shook hands.
    let behind = Server::http("200 OK", PROTOBUF, b"");
    let front = crate::harness::tls::TlsFront::start(behind.address, false);
    for path in ["", "/v1/logs"] {
        let run = send(&format!("otlp=http://127.0.0.1:{}{path}", front.port));
        run.says(&format!("it speaks TLS: use otlp=https://127.0.0.1:{}{path}", front.port)).text(1);
    }
    // Go's server of HTTP/2 alone drops HTTP/1 so; others of HTTP/1 drop HTTP/2, and those of neither TLS.
    for (path, start, answer, words) in [
        ("/v1/logs", "PRI", SETTINGS, "it speaks gRPC, not HTTP: use otlp=http://127.0.0.1:"),
        ("", "GET", BAD_REQUEST, "it speaks HTTP, not gRPC: use otlp=http://127.0.0.1:"),
    ] {
        for (scheme, words) in [("http", words), ("https", "it does not speak TLS: use otlp=http://127.0.0.1:")] {
            let server = Server::start(Canned::OnlyTo(start, answer.into()));
            send(&format!("otlp={scheme}://127.0.0.1:{}{path}", server.port())).says(words).text(1);
        }
    }
    // One that speaks nothing at all is tried again, for it may be starting.
    for canned in [Canned::Close, Canned::Hang] {
        let server = Server::start(canned);
        let to = format!("otlp=http://127.0.0.1:{}", server.port());
        let mut command = place.command(&["backfill", "a.log", "--to", &to, "--retry-for", "1s"]);
        let run = crate::harness::run::ran(command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "300").output().unwrap());
        run.says("does not take anything yet").says("3 left for another run").text(1);
    }
}
