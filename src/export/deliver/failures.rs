//! What a failed request leads to: tried again, in halves, dropped, or left for another run (held, if there is none).
//!
//! In goes a job that failed with its error; it is queued for a retry, or reported by an event. [`status`](crate::otlp::status)
//! classifies errors, [`retry`](super::retry) judges how suspect a request is. Nothing is sent here.
//!
//! Dropped, and so never sent again, is a record that is refused by itself: alone, by a destination that takes others. What
//! is refused otherwise (for load, or a wrong token, path or service) says nothing of the records: they are left for
//! another run.

use std::time::Duration;

use tokio::time::Instant;

use super::failure_counts::BISECTIONS_MAX;
use super::job::Job;
use super::retry::Verdict;
use super::task::Deliver;
use super::unproven::Refused;
use crate::otlp::{Class, Code, Compression, SendError};
use crate::setting::Setting;

/// Failures of every batch since any was taken, after which one is halved to find out whether it is the cause.
const FAILURES_TO_PROBE: u32 = 3;
/// Failures of one request, while no other is taken, after which the user is told: a few seconds.
const FAILURES_TO_SAY: u32 = 4;
/// Bisections that a taken batch earns.
const BISECTIONS_EARNED: u32 = 16;
/// Refusals of a batch for an unnamed limit before it is halved, where halves of others were taken at once.
const OVERLOADS_TO_SPLIT: u32 = 2;
/// The last try before time is up gets at least this long.
const LAST_TRY_MIN: Duration = Duration::from_secs(1);

/// What may have caused a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// Not the request: the network, or the destination's load.
    Nobody,
    /// The request's size perhaps, but not what is in it: it may be split, and no record is ever dropped for it.
    Size,
    /// A record in it perhaps.
    Record,
}

/// Codes that destinations use both for trouble of their own and for a record that they cannot take: only what becomes of
/// others tells which.
fn is_doubtful(code: Code) -> bool {
    match code {
        // UNKNOWN, NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION, INTERNAL, and what is no code
        Code::Grpc(code) => matches!(code, 2 | 5 | 6 | 9 | 13 | 17..),
        Code::Http(code) => matches!(code, 408..=410 | 418 | 420..=428 | 430..=499 | 500..) && code != 422,
        _ => false,
    }
}

/// Why records are left by a destination that took nothing in time.
fn time_was_up() -> String {
    format!("time was up ({})", Setting::RetryFor)
}

impl Deliver {
    /// A request was taken.
    pub(super) fn passed(&mut self, job: &Job) {
        if job.failures == 0 && job.suspicion.is_part() {
            // Refused as a part of the whole, taken at once by itself: the other half was to blame, not the destination.
            self.health.absolve();
            if job.overloads {
                self.failures.fits.get_or_insert(0);
            }
        }
        self.health.pass();
        self.note_passing();
        self.taken = self.taken.max(job.launch);
        self.each_job().for_each(|job| job.unprobed = 0);
        let failures = &mut self.failures;
        (failures.connect, failures.absences, failures.holds) = (0, 0, 0);
        failures.bisections = (failures.bisections + BISECTIONS_EARNED).min(BISECTIONS_MAX);
        failures.fits = failures.fits.map(|fits| fits.max(job.parcel.batch.len()));
        failures.largest_taken = failures.largest_taken.max(job.parcel.batch.largest());
        self.drop_unproven();
    }

    /// How long to wait for the answer to a job that is about to fly.
    pub(super) fn time_limit(&self, job: &Job, now: Instant) -> Duration {
        let limit = self.pace.limit(job.bytes_in_flight, if job.count() <= 1 { job.time_outs } else { 0 });
        match (self.options.retry_for, job.first_try) {
            (Some(retry_for), Some(first)) if job.failures > 0 => limit.min(left_of(retry_for, first, now)),
            _ => limit,
        }
    }

