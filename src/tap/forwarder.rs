//! Sends what waits for one destination: several requests at once, tried again while there is room for what waits.
//!
//! In go entries of its [`Place`], out go requests; what became of them goes to metrics, to the user, and to clients that wait
//! for it. What is tried again, and what is dropped, follows OTLP's table (<https://opentelemetry.io/docs/specs/otlp/>, "Failures").

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::clients::Clients;
use super::disk::ReadFile;
use super::place::{Entry, Place};
use super::verdict::{self, Fate};
use crate::export::deliver::retry::{Backoff, Health, Random, Verdict};
use crate::metrics::Metrics;
use crate::notify::{Notify, counted};
use crate::otlp::{Accepted, Code, SendError};

/// Requests in flight at once. Over a link of 50 ms these are 160 requests a second, 80,000 spans.
const IN_FLIGHT_MAX: usize = 8;
/// Requests that wait to be tried again by themselves, while others go on.
const RETRIES_MAX: usize = 64;
/// Failures in a row after which the user is told of a destination that has taken something before.
const FAILURES_TO_SAY: u32 = 3;
/// A request that fails while others pass is dropped only after so long.
const DROP_AFTER: Duration = Duration::from_secs(60);
/// The longest pause while there is no connection.
const HOLD_LONGEST: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Forwarder {
    pub(super) place: Arc<Place>,
    pub(super) clients: Clients,
    /// Once this holds an instant, nothing is sent after it.
    pub(super) ending: watch::Receiver<Option<Instant>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) notify: Notify,
    flying: JoinSet<Option<Result<Accepted, SendError>>>,
    /// What is in flight, by task.
    entries: HashMap<Id, Entry>,
    retries: Vec<Entry>,
    /// A file that is being read.
    reading: Option<(u64, tokio::sync::oneshot::Receiver<ReadFile>)>,
    /// Nothing is sent before this.
    hold_until: Option<Instant>,
    failures_in_a_row: u32,
    /// Rounds in a row in which all were held.
    holds: u32,
    health: Health,
    is_told: bool,
    random: Random,
}

/// What became of a request; `None`: the destination has no endpoint for it.
type Landing = (Id, Option<Result<Accepted, SendError>>);

impl Forwarder {
    pub(super) fn new(
        place: Arc<Place>,
        clients: Clients,
        ending: watch::Receiver<Option<Instant>>,
        (metrics, notify): (&Arc<Metrics>, &Notify),
    ) -> Forwarder {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        Forwarder {
            place,
            clients,
            ending,
            metrics: Arc::clone(metrics),
            notify: Arc::clone(notify),
            flying: JoinSet::new(),
            entries: HashMap::new(),
            retries: Vec::new(),
            reading: None,
            hold_until: None,
            failures_in_a_row: 0,
            holds: 0,
            health: Health::default(),
            is_told: false,
            // Agents that lost one destination at one moment do not come back to it at one moment.
            random: Random(now ^ u64::from(std::process::id()) << 32),
        }
    }

    /// Sends until it is told to end, and then what waits in memory as far as there is time; the rest goes to the disk.
    pub(super) async fn run(mut self) {
        loop {
            let ends_at = *self.ending.borrow();
            self.read_more(ends_at.is_some());
            self.launch();
            if let Some(time) = ends_at {
                let is_done = self.flying.is_empty() && self.retries.is_empty() && self.place.is_empty();
                // One that takes nothing now is not waited for, where the rest can be kept.
                let is_vain = self.flying.is_empty() && self.is_held() && self.place.has_disk();
                if is_done || is_vain || Instant::now() >= time {
                    return self.end().await;
                }
            }
            let wake = self.next_wake(ends_at);
            tokio::select! {
                Some(landing) = self.flying.join_next_with_id() => self.landed(landing),
                Some(read) = read_outcome(&mut self.reading) => self.was_read(read),
                () = self.place.changed.notified() => {}
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                _ = self.ending.changed(), if ends_at.is_none() => {}
            }
        }
    }

    fn is_held(&self) -> bool {
        self.hold_until.is_some_and(|until| until > Instant::now())
    }

    /// When there is something to do, if nothing happens before.
    fn next_wake(&self, ends_at: Option<Instant>) -> Option<Instant> {
        if self.flying.len() >= IN_FLIGHT_MAX {
            return ends_at;
        }
        let held = self.hold_until.filter(|until| *until > Instant::now());
        let due = self.retries.iter().filter_map(|entry| entry.due).min();
        let next = match (due, held) {
            (Some(due), Some(held)) => Some(due.max(held)),
            (due, held) => due.or(held),
        };
        [next, ends_at].into_iter().flatten().min()
    }

