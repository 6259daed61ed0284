//! All destinations at work on one thread.
//!
//! In go batches through bounded channels, out come summaries; notes go to the user at once, and what a destination has
//! settled to whoever remembers it. How a destination is treated is not decided here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::job::Options;
use super::parcel::{Event, Parcel, Summary};
use super::status::StatusHandle;
use super::task::Deliver;
use crate::export::batch::Batch;
use crate::export::destination::Target;
use crate::export::sinks::BatchSink;
use crate::notify::Notify;
use crate::otlp::{Client, Compression};
use crate::record::Receipt;

/// Batches that may wait for a destination; a full channel slows the readers.
const CHANNEL_BATCHES: usize = 2;
/// How long requests in flight may take to end after an interrupt: the run is to end within two seconds.
const GRACE: Duration = Duration::from_secs(1);
/// How often the run is asked whether it was interrupted.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Why records are refused that a destination counts but does not name.
pub const REJECTED: &str = "rejected within requests that were taken (partial success)";

/// Called with the index of a destination, the receipts of what it took or refused for good, and how many of these records
/// it refused and why.
pub type Settle = Box<dyn Fn(usize, &[Receipt], (u64, &str)) + Send>;

/// What runs on the thread of the deliveries.
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What deliveries need of the run that they are part of.
pub struct Hooks {
    /// How long a request is tried.
    pub retry_for: Duration,
    /// Takes what destinations have settled.
    pub settle: Settle,
    /// Whether the run is to end.
    pub is_interrupted: Box<dyn Fn() -> bool + Send>,
    /// Runs on the same thread until all is delivered.
    pub background: Option<Background>,
    /// Tells the user something.
    pub notify: Notify,
}

/// Sends batches to the task of one destination.
#[derive(Debug, Clone)]
pub struct BatchSender {
    parcels: mpsc::Sender<Parcel>,
    compression: Compression,
}

impl BatchSink for BatchSender {
    fn send(&self, batch: Batch) -> bool {
        self.parcels.blocking_send(Parcel::pack(batch, self.compression)).is_ok()
    }
}

/// Destinations at work.
pub struct Deliveries {
    thread: JoinHandle<Vec<Summary>>,
    /// The status of each, by name.
    pub statuses: Vec<(String, Arc<StatusHandle>)>,
}

