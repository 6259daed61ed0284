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

use super::ship::{BatchSink, LedgerKeys};
use crate::checkpoint::ledger::Ranges;
use crate::checkpoint::store::{Ledgers, Store};
use crate::export::{Batch, Deliver, Event, Options, Parcel, Summary};
use crate::otlp::{Client, Compression, Endpoint};
use crate::record::Receipt;

/// Batches that may wait for a destination; a full channel slows the readers.
const CHANNEL_BATCHES: usize = 2;
/// How long requests under way may take to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(2);
/// How often the state is written, if that is done quickly: what comes between is sent again after a crash.
const SAVE_SOONEST: Duration = Duration::from_millis(100);
/// How often it is written at least, while anything is acknowledged.
const SAVE_LATEST: Duration = Duration::from_secs(1);
/// Between two times it rests so many times as long as the last one took.
const SAVE_REST: u32 = 20;

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

    /// What is acknowledged by now, if anything was added since so many additions.
    fn newer(&self, additions: &mut u64) -> Option<Ledgers> {
        let inner = self.lock();
        if inner.additions == std::mem::replace(additions, inner.additions) {
            return None;
        }
        Some(inner.now.clone())
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
    thread: JoinHandle<io::Result<Vec<Summary>>>,
    deadline: watch::Sender<Option<Instant>>,
}

/// Tells the user something.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

impl Deliveries {
    /// Starts one task per target.
    pub fn start(
        targets: Vec<Target>,
        retry_for: Duration,
        acknowledged: Arc<Acknowledged>,
        store: Option<Store>,
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
                if let Some(store) = &store {
                    tokio::task::spawn_local(save_often(store.clone(), acknowledged.clone(), say.clone()));
                }
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
            Ok(summaries)
        })?;
        Ok((Deliveries { thread, deadline }, ways))
    }

    /// Give requests under way a moment, then leave what is not delivered.
    pub fn hurry(&self) {
        let _ = self.deadline.send(Some(Instant::now() + GRACE));
    }

    /// Waits until all is delivered or left; all ways must be dropped before.
    pub fn finish(self) -> io::Result<Vec<Summary>> {
        self.thread.join().map_err(|_| io::Error::other("BUG: the delivery thread panicked"))?
    }
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

async fn save_often(store: Store, acknowledged: Arc<Acknowledged>, say: Say) {
    let (mut failed, mut additions, mut pause) = (false, 0, SAVE_SOONEST);
    loop {
        tokio::time::sleep(pause).await;
        let Some(ledgers) = acknowledged.newer(&mut additions) else { continue };
        let (start, to) = (Instant::now(), store.clone());
        // It waits for the disk: the requests of this thread go on meanwhile. The runtime ends after it, so that the last
        // writing is never at the same time.
        let saved = tokio::task::spawn_blocking(move || to.save(&ledgers)).await;
        pause = (start.elapsed() * SAVE_REST).clamp(SAVE_SOONEST, SAVE_LATEST);
        match saved {
            Ok(Err(error)) if !failed => {
                failed = true;
                say(&format!("{error}; a run that is started again would send again what was sent since"));
            }
            Ok(Ok(())) => failed = false,
            Ok(Err(_)) | Err(_) => {}
        }
    }
}
