//! The loop of one destination: reads what is followed in turns, gives on batches, takes receipts, has positions written down.
//!
//! In go wakes and the time, out go batches; nobody is waited for but at the end of a turn of the loop. What the destination has
//! no room for holds reading back: it stays in its files.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::counted::count;
use super::in_flight::InFlight;
use super::keeper::{Keeper, Kept};
use super::lane_memory::Memory;
use super::late_events::LateEvents;
use super::learned::Learned;
use super::line_events::LineEvents;
use super::linked_lines::{EventSettings, LinkedLines};
use super::linking::{LinkSettings, Linking};
use super::outbox::Outbox;
use super::passing_logs::PassingLogs;
use super::saving::{Saving, Told};
use super::sent_before::shipper;
use super::source::LineSettings;
use super::sources::{Input, Sources};
use super::wake::Wake;
use crate::checkpoint::positions::entry::Entry;
use crate::checkpoint::positions::record_streams::RecordStreams;
use crate::checkpoint::positions::table::Positions;
use crate::export::deliver::parcel::Parcel;
use crate::export::select::Selection;
use crate::input::journal::follow::{JournalTail, JournalTailConfig};
use crate::input::tail::config::TailConfig;
use crate::input::tail::file_system::FileSystem;
use crate::input::tail::follower::Tail;
use crate::metrics::{Heartbeat, Metrics, SourceFacts};
use crate::notify::Notify;
use crate::otlp::Compression;

/// A batch is sent so long after its first record, however small it is, if none was sent for so long as the second says: files
/// that are written to are read together, and their lines sent together.
const BATCH_AFTER: Duration = Duration::from_millis(10);
const BATCH_PAUSE: Duration = Duration::from_millis(50);
/// Reading goes on without a look at anything else for so long.
const TURNS_FOR: Duration = Duration::from_millis(20);
/// While the destination has no room it is asked so often.
const FULL_PAUSE: Duration = Duration::from_millis(20);
/// The longest wait.
const IDLE_PAUSE: Duration = Duration::from_secs(10);
/// How often what is known of quiet sources is looked through.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// What a lane is made of.
pub struct Lane<F> {
    /// What is followed.
    pub tail: TailConfig,
    /// The journal that is followed, if one is.
    pub journal: Option<JournalTailConfig>,
    /// Where files lie.
    pub file_system: F,
    /// What an earlier run wrote down.
    pub known: Vec<Entry>,
    /// How lines are taken.
    pub lines: LineSettings,
    /// How they are linked; `None` where no spans come.
    pub links: Option<LinkSettings>,
    /// What it has learned, for its next start.
    pub learned: Option<Learned>,
    /// How linked lines become events.
    pub events: EventSettings,
    /// Logs that go through the tap come here.
    pub links_logs: bool,
    /// Lines go nowhere but onto spans, and are settled once these were taken: wakes this loop.
    pub settles: Option<Sender<Wake>>,
    /// The inputs, in the order of those that are followed, with their names in metrics.
    pub inputs: Vec<(String, Input)>,
    /// Who writes positions down.
    pub keeper: Keeper,
    /// To the destination's task.
    pub parcels: mpsc::Sender<Parcel>,
    /// How batches are compressed.
    pub compression: Compression,
    /// Wakes the loop.
    pub wakes: Receiver<Wake>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Facts of sources are told to the metrics, by one lane.
    pub tells_sources: bool,
    /// Tells the operator something.
    pub notify: Notify,
}

/// How a lane ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneEnd {
    /// All that was read was delivered.
    pub is_settled: bool,
    /// Why positions are not written down.
    pub unsaved: Option<String>,
}

/// The loop's own state.
struct Loop<'s, F: FileSystem> {
    tail: Tail<F>,
    journal: Option<JournalTail>,
    sources: Sources<'s>,
    outbox: Outbox,
    saving: Saving,
    learned: Option<Learned>,
    metrics: Arc<Metrics>,
    heartbeat: Arc<Heartbeat>,
    memory: Memory,
    inputs: Vec<String>,
    tells_sources: bool,
    notify: Notify,
    is_stopping: bool,
    flushed_at: Instant,
    forget_at: Instant,
}