    /// Fills the memory from the disk. What is on the disk at the end stays there.
    fn read_more(&mut self, is_ending: bool) {
        if self.reading.is_none() && !is_ending {
            self.reading = self.place.read_next();
        }
    }

    fn was_read(&mut self, (number, read): (u64, Option<ReadFile>)) {
        self.reading = None;
        let ReadFile { items, note } = read.unwrap_or_default();
        if let Some(note) = note {
            (self.notify)(&note);
            self.metrics.spans.requests_dropped("damaged").add(1);
        }
        self.place.was_read(number, items);
    }

    fn launch(&mut self) {
        if self.is_held() {
            return;
        }
        while self.flying.len() < IN_FLIGHT_MAX {
            let now = Instant::now();
            let due = self.retries.iter().position(|entry| entry.due.is_none_or(|due| due <= now));
            let entry = match due {
                Some(at) => self.retries.swap_remove(at),
                None if self.retries.len() >= RETRIES_MAX => return,
                None => match self.place.next() {
                    Some(entry) => entry,
                    None => return,
                },
            };
            self.send(entry, now);
        }
    }

    fn send(&mut self, mut entry: Entry, now: Instant) {
        let mut limit = None;
        if let Some((answered, until)) = &entry.waiting {
            // Whoever does not wait any more sends it again, or has given it up.
            if answered.is_closed() || *until <= now {
                return self.place.settled(&entry);
            }
            limit = Some(*until - now);
        }
        let protocol = self.place.protocol;
        let form = if entry.is_untouched { entry.item.untouched(protocol) } else { entry.item.form(protocol) };
        let Some(passed) = form.map(|form| entry.item.passed(form)) else {
            return self.dropped(&entry, "no_form", "it has no form for this destination");
        };
        entry.first_try.get_or_insert(now);
        let clients = self.clients.clone();
        let task = self.flying.spawn(async move { clients.send(passed, limit).await });
        self.entries.insert(task.id(), entry);
    }

    fn landed(&mut self, landing: Result<Landing, JoinError>) {
        let (id, outcome) = match landing {
            Ok(landing) => landing,
            // Sending does not panic; if it does all the same, the request is not tried again.
            Err(error) => (error.id(), None),
        };
        let Some(entry) = self.entries.remove(&id) else { return };
        match outcome {
            Some(Ok(accepted)) => self.taken(entry, accepted),
            Some(Err(error)) => self.not_taken(entry, error),
            None => self.dropped(&entry, "no_form", "it could not be sent"),
        }
    }

    fn not_taken(&mut self, mut entry: Entry, error: SendError) {
        entry.failures += 1;
        let is_refused = matches!(verdict::of(&error), Fate::Drop(_));
        if is_refused && entry.item.is_changed() && !entry.is_untouched {
            // Perhaps for what was put into it: spans are worth more than that.
            entry.is_untouched = true;
            self.metrics.limit_reached("additions_refused").add(1);
            return self.retries.push(entry);
        }
        match (entry.waiting.take(), verdict::of(&error)) {
            // The client decides what becomes of it, and when it comes again.
            (Some((answered, _)), _) => {
                self.note_failing(&error);
                let _ = answered.send(Err(error));
                self.place.settled(&entry);
            }
            (None, Fate::Drop(reason)) => {
                // An answer all the same.
                self.failures_in_a_row = 0;
                self.dropped(&entry, reason, &error.to_string());
            }
            (None, fate) => self.retry(entry, &error, fate),
        }
    }

    fn taken(&mut self, mut entry: Entry, accepted: Accepted) {
        self.health.pass();
        (self.failures_in_a_row, self.holds, self.hold_until) = (0, 0, None);
        if std::mem::take(&mut self.is_told) {
            (self.notify)(&format!("{} takes spans again", self.place.name));
        }
        self.place.metrics.succeeded(now_nanos());
        let rejected = accepted.rejected.min(entry.item.spans);
        self.place.metrics.delivered.add(entry.item.spans - rejected);
        if rejected > 0 {
            self.metrics.spans.dropped("rejected").add(rejected);
        }
        if !accepted.message.is_empty() && entry.waiting.is_none() {
            let of = if accepted.rejected > 0 { "refused a part of a request" } else { "warns" };
            (self.notify)(&format!("{} {of}: {}", self.place.name, accepted.message));
        }
        if let Some((answered, _)) = entry.waiting.take() {
            let _ = answered.send(Ok(accepted));
        }
        self.place.settled(&entry);
    }

