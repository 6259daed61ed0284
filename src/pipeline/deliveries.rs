//! All destinations at work on one thread, and what they acknowledged in the ledgers.
//!
//! In go batches through bounded channels, out come summaries; notes go to the user at once, receipts to the ledgers, and
//! these to the state folder as they come and at the end. How a destination is treated is not decided here.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::monitor::Monitor;
use super::saving::{Saver, save_often};
use super::ship::{BatchSink, LedgerKeys};
use crate::checkpoint::ledger::Ranges;
use crate::checkpoint::store::Ledgers;
use crate::export::{Batch, Deliver, Event, Options, Parcel, Summary};
use crate::otlp::{Client, Compression, Endpoint};
use crate::record::Receipt;

/// Batches that may wait for a destination; a full channel slows the readers.
const CHANNEL_BATCHES: usize = 2;
/// How long requests under way may take to end after Ctrl-C: the run is to end within two seconds.
const GRACE: Duration = Duration::from_secs(1);
/// How often is looked whether the run was interrupted.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// A destination to deliver to.
#[derive(Debug, Clone)]
pub struct Target {
    /// What it is called in the state: its kind and address, without a query.
    pub name: String,
    /// Where it is.
    pub endpoint: Endpoint,
}

/// What is known of acknowledgements, shared by readers and deliveries.
#[derive(Debug, Default)]
pub struct Acknowledged {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    names: Vec<String>,
    before: Ledgers,
    now: Ledgers,
    /// Additions to `now`.
    additions: u64,
    keys: Vec<u128>,
    known: HashMap<u128, u32>,
}

impl Acknowledged {
    /// With what earlier runs had acknowledged, for these destinations.
    pub fn new(names: Vec<String>, before: Ledgers) -> Acknowledged {
        let now = before.clone();
        Acknowledged { inner: Mutex::new(Inner { names, before, now, ..Inner::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, destination: &str, receipts: &[Receipt]) {
        let mut inner = self.lock();
        inner.additions += 1;
        for receipt in receipts {
            let Some(key) = inner.keys.get(receipt.source as usize).copied() else { continue };
            inner.now.entry(destination.to_owned()).or_default().add(key, receipt.from, receipt.to);
        }
    }

    /// Whether anything was added since so many additions.
    pub(super) fn has_grown(&self, additions: &mut u64) -> bool {
        let inner = self.lock();
        inner.additions != std::mem::replace(additions, inner.additions)
    }

    /// What is acknowledged by now.
    pub fn ledgers(&self) -> Ledgers {
        self.lock().now.clone()
    }
}

impl LedgerKeys for Acknowledged {
    fn key(&self, key: u128) -> (u32, Vec<Option<Ranges>>) {
        self.key_and_earlier(key, &[])
    }

    fn key_and_earlier(&self, key: u128, earlier: &[(u128, u64)]) -> (u32, Vec<Option<Ranges>>) {
        let mut inner = self.lock();
        let index = match inner.known.get(&key) {
            Some(index) => *index,
            None => {
                let index = inner.keys.len() as u32;
                inner.keys.push(key);
                inner.known.insert(key, index);
                index
            }
        };
        let is_known = |key: &u128| inner.before.values().any(|ledger| ledger.ranges(*key).is_some());
        if !is_known(&key)
            && let Some((from, up_to)) = earlier.iter().rev().find(|(key, _)| is_known(key)).copied()
        {
            // Handed on, not copied: of several files that begin alike, one is the file that it was.
            let Inner { before, now, .. } = &mut *inner;
            before.values_mut().chain(now.values_mut()).for_each(|ledger| ledger.hand_on(from, key, up_to));
        }
        let ranges = |name: &String| inner.before.get(name)?.ranges(key).cloned();
        (index, inner.names.iter().map(ranges).collect())
    }
}

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

/// Tells the user something.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

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
            tasks.push((target.name, Deliver::new(Arc::new(client), taken, events, watched.clone(), options), told));
        }
        drop(entered);
        let thread = std::thread::Builder::new().name("deliver".into()).spawn(move || {
            let local = LocalSet::new();
            let summaries = local.block_on(&runtime, async {
                let mut running = Vec::new();
                let mut heeding = Vec::new();
                for (name, deliver, told) in tasks {
                    heeding.push(tokio::task::spawn_local(heed(name, told, acknowledged.clone(), say.clone())));
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
async fn heed(name: String, mut told: mpsc::UnboundedReceiver<Event>, acknowledged: Arc<Acknowledged>, say: Say) {
    while let Some(event) = told.recv().await {
        match event {
            Event::Delivered { receipts, .. } | Event::Dropped { receipts, .. } => acknowledged.add(&name, &receipts),
            Event::Left { .. } => {}
            Event::Note(text) => say(&text),
        }
    }
}
