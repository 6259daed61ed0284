//! Every record arrives or is counted, whatever the endpoint does; over gRPC and HTTP, with each compression.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use spanline::export::batch::{Batch, Group};
use spanline::export::deliver::job::Options;
use spanline::export::deliver::parcel::{Event, Parcel, Summary};
use spanline::export::deliver::retry::Backoff;
use spanline::export::deliver::task::Deliver;
use spanline::otlp::{Client, Compression, Endpoint, Signal};
use spanline::record::Receipt;
use tokio::sync::{mpsc, watch};

use crate::harness::relay::Relay;
use crate::harness::run::ClosedPort;
use crate::harness::sink::{Faulty, Loaded, PATIENCE, Script, Sink};

const BATCHES: u64 = 12;
const RECORDS: u64 = 40;

fn body(ordinal: u64) -> String {
    format!("line {ordinal}")
}

fn batch(from: u64, to: u64) -> Batch {
    batch_of(from, to, body)
}

fn batch_of(from: u64, to: u64, body: impl Fn(u64) -> String) -> Batch {
    let mut group = Group::default();
    let mut items = Vec::new();
    for ordinal in from..to {
        let value = Some(any_value::Value::StringValue(body(ordinal)));
        let record = LogRecord { body: Some(AnyValue { value }), ..LogRecord::default() }.encode_to_vec();
        items.push(0x12);
        prost::encoding::encode_varint(record.len() as u64, &mut items);
        items.extend_from_slice(&record);
        group.ends.push(items.len() as u32);
    }
    group.items = Bytes::from(items);
    let mut batch = Batch::new(Signal::Logs);
    batch.push(group, Receipt { source: 0, from, to });
    batch
}

struct Outcome {
    summary: Summary,
    events: Vec<Event>,
}

impl Outcome {
    /// How often each ordinal is in an event of a kind.
    fn ordinals(&self, of: fn(&Event) -> Option<&Vec<Receipt>>) -> HashMap<u64, usize> {
        let mut counts = HashMap::new();
        for receipt in self.events.iter().filter_map(of).flatten() {
            (receipt.from..receipt.to).for_each(|ordinal| *counts.entry(ordinal).or_default() += 1);
        }
        counts
    }

    fn acknowledged(&self) -> HashMap<u64, usize> {
        self.ordinals(|event| match event {
            Event::Delivered { receipts, .. } | Event::Dropped { receipts, .. } => Some(receipts),
            _ => None,
        })
    }

    fn left(&self) -> HashMap<u64, usize> {
        self.ordinals(|event| match event {
            Event::Left { receipts, .. } => Some(receipts),
            _ => None,
        })
    }

    fn notes(&self) -> Vec<&str> {
        let notes = self.events.iter().filter_map(|event| match event {
            Event::Note(note) => Some(note.as_str()),
            _ => None,
        });
        notes.collect()
    }
}

struct Plan {
    path: &'static str,
    compression: Compression,
    retry_for: Duration,
    timeout: &'static str,
    /// All that is not delivered is left once so many records were taken.
    taken_max: Option<u64>,
    /// What is refused as a whole is held.
    holds: bool,
}

const GRPC: Plan = Plan {
    path: "",
    compression: Compression::None,
    retry_for: PATIENCE,
    timeout: "10000",
    taken_max: None,
    holds: false,
};
const HTTP: Plan = Plan { path: "/v1/logs", ..GRPC };

async fn deliver(port: u16, plan: &Plan) -> Outcome {
    let batches = (0..BATCHES).map(|index| batch(index * RECORDS, (index + 1) * RECORDS)).collect();
    deliver_batches(port, plan, batches).await
}

