//! One task per destination: sends, retries, holds back.
//!
//! In go parcels through a bounded channel, out come events: delivered, dropped on purpose, left for another run (refused
//! as a whole, or the retry time was over). A batch leaves memory by one of these only. A slow destination slows the
//! readers by its full channel. What a failure leads to is decided in [`failures`](super::failures), how much is in flight
//! in [`pace`](super::pace); encoding and compression are done before, except for the rare parts of a batch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::failure_counts::Failures;
use super::job::{Answered, FirstMessages, Job, Observer, Options, reached, repacked};
use super::pace::Pace;
use super::parcel::{Event, Parcel, Summary};
use super::retry::{Health, Random};
use crate::otlp::{Accepted, Client, Compression, SendError};
use crate::record::Receipt;

/// Equal notes are shown once, and no more than this many in all.
const NOTES_MAX: usize = 50;
/// Batches that may wait for a retry, as a multiple of those in flight: enough for others to overtake one that always fails.
const WAITING_PER_FLIGHT: usize = 2;
/// Delivers to one destination.
pub struct Deliver {
    client: Arc<Client>,
    parcels: mpsc::Receiver<Parcel>,
    events: mpsc::UnboundedSender<Event>,
    /// When this holds an instant, whatever is not delivered by then is left.
    deadline: watch::Receiver<Option<Instant>>,
    pub(super) options: Options,
    pub(super) random: Random,
    pub(super) summary: Summary,
    pub(super) flying: JoinSet<Landing>,
    /// The jobs in flight, by task.
    jobs: HashMap<Id, Job>,
    /// Their bytes.
    bytes_flying: usize,
    pub(super) waiting: Vec<Job>,
    /// A job that is due waits until others in flight are answered.
    is_full: bool,
    pub(super) pace: Pace,
    pub(super) health: Health,
    /// Nothing is sent before this instant.
    pub(super) hold_until: Option<Instant>,
    pub(super) failures: Failures,
    /// Requests launched so far.
    pub(super) launches: u64,
    /// The latest launch that was taken.
    pub(super) taken: u64,
    /// The compression that the destination does not understand.
    pub(super) refused: Option<Compression>,
    /// Set once nothing more is sent: the reason for which everything is left.
    pub(super) ended: Option<String>,
    pub(super) notes: HashSet<String>,
    words: FirstMessages,
}

/// What sending returns: the parcel, if it had to be packed anew, and the outcome.
type Landing = (Option<Parcel>, Result<Accepted, SendError>);

impl Deliver {
    /// A task that is ready to [`run`](Deliver::run).
    pub fn new(
        client: Arc<Client>,
        parcels: mpsc::Receiver<Parcel>,
        events: mpsc::UnboundedSender<Event>,
        deadline: watch::Receiver<Option<Instant>>,
        options: Options,
    ) -> Deliver {
        let random = Random(options.seed);
        let pace = Pace::new(client.endpoint().timeout);
        Deliver {
            client,
            parcels,
            events,
            deadline,
            options,
            random,
            summary: Summary::default(),
            flying: JoinSet::new(),
            jobs: HashMap::new(),
            bytes_flying: 0,
            waiting: Vec::new(),
            is_full: false,
            pace,
            health: Health::default(),
            hold_until: None,
            failures: Failures::default(),
            launches: 0,
            taken: 0,
            refused: None,
            ended: None,
            notes: HashSet::new(),
            words: FirstMessages::default(),
        }
    }

