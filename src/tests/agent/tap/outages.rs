//! Destinations that are away: nothing is lost up to the size of the queue, what is beyond it is refused and counted, and what
//! lies on the disk survives.

use std::sync::Arc;
use std::time::Duration;

use spanline::otlp::Signal;
use spanline::tap::config::TapConfig;

use super::{block_on, spans};
use crate::harness::capture::{Answer, Capture};
use crate::harness::otlp_client::{Sent, grpc, http};
use crate::harness::run::ClosedPort;
use crate::harness::tap::{TestTap, config, until};

/// Sends numbered requests of ten spans; those that are taken.
fn send(tap: &TestTap, numbers: std::ops::Range<usize>) -> Vec<usize> {
    let mut taken = Vec::new();
    for number in numbers {
        let sent = Sent::new(Signal::Traces, spans(10, &format!("request {number:06} {}", "x".repeat(1000))));
        let told = block_on(grpc(tap.grpc(), &sent));
        assert!(matches!(told.code, 0 | 14), "{told:?}");
        if told.code == 0 {
            taken.push(number);
        }
    }
    taken
}

/// Numbers of the requests that arrived, in order.
fn arrived(capture: &Capture) -> Vec<usize> {
    let number = |body: &[u8]| {
        let text = String::from_utf8_lossy(body).into_owned();
        text.split_once("request ").unwrap().1[..6].parse().unwrap()
    };
    let mut numbers: Vec<usize> = capture.captured().iter().map(|one| number(&one.body)).collect();
    numbers.sort_unstable();
    numbers
}

fn spanned(closed: &ClosedPort) -> TapConfig {
    config(&[format!("http://{}", closed.address())])
}

#[test]
fn a_destination_that_is_dead_and_comes_back_gets_all_that_was_taken() {
    let closed = ClosedPort::new();
    // Some 90 requests lie in memory, some 90 on the disk.
    let tap = TestTap::start(&TapConfig { queue_bytes: 1 << 20, spill_bytes: Some(1 << 20), ..spanned(&closed) });
    let taken = send(&tap, 0..300);
    assert!((150..220).contains(&taken.len()), "{}", taken.len());
    let refused = 300 - taken.len() as u64;
    assert_eq!(tap.metric("spanline_requests_refused_total{reason=\"queue_full\"}"), refused);
    assert_eq!(tap.metric("spanline_spans_received_total"), 10 * taken.len() as u64);
    assert!(tap.metric("spanline_memory_bytes{part=\"tap\"}") <= 1 << 20);
    let of_destination = format!("{{destination=\"otlp=http://{}\"}}", closed.address());
    let spilled = tap.metric(&format!("spanline_spilled_bytes{of_destination}"));
    assert!((900 << 10..=1 << 20).contains(&spilled), "{spilled}");
    assert!(tap.said().contains("does not take spans yet"), "{}", tap.said());
    assert!(!tap.metrics.health(std::time::Instant::now()).is_ready());
    let capture = Capture::on(closed);
    until("all have arrived", || capture.count() >= taken.len());
    assert_eq!(arrived(&capture), taken);
    until("nothing is held", || tap.metric("spanline_memory_bytes{part=\"tap\"}") == 0);
    assert_eq!(tap.metric(&format!("spanline_spilled_bytes{of_destination}")), 0);
    assert_eq!(tap.metric(&format!("spanline_spans_forwarded_total{of_destination}")), 10 * taken.len() as u64);
    assert_eq!(tap.metric(&format!("spanline_spans_held{of_destination}")), 0);
    assert!(tap.said().contains("takes spans again"), "{}", tap.said());
    assert_eq!(send(&tap, 300..310).len(), 10);
}

#[test]
fn a_client_is_told_when_to_come_again() {
    let closed = ClosedPort::new();
    let tap = TestTap::start(&TapConfig { queue_bytes: 1 << 20, spill_bytes: None, ..spanned(&closed) });
    let large = Sent::new(Signal::Traces, spans(1, &"x".repeat(700_000)));
    let told = block_on(async {
        [grpc(tap.grpc(), &large).await, grpc(tap.grpc(), &large).await, http(tap.http(), &large).await]
    });
    assert_eq!(told.each_ref().map(|told| told.code), [0, 14, 503]);
    assert!(told[1].headers.contains_key("grpc-status-details-bin"));
    assert_eq!(told[2].headers["retry-after"], "1");
    // What never fits is not tried again.
    let giant = Sent::new(Signal::Traces, spans(1, &"x".repeat(1_100_000)));
    let told = block_on(async { [grpc(tap.grpc(), &giant).await, http(tap.http(), &giant).await] });
    assert_eq!(told.each_ref().map(|told| told.code), [8, 413]);
    assert!(!told[0].headers.contains_key("grpc-status-details-bin"));
}