    /// Decides what becomes of a job that failed.
    pub(super) fn judge(&mut self, mut job: Job, error: &SendError) {
        if is_late(error.code) && job.launched_at.elapsed() * 2 >= self.pace.limit(0, 0) {
            self.pace.timed_out(job.launch, self.launches, job.bytes_in_flight);
            job.time_outs += 1;
        }
        if error.class != Class::NotImplemented {
            self.failures.absences = 0;
        }
        let is_alone = job.count() <= 1;
        let is_new = self.health.passes == 0;
        match error.class {
            Class::Retryable { after } => self.retry(job, error, after, blame(error)),
            Class::Overloaded => self.overloaded(job, error),
            Class::NotImplemented if is_new => self.absent(job, error),
            Class::Misconfigured if is_new => self.misconfigured(job, error),
            // What has taken requests exists: what stands before it is confused for a moment.
            Class::NotImplemented | Class::Misconfigured => self.retry(job, error, None, Blame::Nobody),
            Class::Encoding if job.parcel.compression != Compression::None => self.refuse_encoding(job, error),
            Class::BadData | Class::Permanent if is_doubtful(error.code) => self.retry(job, error, None, Blame::Record),
            // A record that is "too large" is not, where others of its size are taken: servers say that under load too.
            Class::TooLarge if is_alone && is_said_for_load(error.code) && self.is_size_taken(&job) => {
                self.retry(job, error, None, Blame::Nobody);
            }
            // 413 says nothing else: it is believed of what alone is refused over and over.
            Class::TooLarge if is_alone && error.code == Code::Http(413) => self.retry(job, error, None, Blame::Record),
            Class::TooLarge | Class::BadData if is_alone && is_new && self.failures.unproven.is_full() => {
                self.refused(job, error);
            }
            Class::TooLarge if !is_alone && !is_new => self.split(&job),
            Class::TooLarge if is_alone => {
                let size = is_said_for_load(error.code).then(|| job.parcel.batch.largest());
                self.refused_alone(job, size, format!("too large for the destination ({error})"));
            }
            Class::BadData if is_alone => self.refused_alone(job, None, format!("refused for good ({error})")),
            Class::TooLarge | Class::BadData if self.failures.bisections > 0 => {
                self.failures.bisections -= 1;
                self.split(&job);
            }
            Class::TooLarge | Class::BadData | Class::Encoding | Class::Permanent => self.refused(job, error),
        }
    }

    /// A limit is reached. If it is one of size, smaller requests say so by being taken.
    fn overloaded(&mut self, mut job: Job, error: &SendError) {
        job.overloads = true;
        let is_larger = self.failures.fits.is_some_and(|fits| job.parcel.batch.len() > fits);
        if is_larger && job.count() > 1 && job.failures >= OVERLOADS_TO_SPLIT {
            return self.split(&job);
        }
        self.retry(job, error, None, Blame::Size);
    }

    /// A record as large as the largest one of the job was taken.
    fn is_size_taken(&self, job: &Job) -> bool {
        job.parcel.batch.largest() <= self.failures.largest_taken
    }

    fn retry(&mut self, mut job: Job, error: &SendError, after: Option<Duration>, blame: Blame) {
        let now = Instant::now();
        let first_try = job.first_try.unwrap_or(now);
        let age = now - first_try;
        self.note_failing(&job, error);
        if self.options.retry_for.is_some_and(|limit| age >= limit) {
            return self.give_up(job);
        }
        let verdict = if blame == Blame::Nobody {
            Verdict::Retry
        } else {
            let drop_after = self.options.drop_after;
            let drop_after = self.options.retry_for.map_or(drop_after, |limit| drop_after.min(limit / 2));
            let verdict = job.suspicion.failed(&self.health, job.parcel.batch.count(), age < drop_after);
            // Counted once: what fails over and over says no more of the destination than what fails.
            if !job.suspicion.is_suspect() && job.failures == 1 {
                self.health.fail();
            }
            verdict
        };
        match verdict {
            Verdict::Split => return self.split(&job),
            Verdict::Drop if blame == Blame::Record => {
                let reason = format!("refused again and again while others were taken ({error})");
                return self.dropped(job.count(), job.parcel.batch.receipts, reason);
            }
            Verdict::Drop | Verdict::Retry => {}
        }
        let failures = if error.code == Code::Connect { self.failures.connect + 1 } else { job.failures };
        job.due = now + self.options.backoff.delay(failures, after, self.random.draw());
        if let Some(retry_for) = self.options.retry_for
            && job.due > first_try + retry_for
        {
            // Whatever it asks for: time is up then, and it is asked a last time.
            job.due = first_try + retry_for;
            if let Some(after) = after {
                let (name, left) = (&self.options.name, (job.due - now).as_secs());
                self.note(format!(
                    "{name} asks to be left alone for {} s ({error}), longer than {} lasts: it is tried once more in {left} s, \
                     then what is left waits for another run",
                    after.as_secs(),
                    Setting::RetryFor
                ));
            }
        }
        if error.code == Code::Connect || after.is_some() {
            // Counted once per round, not once per request in flight.
            if error.code == Code::Connect && self.held().is_none() {
                self.failures.connect += 1;
            }
            self.hold_until = Some(self.held().map_or(job.due, |until| until.max(job.due)));
        }
        self.waiting.push(job);
        self.probe();
    }

