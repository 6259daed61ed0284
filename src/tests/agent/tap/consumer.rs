//! What sees requests on their way, and may put something into them: whatever becomes of it, no request is lost or late.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use spanline::otlp::{Compression, Signal, compress};
use spanline::tap::config::{AnswerWhen, TapConfig};
use spanline::tap::consumer::{Consumer, Slot};

use super::{block_on, spans};
use crate::harness::capture::{Answer, Capture};
use crate::harness::otlp_client::{Sent, grpc, http};
use crate::harness::tap::{TestTap, config, until};

/// Does what it was made for with each request.
struct Doing(Box<dyn Fn(Signal, Bytes, Slot) + Send + Sync>);

impl Consumer for Doing {
    fn arrived(&self, signal: Signal, request: Bytes, slot: Slot) {
        (self.0)(signal, request, slot);
    }
}

fn start(config: &TapConfig, doing: impl Fn(Signal, Bytes, Slot) + Send + Sync + 'static) -> TestTap {
    let consumer = Arc::new(Doing(Box::new(doing)));
    TestTap::start_with(config, Some(consumer), Arc::new(tempfile::tempdir().unwrap()))
}

fn url(capture: &Capture) -> String {
    format!("http://{}", capture.address)
}

fn gzip(body: &[u8]) -> Bytes {
    compress(&[Bytes::copy_from_slice(body)], Compression::Gzip).concat().into()
}

#[test]
fn traces_and_logs_are_shown_as_they_are_and_go_out_changed_or_as_they_came() {
    let capture = Capture::start();
    let (give, shown) = channel();
    let give = Mutex::new(give);
    let tap = start(&config(&[url(&capture)]), move |signal, request, slot| {
        give.lock().unwrap().send((signal, request.clone())).unwrap();
        let changed = [&request[..], b"\x7a\x05added"].concat();
        slot.release((signal == Signal::Traces).then(|| changed.into()), None);
    });
    let body = spans(2, "a");
    for signal in [Signal::Traces, Signal::Logs, Signal::Metrics] {
        let sent = Sent { encoding: "gzip", ..Sent::new(signal, gzip(&body)) };
        assert_eq!(block_on(grpc(tap.grpc(), &sent)).code, 0);
    }
    until("all have arrived", || capture.count() == 3);
    for captured in capture.captured() {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&captured.body[..]), &mut plain).unwrap();
        let is_changed = captured.path == Signal::Traces.grpc_path();
        assert_eq!(plain, if is_changed { [&body[..], b"\x7a\x05added"].concat() } else { body.clone() });
        assert!(is_changed || captured.body == gzip(&body), "it goes out as it came");
    }
    let shown: Vec<_> = shown.try_iter().collect();
    assert_eq!(shown, [(Signal::Traces, Bytes::from(body.clone())), (Signal::Logs, Bytes::from(body))]);
}

#[test]
fn json_is_shown_as_protobuf_and_goes_out_as_such_once_it_is_changed() {
    let capture = Capture::start();
    let urls = [format!("http://{}/otlp", capture.address)];
    let tap = start(&config(&urls), |_, request, slot| {
        slot.release(Some(request), None);
    });
    let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"}]}]}]}"#;
    let sent = Sent { content_type: "application/json", ..Sent::new(Signal::Traces, &json[..]) };
    assert_eq!(block_on(http(tap.http(), &sent)).code, 200);
    until("it has arrived", || capture.count() == 1);
    let captured = &capture.captured()[0];
    assert_eq!(captured.headers["content-type"], "application/x-protobuf");
    assert!(captured.body.windows(3).any(|bytes| bytes == b"\x2a\x01a"), "{:?}", captured.body);
}

