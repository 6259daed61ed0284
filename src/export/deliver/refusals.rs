//! What is refused as a whole: by a wrong token, path, service or protocol. It is left for another run, or held if there is none.
//!
//! In goes a job that was refused so; what waits is told by events, or waits on. Which failures these are is decided in
//! [`failures`](super::failures).

use std::time::Duration;

use tokio::time::Instant;

use super::job::Job;
use super::retry::Backoff;
use super::task::Deliver;
use crate::otlp::{Class, SendError, Signal};

/// The longest pause where everything is held back.
const HOLD_LONGEST: Duration = Duration::from_secs(60);
/// Answers in a row that there is no such service, with no request taken, after which that is believed: a proxy answers
/// so too while the service behind it starts.
const ABSENCES_TO_END: u32 = 3;

impl Deliver {
    /// A destination that takes something again may fail again, and is then told of again.
    pub(super) fn note_passing(&mut self) {
        if self.options.holds && std::mem::take(&mut self.failures.is_told) {
            self.notes.clear();
            self.note(format!("{} takes records again", self.options.name));
            self.notes.clear();
        }
    }

    /// Nothing more is sent for a while, and then this first.
    fn hold(&mut self, mut job: Job, error: &SendError, note: String) {
        self.failures.is_told = true;
        self.note(note);
        // Counted once per round, not once per request in flight.
        if self.held().is_none() {
            self.failures.holds += 1;
        }
        let backoff = Backoff { longest: HOLD_LONGEST.max(self.options.backoff.first), ..self.options.backoff };
        let after = match error.class {
            Class::Retryable { after } => after,
            _ => None,
        };
        job.due = Instant::now() + backoff.delay(self.failures.holds, after, self.random.draw());
        self.hold_until = Some(self.held().map_or(job.due, |until| until.max(job.due)));
        self.waiting.push(job);
    }

    /// The destination refuses for a reason that may not lie in the records: they are left for another run, or held.
    pub(super) fn refused(&mut self, job: Job, error: &SendError) {
        let name = &self.options.name;
        if self.options.holds {
            let note =
                format!("{name} refuses requests ({error}): records are held until it takes them; {}", error.advice());
            return self.hold(job, error, note);
        }
        self.note(format!(
            "{name} refuses requests ({error}): their records are left for another run; {}",
            error.advice()
        ));
        self.left(job.count(), job.parcel.batch.receipts, format!("refused for good ({error})"));
    }

    /// It answers that there is no such service. Once is no proof, and what flies may still be taken.
    pub(super) fn absent(&mut self, mut job: Job, error: &SendError) {
        self.failures.absences += 1;
        if self.options.holds {
            let note = self.absence(&job, error, "are held until it takes them");
            return self.hold(job, error, note);
        }
        if self.failures.absences >= ABSENCES_TO_END && self.flying.is_empty() {
            return self.end_as_absent(job, error);
        }
        job.due = Instant::now() + self.options.backoff.delay(self.failures.absences, None, self.random.draw());
        self.waiting.push(job);
    }

    /// There is no such service: tells the user once, and leaves this and everything to come.
    fn end_as_absent(&mut self, job: Job, error: &SendError) {
        let note = self.absence(&job, error, "are left and counted");
        self.note(note);
        let reason = format!("no such service ({})", error.code);
        self.ended = Some(reason);
        self.waiting.push(job);
    }

    /// In words that there is no such service, and what becomes of what is for it.
    fn absence(&self, job: &Job, error: &SendError, fate: &str) -> String {
        let name = &self.options.name;
        match job.parcel.batch.signal {
            Signal::Logs => format!(
                "{name} has no logs service ({error}): records for it {fate}. Plain Jaeger stores only traces; give it the \
                 lines as span events with jaeger=URL"
            ),
            Signal::Traces | Signal::Metrics | Signal::Profiles => {
                format!("{name} has no trace service ({error}): spans for it {fate}")
            }
        }
    }

    /// Nothing can be sent until the user changes something: says what, and leaves, or holds, this and everything to come.
    pub(super) fn misconfigured(&mut self, job: Job, error: &SendError) {
        if self.options.holds {
            let note =
                format!("{}: {error}. Nothing is sent to it; records are held until it takes them", self.options.name);
            return self.hold(job, error, note);
        }
        self.note(format!(
            "{}: {error}. Nothing is sent to it; its records are left for another run",
            self.options.name
        ));
        self.ended = Some(format!("nothing can be sent there ({})", error.code));
        self.waiting.push(job);
    }
}