    fn retry(&mut self, mut entry: Entry, error: &SendError, fate: Fate) {
        if fate == Fate::HoldAll {
            self.hold(error);
        }
        self.note_failing(error);
        let now = Instant::now();
        if fate == Fate::RetryUnlessOthersPass {
            let is_young = entry.first_try.is_some_and(|first| now - first < DROP_AFTER);
            let verdict = entry.suspicion.failed(&self.health, 1, is_young);
            if !entry.suspicion.is_suspect() && entry.failures == 1 {
                self.health.fail();
            }
            if verdict == Verdict::Drop {
                return self.dropped(&entry, "refused_again_and_again", &error.to_string());
            }
        }
        // What waits since nothing passes goes as soon as something may pass again.
        let delay = Backoff::default().delay(entry.failures, verdict::after(error), self.random.draw());
        entry.due = (fate != Fate::HoldAll).then_some(now + delay);
        self.retries.push(entry);
    }

    /// A destination that takes nothing is left alone for a while.
    fn hold(&mut self, error: &SendError) {
        // Counted once per round, not once per request in flight.
        if self.is_held() {
            return;
        }
        self.holds = self.holds.saturating_add(1);
        let backoff = match error.code {
            // Whoever is away for a moment is back soon.
            Code::Connect | Code::Broken => Backoff { longest: HOLD_LONGEST, ..Backoff::default() },
            _ => Backoff::default(),
        };
        let delay = backoff.delay(self.holds, verdict::after(error), self.random.draw());
        self.hold_until = Some(Instant::now() + delay);
    }

    fn note_failing(&mut self, error: &SendError) {
        let now = Instant::now();
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        let next = self.hold_until.filter(|until| *until > now);
        let next = next.map(|until| now_nanos() + i64::try_from((until - now).as_nanos()).unwrap_or(0));
        self.place.metrics.failed(now_nanos(), &error.to_string(), next);
        let is_new = self.health.passes == 0;
        if !self.is_told && (is_new || self.failures_in_a_row >= FAILURES_TO_SAY) {
            self.is_told = true;
            let yet = if is_new { "does not take spans yet" } else { "takes no spans any more" };
            (self.notify)(&format!("{} {yet} ({error}): they wait in the queue", self.place.name));
        }
    }

    fn dropped(&mut self, entry: &Entry, reason: &str, why: &str) {
        let spans = entry.item.spans;
        self.metrics.spans.dropped(reason).add(spans);
        self.metrics.spans.requests_dropped(reason).add(1);
        let (name, signal) = (&self.place.name, entry.item.signal.name());
        let what = if spans > 0 { counted(spans, "span") } else { format!("a request of {signal}") };
        (self.notify)(&format!("{name}: {what} dropped, {why}"));
        self.place.settled(entry);
    }

    /// What is not sent by now goes to the disk, and what finds no room there is lost.
    async fn end(mut self) {
        self.flying.shutdown().await;
        let mut left: Vec<Entry> = std::mem::take(&mut self.entries).into_values().collect();
        left.append(&mut self.retries);
        left.extend(self.place.take_all());
        let (mut kept, mut lost, mut requests_lost) = (0, 0, 0);
        for entry in left {
            if let Some((answered, _)) = entry.waiting {
                drop(answered);
                continue;
            }
            if self.place.keep(&entry).await {
                entry.item.done();
                kept += entry.item.spans;
            } else {
                lost += entry.item.spans;
                requests_lost += 1;
            }
        }
        let name = &self.place.name;
        if kept > 0 {
            (self.notify)(&format!(
                "{name} has not taken {}: they are in the state folder for the next start",
                counted(kept, "span")
            ));
        }
        if requests_lost > 0 {
            self.metrics.spans.dropped("stopped").add(lost);
            self.metrics.spans.requests_dropped("stopped").add(requests_lost);
            let what = counted(requests_lost, "request");
            (self.notify)(&format!("{name} has not taken {what} with {}: they are lost", counted(lost, "span")));
        }
    }
}

async fn read_outcome(
    reading: &mut Option<(u64, tokio::sync::oneshot::Receiver<ReadFile>)>,
) -> Option<(u64, Option<ReadFile>)> {
    let (number, outcome) = reading.as_mut()?;
    Some((*number, outcome.await.ok()))
}

pub(super) fn now_nanos() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}
