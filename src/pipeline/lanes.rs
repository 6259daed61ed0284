//! The lanes of an agent: one for each destination of logs, started and ended; one alone where lines go onto spans only.
//!
//! In go an [`AgentConfig`] and what all lanes share, out come running threads, and how they ended. What a lane does is
//! [`live`](crate::live)'s.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender as ParcelSender;

use crate::calendar::Zone;
use crate::checkpoint::folder::Folder;
use crate::checkpoint::learned_file::LearnedFile;
use crate::checkpoint::positions::disk::FolderDisk;
use crate::checkpoint::positions::journal::{Journal, Loaded};
use crate::correlate::index::Limits;
use crate::export::deliver::parcel::Parcel;
use crate::export::destination::targets;
use crate::export::span_events::event::AboutEvents;
use crate::input::journal::follow::JournalTailConfig;
use crate::input::tail::config::{TailConfig, TailInput, TailInputKind, TailLimits};
use crate::input::tail::disk::Disk;
use crate::input::tail::file_system::FsEvent;
use crate::input::tail::inotify::EventReader;
use crate::live::destinations::{Destinations, Served};
use crate::live::keeper::Keeper;
use crate::live::lane::{Lane, LaneEnd};
use crate::live::late_events::{CarrierRequest, GiveCarriers};
use crate::live::learned::Learned;
use crate::live::linked_lines::EventSettings;
use crate::live::linking::LinkSettings;
use crate::live::pod_metadata::PodSource;
use crate::live::source::LineSettings;
use crate::live::sources::Input;
use crate::live::wake::Wake;
use crate::metrics::Metrics;
use crate::notify::Notify;
use crate::otlp::Compression;
use crate::run::RunError;
use crate::run::agent::AgentConfig;
use crate::run::budget::LinkingBudget;
use crate::tap::config::AnswerWhen;
use crate::tap::own::{OwnRequest, OwnSender};

/// How long a rotated file is waited for before the one after it is read. What is written to it later still comes, behind that.
const LATE_WRITES: Duration = Duration::from_millis(200);
/// Names of inputs in metrics.
const PODS: &str = "pods";
const FILES: &str = "files";
const JOURNAL: &str = "journal";
/// The lane of lines that go onto spans only, in messages and in the state.
const EVENTS: &str = "events";
/// Requests in flight get so long once the grace is over.
const LAST_ANSWERS: Duration = Duration::from_millis(200);
/// What is over is looked for so often while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How the agent ended.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct AgentEnd {
    /// Destinations that had not acknowledged all that was read when the grace was over: it stays in its files.
    pub unsettled: Vec<String>,
    /// Why positions could not be written down: what was sent since the last time comes again.
    pub unsaved: Vec<String>,
}

/// What sends requests of the agent's own, once there is a tap.
pub(super) type OwnSlot = Arc<Mutex<Option<OwnSender>>>;

/// Takes carriers, where they are wanted and can be sent.
fn carriers(config: &AgentConfig, own: &OwnSlot) -> Option<GiveCarriers> {
    config.tap.as_ref().filter(|tap| tap.late_events && !tap.forward.is_empty())?;
    let own = own.clone();
    Some(Arc::new(move |CarrierRequest { request, spans, taken }| {
        match &*own.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(own) => own.send(OwnRequest { body: request, spans, taken }).map_err(|refused| {
                let OwnRequest { body, spans, taken } = refused;
                CarrierRequest { request: body, spans, taken }
            }),
            None if taken.is_some() => Err(CarrierRequest { request, spans, taken }),
            None => Ok(()),
        }
    }))
}

/// How linked records become events, which one lane sees to.
fn event_settings(config: &AgentConfig, own: &OwnSlot, is_first: bool) -> EventSettings {
    let shows_about = config.tap.as_ref().is_none_or(|tap| tap.about_events);
    EventSettings {
        hold: hold(config).filter(|_| is_first),
        carriers: carriers(config, own).filter(|_| is_first),
        about: if shows_about { AboutEvents::All } else { AboutEvents::None },
    }
}

