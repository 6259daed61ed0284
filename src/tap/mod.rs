//! The tap: requests of OTLP are received, looked at, and passed on byte for byte.
//!
//! In go requests of the node's programs, out go the same to each destination; a [`Consumer`] sees those of
//! traces and logs, and may put something into them. What waits for a destination lies in memory, then in the state folder. Its
//! work is done on one thread, apart from that of logs: neither holds the other.

mod clients;
pub mod config;
pub mod consumer;
mod disk;
mod forwarder;
mod holds;
mod item;
mod open;
pub mod own;
mod place;
mod queue;
mod receiver;
mod sockets;
mod spill_record;
mod verdict;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::checkpoint::folder::FolderError;
use crate::metrics::Metrics;
use crate::notify::Notify;
use crate::otlp::client::ClientError;
use crate::otlp::server::access::{Access, TlsError};
use crate::otlp::server::{Limits, Server, Socket};
use clients::Clients;
use config::{Forward, TapConfig};
use consumer::{Consumer, Consuming};
use disk::Disk;
use forwarder::Forwarder;
use holds::Holds;
use own::{OwnRequests, OwnSender};
use place::Place;
use queue::{Queue, QueueLimits};
use receiver::Receiver;
use sockets::Listening;

/// Files of the disk are so large at most, or as half of the memory.
const SEGMENT_BYTES_MAX: u64 = 4 << 20;
/// What is left of the grace once sending ends, for what goes to the disk.
const LAST_WRITES: Duration = Duration::from_millis(500);
/// Folders of destinations in the state folder are called this, and a hash.
const FOLDER: &str = "tap-";

/// Why there is no tap.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// A folder in the state folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A destination.
    #[error("tap.forward: {0}")]
    Client(#[from] ClientError),
    /// Its certificate.
    #[error("tap.tls: {0}")]
    Tls(#[from] TlsError),
    /// A thread or runtime could not be had.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A running tap.
pub struct Tap {
    thread: JoinHandle<()>,
    own: OwnSender,
    /// When it is to have ended.
    ending: watch::Sender<Option<Instant>>,
    listening: Vec<Socket>,
}

impl Tap {
    /// Receives from now on. A socket that is taken is tried again; what an earlier process left in `state` is sent first.
    pub fn start(
        config: &TapConfig,
        state: &Path,
        (metrics, notify): (&Arc<Metrics>, &Notify),
        consumer: Option<Arc<dyn Consumer>>,
    ) -> Result<Tap, TapError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let _entered = runtime.enter();
        let (ending, ends) = watch::channel(None);
        let (sending, sends_until) = watch::channel(None);
        let (receiving, receives) = watch::channel(false);
        let (mut places, mut forwarders, mut folders) = (Vec::new(), Vec::new(), Vec::new());
        for forward in &config.forward {
            let (place, folder) = place(config, forward, state, metrics)?;
            let (place, clients) = (Arc::new(place), Clients::new(forward)?);
            forwarders.push(Forwarder::new(Arc::clone(&place), clients, sends_until.clone(), (metrics, notify)));
            places.push(place);
            folders.extend(folder);
        }
        tell_of_others(state, &folders, notify);
        let places: Arc<[Arc<Place>]> = places.into();
        let receiver = Receiver {
            places: Arc::clone(&places),
            consuming: consumer.map(Consuming::start).transpose()?,
            answer: config.answer,
            holds: Holds::new(config, metrics),
            metrics: Arc::clone(metrics),
            large: Receiver::large_at_a_time(),
        };
        let server = Arc::new(Server::new(Arc::new(receiver), Limits::default(), receives));
        let tls = Access::new(config.tls.as_ref(), config.token.as_deref())?;
        let sockets = Listening::start(&config.sockets(), &tls, (metrics, notify));
        let listening = sockets.iter().filter_map(Listening::socket).collect();
        let (own, own_requests) = OwnSender::new(metrics);
        let run = Run { server, sockets, places, forwarders, own_requests, ends, sending, receiving };
        drop(_entered);
        let thread = std::thread::Builder::new().name("tap".into()).spawn(move || run.run(&runtime))?;
        Ok(Tap { thread, own, ending, listening })
    }

    /// Where it listens now, with the ports that it was given.
    pub fn listening(&self) -> &[Socket] {
        &self.listening
    }

    /// Sends requests of the agent's own beside those that pass.
    pub fn own(&self) -> OwnSender {
        self.own.clone()
    }

    /// Ends in order, by this time: nothing more is taken, what is under way is answered, what waits is sent, and kept on the
    /// disk where that does not pass.
    pub fn end_by(&self, time: Instant) {
        let _ = self.ending.send(Some(time));
    }

    /// Waits for the end.
    pub fn finish(self) -> io::Result<()> {
        self.thread.join().map_err(|_| io::Error::other("BUG: the thread of the tap panicked"))
    }
}

/// What waits for a destination, and its folder.
fn place(
    config: &TapConfig,
    forward: &Forward,
    state: &Path,
    metrics: &Metrics,
) -> Result<(Place, Option<PathBuf>), TapError> {
    let share = config.forward.len().max(1) as u64;
    let memory = usize::try_from(config.queue_bytes / share).unwrap_or(usize::MAX);
    let limits = QueueLimits {
        memory_bytes: memory,
        disk_bytes: config.spill_bytes.unwrap_or(0) / share,
        segment_bytes: SEGMENT_BYTES_MAX.min(memory as u64 / 2),
    };
    let name = (forward.name(), forward.protocol());
    if config.spill_bytes.is_none() {
        return Ok((Place::new(name, Queue::new(limits, &[]), None, metrics), None));
    }
    let address = forward.endpoints.first().map(|(_, endpoint)| endpoint.address()).unwrap_or_default();
    let path = state.join(format!("{FOLDER}{:016x}", twox_hash::XxHash64::oneshot(0, address.as_bytes())));
    let (disk, found) = Disk::open(&path, &name.0, name.1)?;
    Ok((Place::new(name, Queue::new(limits, &found), Some(disk), metrics), Some(path)))
}

/// Spans that wait for a destination which is not configured any more are said.
fn tell_of_others(state: &Path, ours: &[PathBuf], notify: &Notify) {
    for entry in std::fs::read_dir(state).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        let is_of_tap = entry.file_name().to_str().is_some_and(|name| name.starts_with(FOLDER));
        if !is_of_tap || ours.contains(&path) {
            continue;
        }
        let bytes: u64 = disk::files(&path).unwrap_or_default().iter().map(|(_, bytes)| bytes).sum();
        if bytes > 0 {
            let to = std::fs::read_to_string(path.join("destination")).unwrap_or_default();
            notify(&format!(
                "{}: {bytes} bytes of requests wait for {to}, which tap.forward does not name any more: they are sent once it \
                 does, or remove the folder",
                path.display()
            ));
        }
    }
}

