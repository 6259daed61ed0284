//! One batch in the hands of a destination's task, and the options that hold for all batches.
//!
//! Values and two waits; what is done with them is decided in [`task`](super::task).

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::parcel::Parcel;
use super::retry::{Backoff, Suspicion};
use super::status::StatusHandle;
use crate::export::batch::Batch;
use crate::otlp::{Class, Code, Compression, SendError};

/// A request that was answered, or failed.
#[derive(Debug)]
pub struct Answered<'a> {
    /// How long that took.
    pub took: Duration,
    /// Records in it.
    pub records: u64,
    /// Its bytes as sent.
    pub bytes: u64,
    /// How often the same had failed before.
    pub failures_before: u32,
    /// Why it failed.
    pub error: Option<&'a SendError>,
}

/// Is told of each request.
#[derive(Clone)]
pub struct Observer(pub Arc<dyn Fn(&Answered<'_>) + Send + Sync>);

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// Options of one destination.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name in messages, as the user wrote it (`otlp=http://…`).
    pub name: String,
    /// Requests in flight at once.
    pub in_flight: usize,
    /// How long a batch is retried; `None`: for ever.
    pub retry_for: Option<Duration>,
    /// How retries are spread.
    pub backoff: Backoff,
    /// A record that is refused alone is dropped without fresh successes of others only if it fails for this long, or for
    /// half of `retry_for` if that is less.
    pub drop_after: Duration,
    /// While it holds more bytes than these, it takes no more batches.
    pub held_bytes_max: usize,
    /// Whatever it refuses as a whole is held and tried again instead of left for another run: there is none.
    pub holds: bool,
    /// Is told of each request.
    pub observer: Option<Observer>,
    /// For the jitter.
    pub seed: u64,
    /// Where its task writes its status.
    pub status: Arc<StatusHandle>,
}

impl Options {
    /// The defaults, for a destination of this name.
    pub fn new(name: impl Into<String>) -> Options {
        Options {
            name: name.into(),
            in_flight: 4,
            retry_for: None,
            backoff: Backoff::default(),
            drop_after: Duration::from_secs(60),
            held_bytes_max: usize::MAX,
            holds: false,
            observer: None,
            seed: 0,
            status: Arc::default(),
        }
    }
}

/// A parcel until it is taken, dropped or left.
pub(super) struct Job {
    pub(super) parcel: Parcel,
    /// Bytes of the request as sent.
    pub(super) bytes: usize,
    pub(super) due: Instant,
    pub(super) first_try: Option<Instant>,
    pub(super) failures: u32,
    /// Failures since any request was taken, or since a batch was halved to find the cause.
    pub(super) unprobed: u32,
    /// Requests that the destination had taken at its first failure.
    pub(super) passes_at_first: u64,
    /// The number of its last launch.
    pub(super) launch: u64,
    /// When that was.
    pub(super) launched_at: Instant,
    /// Bytes in flight at that time, its own included.
    pub(super) bytes_in_flight: usize,
    /// It, or the batch that it is a half of, was refused for an unnamed limit, perhaps one of size.
    pub(super) overloads: bool,
    /// How often it timed out.
    pub(super) time_outs: u32,
    /// The number of the last launch when it, or the batch that it is a part of, first failed.
    pub(super) launches_at_first: Option<u64>,
    pub(super) suspicion: Suspicion,
    pub(super) last_error: String,
}

impl Job {
    pub(super) fn new(parcel: Parcel, due: Instant) -> Job {
        Job {
            bytes: parcel.body_len(),
            parcel,
            due,
            first_try: None,
            failures: 0,
            unprobed: 0,
            passes_at_first: 0,
            launch: 0,
            launched_at: due,
            bytes_in_flight: 0,
            overloads: false,
            time_outs: 0,
            launches_at_first: None,
            suspicion: Suspicion::default(),
            last_error: String::new(),
        }
    }

    /// A part of it, which keeps the history of the whole.
    pub(super) fn part(&self, batch: Batch) -> Job {
        // Parts are rare and small: compressing them here costs less than moving them about.
        let parcel = Parcel::pack(batch, self.parcel.compression);
        Job { bytes: parcel.body_len(), parcel, last_error: self.last_error.clone(), ..*self }
    }

    /// A half of it, which is tried at once since the whole was refused.
    pub(super) fn half(&self, batch: Batch, now: Instant) -> Job {
        let part = self.part(batch);
        Job {
            first_try: self.first_try,
            launches_at_first: self.launches_at_first,
            overloads: self.overloads,
            suspicion: self.suspicion.inherit(),
            last_error: part.last_error,
            ..Job::new(part.parcel, now)
        }
    }

    /// The number of the last launch when it, or the batch that it was a part of, first failed.
    pub(super) fn failed_before(&self) -> u64 {
        self.launches_at_first.unwrap_or(self.launch)
    }

    /// A request that was sent after it had failed was taken: if it is refused, it is to blame itself.
    pub(super) fn is_to_blame(&self, taken: u64) -> bool {
        taken > self.failed_before()
    }

    /// Records in it.
    pub(super) fn count(&self) -> u64 {
        self.parcel.batch.count() as u64
    }
}

/// The first message of a destination for each code and class. Later ones may differ by a request's number or the time: shown
/// as they come, there would be as many reasons as requests.
#[derive(Debug, Default)]
pub(super) struct FirstMessages(HashMap<(Code, Discriminant<Class>), String>);

impl FirstMessages {
    /// The error with the message of the first one like it.
    pub(super) fn first_alike(&mut self, error: &SendError) -> SendError {
        let mut alike = error.clone();
        if error.code.is_answer() {
            let first = self.0.entry((error.code, discriminant(&error.class)));
            alike.message.clone_from(first.or_insert_with(|| error.message.clone()));
        }
        alike
    }
}

/// Packs a parcel anew, off the task that does the I/O where that is possible.
pub(super) async fn repacked(parcel: Parcel, compression: Compression) -> Parcel {
    let batch = parcel.batch.clone();
    match tokio::task::spawn_blocking(move || Parcel::pack(batch, compression)).await {
        Ok(packed) => packed,
        Err(_) => Parcel::pack(parcel.batch, compression),
    }
}

/// Returns when the deadline is there; never, if there is none and nobody can set one any more.
pub(super) async fn reached(deadline: &mut watch::Receiver<Option<Instant>>) {
    loop {
        let at = *deadline.borrow_and_update();
        tokio::select! {
            () = sleep_until(at.unwrap_or_else(Instant::now)), if at.is_some() => return,
            changed = deadline.changed() => if changed.is_err() {
                match at {
                    Some(at) => return sleep_until(at).await,
                    None => std::future::pending().await,
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_alike_are_told_in_the_words_of_the_first() {
        let mut words = FirstMessages::default();
        let mut told = |class, code, message: &str| {
            words.first_alike(&SendError { class, code, message: message.to_owned() }).to_string()
        };
        assert_eq!(told(Class::BadData, Code::Http(400), "bad (request 1)"), "HTTP 400: bad (request 1)");
        assert_eq!(told(Class::BadData, Code::Http(400), "bad (request 2)"), "HTTP 400: bad (request 1)");
        assert_eq!(told(Class::TooLarge, Code::Http(400), "large (request 3)"), "HTTP 400: large (request 3)");
        assert_eq!(told(Class::BadData, Code::Http(422), "bad (request 4)"), "HTTP 422: bad (request 4)");
        // Those are not the destination's words.
        let lost = Class::Retryable { after: None };
        assert_eq!(told(lost, Code::Connect, "refused"), "no connection: refused");
        assert_eq!(told(lost, Code::Connect, "no such host"), "no connection: no such host");
    }
}