/// Requests are let go so much before the time is up that they may be held, and all of what came until then is decided together.
const HELD_SHARE: f32 = 0.75;

/// How long lines may come that are put on the spans of a request, where they are.
fn hold(config: &AgentConfig) -> Option<Duration> {
    let tap = config.tap.as_ref().filter(|tap| !tap.hold.is_zero() && !tap.forward.is_empty())?;
    // A request whose client gives up takes the lines on it along.
    if config.destinations.is_empty() && tap.answer == AnswerWhen::Delivered {
        return None;
    }
    Some(tap.hold.mul_f32(HELD_SHARE))
}

/// All lanes of one configuration.
pub(super) struct Lanes {
    lanes: Vec<Running>,
    destinations: Destinations,
}

/// One of them.
struct Running {
    name: String,
    wake: Sender<Wake>,
    thread: JoinHandle<LaneEnd>,
}

impl Lanes {
    /// Starts them.
    pub(super) fn start(
        config: &AgentConfig,
        (state, pods): (&Arc<Folder>, PodSource),
        (metrics, notify): (&Arc<Metrics>, &Notify),
        own: &OwnSlot,
    ) -> Result<Lanes, RunError> {
        let (destinations, ends) = ends(config, metrics, notify)?;
        let mut lanes = Vec::new();
        let lanes_count = ends.len();
        for (index, LaneEnds { name, remembered_as, compression, wake, wakes, parcels }) in ends.into_iter().enumerate()
        {
            let (journal, loaded) = positions(&config.state, &remembered_as, notify)?;
            let kept = wake.clone();
            let keeper = Keeper::start(journal, move |outcome| drop(kept.send(Wake::Kept(outcome))))?;
            let tail = tail(config, !loaded.was_there);
            // One lane is enough for what each would do alike: all of them link the same lines.
            let is_first = index == 0;
            if is_first {
                let asked = wake.clone();
                metrics.on_sources_wanted(move || drop(asked.send(Wake::Asked)));
            }
            let (file_system, events) = Disk::new(&tail.inputs);
            events.map(|events| hear(events, wake.clone())).transpose()?;
            let lane = Lane {
                journal: followed_journal(config, tail.is_first_start),
                tail,
                file_system,
                known: loaded.entries,
                lines: lines(config, pods.clone(), share_of(config.memory_bytes, lanes_count), metrics),
                learned: config.tap.as_ref().map(|_| learned(state, &remembered_as, notify)).transpose()?,
                events: event_settings(config, own, is_first),
                links_logs: is_first,
                settles: config.destinations.is_empty().then(|| wake.clone()),
                links: config.tap.is_some().then(|| link_settings(config, lanes_count)),
                inputs: inputs(config, metrics),
                keeper,
                parcels,
                compression,
                wakes,
                metrics: metrics.clone(),
                tells_sources: is_first,
                notify: notify.clone(),
            };
            let thread = std::thread::Builder::new().name("lane".into()).spawn(move || lane.run())?;
            lanes.push(Running { name, wake, thread });
        }
        Ok(Lanes { lanes, destinations })
    }

    /// Requests with spans go to all of them.
    pub(super) fn wakes(&self) -> Vec<Sender<Wake>> {
        self.lanes.iter().map(|lane| lane.wake.clone()).collect()
    }