/// What runs on the thread of a tap.
struct Run {
    server: Arc<Server>,
    sockets: Vec<Listening>,
    places: Arc<[Arc<Place>]>,
    forwarders: Vec<Forwarder>,
    own_requests: OwnRequests,
    ends: watch::Receiver<Option<Instant>>,
    sending: watch::Sender<Option<tokio::time::Instant>>,
    receiving: watch::Sender<bool>,
}

impl Run {
    fn run(self, runtime: &Runtime) {
        let places = Arc::clone(&self.places);
        runtime.block_on(self.until_the_end());
        // Threads of the disk end with what was ordered.
        places.iter().filter_map(|place| place.end()).for_each(Disk::end);
    }

    async fn until_the_end(mut self) {
        let mut sockets = tokio::task::JoinSet::new();
        for socket in self.sockets {
            sockets.spawn(socket.run(Arc::clone(&self.server)));
        }
        let mut forwarders = tokio::task::JoinSet::new();
        for forwarder in self.forwarders {
            forwarders.spawn(forwarder.run());
        }
        let own = tokio::spawn(self.own_requests.run(Arc::clone(&self.places)));
        let ends = self.ends.wait_for(Option::is_some).await.ok().and_then(|time| *time);
        let now = Instant::now();
        let time = ends.unwrap_or(now).max(now);
        let _ = self.receiving.send(true);
        sockets.shutdown().await;
        // Half of the grace for who is sending, the rest to pass on what came.
        let _ = tokio::time::timeout((time - now) / 2, self.server.ended()).await;
        own.abort();
        self.places.iter().for_each(|place| place.close());
        let last = time.checked_sub(LAST_WRITES).unwrap_or(now).max(now);
        let _ = self.sending.send(Some(last.into()));
        while forwarders.join_next().await.is_some() {}
    }
}
