//! A destination's task without a network: outcomes are given to it by hand, and what it holds and tells is looked at.

use bytes::Bytes;

use super::*;
use crate::export::batch::{Batch, Group};
use crate::otlp::{Class, Code, Endpoint, Signal};

/// A task, and the ends of its channels.
struct Rig {
    deliver: Deliver,
    parcels: mpsc::Sender<Parcel>,
    events: mpsc::UnboundedReceiver<Event>,
    deadline: watch::Sender<Option<Instant>>,
    /// Ordinal of the next record.
    next: u64,
}

fn rig() -> Rig {
    let endpoint = Endpoint::from_url("http://127.0.0.1:9", Signal::Logs, &|_| None).unwrap();
    let (parcels, incoming) = mpsc::channel(8);
    let (sender, events) = mpsc::unbounded_channel();
    let (deadline, watched) = watch::channel(None);
    let client = Arc::new(Client::new(endpoint).unwrap());
    let deliver = Deliver::new(client, incoming, sender, watched, Options::new("otlp=here"));
    Rig { deliver, parcels, events, deadline, next: 0 }
}

fn error(class: Class, code: Code) -> SendError {
    SendError::new(class, code, "no")
}

fn unavailable() -> SendError {
    error(Class::Retryable { after: None }, Code::Http(503))
}

fn wrong() -> SendError {
    error(Class::BadData, Code::Http(400))
}

impl Rig {
    /// A parcel of records of this many bytes each.
    fn parcel(&mut self, records: u64, bytes: u32) -> Parcel {
        let ends: Vec<u32> = (1..=records as u32).map(|at| at * bytes).collect();
        let items = Bytes::from(vec![b'x'; records as usize * bytes as usize]);
        let mut batch = Batch::new(Signal::Logs);
        let (from, to) = (self.next, self.next + records);
        self.next = to;
        batch.push(Group { items, ends, ..Group::default() }, Receipt { source: 0, from, to });
        Parcel::pack(batch, Compression::None)
    }

    /// Gives it a parcel and takes it out again, as if it flew.
    fn flying(&mut self, records: u64) -> Job {
        self.flying_of(records, 10)
    }

    fn flying_of(&mut self, records: u64, bytes: u32) -> Job {
        let parcel = self.parcel(records, bytes);
        self.deliver.given(parcel);
        let job = self.deliver.waiting.pop().unwrap();
        self.launched(job)
    }

    fn launched(&mut self, mut job: Job) -> Job {
        self.deliver.launches += 1;
        (job.launch, job.bytes_in_flight) = (self.deliver.launches, job.bytes);
        job.first_try.get_or_insert_with(Instant::now);
        job
    }

    /// Another parcel is taken.
    fn pass(&mut self) {
        let job = self.flying(1);
        self.deliver.delivered(job, &Accepted::default());
    }

    /// What waits fails, launched anew, in the order in which it waits.
    fn fail_waiting(&mut self, error: &SendError) {
        for _ in 0..self.deliver.waiting.len() {
            let job = self.deliver.waiting.remove(0);
            let job = self.launched(job);
            self.deliver.failed(job, error);
        }
    }

