//! `spanline backfill --to otlp=https://…`: who is trusted, and who is not.

use crate::harness::run::{Background, Place, Ran, ran, testdata};
use crate::harness::sink::Script;
use crate::harness::tls::TlsFront;

const LINES: usize = 3000;

/// A run that sends numbered lines with these variables, each the name of a file of `testdata/tls`.
fn run(url: &str, variables: &[(&str, &str)]) -> Ran {
    let place = Place::new();
    let lines: String = (0..LINES).map(|n| format!("2026-11-23T09:14:51.1Z stdout F number {n}\n")).collect();
    place.write("a.log", lines);
    let mut command = place.command(&["backfill", "a.log", "--to", url, "--retry-for", "10m"]);
    for (name, file) in variables {
        command.env(format!("OTEL_EXPORTER_OTLP_{name}"), testdata("tls").join(file));
    }
    ran(command.output().unwrap())
}

const AUTHORITY: (&str, &str) = ("CERTIFICATE", "ca.pem");
const CLIENT: [(&str, &str); 2] = [("CLIENT_CERTIFICATE", "client.pem"), ("CLIENT_KEY", "client.key")];

#[test]
fn records_arrive_over_tls_by_both_protocols() {
    for asks in [false, true] {
        for path in ["", "/v1/logs"] {
            let background = Background::start(Script::default());
            let front = TlsFront::start(background.sink.address, asks);
            let url = format!("otlp=https://localhost:{}{path}", front.port);
            let mut variables = vec![AUTHORITY];
            if asks {
                variables.extend(CLIENT);
            }
            run(&url, &variables).says(&format!("{LINES} items in")).text(0);
            assert_eq!(background.sink.stored().len(), LINES, "{url}");
        }
    }
}

#[test]
fn nothing_is_sent_to_one_that_is_not_trusted_or_does_not_trust_us() {
    let background = Background::start(Script::default());
    let (open, asking) =
        (TlsFront::start(background.sink.address, false), TlsFront::start(background.sink.address, true));
    for path in ["", "/v1/logs"] {
        let url = |front: &TlsFront, host: &str| format!("otlp=https://{host}:{}{path}", front.port);
        // An authority that did not sign it; a name that it does not have; a client without a certificate.
        for (url, authority, words) in [
            (url(&open, "localhost"), ("CERTIFICATE", "client.pem"), "with --ca-file"),
            (url(&open, "127.0.0.1"), AUTHORITY, "is not of 127.0.0.1 but of localhost"),
            (url(&asking, "localhost"), AUTHORITY, "client certificate: give --cert-file and --key-file"),
        ] {
            let run = run(&url, &[authority]);
            run.says(words).says(&format!("{LINES} left")).text(1);
            assert!(!run.err.contains("trying again"), "{}", run.err);
        }
    }
    assert_eq!(background.sink.requests(), 0);
}

#[test]
fn files_that_cannot_be_used_are_named_before_anything_is_read() {
    for (variables, words) in [
        (&[("CERTIFICATE", "none.pem")][..], "none.pem"),
        (&[("CERTIFICATE", "server.key")], "server.key"),
        (&[AUTHORITY, CLIENT[0]], "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
    ] {
        let run = run("otlp=https://localhost:1", variables);
        assert!(run.code != Some(0) && run.err.contains(words), "{words}: {}", run.err);
    }
}

/// A run with flags, `TLS/x` for a file of `testdata/tls`.
fn run_with(flags: &[&str]) -> Ran {
    let place = Place::new();
    place.write("a.log", "2026-11-23T09:14:51.1Z stdout F one\n");
    let files = |flag: &&str| match flag.strip_prefix("TLS/") {
        Some(file) => testdata("tls").join(file).to_str().unwrap().to_owned(),
        None => (*flag).to_owned(),
    };
    let flags: Vec<String> = ["backfill", "a.log", "--retry-for", "10m"].iter().chain(flags).map(files).collect();
    place.run(&flags.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_server_is_trusted_by_its_own_certificate_whoever_signed_it() {
    let background = Background::start(Script::default());
    let expired = "expired on 2021-01-01 00:00:00 UTC: renew it there";
    let neither = "is neither in";
    // Who the server is, the host in the URL, what is trusted, and what is said; nothing: all arrives.
    for (server, host, trusted, words) in [
        ("self-signed", "localhost", "TLS/self-signed.pem", ""),
        ("self-signed", "127.0.0.1", "TLS/self-signed.pem", ""),
        ("self-signed-leaf", "localhost", "TLS/self-signed-leaf.pem", ""),
        ("server", "localhost", "TLS/server.pem", ""),
        ("server", "localhost", "TLS/ca.pem", ""),
        ("self-signed-leaf", "127.0.0.1", "TLS/self-signed-leaf.pem", "is not of 127.0.0.1 but of localhost"),
        ("server", "127.0.0.1", "TLS/server.pem", "is not of 127.0.0.1 but of localhost"),
        ("self-signed", "localhost", "TLS/self-signed-leaf.pem", neither),
        ("self-signed", "localhost", "TLS/ca.pem", neither),
        ("self-signed-leaf", "localhost", "TLS/server.pem", neither),
        ("expired", "localhost", "TLS/expired.pem", expired),
    ] {
        let front = TlsFront::start_as(server, background.sink.address, false);
        for path in ["", "/v1/logs"] {
            let to = format!("otlp=https://{host}:{}{path}", front.port);
            let run = run_with(&["--to", &to, "--ca-file", trusted]);
            run.says(words).text(i32::from(!words.is_empty()));
            assert!(!run.err.contains("trying again"), "{}", run.err);
            assert_eq!(run.err.contains("certificate"), !words.is_empty(), "{}", run.err);
        }
    }
}

#[test]
fn a_certificate_is_left_unchecked_only_where_that_is_asked_for_and_said() {
    let background = Background::start(Script::default());
    for server in ["self-signed", "expired", "server"] {
        let front = TlsFront::start_as(server, background.sink.address, false);
        let to = format!("otlp=https://127.0.0.1:{}", front.port);
        let run = run_with(&["--to", &to, "--insecure-skip-verify"]);
        run.says("its certificate is not checked (--insecure-skip-verify)").says("1 item in 1 request").text(0);
        let run = run_with(&["--to", &to, "--traces-insecure-skip-verify", "--ca-file", "TLS/ca.pem"]);
        run.says("certificate: the server's").text(1);
    }
}

#[test]
fn a_server_that_refuses_the_protocol_within_tls_is_said_with_the_change_to_make() {
    let background = Background::start(Script::default());
    for (protocol, path, words) in [
        ("http/1.1", "", "it speaks HTTP, not gRPC: use otlp=https://localhost:PORT/v1/logs"),
        ("h2", "/v1/logs", "it speaks gRPC, not HTTP: use otlp=https://localhost:PORT (without a path)"),
    ] {
        let front = TlsFront::start_for(protocol, background.sink.address);
        let to = format!("otlp=https://localhost:{}{path}", front.port);
        let run = run_with(&["--to", &to, "--ca-file", "TLS/ca.pem"]);
        run.says(&words.replace("PORT", &front.port.to_string())).text(1);
        assert!(!run.err.contains("trying again"), "{}", run.err);
    }
}