async fn deliver_batches(port: u16, plan: &Plan, batches: Vec<Batch>) -> Outcome {
    let variables = |name: &str| (name == "OTEL_EXPORTER_OTLP_TIMEOUT").then(|| plan.timeout.to_owned());
    let url = format!("http://127.0.0.1:{port}{}", plan.path);
    let client = Client::new(Endpoint::from_url(&url, Signal::Logs, &variables).unwrap()).unwrap();
    let (parcels, incoming) = mpsc::channel(2);
    let (sender, mut events) = mpsc::unbounded_channel();
    let (stop, deadline) = watch::channel(None);
    let options = Options {
        retry_for: (!plan.holds).then_some(plan.retry_for),
        backoff: Backoff { first: Duration::from_millis(5), longest: Duration::from_millis(50) },
        drop_after: Duration::from_secs(1),
        holds: plan.holds,
        ..Options::new("otlp=here")
    };
    let status = Arc::clone(&options.status);
    let task = tokio::spawn(Deliver::new(Arc::new(client), incoming, sender, deadline, options).run());
    for batch in batches {
        if parcels.send(Parcel::pack(batch, plan.compression)).await.is_err() {
            break;
        }
    }
    drop(parcels);
    if let Some(records) = plan.taken_max {
        until(|| status.now().taken == records).await;
        stop.send(Some(tokio::time::Instant::now())).unwrap();
    }
    let summary = tokio::time::timeout(PATIENCE, task).await.expect("delivery ends").unwrap();
    let mut all = Vec::new();
    while let Some(event) = events.recv().await {
        all.push(event);
    }
    Outcome { summary, events: all }
}

/// Waits until something holds.
async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it happens");
}

/// Every record but `missing` is stored once, and every receipt came back once.
fn check_stored(sink: &Sink, outcome: &Outcome, missing: &[&str]) {
    let stored = sink.stored();
    for ordinal in 0..BATCHES * RECORDS {
        let expected = usize::from(!missing.contains(&body(ordinal).as_str()));
        assert_eq!(stored.get(&body(ordinal)).copied().unwrap_or(0), expected, "{ordinal}");
        assert_eq!(outcome.acknowledged().get(&ordinal), Some(&1), "{ordinal}");
    }
    assert_eq!(outcome.summary.records, BATCHES * RECORDS - missing.len() as u64);
    assert_eq!(outcome.summary.left(), 0);
}

#[tokio::test]
async fn everything_arrives_once_with_each_protocol_and_compression() {
    for plan in [GRPC, HTTP] {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let sink = Sink::start(Script::default()).await;
            let outcome = deliver(sink.address.port(), &Plan { compression, ..plan }).await;
            check_stored(&sink, &outcome, &[]);
            assert!(outcome.summary.is_complete());
            assert_eq!(outcome.summary.requests, BATCHES);
            assert_eq!(outcome.summary.bytes_raw == outcome.summary.bytes_sent, compression == Compression::None);
        }
    }
}

#[tokio::test]
async fn what_is_refused_for_now_is_sent_again() {
    for plan in [GRPC, HTTP] {
        let script = Script { unavailable: 6, retry_after: Some(1), ..Script::default() };
        let sink = Sink::start(script).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        check_stored(&sink, &outcome, &[]);
        assert_eq!(outcome.summary.failures, 6);
    }
}