fn now() -> (Instant, i64) {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (Instant::now(), i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}

impl<F: FileSystem> Lane<F> {
    /// Runs until it is stopped and all that was read is delivered, or until nothing more is waited for.
    pub fn run(self) -> LaneEnd {
        let Lane {
            tail,
            journal,
            file_system,
            known,
            lines,
            links,
            mut learned,
            events: EventSettings { hold, carriers, about },
            settles,
            inputs,
            keeper,
            parcels,
            compression,
            wakes,
            ..
        } = self;
        let start = now();
        let followed: Vec<_> = known.iter().map(|entry| entry.file.clone()).collect();
        let journal = journal.map(|journal| JournalTail::new(journal, &followed, start.0));
        let positions = Rc::new(RefCell::new(Positions::new(known)));
        let outbox = Outbox::new(parcels, compression);
        let (selection, rules) = (Selection::default(), lines.rules.clone());
        let min_confidence = links.as_ref().map_or(0.0, |links| links.min_confidence);
        let events = LineEvents {
            lines: LinkedLines::new(about),
            in_flight: hold.map(|hold| InFlight::new(hold, &self.metrics)),
            late: carriers.map(|give| LateEvents::new(give, &self.metrics)),
            settles,
        };
        let mut lines_of_spans = events.lines.clone();
        let mut shipper =
            shipper(&outbox, (&selection, &rules), min_confidence, RecordStreams::new(positions.clone(), ""));
        shipper.logs.retain(|_| events.settles.is_none());
        let makes_events = events.in_flight.is_some() || events.late.is_some();
        let passing_logs = self
            .links_logs
            .then(|| PassingLogs::new(lines.zone, (makes_events.then(|| events.lines.clone()), &rules), &self.metrics));
        if makes_events {
            shipper.outputs.push(&mut lines_of_spans);
        }
        let names = inputs.iter().map(|(name, _)| name.clone()).collect();
        let inputs = inputs.into_iter().map(|(_, input)| input).collect();
        let metrics = self.metrics.clone();
        let before = learned.as_mut().and_then(Learned::take_before);
        let linking = links.map(|links| Linking::new((links, before.as_deref()), events, &metrics, start));
        let links = (linking, passing_logs);
        let sources = Sources::new(shipper, positions, lines, inputs, metrics, links, (self.notify.clone(), start));
        let mut of_loop = Loop {
            tail: Tail::new(&tail, file_system, followed, start.0),
            journal,
            sources,
            outbox,
            saving: Saving::new(keeper, start.0),
            learned,
            heartbeat: self.metrics.heartbeat(start.0),
            memory: Memory::new(&self.metrics),
            metrics: self.metrics,
            inputs: names,
            tells_sources: self.tells_sources,
            notify: self.notify,
            is_stopping: false,
            flushed_at: start.0,
            forget_at: start.0 + FORGET_EVERY,
        };
        of_loop.run(&wakes)
    }
}

impl<F: FileSystem> Loop<'_, F> {
    fn run(&mut self, wakes: &Receiver<Wake>) -> LaneEnd {
        self.metrics.inputs_begin();
        loop {
            let now = now();
            self.heartbeat.turned(now.0);
            self.sources.set_now(now);
            let reads_on = self.turn(now.0);
            if self.is_stopping && self.is_delivered() {
                return self.end(wakes);
            }
            let pause = if reads_on { Duration::ZERO } else { self.pause() };
            let mut next = match wakes.recv_timeout(pause) {
                Ok(wake) => Some(wake),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.end(wakes),
            };
            while let Some(wake) = next {
                if matches!(wake, Wake::End) {
                    return self.end(wakes);
                }
                self.wake(wake);
                next = wakes.try_recv().ok();
            }
        }
    }

    fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Files(event) => self.tail.event(&event, Instant::now()),
            Wake::Spans(spans) => {
                if let Some(linking) = &mut self.sources.linking {
                    linking.add_spans(spans);
                }
            }
            Wake::Logs(logs) if !self.is_stopping => self.sources.add_logs(logs),
            // They pass as they came.
            Wake::Logs(_) => {}
            Wake::Settled(receipts) => self.sources.positions.borrow_mut().settle(&receipts),
            Wake::Kept(kept) => self.kept(kept),
            Wake::Stop => self.stop(),
            // The turn that follows looks after it.
            Wake::Asked | Wake::End => {}
        }
    }

    /// One turn of the loop. Returns whether there is more to read at once.
    fn turn(&mut self, now: Instant) -> bool {
        let mut reads_on = false;
        let mut has_room = self.give_on();
        if !self.is_stopping {
            self.tail.look(now, &mut self.sources);
            while has_room {
                reads_on = self.tail.turn(Instant::now(), &mut self.sources);
                let sources = &mut self.sources;
                reads_on |= self.journal.as_mut().is_some_and(|journal| journal.turn(Instant::now(), sources));
                has_room = self.give_on();
                if !reads_on || now.elapsed() > TURNS_FOR {
                    break;
                }
            }
        }
        self.sources.flush_quiet();
        if let Some(linking) = self.sources.linking.as_mut().filter(|_| !has_room) {
            linking.let_go();
        }
        // Whatever the destination has room for: lines that wait are not many, and others' wait with them.
        self.sources.decide(false);
        if has_room && self.batch_at().is_some_and(|at| at <= Instant::now()) {
            self.flush_batch();
        }
        if now >= self.forget_at {
            self.sources.forget_quiet();
            self.tell_memory();
            if let (Some(learned), Some(linking)) = (&mut self.learned, &self.sources.linking) {
                learned.keep_if_due(now, || linking.learned());
            }
            self.forget_at = now + FORGET_EVERY;
        }
        self.saving.turn(now, &mut self.sources.positions.borrow_mut());
        self.tell_sources(now);
        reads_on && has_room
    }

    /// Gives on what is to go out; whether there is room for more.
    fn give_on(&mut self) -> bool {
        self.outbox.give_on() && self.sources.linking.as_mut().is_none_or(Linking::give_on)
    }

    /// When what there is of a batch is sent.
    fn batch_at(&self) -> Option<Instant> {
        self.sources.since.map(|since| (since + BATCH_AFTER).max(self.flushed_at + BATCH_PAUSE))
    }

    fn flush_batch(&mut self) {
        self.sources.since = None;
        self.flushed_at = Instant::now();
        self.sources.shipper.flush();
        count(&self.metrics, &std::mem::take(&mut self.sources.shipper.counts));
        self.outbox.give_on();
    }

    /// How long nothing is to be done unless something happens.
    fn pause(&self) -> Duration {
        let now = Instant::now();
        let has_room = self.outbox.is_empty() && !self.sources.linking.as_ref().is_some_and(Linking::is_held);
        let full = (!has_room).then_some(now + FULL_PAUSE);
        let look = (!self.is_stopping).then(|| self.tail.next_look());
        let journal = self.journal.as_ref().filter(|_| !self.is_stopping && has_room).map(JournalTail::next_turn);
        let batch = self.batch_at().filter(|_| has_room);
        let save = self.saving.next(&self.sources.positions.borrow());
        let decide = self.sources.linking.as_ref().and_then(Linking::next);
        let next = [full, look, journal, batch, save, decide, self.sources.next_quiet()].into_iter().flatten().min();
        next.map_or(IDLE_PAUSE, |next| next.saturating_duration_since(now)).min(IDLE_PAUSE)
    }

    fn kept(&mut self, kept: Kept) {
        let told = self.saving.kept(kept, Instant::now(), &mut self.sources.positions.borrow_mut());
        self.metrics.state_written(self.saving.failed().map_or(Ok(()), |error| Err(error.to_owned())));
        match told {
            Some(Told::WorksAgain) => (self.notify)("the state can be written again"),
            Some(Told::Fails(error)) => (self.notify)(&format!(
                "the state cannot be written ({error}): lines go on, and what is sent meanwhile comes again after a restart"
            )),
            None => {}
        }
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        self.sources.flush_all();
        self.sources.decide(true);
        self.flush_batch();
    }

    /// Nothing that was handed out is outstanding.
    fn is_delivered(&mut self) -> bool {
        self.give_on() && self.sources.positions.borrow().is_delivered()
    }

    /// Writes down where it ends.
    fn end(&mut self, wakes: &Receiver<Wake>) -> LaneEnd {
        count(&self.metrics, &std::mem::take(&mut self.sources.shipper.counts));
        if let (Some(learned), Some(linking)) = (&mut self.learned, &self.sources.linking) {
            learned.end(linking.learned());
        }
        let is_settled = self.sources.positions.borrow().is_delivered();
        while self.saving.end(&mut self.sources.positions.borrow_mut()) {
            match wakes.recv() {
                Ok(wake) => self.wake(wake),
                Err(_) => break,
            }
        }
        LaneEnd { is_settled, unsaved: self.saving.failed().map(str::to_owned) }
    }

    /// Tells what it holds: now and then, since only one lane hears of it when somebody asks.
    fn tell_memory(&mut self) {
        self.memory.lines.set(self.sources.held_bytes as u64);
        self.memory.files.set(self.tail.memory_bytes() as u64);
        if let Some(linking) = &self.sources.linking {
            let (waiting, links) = linking.bytes();
            self.memory.waiting.set(waiting as u64);
            self.memory.links.set(links as u64);
        }
        self.memory.positions.set(self.sources.positions.borrow().memory_bytes() as u64);
    }

    /// Tells how far sources are, where somebody asks.
    fn tell_sources(&mut self, now: Instant) {
        if self.tells_sources && self.metrics.sources_wanted() {
            self.tell_memory();
            let mut statuses: Vec<_> = self.tail.sources().collect();
            statuses.extend(self.journal.iter_mut().flat_map(JournalTail::sources));
            let facts = statuses.iter().map(|source| SourceFacts {
                path: &source.family,
                input: self.inputs.get(source.input).map_or("", String::as_str),
                bytes_read: source.read,
                lag_bytes: source.behind,
                lag: source.behind_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
            });
            self.metrics.set_sources(now, facts);
        }
    }
}