    /// Tells the user about a destination that takes nothing yet, or nothing any more.
    fn note_failing(&mut self, job: &Job, error: &SendError) {
        let (name, limit) = (&self.options.name, self.retry_limit());
        if self.health.passes == 0 && self.summary.requests == 0 {
            self.failures.is_told = true;
            self.note(format!("{name} does not take anything yet ({error}); trying again {limit}"));
        } else if job.failures == FAILURES_TO_SAY && self.health.passes == job.passes_at_first {
            self.failures.is_told = true;
            self.note(format!("{name} takes nothing any more ({error}); trying again {limit}"));
        }
    }

    /// If every batch keeps failing with an answer, one of them may be the cause, or the size of all: halves one.
    fn probe(&mut self) {
        let all_fail = self.waiting.iter().all(|job| job.unprobed >= FAILURES_TO_PROBE);
        let is_quiet = self.flying.is_empty() && self.held().is_none();
        if !all_fail || !is_quiet {
            return;
        }
        // The smallest: if any size is taken, it is found soonest so.
        let counts = self.waiting.iter().enumerate().map(|(index, job)| (job.count(), index));
        if let Some((_, index)) = counts.filter(|(count, _)| *count > 1).min() {
            let job = self.waiting.swap_remove(index);
            self.waiting.iter_mut().for_each(|job| job.unprobed = 0);
            self.split(&job);
        }
    }