#[test]
fn a_consumer_that_keeps_panics_or_blocks_delays_by_no_more_than_is_set_and_clients_wait_for_nothing() {
    let hold = Duration::from_millis(300);
    type Doing = Box<dyn Fn(Signal, Bytes, Slot) + Send + Sync>;
    let kept: Arc<Mutex<Vec<Slot>>> = Arc::default();
    let keeps = Arc::clone(&kept);
    let (_end, never): (_, Receiver<()>) = channel();
    let never = Mutex::new(never);
    let all: [(&str, Doing); 3] = [
        ("keeps", Box::new(move |_, _, slot| keeps.lock().unwrap().push(slot))),
        ("panics", Box::new(|_, _, _| std::panic::resume_unwind(Box::new("on purpose")))),
        ("blocks", Box::new(move |_, _, _slot| assert!(never.lock().unwrap().recv().is_ok()))),
    ];
    for (name, doing) in all {
        let capture = Capture::start();
        let tap = start(&TapConfig { hold, ..config(&[url(&capture)]) }, doing);
        let body = spans(2, "a");
        let start = Instant::now();
        for _ in 0..20 {
            let told = block_on(grpc(tap.grpc(), &Sent::new(Signal::Traces, body.clone())));
            assert_eq!(told.code, 0);
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{name}: clients waited {:?}", start.elapsed());
        until(name, || capture.count() == 20);
        assert!(start.elapsed() < Duration::from_secs(4), "{name}: {:?}", start.elapsed());
        assert!(capture.captured().iter().all(|captured| captured.body == body), "{name}");
    }
    assert!(kept.lock().unwrap().iter().all(|slot| !slot.is_open()), "their time is up");
}

#[test]
fn what_is_changed_too_late_goes_out_as_it_came() {
    let capture = Capture::start();
    let tap = start(&TapConfig { hold: Duration::from_millis(50), ..config(&[url(&capture)]) }, |_, _, slot| {
        std::thread::sleep(Duration::from_millis(300));
        slot.release(Some(Bytes::from_static(b"late")), None);
    });
    let body = spans(2, "a");
    assert_eq!(block_on(grpc(tap.grpc(), &Sent::new(Signal::Traces, body.clone()))).code, 0);
    until("it has arrived", || capture.count() == 1);
    assert_eq!(capture.captured()[0].body, body);
}

#[test]
fn in_delivered_mode_the_answer_is_that_to_the_changed_request() {
    let capture = Capture::start();
    let config = TapConfig { answer: AnswerWhen::Delivered, ..config(&[url(&capture)]) };
    let tap = start(&config, |_, _, slot| {
        slot.release(Some(Bytes::from_static(b"changed")), None);
    });
    assert_eq!(block_on(grpc(tap.grpc(), &Sent::new(Signal::Traces, spans(2, "a")))).code, 0);
    assert_eq!(capture.captured()[0].body, "changed");
}

#[test]
fn what_is_refused_with_something_added_goes_out_as_it_came() {
    let capture = Capture::start();
    capture.answers(Answer::WrongIf("added"));
    let tap = start(&config(&[url(&capture)]), |_, request, slot| {
        slot.release(Some([&request[..], b"\x7a\x05added"].concat().into()), None);
    });
    let body = spans(2, "a");
    assert_eq!(block_on(grpc(tap.grpc(), &Sent::new(Signal::Traces, body.clone()))).code, 0);
    until("it has arrived", || capture.count() == 1);
    assert_eq!(capture.captured()[0].body, body);
    assert_eq!(tap.metric("spanline_limits_reached_total{limit=\"additions_refused\"}"), 1);
    assert_eq!(tap.metric("spanline_requests_dropped_total{reason=\"refused\"}"), 0);
}

#[test]
fn with_nothing_kept_all_is_shown() {
    let (give, shown) = channel();
    let give = Mutex::new(give);
    let tap = start(&config(&[]), move |signal, _, slot| {
        assert!(!slot.is_open());
        give.lock().unwrap().send(signal).unwrap();
    });
    assert_eq!(block_on(grpc(tap.grpc(), &Sent::new(Signal::Traces, spans(2, "a")))).code, 0);
    assert_eq!(shown.recv_timeout(Duration::from_secs(10)), Ok(Signal::Traces));
}