impl Deliveries {
    /// Starts one task per target.
    pub fn start(targets: Vec<Target>, hooks: Hooks) -> io::Result<(Deliveries, Vec<BatchSender>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (deadline, watched) = watch::channel(None);
        let (mut senders, mut statuses, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        let entered = runtime.enter();
        for (index, target) in targets.into_iter().enumerate() {
            let (parcels, taken) = mpsc::channel(CHANNEL_BATCHES);
            let (events, received) = mpsc::unbounded_channel();
            senders.push(BatchSender { parcels, compression: target.endpoint.compression.unwrap_or_default() });
            let mut options = Options::new(target.endpoint.name());
            let client = Client::new(target.endpoint).map_err(io::Error::other)?;
            options.retry_for = Some(hooks.retry_for);
            options.seed = index as u64;
            statuses.push((options.name.clone(), options.status.clone()));
            tasks.push((Deliver::new(Arc::new(client), taken, events, watched.clone(), options), received));
        }
        drop(entered);
        let thread = std::thread::Builder::new().name("deliver".into()).spawn(move || {
            let local = LocalSet::new();
            let summaries = local.block_on(&runtime, run(tasks, hooks, deadline));
            // A name that is being looked up, or a disk that is being written to, is not awaited.
            drop(local);
            runtime.shutdown_background();
            summaries
        })?;
        Ok((Deliveries { thread, statuses }, senders))
    }

    /// Waits until all is delivered or left; all senders must be dropped before.
    pub fn finish(self) -> io::Result<Vec<Summary>> {
        self.thread.join().map_err(|_| io::Error::other("BUG: the delivery thread panicked"))
    }
}

async fn run(
    tasks: Vec<(Deliver, mpsc::UnboundedReceiver<Event>)>,
    hooks: Hooks,
    deadline: watch::Sender<Option<Instant>>,
) -> Vec<Summary> {
    let Hooks { settle, is_interrupted, background, notify, .. } = hooks;
    let settle = std::rc::Rc::new(settle);
    let (mut running, mut handling) = (Vec::new(), Vec::new());
    for (index, (deliver, events)) in tasks.into_iter().enumerate() {
        handling.push(tokio::task::spawn_local(handle_events(index, events, settle.clone(), notify.clone())));
        running.push(tokio::task::spawn_local(deliver.run()));
    }
    if let Some(background) = background {
        tokio::task::spawn_local(background);
    }
    tokio::task::spawn_local(end_when_interrupted(is_interrupted, deadline));
    let mut summaries = Vec::new();
    for task in running {
        summaries.push(task.await.unwrap_or_default());
    }
    // Their channels have no more senders, but perhaps receipts in them.
    for task in handling {
        let _ = task.await;
    }
    summaries
}

/// Gives requests in flight a moment after an interrupt; what is not delivered by then is left, whatever destinations do.
async fn end_when_interrupted(is_interrupted: Box<dyn Fn() -> bool + Send>, deadline: watch::Sender<Option<Instant>>) {
    while !is_interrupted() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let _ = deadline.send(Some(Instant::now() + GRACE));
}

/// Notes to the user, receipts to whoever remembers them.
async fn handle_events(
    destination: usize,
    mut events: mpsc::UnboundedReceiver<Event>,
    settle: std::rc::Rc<Settle>,
    notify: Notify,
) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Delivered { receipts, rejected, .. } => settle(destination, &receipts, (rejected, REJECTED)),
            Event::Dropped { receipts, records, reason } => settle(destination, &receipts, (records, &reason)),
            Event::Left { .. } => {}
            Event::Note(text) => notify(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::checkpoint::acknowledged::{Acknowledged, Resending};
    use crate::checkpoint::ledger::State;

    #[tokio::test]
    async fn only_what_was_taken_or_dropped_is_acknowledged_and_notes_are_said() {
        let names = ["a".to_owned(), "b".to_owned()];
        let acknowledged = Arc::new(Acknowledged::new(&names, Some(State::default()), Resending::default()));
        let (file, _) = acknowledged.meet(1, &[None])[0];
        let source = acknowledged.stream(file, 1, None).index;
        let receipts = |from, to| vec![Receipt { source, from, to }];
        let (events, received) = mpsc::unbounded_channel();
        for event in [
            Event::Delivered { receipts: receipts(0, 10), records: 9, rejected: 1, reason: "old".into(), bytes: 1 },
            Event::Delivered { receipts: receipts(10, 20), records: 10, rejected: 0, reason: String::new(), bytes: 1 },
            Event::Left { receipts: receipts(20, 30), records: 10, reason: "late".into() },
            Event::Note("a note".into()),
            Event::Dropped { receipts: receipts(30, 40), records: 10, reason: "bad".into() },
        ] {
            events.send(event).unwrap();
        }
        drop(events);
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let notify: Notify = Arc::new(move |text: &str| heard.lock().unwrap().push(text.to_owned()));
        let remembered = Arc::clone(&acknowledged);
        let settle: Settle = Box::new(move |destination, receipts, refused| {
            remembered.add(destination, receipts, Some(refused));
        });
        handle_events(1, received, settle.into(), notify).await;
        assert_eq!(*said.lock().unwrap(), ["a note"]);
        let known = acknowledged.stream(file, 1, None);
        assert_eq!(known.settled[0], None);
        let known = known.settled[1].as_ref().unwrap();
        assert_eq!(known.ranges.list(), [(0, 20), (30, 40)]);
        assert_eq!(known.refused.list(), [(0, 10), (30, 40)]);
        let state = acknowledged.state();
        let refused: Vec<_> =
            state.files[0].streams.get(&1).unwrap().settled.values().flat_map(|settled| &settled.refused).collect();
        let told: Vec<_> = refused.iter().map(|refusal| (refusal.records, refusal.reason.as_str())).collect();
        assert_eq!(told, [(1, REJECTED), (10, "bad")]);
    }
}