    /// Nothing more is read; what was read is delivered, as far as that takes no longer than the grace.
    pub(super) fn end(self, grace: Duration) -> Result<AgentEnd, RunError> {
        let deadline = Instant::now() + grace;
        let tell = |wake: fn() -> Wake| self.lanes.iter().for_each(|lane| drop(lane.wake.send(wake())));
        tell(|| Wake::Stop);
        while Instant::now() < deadline && self.lanes.iter().any(|lane| !lane.thread.is_finished()) {
            std::thread::sleep(LOOK_EVERY);
        }
        self.destinations.end_within(LAST_ANSWERS);
        if self.lanes.iter().any(|lane| !lane.thread.is_finished()) {
            std::thread::sleep(LAST_ANSWERS + LOOK_EVERY);
        }
        tell(|| Wake::End);
        let mut end = AgentEnd::default();
        for Running { name, thread, .. } in self.lanes {
            let Ok(LaneEnd { is_settled, unsaved }) = thread.join() else {
                end.unsettled.push(name);
                continue;
            };
            end.unsaved.extend(unsaved.map(|error| format!("{name}: {error}")));
            end.unsettled.extend((!is_settled).then_some(name));
        }
        self.destinations.finish()?;
        Ok(end)
    }
}

/// What a lane has to do with: its destination, and whoever wakes it.
struct LaneEnds {
    name: String,
    /// Its positions are those of this name.
    remembered_as: String,
    compression: Compression,
    wake: Sender<Wake>,
    wakes: Receiver<Wake>,
    parcels: ParcelSender<Parcel>,
}

/// Starts the destinations of logs, with a lane for each; without one, lines go onto spans only, by one lane.
fn ends(
    config: &AgentConfig,
    metrics: &Arc<Metrics>,
    notify: &Notify,
) -> Result<(Destinations, Vec<LaneEnds>), RunError> {
    let targets = targets(&config.destinations);
    let (wakes, listening): (Vec<_>, Vec<_>) = targets.iter().map(|_| mpsc::channel()).unzip();
    let served = targets.iter().cloned().zip(wakes.iter().cloned());
    let served = served.map(|(target, lane)| Served { target, lane }).collect();
    let held_bytes = share_of(config.memory_bytes, targets.len());
    let started = Destinations::start(served, held_bytes, metrics, notify).map_err(RunError::Destination)?;
    let (destinations, parcels) = started;
    if targets.is_empty() {
        let (wake, wakes) = mpsc::channel();
        let (parcels, _) = tokio::sync::mpsc::channel(1);
        let (name, remembered_as, compression) = (EVENTS.to_owned(), EVENTS.to_owned(), Compression::None);
        return Ok((destinations, vec![LaneEnds { name, remembered_as, compression, wake, wakes, parcels }]));
    }
    let ends = targets.into_iter().zip(wakes.into_iter().zip(listening)).zip(parcels);
    let ends = ends.map(|((target, (wake, wakes)), parcels)| LaneEnds {
        name: target.endpoint.name(),
        compression: target.endpoint.compression.unwrap_or_default(),
        remembered_as: target.remembered_as,
        wake,
        wakes,
        parcels,
    });
    Ok((destinations, ends.collect()))
}

