//! Which way connections go and what goes over them: headers and certificates for one side only, proxies, what HTTP owns.

use crate::harness::canned::{Canned, Server};
use crate::harness::run::{Background, Place, Ran, ran, testdata};
use crate::harness::sink::Script;
use crate::harness::tls::TlsFront;

const LINE: &str = "2026-11-23T09:14:51.1Z stdout F one\n";

/// A store with one trace.
fn store() -> Server {
    let span = r#"{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"GET",
        "startTimeUnixNano":"1795425291000000000","endTimeUnixNano":"1795425292000000000"}"#;
    let body = format!(r#"{{"result":{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}}}"#);
    Server::http("200 OK", "content-type: application/json\r\n", body.as_bytes())
}

fn run(flags: &[&str], variables: &[(&str, &str)]) -> Ran {
    let place = Place::new();
    place.write("a.log", LINE);
    let mut command = place.command(&["backfill", "a.log", "--retry-for", "10m"]);
    ran(command.args(flags).envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn headers_reach_only_the_side_that_they_are_for() {
    let (store, sink) = (store(), Server::http("200 OK", "content-type: application/json\r\n", b"{}"));
    let traces = format!("jaeger=http://127.0.0.1:{}", store.port());
    let to = format!("otlp=http://127.0.0.1:{}/v1/logs", sink.port());
    let run = run(
        &[
            "--traces",
            &traces,
            "--to",
            &to,
            "--header",
            "authorization=FOR-SINK",
            "--traces-header",
            "x-token=FOR-STORE",
        ],
        &[("OTEL_EXPORTER_OTLP_HEADERS", "x-variable=FOR-NOBODY")],
    );
    run.text(0);
    let (asked, sent) = (store.heads().concat(), sink.heads().concat());
    assert!(asked.contains("x-token: FOR-STORE") && !asked.contains("FOR-SINK"), "{asked}");
    assert!(sent.contains("authorization: FOR-SINK") && !sent.contains("FOR-STORE"), "{sent}");
    assert!(!asked.contains("FOR-NOBODY") && !sent.contains("FOR-NOBODY"));
}

#[test]
fn certificates_are_for_one_side_too() {
    let store = store();
    let front = TlsFront::start_as("self-signed", store.address, false);
    let traces = format!("jaeger=https://localhost:{}", front.port);
    let own = testdata("tls/self-signed.pem");
    let (own, other) = (own.to_str().unwrap(), testdata("tls/ca.pem"));
    let other = other.to_str().unwrap();
    run(&["--traces", &traces, "--traces-ca-file", own], &[]).text(0);
    // At once, and in words for this side.
    let refused = run(&["--traces", &traces, "--traces-ca-file", other, "--ca-file", own], &[]);
    refused.says("certificate: the server's").says("with --traces-ca-file").says("--ca-file and").text(1);
    run(&["--traces", &traces, "--traces-insecure-skip-verify"], &[]).says("(--traces-insecure-skip-verify)").text(0);
}

#[test]
fn headers_that_http_owns_are_refused_before_anything_is_read() {
    for header in ["Host=x", "content-length=0", "Transfer-Encoding=chunked", "te=x", "grpc-timeout=1S", ":path=/x"] {
        let name = header.rsplit_once('=').unwrap().0.to_ascii_lowercase();
        let flags = ["--to", "otlp=http://127.0.0.1:1", "--header", header];
        run(&flags, &[]).says(&format!("--header: `{name}`")).says("cannot be given").text(2);
        let flags = ["--traces", "jaeger=http://127.0.0.1:1", "--traces-header", header];
        run(&flags, &[]).says(&format!("--traces-header: `{name}`")).text(2);
        let variables = [("OTEL_EXPORTER_OTLP_HEADERS", header)];
        run(&["--to", "otlp"], &variables).says("OTEL_EXPORTER_OTLP_HEADERS: `").says("cannot be given").text(2);
    }
    for flags in [
        ["--to", "otlp=http://127.0.0.1:1", "--header", "Authorization: Bearer SECRET"],
        ["--to", "otlp=http://me:SECRET@127.0.0.1:1", "--header", "a=b"],
        ["--to", "otlp=htp://127.0.0.1:1?key=SECRET", "--header", "a=b"],
        ["--to", "otpl=http://127.0.0.1:1?key=SECRET", "--header", "a=b"],
        ["--traces", "jaeger=http://127.0.0.1:1/x?key=SECRET", "--header", "a=b"],
        ["--traces", "jaeger=grpc://me:SECRET@127.0.0.1:1", "--header", "a=b"],
    ] {
        let refused = run(&flags, &[]);
        assert!(refused.code == Some(2) && !refused.err.contains("SECRET"), "{}", refused.err);
    }
}

#[test]
fn a_proxy_is_used_for_what_is_elsewhere_and_said() {
    let background = Background::start(Script::default());
    let front = TlsFront::start(background.sink.address, false);
    let plain = Server::start(Canned::Proxy(background.sink.address));
    let secure = Server::start(Canned::Proxy((std::net::Ipv4Addr::LOCALHOST, front.port).into()));
    let proxy = |server: &Server| format!("http://me:SECRET@127.0.0.1:{}", server.port());
    let variables = [("http_proxy", &*proxy(&plain)), ("HTTPS_PROXY", &*proxy(&secure))];
    for (url, server, head) in [
        ("http://collector.test:4317", &plain, "CONNECT collector.test:4317 HTTP/1.1"),
        ("http://collector.test:4318", &plain, "POST http://collector.test:4318/v1/logs HTTP/1.1"),
        ("https://collector.test:4317", &secure, "CONNECT collector.test:4317 HTTP/1.1"),
        ("https://collector.test/v1/logs", &secure, "CONNECT collector.test:443 HTTP/1.1"),
    ] {
        let to = format!("otlp={url}");
        let before = server.heads().len();
        let run = run(&["--to", &to, "--insecure-skip-verify"], &variables);
        run.says(&format!("{to} is reached through the proxy http://127.0.0.1:{}", server.port()));
        run.says("1 item in 1 request").text(0);
        assert!(!run.err.contains("SECRET"), "{}", run.err);
        let heads = server.heads()[before..].concat();
        // `me:SECRET`
        assert!(heads.starts_with(head) && heads.to_lowercase().contains("basic bwu6u0vdukvu"), "{heads}");
    }
    assert_eq!(background.sink.requests(), 4);
    // What is here is never asked for there.
    let here = format!("otlp={}", background.url().trim_start_matches("otlp="));
    let run = run(&["--to", &here], &variables);
    run.says("1 item in 1 request").text(0);
    assert!(!run.err.contains("proxy"), "{}", run.err);
}

#[test]
fn a_proxy_that_refuses_ends_the_run_in_words() {
    for (status, words) in [
        ("407 Proxy Authentication Required", "it asks for a user"),
        ("403 Forbidden", "it does not connect to collector.test:4317 (403 Forbidden)"),
    ] {
        let server = Server::start(Canned::NoProxy(status));
        let proxy = format!("127.0.0.1:{}", server.port());
        let run = run(&["--to", "otlp=http://collector.test:4317"], &[("all_proxy", &proxy)]);
        run.says(words).says("(all_proxy)").says("1 left for another run").text(1);
        assert_eq!(server.heads().len(), 1);
    }
    run(&["--to", "otlp=http://collector.test:4317"], &[("all_proxy", "socks5://127.0.0.1:1")]).says("socks5").text(2);
}