#[test]
fn what_is_left_at_the_end_is_sent_by_the_next_start() {
    let closed = ClosedPort::new();
    let first = TestTap::start(&TapConfig { queue_bytes: 1 << 20, ..spanned(&closed) });
    let taken = send(&first, 0..200);
    assert_eq!(taken.len(), 200);
    let said = first.said();
    let state = first.end(Duration::from_secs(5));
    assert!(!said.contains("lost"), "{said}");
    let capture = Capture::on(closed);
    let again = TestTap::start_with(&config(&[format!("http://{}", capture.address)]), None, state);
    until("all have arrived", || capture.count() >= 200);
    assert_eq!(arrived(&capture), taken);
    assert_eq!(again.metric("spanline_spans_dropped_total{reason=\"stopped\"}"), 0);
}

#[test]
fn without_a_disk_what_is_left_at_the_end_is_counted_as_lost() {
    let closed = ClosedPort::new();
    let tap = TestTap::start(&TapConfig { spill_bytes: None, ..spanned(&closed) });
    assert_eq!(send(&tap, 0..5).len(), 5);
    let metrics = Arc::clone(&tap.metrics);
    tap.end(Duration::from_secs(2));
    assert_eq!(metrics.spans.dropped("stopped").get(), 50);
}

#[test]
fn a_damaged_file_is_set_aside_and_the_others_are_sent() {
    let closed = ClosedPort::new();
    let first = TestTap::start(&TapConfig { queue_bytes: 1 << 20, ..spanned(&closed) });
    assert_eq!(send(&first, 0..150).len(), 150);
    let state = first.end(Duration::from_secs(5));
    let folder = std::fs::read_dir(state.path()).unwrap().next().unwrap().unwrap().path();
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("requests-"));
    files.sort();
    assert!(files.len() > 2, "{files:?}");
    let mut bytes = std::fs::read(&files[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&files[0], bytes).unwrap();
    let capture = Capture::on(closed);
    let tap = TestTap::start_with(&config(&[format!("http://{}", capture.address)]), None, state);
    until("it is said", || tap.said().contains("set aside as "));
    let lost = 150 - {
        until("the others have arrived", || {
            tap.metric("spanline_memory_bytes{part=\"tap\"}") == 0 && capture.count() > 100
        });
        std::thread::sleep(Duration::from_millis(200));
        capture.count()
    };
    assert!((1..50).contains(&lost), "{lost}");
    assert!(folder.join(format!("{}.damaged", files[0].file_name().unwrap().to_str().unwrap())).exists());
}

#[test]
fn one_that_is_down_holds_no_other() {
    let (closed, capture) = (ClosedPort::new(), Capture::start());
    let urls = [format!("http://{}", closed.address()), format!("http://{}", capture.address)];
    let tap = TestTap::start(&TapConfig { queue_bytes: 1 << 20, spill_bytes: None, ..config(&urls) });
    // More than the one that is down has room for, and never more than the other has.
    for first in (0..150).step_by(25) {
        assert_eq!(send(&tap, first..first + 25).len(), 25);
        until("all have arrived", || capture.count() == first + 25);
    }
    let dropped = tap.metric("spanline_spans_dropped_total{reason=\"queue_full\"}");
    assert!((800..1400).contains(&dropped), "{dropped}");
    let late = Capture::on(closed);
    until("the rest has arrived", || tap.metric("spanline_memory_bytes{part=\"tap\"}") == 0);
    assert_eq!(late.count() as u64, 150 - dropped / 10);
}

#[test]
fn what_is_refused_for_now_is_tried_again() {
    let capture = Capture::start();
    capture.answers(Answer::Unavailable);
    let tap = TestTap::start(&config(&[format!("http://{}/v1/traces", capture.address)]));
    let taken = send(&tap, 0..20);
    until("it was tried", || tap.said().contains("does not take spans yet"));
    capture.answers(Answer::Ok);
    until("all have arrived", || capture.count() == 20);
    assert_eq!(arrived(&capture), taken);
}