    /// Delivers until the channel is closed and empty, then returns the summary. Runs within a `tokio` runtime.
    pub async fn run(mut self) -> Summary {
        let mut open = true;
        loop {
            if self.ended.is_some() {
                self.leave_waiting();
            }
            self.launch_due();
            if !open && self.flying.is_empty() && self.waiting.is_empty() {
                return self.into_summary();
            }
            let held_bytes = self.held_bytes();
            self.options.status.change(|status| status.held_bytes = held_bytes as u64);
            let room = self.flying.len() < self.options.in_flight
                && held_bytes < self.options.held_bytes_max
                && self.waiting.len() < self.options.in_flight * WAITING_PER_FLIGHT;
            // While everything is held back, more parcels would only pile up.
            let takes = open && (self.ended.is_some() || (room && self.held().is_none()));
            let wake = self.next_wake();
            tokio::select! {
                Some(joined) = self.flying.join_next_with_id() => self.landed(joined),
                parcel = self.parcels.recv(), if takes => match parcel {
                    Some(parcel) => self.given(parcel),
                    None => open = false,
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                () = reached(&mut self.deadline) => return self.abandon().await,
            }
        }
    }

    /// Bytes of all that it was given and that is not done.
    fn held_bytes(&self) -> usize {
        self.jobs.values().chain(&self.waiting).map(|job| job.parcel.held_bytes()).sum()
    }

    /// Until when nothing may be sent.
    pub(super) fn held(&self) -> Option<Instant> {
        self.hold_until.filter(|until| *until > Instant::now())
    }

    /// How many requests may be in flight: one where it is doubtful that any is taken.
    fn in_flight_max(&self) -> usize {
        if self.failures.are_of_all(&self.health) { 1 } else { self.options.in_flight }
    }

    /// When there is something to launch, if not before something else happens.
    fn next_wake(&self) -> Option<Instant> {
        if self.flying.len() >= self.in_flight_max() || self.is_full {
            return None;
        }
        let due = self.waiting.iter().map(|job| job.due).min();
        // A hold with nothing waiting still ends: then parcels are taken again.
        due.max(self.held())
    }

    fn given(&mut self, parcel: Parcel) {
        let job = Job::new(parcel, Instant::now());
        self.options.status.change(|status| status.held += job.count());
        self.waiting.push(job);
    }

    fn launch_due(&mut self) {
        let now = Instant::now();
        self.is_full = false;
        if self.held().is_some() {
            return;
        }
        while self.flying.len() < self.in_flight_max() {
            let due = self.waiting.iter().enumerate().filter(|(_, job)| job.due <= now);
            // While nothing was taken, small requests go first: if any size is taken, few tries find it.
            let is_new = self.health.passes == 0;
            let first = due.min_by_key(|(_, job)| (if is_new { job.count() } else { 0 }, job.due));
            let Some((index, _)) = first else { return };
            let job = self.waiting.swap_remove(index);
            let mut job = self.fitted(job);
            if !self.flying.is_empty() && self.bytes_flying + job.bytes > self.pace.window() {
                self.is_full = true;
                self.waiting.push(job);
                return;
            }
            job.first_try.get_or_insert(now);
            self.launch(job, now);
        }
    }

    /// The job, or a part of it that fits into the window; the rest waits.
    fn fitted(&mut self, job: Job) -> Job {
        let window = self.pace.window();
        if job.bytes <= window || job.count() <= 1 {
            return job;
        }
        let (mut front, mut bytes) = (job.parcel.batch.clone(), job.bytes);
        while bytes > window && front.count() > 1 {
            let (half, rest) = front.split();
            (front, bytes) = (half, bytes / 2);
            self.waiting.push(job.part(rest));
        }
        job.part(front)
    }

    fn launch(&mut self, mut job: Job, now: Instant) {
        self.launches += 1;
        job.launch = self.launches;
        job.launched_at = now;
        self.bytes_flying += job.bytes;
        job.bytes_in_flight = self.bytes_flying;
        let limit = self.time_limit(&job, now);
        let client = Arc::clone(&self.client);
        // Cheap: parcels share their bytes.
        let parcel = job.parcel.clone();
        let is_refused = self.refused == Some(parcel.compression);
        let task = self.flying.spawn(async move {
            let parcel = if is_refused { repacked(parcel, Compression::None).await } else { parcel };
            let (signal, body) = (parcel.batch.signal, parcel.body.clone());
            let outcome = client.send_within(limit, signal, body, parcel.compression).await;
            (is_refused.then_some(parcel), outcome)
        });
        self.jobs.insert(task.id(), job);
    }

    fn landed(&mut self, joined: Result<(Id, Landing), JoinError>) {
        let (id, landing) = match joined {
            Ok((id, landing)) => (id, Ok(landing)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(mut job) = self.jobs.remove(&id) else { return };
        self.bytes_flying -= job.bytes;
        match landing {
            Ok((repacked, outcome)) => {
                if let Some(parcel) = repacked {
                    job.bytes = parcel.body_len();
                    job.parcel = parcel;
                }
                self.observe(&job, outcome.as_ref().err());
                match outcome {
                    Ok(accepted) => self.delivered(job, &accepted),
                    Err(error) => self.failed(job, &error),
                }
            }
            // Sending does not panic; if it does all the same, the batch is not lost with it.
            Err(error) => {
                self.left(job.count(), job.parcel.batch.receipts, error.to_string());
            }
        }
    }

    fn observe(&self, job: &Job, error: Option<&SendError>) {
        if let Some(Observer(observe)) = &self.options.observer {
            let (took, bytes) = (job.launched_at.elapsed(), job.bytes as u64);
            observe(&Answered { took, records: job.count(), bytes, failures_before: job.failures, error });
        }
    }

    fn delivered(&mut self, job: Job, accepted: &Accepted) {
        let count = job.count();
        let rejected = accepted.rejected.min(count);
        let bytes = job.parcel.body_len() as u64;
        self.pace.answered(job.launch, self.launches, job.bytes_in_flight, job.launched_at.elapsed());
        self.passed(&job);
        self.hold_until = None;
        self.summary.requests += 1;
        self.summary.records += count - rejected;
        self.summary.rejected += rejected;
        self.summary.bytes_raw += job.parcel.batch.len() as u64;
        self.summary.bytes_sent += bytes;
        if rejected > 0 {
            let name = &self.options.name;
            self.note(format!("{name} refused records within a request it took ({})", accepted.message));
        } else if !accepted.message.is_empty() {
            self.note(format!("{} warns: {}", self.options.name, accepted.message));
        }
        self.options.status.change(|status| {
            status.held = status.held.saturating_sub(count);
            status.taken += count - rejected;
            status.requests += 1;
            (status.last_error, status.tried_until) = (None, None);
        });
        let receipts = job.parcel.batch.receipts;
        let reason = if rejected > 0 { rejection(&accepted.message) } else { String::new() };
        self.tell(Event::Delivered { receipts, records: count - rejected, rejected, reason, bytes });
    }

    fn failed(&mut self, mut job: Job, error: &SendError) {
        let error = &self.words.first_alike(error);
        self.summary.failures += 1;
        if job.failures == 0 {
            job.passes_at_first = self.health.passes;
        }
        job.launches_at_first.get_or_insert(self.launches);
        job.failures += 1;
        job.unprobed += 1;
        job.last_error = error.to_string();
        self.judge(job, error);
        // The job that has waited longest ends first.
        let oldest = self.waiting.iter().filter_map(|job| job.first_try).min();
        let tried_until = oldest.and_then(|oldest| Some(oldest + self.options.retry_for?));
        self.options.status.change(|status| {
            status.last_error = Some(error.to_string());
            status.tried_until = tried_until;
        });
    }

    /// Leaves everything that waits, once nothing more is sent.
    fn leave_waiting(&mut self) {
        for job in std::mem::take(&mut self.waiting) {
            self.left(job.count(), job.parcel.batch.receipts, self.ended.clone().unwrap_or_default());
        }
    }

    /// Leaves everything: what is in flight, what waits, and what is in the channel.
    async fn abandon(mut self) -> Summary {
        // An answer that arrives at this very moment still counts.
        while let Some(joined) = self.flying.try_join_next_with_id() {
            self.landed(joined);
        }
        self.flying.shutdown().await;
        self.waiting.extend(std::mem::take(&mut self.jobs).into_values());
        self.parcels.close();
        while let Ok(parcel) = self.parcels.try_recv() {
            self.given(parcel);
        }
        self.ended.get_or_insert("stopped before they were delivered".to_owned());
        self.leave_waiting();
        self.into_summary()
    }

    /// The end: nothing more is taken.
    fn into_summary(mut self) -> Summary {
        self.leave_unproven();
        self.summary
    }

    /// All jobs, in flight or waiting.
    pub(super) fn each_job(&mut self) -> impl Iterator<Item = &mut Job> {
        self.jobs.values_mut().chain(&mut self.waiting)
    }

    pub(super) fn dropped(&mut self, records: u64, receipts: Vec<Receipt>, reason: String) {
        *self.summary.dropped_by_reason.entry(reason.clone()).or_default() += records;
        self.options.status.change(|status| status.held = status.held.saturating_sub(records));
        self.tell(Event::Dropped { receipts, records, reason });
    }

    pub(super) fn left(&mut self, records: u64, receipts: Vec<Receipt>, reason: String) {
        *self.summary.left_by_reason.entry(reason.clone()).or_default() += records;
        self.options.status.change(|status| status.held = status.held.saturating_sub(records));
        self.tell(Event::Left { receipts, records, reason });
    }

    pub(super) fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX && self.notes.insert(note.clone()) {
            self.tell(Event::Note(note));
        }
    }

    fn tell(&self, event: Event) {
        // A closed channel is no error: the summary holds the numbers.
        self.events.send(event).ok();
    }
}

/// Why records of a request that was taken were refused.
fn rejection(message: &str) -> String {
    let message = if message.is_empty() { "it does not say why" } else { message };
    format!("refused within a request it took ({message})")
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
