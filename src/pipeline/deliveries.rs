//! All destinations at work on one thread, and what they acknowledged in the ledgers.
//!
//! In go batches through bounded channels, out come summaries; notes go to the user at once, receipts to the ledgers, and
//! these to the state folder as they come and at the end. How a destination is treated is not decided here.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::monitor::Monitor;
use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::saver::{Saver, save_often};
use crate::export::destination::Target;
use crate::export::takers::BatchSink;
use crate::export::{Batch, Deliver, Event, Options, Parcel, Summary};
use crate::notify::Say;
use crate::otlp::{Client, Compression};

/// Batches that may wait for a destination; a full channel slows the readers.
const CHANNEL_BATCHES: usize = 2;
/// How long requests under way may take to end after Ctrl-C: the run is to end within two seconds.
const GRACE: Duration = Duration::from_secs(1);
/// How often is looked whether the run was interrupted.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Why records are refused that a destination counts but does not name.
const REJECTED: &str = "rejected within requests that were taken (partial success)";

/// The way to one destination.
#[derive(Debug, Clone)]
pub struct Way {
    parcels: mpsc::Sender<Parcel>,
    compression: Compression,
}

impl BatchSink for Way {
    fn send(&self, batch: Batch) -> bool {
        self.parcels.blocking_send(Parcel::pack(batch, self.compression)).is_ok()
    }
}

/// Destinations at work.
pub struct Deliveries {
    thread: JoinHandle<Vec<Summary>>,
}

impl Deliveries {
    /// Starts one task per target.
    pub(super) fn start(
        targets: Vec<Target>,
        retry_for: Duration,
        acknowledged: Arc<Acknowledged>,
        saver: Option<Arc<Saver>>,
        monitor: Arc<Monitor>,
        say: Say,
    ) -> io::Result<(Deliveries, Vec<Way>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (deadline, watched) = watch::channel(None);
        let mut ways = Vec::new();
        let mut tasks = Vec::new();
        let entered = runtime.enter();
        for (index, target) in targets.into_iter().enumerate() {
            let (parcels, taken) = mpsc::channel(CHANNEL_BATCHES);
            let (events, told) = mpsc::unbounded_channel();
            ways.push(Way { parcels, compression: target.endpoint.compression.unwrap_or_default() });
            let mut options = Options::new(target.endpoint.name());
            let client = Client::new(target.endpoint).map_err(io::Error::other)?;
            options.retry_for = Some(retry_for);
            options.seed = index as u64;
            monitor.watch(options.name.clone(), options.standing.clone());
            tasks.push((index, Deliver::new(Arc::new(client), taken, events, watched.clone(), options), told));
        }
        drop(entered);
        let thread = std::thread::Builder::new().name("deliver".into()).spawn(move || {
            let local = LocalSet::new();
            let summaries = local.block_on(&runtime, async {
                let mut running = Vec::new();
                let mut heeding = Vec::new();
                for (index, deliver, told) in tasks {
                    heeding.push(tokio::task::spawn_local(heed(index, told, acknowledged.clone(), say.clone())));
                    running.push(tokio::task::spawn_local(deliver.run()));
                }
                if let Some(saver) = saver {
                    tokio::task::spawn_local(save_often(saver, say.clone()));
                }
                tokio::task::spawn_local(end_when_interrupted(monitor, deadline));
                let mut summaries = Vec::new();
                for task in running {
                    summaries.push(task.await.unwrap_or_default());
                }
                // Their channels have no more senders, but perhaps receipts in them.
                for task in heeding {
                    let _ = task.await;
                }
                summaries
            });
            // A name that is being looked up, or a disk that is being written to, is not awaited.
            drop(local);
            runtime.shutdown_background();
            summaries
        })?;
        Ok((Deliveries { thread }, ways))
    }

    /// Waits until all is delivered or left; all ways must be dropped before.
    pub fn finish(self) -> io::Result<Vec<Summary>> {
        self.thread.join().map_err(|_| io::Error::other("BUG: the delivery thread panicked"))
    }
}

/// Gives requests under way a moment after Ctrl-C; what is not delivered by then is left, whatever destinations do.
async fn end_when_interrupted(monitor: Arc<Monitor>, deadline: watch::Sender<Option<Instant>>) {
    while !monitor.is_interrupted() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let _ = deadline.send(Some(Instant::now() + GRACE));
}

/// Notes to the user, receipts to the ledger.
async fn heed(destination: usize, mut told: mpsc::UnboundedReceiver<Event>, acknowledged: Arc<Acknowledged>, say: Say) {
    while let Some(event) = told.recv().await {
        match event {
            Event::Delivered { receipts, rejected, .. } => {
                acknowledged.add(destination, &receipts, Some((rejected, REJECTED)));
            }
            Event::Dropped { receipts, records, reason } => {
                acknowledged.add(destination, &receipts, Some((records, &reason)));
            }
            Event::Left { .. } => {}
            Event::Note(text) => say(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::checkpoint::acknowledged::Resending;
    use crate::checkpoint::ledger::State;
    use crate::record::Receipt;

    #[tokio::test]
    async fn only_what_was_taken_or_dropped_is_acknowledged_and_notes_are_said() {
        let names = ["a".to_owned(), "b".to_owned()];
        let acknowledged = Arc::new(Acknowledged::new(&names, Some(State::default()), Resending::default()));
        let (file, _) = acknowledged.meet(1, &[None])[0];
        let source = acknowledged.stream(file, 1, None).index;
        let receipts = |from, to| vec![Receipt { source, from, to }];
        let (events, told) = mpsc::unbounded_channel();
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
        let say: Say = Arc::new(move |text: &str| heard.lock().unwrap().push(text.to_owned()));
        heed(1, told, Arc::clone(&acknowledged), say).await;
        assert_eq!(*said.lock().unwrap(), ["a note"]);
        let known = acknowledged.stream(file, 1, None);
        assert_eq!(known.settled[0], None);
        let known = known.settled[1].as_ref().unwrap();
        assert_eq!(known.ranges.list(), [(0, 20), (30, 40)]);
        assert_eq!(known.refused.list(), [(0, 10), (30, 40)]);
        let state = acknowledged.state();
        let refused: Vec<_> =
            state.files[0].streams[&1].settled.values().flat_map(|settled| &settled.refused).collect();
        let told: Vec<_> = refused.iter().map(|refusal| (refusal.records, refusal.reason.as_str())).collect();
        assert_eq!(told, [(1, REJECTED), (10, "bad")]);
    }
}
