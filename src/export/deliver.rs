//! One task per destination: sends, retries, holds back.
//!
//! In go parcels through a bounded channel, out come events: delivered, dropped on purpose, left for another run (refused
//! as a whole, or time was up). A batch leaves memory by one of these only. A full channel is how a slow destination
//! slows the readers. What a failure means is decided in [`retry`](super::retry); encoding and compression are done
//! before, except for the rare halves of a batch.
//!
//! Dropped, and so never sent again, is a record that is refused by itself: alone, by a destination that takes others. What
//! is refused otherwise (a wrong token, path or service) says nothing of the records: they are left for another run.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::job::{Job, Options, Words, reached, repacked};
use super::retry::{Health, Random, Verdict};
use super::ship::{Event, Parcel, Summary};
use crate::otlp::{Accepted, Class, Client, Code, Compression, SendError, Signal};
use crate::record::Receipt;

/// Failures in a row of everything there is, after which a batch is halved to find out whether it is to blame.
const FAILURES_TO_PROBE: u32 = 4;
/// Failures of one request, while no other is taken, after which it is said: a few seconds.
const FAILURES_TO_SAY: u32 = 4;
/// Requests that may be wasted on finding the records that a destination calls wrong, or the size that it takes; each batch
/// it takes earns some.
const BISECTIONS_MAX: u32 = 256;
/// What a taken batch earns.
const BISECTIONS_EARNED: u32 = 16;
/// Records whose refusal waits for a proof; what is refused beyond is left.
const UNPROVEN_MAX: usize = 4096;
/// Notes alike in wording are said once, and no more than this many are said at all.
const NOTES_MAX: usize = 50;
/// A lone record is dropped without fresh successes of others only if it fails for this long.
const DROP_AFTER: Duration = Duration::from_secs(60);
/// Batches that may wait for a retry, as a multiple of those in flight: enough for others to pass a poisonous one.
const WAITING_PER_FLIGHT: usize = 2;
/// Why records are left by a destination that took nothing in time.
const TIME_WAS_UP: &str = "time was up (--retry-for)";

/// Delivers to one destination.
pub struct Deliver {
    client: Arc<Client>,
    parcels: mpsc::Receiver<Parcel>,
    events: mpsc::UnboundedSender<Event>,
    /// When this holds an instant, whatever is not delivered by then is left.
    deadline: watch::Receiver<Option<Instant>>,
    options: Options,
    random: Random,
    summary: Summary,
    flying: JoinSet<Landing>,
    /// The jobs that fly, by task.
    jobs: HashMap<Id, Job>,
    waiting: Vec<Job>,
    health: Health,
    /// Nothing is sent before.
    hold_until: Option<Instant>,
    connect_failures: u32,
    bisections: u32,
    /// Requests launched so far.
    launches: u64,
    /// The youngest launch that was taken.
    taken: u64,
    /// Compressions that the destination does not understand.
    refused: Option<Compression>,
    /// Why nothing more is sent: everything is left for this reason.
    ended: Option<String>,
    /// Records that were refused alone before anything else was taken: dropped if something will be, else left.
    unproven: Vec<Refused>,
    notes: HashSet<String>,
    words: Words,
}

/// A record that was refused for good, without its bytes.
struct Refused {
    receipts: Vec<Receipt>,
    records: u64,
    reason: String,
    /// Launches so far when it, or what it was a part of, failed first.
    launches_at_first: u64,
}