    fn told(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// Ordinals by what became of them: delivered, dropped, left.
    fn ordinals(&mut self) -> [Vec<u64>; 3] {
        let mut all: [Vec<u64>; 3] = Default::default();
        for event in self.told() {
            let (kind, receipts) = match event {
                Event::Delivered { receipts, .. } => (0, receipts),
                Event::Dropped { receipts, .. } => (1, receipts),
                Event::Left { receipts, .. } => (2, receipts),
                Event::Note(_) => continue,
            };
            all[kind].extend(receipts.iter().flat_map(|receipt| receipt.from..receipt.to));
        }
        all
    }

    fn waiting(&self) -> Vec<u64> {
        self.deliver.waiting.iter().map(Job::count).collect()
    }

    fn held(&self) -> u64 {
        self.deliver.options.status.now().held
    }
}

#[tokio::test]
async fn what_is_given_is_held_until_it_is_taken_dropped_or_left() {
    let mut rig = rig();
    let (one, two, three) = (rig.flying(5), rig.flying(3), rig.flying(2));
    assert_eq!(rig.held(), 10);
    rig.deliver.delivered(one, &Accepted { rejected: 2, message: "old".into() });
    assert_eq!(rig.held(), 5);
    rig.deliver.dropped(3, two.parcel.batch.receipts, "bad".into());
    rig.deliver.left(2, three.parcel.batch.receipts, "late".into());
    let status = rig.deliver.options.status.now();
    assert_eq!((status.held, status.taken, status.requests), (0, 3, 1));
    let summary = &rig.deliver.summary;
    assert_eq!((summary.records, summary.rejected, summary.dropped(), summary.left()), (3, 2, 3, 2));
    let told = rig.told();
    assert!(matches!(&told[0], Event::Note(note) if note.contains("(old)")), "{told:?}");
    let refused = "refused within a request it took (old)";
    assert!(
        matches!(&told[1], Event::Delivered { records: 3, rejected: 2, reason, .. } if reason == refused),
        "{told:?}"
    );
}

#[tokio::test]
async fn no_more_is_rejected_than_was_sent() {
    let mut rig = rig();
    let job = rig.flying(4);
    rig.deliver.delivered(job, &Accepted { rejected: u64::MAX, message: String::new() });
    assert_eq!((rig.deliver.summary.records, rig.deliver.summary.rejected), (0, 4));
    let job = rig.flying(4);
    rig.told();
    rig.deliver.delivered(job, &Accepted { rejected: 0, message: "soon gone".into() });
    let told = rig.told();
    assert!(matches!(&told[0], Event::Note(note) if note == "otlp=here warns: soon gone"), "{told:?}");
    assert!(matches!(&told[1], Event::Delivered { records: 4, rejected: 0, reason, .. } if reason.is_empty()));
}

#[tokio::test]
async fn a_batch_larger_than_the_window_is_sent_in_parts_that_hold_all_of_it() {
    let mut rig = rig();
    let parcel = rig.parcel(1000, 1000);
    rig.deliver.given(parcel);
    let job = rig.deliver.waiting.pop().unwrap();
    let window = rig.deliver.pace.window();
    let front = rig.deliver.fitted(job);
    assert!(front.bytes <= window && front.count() >= 1);
    let mut receipts: Vec<Receipt> = front.parcel.batch.receipts.clone();
    receipts.extend(rig.deliver.waiting.iter().flat_map(|job| job.parcel.batch.receipts.clone()));
    receipts.sort_by_key(|receipt| receipt.from);
    assert_eq!((receipts[0].from, receipts.last().unwrap().to), (0, 1000));
    assert!(receipts.windows(2).all(|pair| pair[0].to == pair[1].from), "{receipts:?}");
    // One record that is larger goes as it is.
    let job = rig.flying_of(1, 1 << 20);
    assert_eq!(rig.deliver.fitted(job).count(), 1);
}

#[tokio::test]
async fn a_missing_service_is_believed_after_three_answers_in_a_row() {
    let absent = error(Class::NotImplemented, Code::Http(404));
    let mut rig = rig();
    let job = rig.flying(1);
    rig.deliver.failed(job, &absent);
    rig.fail_waiting(&absent);
    // Another answer between them: it is counted anew.
    rig.fail_waiting(&unavailable());
    rig.fail_waiting(&absent);
    rig.fail_waiting(&absent);
    assert_eq!((rig.deliver.ended.is_none(), rig.waiting()), (true, vec![1]));
    rig.fail_waiting(&absent);
    assert_eq!(rig.deliver.ended.as_deref(), Some("no such service (HTTP 404)"));
    rig.deliver.leave_waiting();
    assert_eq!(rig.ordinals(), [vec![], vec![], vec![0]]);
}

#[tokio::test]
async fn a_destination_that_has_taken_something_is_not_believed_to_be_another_thing() {
    for class in [Class::NotImplemented, Class::Misconfigured] {
        let mut rig = rig();
        rig.pass();
        let job = rig.flying(1);
        rig.deliver.failed(job, &error(class, Code::Http(404)));
        (0..9).for_each(|_| rig.fail_waiting(&error(class, Code::Http(404))));
        assert_eq!((rig.deliver.ended.is_none(), rig.waiting()), (true, vec![1]), "{class:?}");
    }
    let mut rig = rig();
    let job = rig.flying(2);
    rig.deliver.failed(job, &error(Class::Misconfigured, Code::Http(405)));
    assert_eq!(rig.deliver.ended.as_deref(), Some("nothing can be sent there (HTTP 405)"));
}

#[tokio::test]
async fn while_nobody_may_be_there_one_request_flies_at_a_time() {
    let mut rig = rig();
    assert_eq!(rig.deliver.in_flight_max(), rig.deliver.options.in_flight);
    let job = rig.flying(2);
    rig.deliver.failed(job, &error(Class::NotImplemented, Code::Http(404)));
    assert_eq!(rig.deliver.in_flight_max(), 1);
    rig.pass();
    assert_eq!(rig.deliver.in_flight_max(), rig.deliver.options.in_flight);
    rig.fail_waiting(&error(Class::NotImplemented, Code::Http(404)));
    assert_eq!(rig.deliver.in_flight_max(), rig.deliver.options.in_flight);
}

#[tokio::test]
async fn a_compression_that_is_refused_is_not_used_again_and_none_cannot_be() {
    let lacking = error(Class::Encoding, Code::Http(415));
    let mut rig = rig();
    let parcel = rig.parcel(3, 10);
    let gzip = Parcel::pack(parcel.batch.clone(), Compression::Gzip);
    rig.deliver.given(gzip);
    rig.fail_waiting(&lacking);
    assert_eq!((rig.deliver.refused, rig.waiting()), (Some(Compression::Gzip), vec![3]));
    assert!(rig.deliver.waiting[0].due <= Instant::now());
    rig.deliver.waiting[0].parcel.compression = Compression::None;
    rig.fail_waiting(&lacking);
    assert_eq!((rig.waiting(), rig.ordinals()), (vec![], [vec![], vec![], vec![0, 1, 2]]));
}

#[tokio::test]
async fn a_wrong_record_is_dropped_once_what_was_sent_since_is_taken() {
    let mut rig = rig();
    let early = rig.flying(1);
    let job = rig.flying(1);
    rig.deliver.failed(job, &wrong());
    // Sent before it failed: that may have been another time.
    rig.deliver.delivered(early, &Accepted::default());
    assert_eq!(rig.ordinals(), [vec![0], vec![], vec![]]);
    rig.pass();
    assert_eq!(rig.ordinals(), [vec![2], vec![1], vec![]]);
    // From now on at once, if something newer was taken.
    let job = rig.flying(1);
    rig.pass();
    rig.deliver.failed(job, &wrong());
    rig.pass();
    assert_eq!(rig.ordinals(), [vec![4, 5], vec![3], vec![]]);
}

#[tokio::test]
async fn what_was_under_way_when_a_record_failed_proves_nothing() {
    let mut rig = rig();
    let job = rig.flying(1);
    let meanwhile = rig.flying(1);
    rig.deliver.failed(job, &wrong());
    rig.deliver.delivered(meanwhile, &Accepted::default());
    assert_eq!(rig.ordinals(), [vec![1], vec![], vec![]]);
    rig.pass();
    assert_eq!(rig.ordinals(), [vec![2], vec![0], vec![]]);
}

#[tokio::test]
async fn no_more_records_wait_for_a_proof_than_may() {
    let mut rig = rig();
    let refused = |rig: &mut Rig| {
        let job = rig.flying(1);
        rig.deliver.failed(job, &wrong());
        rig.ordinals()[2].len()
    };
    let mut waiting = 0;
    while refused(&mut rig) == 0 {
        waiting += 1;
        assert!(waiting < 10_000, "there is no limit");
    }
    assert_eq!(waiting, 4096);
    rig.pass();
    assert_eq!(rig.ordinals()[1].len(), 4096);
}

#[tokio::test]
async fn a_half_that_is_taken_at_once_absolves_the_destination() {
    for (fails_first, is_well) in [(false, true), (true, false)] {
        let mut rig = rig();
        (0..4).for_each(|_| {
            let job = rig.flying(1);
            rig.deliver.failed(job, &unavailable());
            rig.deliver.waiting.clear();
        });
        let job = rig.flying(4);
        rig.deliver.failed(job, &error(Class::TooLarge, Code::Http(413)));
        if fails_first {
            rig.fail_waiting(&unavailable());
        }
        let half = rig.deliver.waiting.remove(0);
        let half = rig.launched(half);
        rig.deliver.delivered(half, &Accepted::default());
        assert_eq!(rig.deliver.health.is_well(), is_well, "{fails_first}");
    }
}

#[tokio::test]
async fn a_missing_service_is_not_believed_while_something_flies() {
    let absent = error(Class::NotImplemented, Code::Http(404));
    let mut rig = rig();
    let job = rig.flying(1);
    rig.deliver.flying.spawn(std::future::pending());
    rig.deliver.failed(job, &absent);
    (0..9).for_each(|_| rig.fail_waiting(&absent));
    assert!(rig.deliver.ended.is_none());
    rig.deliver.flying.shutdown().await;
    rig.fail_waiting(&absent);
    assert!(rig.deliver.ended.is_some());
}

#[tokio::test]
async fn without_fresh_successes_a_lone_record_is_dropped_once_it_has_failed_for_long() {
    let (none, hour) = (std::time::Duration::ZERO, std::time::Duration::from_secs(3600));
    for (drop_after, retry_for, dropped) in [
        (hour, None, 0),
        (none, None, 1),
        (none, Some(hour), 1),
        (hour, Some(hour), 0),
        // Half of the time for tries is less.
        (hour * 1000, Some(std::time::Duration::from_nanos(2)), 1),
    ] {
        let mut rig = rig();
        (rig.deliver.options.drop_after, rig.deliver.options.retry_for) = (drop_after, Some(hour));
        (0..8).for_each(|_| rig.pass());
        let job = rig.flying(1);
        rig.deliver.failed(job, &unavailable());
        rig.pass();
        // While it is tried, time is not up.
        (0..4).for_each(|_| rig.fail_waiting(&unavailable()));
        assert_eq!(rig.waiting(), [1]);
        let mut job = rig.deliver.waiting.pop().unwrap();
        rig.deliver.options.retry_for = retry_for;
        if retry_for.is_some_and(|limit| limit < hour) {
            // As old as half of it, and not as all of it.
            (rig.deliver.options.retry_for, job.first_try) = (Some(hour * 2), Instant::now().checked_sub(hour));
        }
        let job = rig.launched(job);
        rig.deliver.failed(job, &unavailable());
        assert_eq!(
            (rig.ordinals()[1].len(), rig.waiting().len()),
            (dropped, 1 - dropped),
            "{drop_after:?} {retry_for:?}"
        );
    }
}

#[tokio::test]
async fn a_wrong_record_is_left_if_nothing_is_taken_after_it() {
    let mut rig = rig();
    let job = rig.flying(1);
    rig.deliver.failed(job, &wrong());
    assert!(rig.ordinals().iter().all(Vec::is_empty));
    let summary = rig.deliver.into_summary();
    assert_eq!((summary.dropped(), summary.left()), (0, 1));
}

#[tokio::test]
async fn a_record_is_not_too_large_where_one_of_its_size_is_taken() {
    // 429 is said for load too; 400 is not.
    for (code, dropped) in [(Code::Http(429), 0), (Code::Http(400), 1)] {
        let mut rig = rig();
        let job = rig.flying_of(1, 500);
        rig.deliver.failed(job, &error(Class::TooLarge, code));
        let larger = rig.flying_of(1, 500);
        rig.deliver.delivered(larger, &Accepted::default());
        let [_, was_dropped, left] = rig.ordinals();
        assert_eq!((was_dropped.len(), left.len()), (dropped, 1 - dropped), "{code}");
    }
    let mut rig = rig();
    let job = rig.flying_of(1, 500);
    rig.deliver.failed(job, &error(Class::TooLarge, Code::Http(429)));
    let smaller = rig.flying_of(1, 499);
    rig.deliver.delivered(smaller, &Accepted::default());
    assert_eq!(rig.ordinals(), [vec![1], vec![0], vec![]]);
}

#[tokio::test]
async fn a_large_batch_is_halved_and_both_halves_are_due_at_once() {
    let mut rig = rig();
    let job = rig.flying(5);
    rig.deliver.failed(job, &error(Class::TooLarge, Code::Http(413)));
    assert_eq!(rig.waiting(), [2, 3]);
    assert!(rig.deliver.waiting.iter().all(|job| job.due <= Instant::now() && job.suspicion.is_part()));
    assert_eq!(rig.held(), 5);
}

#[tokio::test]
async fn what_halving_may_cost_is_limited() {
    let mut rig = rig();
    let mut rounds = 0;
    while rig.ordinals()[2].is_empty() {
        rounds += 1;
        assert!(rounds < 10_000, "it is halved for ever");
        let job = rig.flying(1024);
        rig.deliver.failed(job, &wrong());
        rig.deliver.waiting.clear();
    }
    assert_eq!(rounds, 257);
    // What is taken earns some more.
    rig.pass();
    let job = rig.flying(8);
    rig.deliver.failed(job, &wrong());
    assert_eq!(rig.waiting(), [4, 4]);
}

#[tokio::test]
async fn a_lone_record_that_fails_among_others_that_pass_is_dropped_in_the_end() {
    let mut rig = rig();
    (0..8).for_each(|_| rig.pass());
    rig.told();
    let job = rig.flying(1);
    rig.deliver.failed(job, &unavailable());
    let mut tries = 1;
    while !rig.deliver.waiting.is_empty() {
        rig.pass();
        rig.fail_waiting(&unavailable());
        tries += 1;
        assert!(tries < 100, "it is tried for ever");
    }
    // The first failure, and five while others passed.
    assert_eq!(tries, 6);
    assert_eq!(rig.ordinals()[1], [8]);
}

#[tokio::test]
async fn nothing_is_dropped_for_a_failure_without_an_answer_or_with_a_time_to_wait_for() {
    for error in [
        error(Class::Retryable { after: None }, Code::Connect),
        error(Class::Retryable { after: None }, Code::Broken),
        error(Class::Retryable { after: None }, Code::Timeout),
        error(Class::Retryable { after: None }, Code::Http(429)),
        error(Class::Retryable { after: Some(std::time::Duration::from_secs(1)) }, Code::Http(503)),
        error(Class::Overloaded, Code::Grpc(8)),
    ] {
        let mut rig = rig();
        let job = rig.flying(1);
        rig.deliver.failed(job, &error);
        for _ in 0..30 {
            rig.pass();
            rig.fail_waiting(&error);
        }
        assert_eq!((rig.waiting(), rig.ordinals()[1].len()), (vec![1], 0), "{error}");
    }
}

#[tokio::test]
async fn when_time_is_up_a_batch_is_left_and_a_destination_that_took_nothing_meanwhile_too() {
    for passes in [false, true] {
        let mut rig = rig();
        rig.deliver.options.retry_for = Some(std::time::Duration::from_secs(3600));
        let mut job = rig.flying(2);
        rig.deliver.failed(job, &unavailable());
        if passes {
            rig.pass();
        }
        rig.deliver.options.retry_for = Some(std::time::Duration::ZERO);
        job = rig.deliver.waiting.pop().unwrap();
        job = rig.launched(job);
        rig.deliver.failed(job, &unavailable());
        assert_eq!(rig.deliver.ended.is_none(), passes);
        assert_eq!(rig.ordinals()[2], [0, 1]);
    }
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is() {
    let mut rig = rig();
    let job = rig.flying(1);
    let hour = std::time::Duration::from_secs(3600);
    rig.deliver.failed(job, &error(Class::Retryable { after: Some(hour) }, Code::Http(429)));
    assert!(rig.deliver.held().is_some());
    rig.flying(1);
    let parcel = rig.parcel(1, 10);
    rig.deliver.given(parcel);
    rig.deliver.launch_due();
    assert_eq!((rig.waiting().len(), rig.deliver.flying.len()), (2, 0));
    // Whatever is taken ends it.
    rig.pass();
    assert!(rig.deliver.held().is_none());
}

#[tokio::test]
async fn if_all_that_waits_keeps_failing_the_smallest_batch_is_halved() {
    let mut rig = rig();
    let (large, small) = (rig.flying(8), rig.flying(4));
    rig.deliver.failed(large, &unavailable());
    rig.deliver.failed(small, &unavailable());
    rig.fail_waiting(&unavailable());
    let mut waiting = rig.waiting();
    waiting.sort_unstable();
    assert_eq!(waiting, [4, 8]);
    rig.fail_waiting(&unavailable());
    let mut waiting = rig.waiting();
    waiting.sort_unstable();
    assert_eq!(waiting, [2, 2, 8]);
}

#[tokio::test]
async fn a_note_is_told_once_and_no_more_than_fifty_are() {
    let mut rig = rig();
    for number in 0..100 {
        rig.deliver.note(format!("note {}", number / 2));
        rig.deliver.note(format!("note {}", number / 2));
    }
    assert_eq!(rig.told().len(), 50);
    rig.deliver.note("one more".into());
    assert_eq!(rig.told(), []);
}

#[tokio::test]
async fn a_deadline_leaves_all_that_waits_or_lies_in_the_channel() {
    let mut rig = rig();
    let parcel = rig.parcel(3, 10);
    rig.deliver.given(parcel);
    rig.deliver.hold_until = Some(Instant::now() + std::time::Duration::from_secs(3600));
    for records in [2, 4] {
        let parcel = rig.parcel(records, 10);
        rig.parcels.try_send(parcel).unwrap();
    }
    rig.deadline.send(Some(Instant::now())).unwrap();
    let Rig { deliver, mut events, parcels, deadline, .. } = rig;
    let status = deliver.options.status.clone();
    let summary = deliver.run().await;
    assert_eq!((summary.left(), status.now().held), (9, 0));
    let mut left = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::Left { receipts, reason, .. } = event {
            assert_eq!(reason, "stopped before they were delivered");
            left.extend(receipts.iter().flat_map(|receipt| receipt.from..receipt.to));
        }
    }
    left.sort_unstable();
    assert_eq!(left, (0..9).collect::<Vec<_>>());
    drop((parcels, deadline));
}

#[tokio::test]
async fn a_task_without_parcels_ends_when_its_channel_does() {
    let Rig { deliver, parcels, events: _events, deadline: _deadline, .. } = rig();
    drop(parcels);
    assert_eq!(deliver.run().await, Summary::default());
}