/// Gives on what changes in files, on a thread of its own that ends with the file system.
fn hear(events: EventReader, wake: Sender<Wake>) -> io::Result<()> {
    let listen = move || {
        let give = |event: FsEvent| match wake.send(Wake::Files(event)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        // Without them files are looked at from time to time.
        let _ = events.run(give);
    };
    std::thread::Builder::new().name("files".into()).spawn(listen).map(drop)
}

/// Of a destination, among what is kept.
fn kept_name(remembered_as: &str) -> String {
    format!("{:016x}", twox_hash::XxHash64::oneshot(0, remembered_as.as_bytes()))
}

/// What was learned by the lane of a destination.
fn learned(state: &Arc<Folder>, remembered_as: &str, notify: &Notify) -> io::Result<Learned> {
    Learned::start(LearnedFile::new(state.clone(), format!("learned-{}", kept_name(remembered_as))), notify.clone())
}

/// What is written down of a destination.
fn positions(state: &Path, remembered_as: &str, notify: &Notify) -> Result<(Journal<FolderDisk>, Loaded), RunError> {
    let path = state.join(format!("to-{}", kept_name(remembered_as)));
    let folder = Folder::open(&path)?;
    // For people: which destination it is of.
    let told = folder.replace("destination", |file| std::io::Write::write_all(file, remembered_as.as_bytes()));
    told.map_err(|error| folder.failed("destination", error))?;
    let (journal, loaded) = Journal::open(FolderDisk::new(folder))?;
    if let Some(message) = &loaded.message {
        notify(&format!("the state in {} {message}", path.display()));
    }
    Ok((journal, loaded))
}

fn tail(config: &AgentConfig, is_first_start: bool) -> TailConfig {
    let pods = config.inputs.pods.iter().map(|pods| TailInput {
        kind: TailInputKind::Pods { root: pods.path.clone() },
        exclude: pods.exclude.clone(),
        start: pods.start,
    });
    let files = config.inputs.files.iter().map(|files| TailInput {
        kind: TailInputKind::Files { include: files.include.clone() },
        exclude: files.exclude.clone(),
        start: files.start,
    });
    TailConfig {
        inputs: pods.chain(files).collect(),
        is_first_start,
        own_folders: vec![config.state.clone()],
        limits: TailLimits { late_writes: LATE_WRITES, ..TailLimits::default() },
    }
}

/// The last of the inputs.
fn followed_journal(config: &AgentConfig, is_first_start: bool) -> Option<JournalTailConfig> {
    let journal = config.inputs.journal.as_ref()?;
    Some(JournalTailConfig {
        root: journal.path.clone(),
        query: Arc::new(journal.query.clone()),
        start: journal.start.clone(),
        is_first_start,
        input: usize::from(config.inputs.pods.is_some()) + config.inputs.files.len(),
    })
}

/// In the order of those that are followed.
fn inputs(config: &AgentConfig, metrics: &Metrics) -> Vec<(String, Input)> {
    let input = |name: &str, service: Option<&String>| {
        let service = service.map(|service| service.as_str().into());
        let (is_pods, is_journal) = (name == PODS, name == JOURNAL);
        (name.to_owned(), Input { metrics: metrics.input(name), is_pods, is_journal, service })
    };
    let pods = config.inputs.pods.iter().map(|_| input(PODS, None));
    let files = config.inputs.files.iter().map(|files| input(FILES, files.service.as_ref()));
    pods.chain(files).chain(config.inputs.journal.iter().map(|_| input(JOURNAL, None))).collect()
}

/// Bytes that each of so many lanes may hold of lines, and again of batches: a quarter of all for each of both, as the rest of
/// what is known of files does not depend on how much is written.
fn share_of(memory_bytes: u64, lanes: usize) -> usize {
    usize::try_from(memory_bytes / 4).unwrap_or(usize::MAX) / lanes.max(1)
}

/// How each of so many lanes links lines.
fn link_settings(config: &AgentConfig, lanes: usize) -> LinkSettings {
    let LinkingBudget { waiting_bytes, spans_bytes, learning } =
        LinkingBudget::new(config.memory_bytes / lanes.max(1) as u64);
    LinkSettings {
        wait: config.links.wait,
        min_confidence: config.links.min_confidence,
        waiting_bytes_max: waiting_bytes,
        spans: Limits { bytes_max: spans_bytes, ..Limits::default() },
        learning,
    }
}

fn lines(config: &AgentConfig, pods: PodSource, held_bytes_max: usize, metrics: &Metrics) -> LineSettings {
    let node = std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty());
    let node = node.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
    LineSettings {
        record_bytes_max: TailLimits::default().line_bytes_max,
        held_bytes_max,
        zone: Zone::local(),
        node,
        journal_fields: config.inputs.journal.as_ref().is_some_and(|journal| journal.all_fields),
        parsers: config.rules.formats.all.iter().map(|format| metrics.parser(&format.name)).collect(),
        rules: config.rules.clone(),
        pods,
    }
}