#[tokio::test]
async fn what_is_too_large_is_split_until_it_fits() {
    for plan in [GRPC, HTTP] {
        let sink = Sink::start(Script { bytes_max: Some(100), ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        check_stored(&sink, &outcome, &[]);
        // No two records fit.
        let sink = Sink::start(Script { bytes_max: Some(20), ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        check_stored(&sink, &outcome, &[]);
        let sink = Sink::start(Script { bytes_max: Some(1), ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        // Nothing was ever taken: the refusals say nothing of the records.
        assert_eq!((outcome.summary.dropped(), outcome.summary.left()), (0, BATCHES * RECORDS));
        assert_eq!((outcome.acknowledged().len(), sink.stored().len()), (0, 0));
        // Nor is every record tried alone to find that out.
        assert!(sink.requests() < 600, "{}", sink.requests());
        assert!(outcome.summary.left_by_reason.len() <= 2, "{:?}", outcome.summary);
    }
}

#[tokio::test]
async fn a_record_that_poisons_its_batch_is_found_dropped_and_counted() {
    for (plan, poison) in [(GRPC, "line 7"), (HTTP, "line 7"), (GRPC, "line 479"), (HTTP, "line 200")] {
        let sink = Sink::start(Script { poison: Some(poison), ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        check_stored(&sink, &outcome, &[poison]);
        assert_eq!(outcome.summary.dropped(), 1, "{:?}", outcome.summary);
    }
}

#[tokio::test]
async fn a_record_that_is_wrong_takes_no_other_with_it() {
    for plan in [GRPC, HTTP] {
        let sink = Sink::start(Script { wrong: Some("line 77"), ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        check_stored(&sink, &outcome, &["line 77"]);
        assert_eq!(outcome.summary.dropped(), 1);
    }
}

#[tokio::test]
async fn what_is_refused_as_a_whole_is_left_for_another_run() {
    for plan in [GRPC, HTTP] {
        for script in
            [Script { unauthorized: true, ..Script::default() }, Script { all_wrong: true, ..Script::default() }]
        {
            let sink = Sink::start(script).await;
            let outcome = deliver(sink.address.port(), &plan).await;
            assert_eq!((outcome.summary.dropped(), outcome.summary.left()), (0, BATCHES * RECORDS));
            assert_eq!((outcome.acknowledged().len(), outcome.left().len() as u64), (0, BATCHES * RECORDS));
        }
    }
}

#[tokio::test]
async fn what_is_refused_as_a_whole_is_held_where_no_run_follows_until_it_is_taken() {
    let refusing = Script::default;
    for (plan, script, words) in [GRPC, HTTP].into_iter().flat_map(|plan| {
        let scripts = [
            (Script { unauthorized: true, ..refusing() }, "refuses requests"),
            (Script { all_wrong: true, ..refusing() }, "does not take anything yet"),
            (Script { not_implemented: true, ..refusing() }, "no logs service"),
        ];
        scripts.map(|(script, words)| (Plan { holds: true, ..plan }, script, words))
    }) {
        let sink = Sink::start(script).await;
        let port = sink.address.port();
        let (outcome, ()) = tokio::join!(deliver(port, &plan), async {
            until(|| sink.requests() > 3).await;
            sink.follow(Script::default());
        });
        check_stored(&sink, &outcome, &[]);
        assert_eq!((outcome.summary.dropped(), outcome.summary.left()), (0, 0), "{:?}", outcome.summary);
        let notes = outcome.notes();
        let said = |words: &str| notes.iter().filter(|note| note.contains(words)).count();
        assert!(words.contains("anything") || said(words) == 1 && said("takes records again") == 1, "{notes:?}");
    }
}

#[tokio::test]
async fn a_destination_that_stops_to_take_anything_is_held_for_whatever_it_says() {
    for plan in [GRPC, HTTP] {
        let sink = Sink::start(Script { pause: Duration::from_millis(5), ..Script::default() }).await;
        let plan = Plan { holds: true, ..plan };
        let (outcome, ()) = tokio::join!(deliver(sink.address.port(), &plan), async {
            for script in [
                Script { unauthorized: true, ..Script::default() },
                Script { not_implemented: true, ..Script::default() },
                Script { faulty: Some(Faulty { record: None, grpc: 13 }), ..Script::default() },
            ] {
                let (stored, seen) = (sink.stored().len(), sink.requests());
                until(|| sink.stored().len() > stored || stored as u64 == BATCHES * RECORDS).await;
                sink.follow(script);
                until(|| sink.requests() > seen + 4 || sink.stored().len() as u64 == BATCHES * RECORDS).await;
                sink.follow(Script { pause: Duration::from_millis(5), ..Script::default() });
            }
        });
        check_stored(&sink, &outcome, &[]);
        assert_eq!((outcome.summary.dropped(), outcome.summary.left()), (0, 0), "{:?}", outcome.summary);
    }
}

#[tokio::test]
async fn a_missing_service_is_said_once_and_everything_is_counted() {
    for plan in [GRPC, HTTP] {
        let sink = Sink::start(Script { not_implemented: true, ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        assert_eq!((outcome.summary.dropped(), outcome.summary.left()), (0, BATCHES * RECORDS));
        assert_eq!((outcome.acknowledged().len(), outcome.left().len() as u64), (0, BATCHES * RECORDS));
        assert!(sink.requests() <= 4, "only what was in flight is sent");
        let notes = outcome.notes();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("no logs service") && notes[0].contains("jaeger=URL"), "{notes:?}");
    }
}

#[tokio::test]
async fn a_partial_success_is_counted_and_not_sent_again() {
    for plan in [GRPC, HTTP] {
        let sink = Sink::start(Script { rejected: Some("line 100"), ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        check_stored(&sink, &outcome, &["line 100"]);
        assert_eq!((outcome.summary.rejected, outcome.summary.failures), (1, 0));
        assert_eq!(sink.requests() as u64, BATCHES);
        assert!(outcome.notes()[0].contains("too old"));
    }
}

#[tokio::test]
async fn only_what_was_under_way_comes_twice_after_a_reset() {
    for plan in [GRPC, HTTP] {
        let sink = Sink::start(Script { reset_after_storing: 1, ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        let stored = sink.stored();
        assert_eq!(stored.len() as u64, BATCHES * RECORDS);
        let twice = stored.values().filter(|count| **count > 1).count() as u64;
        assert!((RECORDS..=4 * RECORDS).contains(&twice) && twice.is_multiple_of(RECORDS), "{twice}");
        assert!(stored.values().all(|count| *count <= 2));
        assert!(outcome.summary.is_complete());
    }
}

#[tokio::test]
async fn a_port_of_several_protocols_that_cuts_its_first_connection_is_asked_again() {
    for plan in [GRPC, HTTP] {
        // The sink speaks both: what else it answers to says nothing of what it was asked.
        let sink = Sink::start(Script { reset_after_storing: 1, ..Script::default() }).await;
        let outcome = deliver_batches(sink.address.port(), &plan, vec![batch(0, RECORDS)]).await;
        assert!(outcome.summary.is_complete(), "{:?}", outcome.summary);
        assert_eq!(sink.stored().values().copied().collect::<Vec<_>>(), [2; RECORDS as usize]);
    }
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_tried_again_after_the_limit() {
    for plan in [GRPC, HTTP] {
        let sink = Sink::start(Script { hang: 2, ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &Plan { timeout: "500", ..plan }).await;
        check_stored(&sink, &outcome, &[]);
        assert_eq!(outcome.summary.failures, 2);
    }
}

#[tokio::test]
async fn a_compression_that_is_not_understood_is_given_up_for_none() {
    for plan in [GRPC, HTTP] {
        let sink = Sink::start(Script { refused_encoding: Some("zstd"), ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &Plan { compression: Compression::Zstd, ..plan }).await;
        check_stored(&sink, &outcome, &[]);
        assert_eq!(outcome.notes().len(), 1);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_said_at_once_and_waited_for() {
    for plan in [GRPC, HTTP] {
        let closed = ClosedPort::new();
        let port = closed.address().port();
        let later = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Sink::listening(closed.open(), Script::default())
        });
        let outcome = deliver(port, &plan).await;
        let sink = later.await.unwrap();
        check_stored(&sink, &outcome, &[]);
        assert!(matches!(&outcome.events[0], Event::Note(note) if note.contains("refused")), "{:?}", outcome.notes());
    }
}

#[tokio::test]
async fn what_is_not_delivered_when_time_is_up_is_left_and_counted() {
    let closed = ClosedPort::new();
    let outcome = deliver(closed.address().port(), &Plan { retry_for: Duration::from_millis(200), ..GRPC }).await;
    assert_eq!((outcome.summary.left(), outcome.left().len() as u64), (BATCHES * RECORDS, BATCHES * RECORDS));
    assert!(outcome.notes().last().unwrap().contains("given up"), "{:?}", outcome.notes());
}

#[tokio::test]
async fn a_deadline_leaves_what_is_in_flight_unacknowledged() {
    let sink = Sink::start(Script { hang: 2, ..Script::default() }).await;
    let outcome = deliver(sink.address.port(), &Plan { taken_max: Some((BATCHES - 2) * RECORDS), ..GRPC }).await;
    assert_eq!(outcome.summary.left(), 2 * RECORDS);
    assert_eq!(outcome.summary.records, (BATCHES - 2) * RECORDS);
    let both = outcome.left().len() + outcome.acknowledged().len();
    assert_eq!(both as u64, BATCHES * RECORDS);
}

#[tokio::test]
async fn an_endpoint_that_stops_taking_anything_is_said_before_it_is_given_up() {
    let sink = Arc::new(Sink::start(Script { pause: Duration::from_millis(30), ..Script::default() }).await);
    let changed = Arc::clone(&sink);
    tokio::spawn(async move {
        until(|| changed.requests() >= 2).await;
        changed.follow(Script { unavailable: u32::MAX, ..Script::default() });
        // Four that fly and eight that wait, at least four times each.
        let before = changed.requests();
        until(|| changed.requests() >= before + 60).await;
        changed.follow(Script::default());
    });
    let outcome = deliver(sink.address.port(), &GRPC).await;
    check_stored(&sink, &outcome, &[]);
    assert!(outcome.notes().iter().any(|note| note.contains("takes nothing any more")), "{:?}", outcome.notes());
}

#[tokio::test]
async fn an_endpoint_that_recovers_gets_everything() {
    let script = Script { unavailable: u32::MAX, ..Script::default() };
    let sink = Arc::new(Sink::start(script).await);
    let changed = Arc::clone(&sink);
    tokio::spawn(async move {
        until(|| changed.requests() >= 60).await;
        changed.follow(Script::default());
    });
    let outcome = deliver(sink.address.port(), &GRPC).await;
    check_stored(&sink, &outcome, &[]);
    assert_eq!(outcome.summary.dropped(), 0);
}

#[tokio::test]
async fn what_is_refused_for_load_is_sent_later_and_never_dropped() {
    for (plan, says_413) in [(GRPC, false), (HTTP, false), (HTTP, true)] {
        let loaded = Some(Loaded { one_of: 4, says_413 });
        let sink = Sink::start(Script { loaded, ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        check_stored(&sink, &outcome, &[]);
        assert!(outcome.summary.failures > BATCHES, "{:?}", outcome.summary);
    }
}

#[tokio::test]
async fn lone_records_that_are_refused_for_load_wait_like_others() {
    for (plan, says_413) in [(GRPC, false), (HTTP, true)] {
        let loaded = Some(Loaded { one_of: 3, says_413 });
        let sink = Sink::start(Script { loaded, ..Script::default() }).await;
        let batches = (0..60).map(|ordinal| batch(ordinal, ordinal + 1)).collect();
        let outcome = deliver_batches(sink.address.port(), &plan, batches).await;
        assert_eq!((outcome.summary.dropped(), outcome.summary.left()), (0, 0), "{:?}", outcome.summary);
        assert_eq!(sink.stored().len(), 60);
    }
}

#[tokio::test]
async fn a_limit_of_size_that_is_not_called_so_is_found() {
    for max in [400, 100, 20] {
        let sink = Sink::start(Script { quiet_bytes_max: Some(max), ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &GRPC).await;
        check_stored(&sink, &outcome, &[]);
    }
    // A record that no limit allows is left, not dropped: it may be load after all.
    let sink = Sink::start(Script { quiet_bytes_max: Some(100), ..Script::default() }).await;
    let batches = vec![
        batch(0, 40),
        batch_of(40, 50, |at| format!("{} {}", body(at), "x".repeat(if at == 45 { 200 } else { 0 }))),
    ];
    let plan = Plan { retry_for: Duration::from_secs(10), ..GRPC };
    let outcome = deliver_batches(sink.address.port(), &plan, batches).await;
    assert_eq!((outcome.summary.dropped(), outcome.summary.left()), (0, 1), "{:?}", outcome.summary);
    assert_eq!(sink.stored().len(), 49);
}

#[tokio::test]
async fn nothing_is_dropped_by_an_endpoint_that_is_overloaded_all_the_time() {
    let plan = Plan { retry_for: Duration::from_secs(1), ..GRPC };
    let loaded = Some(Loaded { one_of: usize::MAX, says_413: false });
    let sink = Sink::start(Script { loaded, ..Script::default() }).await;
    let outcome = deliver(sink.address.port(), &plan).await;
    assert_eq!((outcome.summary.dropped(), outcome.summary.left()), (0, BATCHES * RECORDS), "{:?}", outcome.summary);
}

#[tokio::test]
async fn a_record_that_breaks_the_endpoint_is_found_whatever_code_says_so() {
    for (plan, grpc, record) in [
        (GRPC, 2, "line 7"),
        (GRPC, 13, "line 479"),
        (GRPC, 9, "line 0"),
        (GRPC, 42, "line 222"),
        (HTTP, 13, "line 200"),
    ] {
        let sink =
            Sink::start(Script { faulty: Some(Faulty { record: Some(record), grpc }), ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        check_stored(&sink, &outcome, &[record]);
        assert_eq!(outcome.summary.dropped(), 1, "{:?}", outcome.summary);
    }
}

#[tokio::test]
async fn a_record_that_breaks_the_endpoint_is_found_among_a_few() {
    for plan in [GRPC, HTTP] {
        let faulty = Some(Faulty { record: Some("line 2"), grpc: 2 });
        let sink = Sink::start(Script { faulty, ..Script::default() }).await;
        let outcome = deliver_batches(sink.address.port(), &plan, vec![batch(0, 4)]).await;
        assert_eq!((outcome.summary.dropped(), outcome.summary.records), (1, 3), "{:?}", outcome.summary);
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_at_everything_has_nothing_dropped() {
    for plan in [GRPC, HTTP] {
        let plan = Plan { retry_for: Duration::from_secs(2), ..plan };
        let sink = Sink::start(Script { faulty: Some(Faulty { record: None, grpc: 2 }), ..Script::default() }).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        assert_eq!((outcome.summary.dropped(), outcome.summary.left()), (0, BATCHES * RECORDS));
        assert_eq!(outcome.acknowledged().len(), 0);
    }
}

#[tokio::test]
async fn one_answer_that_there_is_no_such_service_is_not_believed() {
    for plan in [GRPC, HTTP] {
        for absent in [1, 2] {
            let sink = Sink::start(Script { absent, ..Script::default() }).await;
            let outcome = deliver(sink.address.port(), &plan).await;
            check_stored(&sink, &outcome, &[]);
            // Nor later, among others that are taken.
            sink.follow(Script { absent, ..Script::default() });
            let later: Vec<Batch> = (20..40).map(|index| batch(index * RECORDS, (index + 1) * RECORDS)).collect();
            let outcome = deliver_batches(sink.address.port(), &plan, later).await;
            assert_eq!((outcome.summary.left(), outcome.summary.dropped()), (0, 0), "{:?}", outcome.summary);
        }
    }
}

#[tokio::test]
async fn no_endpoint_holds_a_run_longer_than_it_is_tried() {
    for plan in [GRPC, HTTP] {
        let plan = Plan { retry_for: Duration::from_secs(2), ..plan };
        let script = Script { unavailable: u32::MAX, retry_after: Some(100), ..Script::default() };
        let sink = Sink::start(script).await;
        let outcome = deliver(sink.address.port(), &plan).await;
        assert_eq!((outcome.summary.dropped(), outcome.summary.left()), (0, BATCHES * RECORDS));
        assert!(outcome.notes().iter().any(|note| note.contains("left alone for 100 s")), "{:?}", outcome.notes());
        // In time it is asked a last time.
        sink.follow(Script { unavailable: 4, retry_after: Some(100), ..Script::default() });
        check_stored(&sink, &deliver(sink.address.port(), &plan).await, &[]);
    }
}

/// Like 20 kB/s with the usual limit of 10 s, ten times as fast.
#[tokio::test]
async fn a_slow_link_is_given_what_it_carries_in_time() {
    const ALL: u64 = 6000;
    let long = |ordinal: u64| format!("line {ordinal} {}", "x".repeat(200));
    for (plan, compression) in [(GRPC, Compression::None), (HTTP, Compression::None), (GRPC, Compression::Gzip)] {
        let sink = Sink::start(Script::default()).await;
        let relay = Relay::start(sink.address, 200_000).await;
        let plan = Plan { timeout: "1000", compression, ..plan };
        // As large as workers pack them.
        let batches: Vec<Batch> = (0..4).map(|at| batch_of(at * ALL / 4, (at + 1) * ALL / 4, long)).collect();
        let outcome = deliver_batches(relay.address.port(), &plan, batches).await;
        let stored = sink.stored();
        let twice: usize = stored.values().map(|count| count - 1).sum();
        assert_eq!((stored.len() as u64, outcome.summary.left()), (ALL, 0), "{:?}", outcome.summary);
        assert!(twice as u64 <= ALL / 10, "{twice} came twice: {:?}", outcome.summary);
    }
}
