//! The destinations of all lanes, at work on one thread.
//!
//! In go parcels through a bounded channel for each, out go receipts to its lane, and what became of records to the metrics.
//! What a destination refuses as a whole it is asked for again: there is no other run to leave it for.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::wake::Wake;
use crate::export::deliver::job::{Observer, Options};
use crate::export::deliver::parcel::{Event, Parcel};
use crate::export::deliver::status::StatusHandle;
use crate::export::deliver::task::Deliver;
use crate::export::destination::Target;
use crate::metrics::requests::Request;
use crate::metrics::{DestinationMetrics, Metrics, Share};
use crate::notify::Notify;
use crate::otlp::Client;

/// Batches that may wait for a destination's task.
const CHANNEL_BATCHES: usize = 2;
/// How often the states of destinations are looked at for the metrics.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Why records are refused that a destination does not give a reason for.
const REJECTED: &str = "rejected";

/// See the module.
pub struct Destinations {
    thread: JoinHandle<()>,
    deadline: watch::Sender<Option<Instant>>,
}

/// One of them, and its lane.
pub struct Served {
    /// Where it is.
    pub target: Target,
    /// Wakes its lane.
    pub lane: Sender<Wake>,
}

impl Destinations {
    /// Starts a task for each, which holds about so many bytes at most; returns where each takes its parcels.
    pub fn start(
        served: Vec<Served>,
        held_bytes_max: usize,
        metrics: &Arc<Metrics>,
        notify: &Notify,
    ) -> io::Result<(Destinations, Vec<mpsc::Sender<Parcel>>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (deadline, watched) = watch::channel(None);
        let (mut senders, mut tasks) = (Vec::new(), Vec::new());
        let entered = runtime.enter();
        for (index, Served { target, lane }) in served.into_iter().enumerate() {
            let (parcels, taken) = mpsc::channel(CHANNEL_BATCHES);
            let (events, received) = mpsc::unbounded_channel();
            senders.push(parcels);
            let mut options = Options::new(target.endpoint.name());
            (options.holds, options.seed, options.held_bytes_max) = (true, seed(index), held_bytes_max);
            options.observer = Some(observer(&options.name, metrics));
            let told = Told {
                of_destination: metrics.destination(&options.name),
                metrics: metrics.clone(),
                status: options.status.clone(),
                lane,
                notify: notify.clone(),
            };
            let client = Client::new(target.endpoint).map_err(io::Error::other)?;
            tasks.push((Deliver::new(Arc::new(client), taken, events, watched.clone(), options), received, told));
        }
        drop(entered);
        let thread = std::thread::Builder::new().name("deliver".into()).spawn(move || {
            let local = LocalSet::new();
            local.block_on(&runtime, run(tasks));
            // A name that is being looked up is not awaited.
            drop(local);
            runtime.shutdown_background();
        })?;
        Ok((Destinations { thread, deadline }, senders))
    }

    /// Nothing is tried any more after this time.
    pub fn end_within(&self, time: Duration) {
        let _ = self.deadline.send(Some(Instant::now() + time));
    }

    /// Waits for the end; all lanes must have ended before.
    pub fn finish(self) -> io::Result<()> {
        self.thread.join().map_err(|_| io::Error::other("BUG: the delivery thread panicked"))
    }
}

/// Keeps requests for those who want spans of them.
fn observer(name: &str, metrics: &Arc<Metrics>) -> Observer {
    let (destination, metrics): (Arc<str>, _) = (name.into(), metrics.clone());
    let left_out = metrics.limit_reached("own_spans");
    Observer(Arc::new(move |answered| {
        if !metrics.requests.are_wanted() {
            return;
        }
        let end_nanos = now_nanos().cast_unsigned();
        let took = u64::try_from(answered.took.as_nanos()).unwrap_or(u64::MAX);
        let request = Request {
            destination: destination.clone(),
            start_nanos: end_nanos.saturating_sub(took),
            end_nanos,
            records: answered.records,
            bytes: answered.bytes,
            failures_before: answered.failures_before,
            error: answered.error.map(ToString::to_string),
        };
        metrics.requests.add(request, &left_out);
    }))
}

/// Agents that lost one destination at one moment do not come back to it at one moment.
fn seed(index: usize) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    now ^ (u64::from(std::process::id()) << 32) ^ index as u64
}

type Task = (Deliver, mpsc::UnboundedReceiver<Event>, Told);

async fn run(tasks: Vec<Task>) {
    let (mut running, mut watching) = (Vec::new(), Vec::new());
    for (deliver, events, told) in tasks {
        let told = std::rc::Rc::new(told);
        watching.push(tokio::task::spawn_local(watch_state(told.clone())));
        running.push(tokio::task::spawn_local(async move { drop(deliver.run().await) }));
        running.push(tokio::task::spawn_local(async move { told.all(events).await }));
    }
    for task in running {
        let _ = task.await;
    }
    watching.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Who is told what became of a destination's records.
struct Told {
    of_destination: Arc<DestinationMetrics>,
    metrics: Arc<Metrics>,
    status: Arc<StatusHandle>,
    lane: Sender<Wake>,
    notify: Notify,
}

impl Told {
    async fn all(&self, mut events: mpsc::UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            self.event(event);
        }
    }

    fn event(&self, event: Event) {
        match event {
            Event::Delivered { receipts, records, rejected, reason, .. } => {
                self.of_destination.delivered.add(records);
                self.of_destination.succeeded(now_nanos());
                if rejected > 0 {
                    let reason = if reason.is_empty() { REJECTED } else { &reason };
                    self.metrics.dropped(reason).add(rejected);
                }
                self.settled(receipts);
            }
            Event::Dropped { receipts, records, reason } => {
                self.metrics.dropped(&reason).add(records);
                (self.notify)(&format!("{records} records are dropped: {reason}"));
                self.settled(receipts);
            }
            // They stay in their files.
            Event::Left { .. } => {}
            Event::Note(text) => (self.notify)(&text),
        }
    }

    fn settled(&self, receipts: Vec<crate::record::Receipt>) {
        // A lane that has ended has written down what it knew.
        let _ = self.lane.send(Wake::Settled(receipts));
    }
}

/// Keeps the metrics of a destination's state.
async fn watch_state(told: std::rc::Rc<Told>) {
    let mut told_before = None;
    let mut held_bytes = Share::of(told.metrics.memory("batches"));
    loop {
        let status = told.status.now();
        held_bytes.set(status.held_bytes);
        told.of_destination.held.set(status.held);
        if status.last_error != told_before {
            if let Some(error) = &status.last_error {
                told.of_destination.failed(now_nanos(), error, None);
            }
            told_before = status.last_error;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn now_nanos() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}
