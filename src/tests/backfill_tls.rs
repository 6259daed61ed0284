//! `spanline backfill --to otlp=https://…`: who is trusted, and who is not.

use crate::harness::run::{Background, Place, ran, testdata};
use crate::harness::sink::Script;
use crate::harness::tls::TlsFront;

const LINES: usize = 3000;

/// A run that sends numbered lines with these variables, each the name of a file of `testdata/tls`.
fn run(url: &str, variables: &[(&str, &str)]) -> crate::harness::run::Ran {
    let place = Place::new();
    let lines: String = (0..LINES).map(|n| format!("2026-11-23T09:14:51.1Z stdout F number {n}\n")).collect();
    place.write("a.log", lines);
    let mut command = place.command(&["backfill", "a.log", "--to", url, "--retry-for", "1s"]);
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
            (url(&open, "localhost"), ("CERTIFICATE", "client.pem"), "certificate"),
            (url(&open, "127.0.0.1"), AUTHORITY, "certificate"),
            (url(&asking, "localhost"), AUTHORITY, "does not take anything yet"),
        ] {
            let run = run(&url, &[authority]);
            run.says(words).says(&format!("{LINES} left")).text(1);
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