    /// Queues both halves of a batch, due at once.
    fn split(&mut self, job: &Job) {
        let (front, back) = job.parcel.batch.clone().split();
        let now = Instant::now();
        self.waiting.extend([front, back].map(|batch| job.half(batch, now)));
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

    /// A record is refused alone. It is to blame if the destination takes what it is given since; else it may refuse
    /// everything by now.
    fn refused_alone(&mut self, mut job: Job, size: Option<usize>, reason: String) {
        if self.options.holds && !job.is_to_blame(self.taken) {
            job.due = Instant::now() + self.options.backoff.delay(job.failures, None, self.random.draw());
            self.waiting.push(job);
            return;
        }
        let refused = Refused::new(job, size, reason);
        if refused.is_proven(self.taken) {
            return self.dropped(refused.records, refused.receipts, refused.reason);
        }
        self.failures.unproven.push(refused);
    }

    /// Something was taken: what was refused alone, and failed before that was sent, is to blame itself.
    fn drop_unproven(&mut self) {
        for refused in self.failures.unproven.proven(self.taken) {
            if refused.is_contradicted(self.failures.largest_taken) {
                self.left(refused.records, refused.receipts, refused.reason);
            } else {
                self.dropped(refused.records, refused.receipts, refused.reason);
            }
        }
    }

    /// The end: nothing more is taken by which records that were refused alone could be judged.
    pub(super) fn leave_unproven(&mut self) {
        for refused in self.failures.unproven.all() {
            self.left(refused.records, refused.receipts, refused.reason);
        }
    }

    /// Time is up for one batch; if nothing passed meanwhile, for the destination.
    fn give_up(&mut self, job: Job) {
        if self.health.passes == job.passes_at_first {
            let (name, limit) = (&self.options.name, self.retry_limit());
            self.note(format!("{name} took nothing {limit} ({}); given up", job.last_error));
            self.ended = Some(time_was_up());
        }
        self.left(job.count(), job.parcel.batch.receipts, time_was_up());
    }

    fn retry_limit(&self) -> String {
        self.options.retry_for.map_or_else(|| "until it does".into(), |limit| format!("for {} s", limit.as_secs_f64()))
    }
}

/// Who may be to blame for a failure that may pass later. Told to wait, a request is not; without an answer, nobody knows.
fn blame(error: &SendError) -> Blame {
    match (error.class, error.code) {
        (Class::Retryable { after: None }, code) if code.is_answer() && code != Code::Http(429) => Blame::Record,
        _ => Blame::Nobody,
    }
}

/// Codes that speak of load as well as of size: RESOURCE_EXHAUSTED, UNAVAILABLE, and their like.
fn is_said_for_load(code: Code) -> bool {
    matches!(code, Code::Grpc(8 | 14) | Code::Http(413 | 429 | 503))
}

/// There was no answer in time, or what stands between says so.
fn is_late(code: Code) -> bool {
    matches!(code, Code::Timeout | Code::Grpc(4) | Code::Http(408 | 504))
}

/// What is left of the time for tries, but enough for one.
fn left_of(retry_for: Duration, first_try: Instant, now: Instant) -> Duration {
    retry_for.saturating_sub(now - first_try).max(LAST_TRY_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: Class, code: Code) -> SendError {
        SendError::new(class, code, "")
    }

    #[test]
    fn a_record_may_be_to_blame_for_an_answer_that_names_no_time() {
        let (now, later) = (Class::Retryable { after: None }, Class::Retryable { after: Some(Duration::from_secs(1)) });
        for code in [Code::Grpc(14), Code::Http(502), Code::Http(503), Code::Http(504)] {
            assert_eq!(blame(&error(now, code)), Blame::Record, "{code}");
            assert_eq!(blame(&error(later, code)), Blame::Nobody, "{code}");
        }
        for code in [Code::Http(429), Code::Connect, Code::Broken, Code::Timeout, Code::Proxy] {
            assert_eq!(blame(&error(now, code)), Blame::Nobody, "{code}");
        }
    }

    #[test]
    fn codes_of_trouble_of_the_destinations_own_are_doubted() {
        let of_grpc: Vec<u32> = (0..20).filter(|code| is_doubtful(Code::Grpc(*code))).collect();
        assert_eq!(of_grpc, [2, 5, 6, 9, 13, 17, 18, 19]);
        for code in [408, 409, 410, 418, 420, 428, 430, 431, 499, 500, 505, 599] {
            assert!(is_doubtful(Code::Http(code)), "{code}");
        }
        for code in [200, 400, 401, 403, 404, 407, 411, 413, 415, 417, 419, 422, 429] {
            assert!(!is_doubtful(Code::Http(code)), "{code}");
        }
        assert!(!is_doubtful(Code::Connect));
    }

    #[test]
    fn some_codes_of_size_speak_of_load_too() {
        let said: Vec<Code> =
            [8, 13, 14, 3, 11].map(Code::Grpc).into_iter().filter(|code| is_said_for_load(*code)).collect();
        assert_eq!(said, [Code::Grpc(8), Code::Grpc(14)]);
        let said = [400, 413, 422, 429, 500, 503].map(Code::Http).into_iter().filter(|code| is_said_for_load(*code));
        assert_eq!(said.collect::<Vec<_>>(), [413, 429, 503].map(Code::Http));
    }

    #[test]
    fn who_answers_too_late_is_said_by_the_client_or_by_what_stands_between() {
        for code in [Code::Timeout, Code::Grpc(4), Code::Http(408), Code::Http(504)] {
            assert!(is_late(code), "{code}");
        }
        for code in [Code::Connect, Code::Broken, Code::Grpc(14), Code::Http(502), Code::Http(503)] {
            assert!(!is_late(code), "{code}");
        }
    }

    #[test]
    fn the_last_try_gets_a_second_at_least() {
        let first_try = Instant::now();
        let left = |retry_for, age| {
            let of = Duration::from_millis;
            left_of(of(retry_for), first_try, first_try + of(age))
        };
        assert_eq!(left(10_000, 2_000), Duration::from_secs(8));
        assert_eq!(left(10_000, 9_500), LAST_TRY_MIN);
        assert_eq!(left(10_000, 20_000), LAST_TRY_MIN);
    }
}