/// What a task comes back with: the parcel, if it had to be packed anew, and the outcome.
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
            waiting: Vec::new(),
            health: Health::default(),
            hold_until: None,
            connect_failures: 0,
            bisections: BISECTIONS_MAX,
            launches: 0,
            taken: 0,
            refused: None,
            ended: None,
            unproven: Vec::new(),
            notes: HashSet::new(),
            words: Words::default(),
        }
    }

    /// Delivers until the channel is closed and empty, then tells the sum. Within a `tokio` runtime.
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
            let room = self.flying.len() < self.options.in_flight
                && self.waiting.len() < self.options.in_flight * WAITING_PER_FLIGHT;
            // While all are held back, more would only pile up.
            let takes = open && (self.ended.is_some() || (room && self.held().is_none()));
            let wake = self.next_wake();
            tokio::select! {
                Some(joined) = self.flying.join_next_with_id() => self.landed(joined),
                parcel = self.parcels.recv(), if takes => match parcel {
                    Some(parcel) => self.waiting.push(Job::new(parcel, Instant::now())),
                    None => open = false,
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                () = reached(&mut self.deadline) => return self.abandon().await,
            }
        }
    }

    /// Until when nothing may be sent.
    fn held(&self) -> Option<Instant> {
        self.hold_until.filter(|until| *until > Instant::now())
    }

    /// When there is something to launch, if not before something else happens.
    fn next_wake(&self) -> Option<Instant> {
        if self.flying.len() >= self.options.in_flight {
            return None;
        }
        let due = self.waiting.iter().map(|job| job.due).min();
        // A hold with nothing waiting still ends: then parcels are taken again.
        due.max(self.held())
    }

    fn launch_due(&mut self) {
        let now = Instant::now();
        if self.held().is_some() {
            return;
        }
        while self.flying.len() < self.options.in_flight {
            let due = self.waiting.iter().enumerate().filter(|(_, job)| job.due <= now);
            // While nothing was taken, small requests go first: if any size is taken, few tries find it.
            let is_new = self.health.passes == 0;
            let first = due.min_by_key(|(_, job)| (if is_new { job.count() } else { 0 }, job.due));
            let Some((index, _)) = first else { return };
            let mut job = self.waiting.swap_remove(index);
            job.first_try.get_or_insert(now);
            self.launch(job);
        }
    }

    fn launch(&mut self, mut job: Job) {
        self.launches += 1;
        job.launch = self.launches;
        let client = Arc::clone(&self.client);
        // Cheap: parcels share their bytes.
        let parcel = job.parcel.clone();
        let is_refused = self.refused == Some(parcel.compression);
        let task = self.flying.spawn(async move {
            let parcel = if is_refused { repacked(parcel, Compression::None).await } else { parcel };
            let outcome = client.send(parcel.batch.signal, parcel.body.clone(), parcel.compression).await;
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
        match landing {
            Ok((repacked, outcome)) => {
                job.parcel = repacked.unwrap_or(job.parcel);
                match outcome {
                    Ok(accepted) => self.delivered(job, &accepted),
                    Err(error) => self.failed(job, &error),
                }
            }
            // Sending does not panic; if it does all the same, the batch is not lost with it.
            Err(error) => {
                self.left(job, error.to_string());
            }
        }
    }

    fn delivered(&mut self, job: Job, accepted: &Accepted) {
        let count = job.count();
        let rejected = accepted.rejected.min(count);
        let bytes = job.parcel.body_len() as u64;
        self.health.pass();
        self.taken = self.taken.max(job.launch);
        self.drop_unproven();
        self.connect_failures = 0;
        self.hold_until = None;
        self.bisections = (self.bisections + BISECTIONS_EARNED).min(BISECTIONS_MAX);
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
        let receipts = job.parcel.batch.receipts;
        self.tell(Event::Delivered { receipts, records: count - rejected, rejected, bytes });
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
        let is_alone = job.count() <= 1;
        let is_new = self.health.passes == 0;
        match error.class {
            Class::Retryable { after } => self.retry(job, error, after),
            Class::Overloaded => self.retry(job, error, None),
            // A service that has taken requests exists: what stands before it is confused for a moment.
            Class::NotImplemented if !is_new => self.retry(job, error, None),
            Class::NotImplemented => self.latch(job, error),
            Class::Misconfigured if !is_new => self.retry(job, error, None),
            Class::Misconfigured => self.misconfigured(job, error),
            Class::Encoding if job.parcel.compression != Compression::None => self.refuse_encoding(job, error),
            Class::TooLarge | Class::BadData if is_alone && is_new && self.unproven.len() >= UNPROVEN_MAX => {
                self.refused(job, error);
            }
            Class::TooLarge if !is_alone && !is_new => self.split(&job),
            Class::TooLarge if is_alone => self.refused_alone(job, format!("too large for the destination ({error})")),
            Class::BadData if is_alone => self.refused_alone(job, format!("refused for good ({error})")),
            Class::TooLarge | Class::BadData if self.bisections > 0 => {
                self.bisections -= 1;
                self.split(&job);
            }
            Class::TooLarge | Class::BadData | Class::Encoding | Class::Permanent => self.refused(job, error),
        }
    }

    fn retry(&mut self, mut job: Job, error: &SendError, after: Option<Duration>) {
        let now = Instant::now();
        let age = now - job.first_try.unwrap_or(now);
        if self.health.passes == 0 && self.summary.requests == 0 {
            let (name, limit) = (&self.options.name, self.retry_limit());
            self.note(format!("{name} does not take anything yet ({error}); trying again {limit}"));
        }
        if job.failures == FAILURES_TO_SAY && self.health.passes > 0 && self.health.passes == job.passes_at_first {
            let (name, limit) = (&self.options.name, self.retry_limit());
            self.note(format!("{name} takes nothing any more ({error}); trying again {limit}"));
        }
        if self.options.retry_for.is_some_and(|limit| age >= limit) {
            return self.give_up(job);
        }
        // Told to wait, a request is not to blame; without an answer, nobody knows.
        let is_load = error.code == Code::Http(429) || error.class == Class::Overloaded;
        let blames = error.code.is_answer() && after.is_none() && !is_load;
        let verdict = if blames {
            let drop_after = self.options.retry_for.map_or(DROP_AFTER, |limit| DROP_AFTER.min(limit / 2));
            let verdict = job.suspicion.failed(&self.health, job.parcel.batch.count(), age < drop_after);
            if !job.suspicion.is_suspect() {
                self.health.fail();
            }
            verdict
        } else {
            Verdict::Retry
        };
        match verdict {
            Verdict::Split => return self.split(&job),
            Verdict::Drop => {
                let reason = format!("refused again and again while others were taken ({error})");
                return self.dropped(job, reason);
            }
            Verdict::Retry => {}
        }
        let failures = if error.code == Code::Connect { self.connect_failures + 1 } else { job.failures };
        job.due = now + self.options.backoff.delay(failures, after, self.random.draw());
        if error.code == Code::Connect || after.is_some() {
            // Counted once per round, not once per request in flight.
            if error.code == Code::Connect && self.held().is_none() {
                self.connect_failures += 1;
            }
            self.hold_until = Some(self.held().map_or(job.due, |until| until.max(job.due)));
        }
        self.waiting.push(job);
        self.probe();
    }

    /// If all there is keeps failing by answers, one batch of it may be all to blame: halves the largest.
    fn probe(&mut self) {
        let all_fail = self.waiting.iter().all(|job| job.unprobed >= FAILURES_TO_PROBE);
        let is_quiet = self.flying.is_empty() && self.held().is_none();
        if !all_fail || !is_quiet || self.waiting.iter().any(|job| self.health.passes > job.passes_at_first) {
            return;
        }
        let counts = self.waiting.iter().enumerate().map(|(index, job)| (job.count(), index));
        if let Some((2.., index)) = counts.max() {
            let job = self.waiting.swap_remove(index);
            self.waiting.iter_mut().for_each(|job| job.unprobed = 0);
            self.split(&job);
        }
    }

    /// Queues both halves of a batch, due at once.
    fn split(&mut self, job: &Job) {
        let (front, back) = job.parcel.batch.clone().split();
        let compression = job.parcel.compression;
        for batch in [front, back] {
            // Halves are rare and small: compressing them here costs less than moving them about.
            let mut half = Job::new(Parcel::pack(batch, compression), Instant::now());
            half.first_try = job.first_try;
            half.launches_at_first = job.launches_at_first;
            half.suspicion = job.suspicion.inherit();
            half.last_error.clone_from(&job.last_error);
            self.waiting.push(half);
        }
    }

    /// Sends without compression from now on.
    fn refuse_encoding(&mut self, mut job: Job, error: &SendError) {
        let encoding = job.parcel.compression.encoding();
        self.refused = Some(job.parcel.compression);
        let name = &self.options.name;
        self.note(format!("{name} does not understand {encoding} ({error}); sending without compression"));
        job.due = Instant::now();
        self.waiting.push(job);
    }

    /// The destination refuses for a reason that may not lie in the records: they are left for another run.
    fn refused(&mut self, job: Job, error: &SendError) {
        let name = &self.options.name;
        self.note(format!(
            "{name} refuses requests ({error}): their records are left for another run; {}",
            error.advice()
        ));
        self.left(job, format!("refused for good ({error})"));
    }

    /// A record is refused alone. It is to blame if the destination takes what it is given since; else it may refuse
    /// everything by now.
    fn refused_alone(&mut self, job: Job, reason: String) {
        let launches_at_first = job.launches_at_first.unwrap_or(self.launches);
        if self.taken > launches_at_first {
            return self.dropped(job, reason);
        }
        let records = job.count();
        self.unproven.push(Refused { receipts: job.parcel.batch.receipts, records, reason, launches_at_first });
    }

    /// Something was taken: what was refused alone, and failed before that was sent, is to blame itself.
    fn drop_unproven(&mut self) {
        let taken = self.taken;
        for refused in self.unproven.extract_if(.., |refused| taken > refused.launches_at_first).collect::<Vec<_>>() {
            let Refused { receipts, records, reason, .. } = refused;
            *self.summary.dropped_by_reason.entry(reason.clone()).or_default() += records;
            self.tell(Event::Dropped { receipts, records, reason });
        }
    }

    /// The end: nothing more was taken by which records that were refused alone could be judged.
    fn into_summary(mut self) -> Summary {
        for Refused { receipts, records, reason, .. } in std::mem::take(&mut self.unproven) {
            *self.summary.left_by_reason.entry(reason.clone()).or_default() += records;
            self.tell(Event::Left { receipts, records, reason });
        }
        self.summary
    }

    /// There is no such service: says so once, and leaves this and everything to come.
    fn latch(&mut self, job: Job, error: &SendError) {
        let name = &self.options.name;
        let note = match job.parcel.batch.signal {
            Signal::Logs => format!(
                "{name} has no logs service ({error}): records for it are left and counted. Plain Jaeger stores only \
                 traces; give it the lines as span events with jaeger=URL"
            ),
            Signal::Traces => format!("{name} has no trace service ({error}): spans for it are left and counted"),
        };
        self.note(note);
        let reason = format!("no such service ({})", error.code);
        self.ended = Some(reason);
        self.waiting.push(job);
    }

    /// Nothing can be sent until the user changes something: says what, and leaves this and everything to come.
    fn misconfigured(&mut self, job: Job, error: &SendError) {
        self.note(format!(
            "{}: {error}. Nothing is sent to it; its records are left for another run",
            self.options.name
        ));
        self.ended = Some(format!("nothing can be sent there ({})", error.code));
        self.waiting.push(job);
    }

    /// Time is up for one batch; if nothing passed meanwhile, for the destination.
    fn give_up(&mut self, job: Job) {
        if self.health.passes == job.passes_at_first {
            let (name, limit) = (&self.options.name, self.retry_limit());
            self.note(format!("{name} took nothing {limit} ({}); given up", job.last_error));
            self.ended = Some(TIME_WAS_UP.to_owned());
        }
        self.left(job, TIME_WAS_UP.to_owned());
    }

    /// Leaves everything that waits, once nothing more is sent.
    fn leave_waiting(&mut self) {
        for job in std::mem::take(&mut self.waiting) {
            self.left(job, self.ended.clone().unwrap_or_default());
        }
    }

    /// Leaves everything: what flies, what waits, what lies in the channel.
    async fn abandon(mut self) -> Summary {
        // What lands at this very moment still counts.
        while let Some(joined) = self.flying.try_join_next_with_id() {
            self.landed(joined);
        }
        self.flying.shutdown().await;
        self.waiting.extend(std::mem::take(&mut self.jobs).into_values());
        self.parcels.close();
        while let Ok(parcel) = self.parcels.try_recv() {
            self.waiting.push(Job::new(parcel, Instant::now()));
        }
        self.ended.get_or_insert("stopped before they were delivered".to_owned());
        self.leave_waiting();
        self.into_summary()
    }

    fn dropped(&mut self, job: Job, reason: String) {
        let records = job.count();
        *self.summary.dropped_by_reason.entry(reason.clone()).or_default() += records;
        self.tell(Event::Dropped { receipts: job.parcel.batch.receipts, records, reason });
    }

    fn left(&mut self, job: Job, reason: String) {
        let records = job.count();
        *self.summary.left_by_reason.entry(reason.clone()).or_default() += records;
        self.tell(Event::Left { receipts: job.parcel.batch.receipts, records, reason });
    }

    fn retry_limit(&self) -> String {
        self.options.retry_for.map_or_else(|| "until it does".into(), |limit| format!("for {} s", limit.as_secs_f64()))
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX && self.notes.insert(note.clone()) {
            self.tell(Event::Note(note));
        }
    }

    fn tell(&self, event: Event) {
        // Whoever stopped listening does not want to know; the summary holds the numbers.
        self.events.send(event).ok();
    }
}
