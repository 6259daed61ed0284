//! What goes on in a run, for those who watch it: progress lines, Ctrl-C and the words at the end of a run that is cut short.
//!
//! In go the wish to end, how it stands with destinations and how the state is saved; out come that wish and words. Nothing
//! is read, sent or ended here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::checkpoint::saver::Saver;
use crate::export::standing::{Standing, State};
use crate::files::leftovers;

/// How long saving the state may take when a run has to end at once.
const SAVE_WITHIN: Duration = Duration::from_millis(200);

/// A run under watch.
#[derive(Debug, Default)]
pub struct Monitor {
    interrupted: AtomicBool,
    destinations: Mutex<Vec<(String, Arc<Standing>)>>,
    saver: Mutex<Option<Arc<Saver>>>,
}

impl Monitor {
    /// Asks the run to end; `true` if it had been asked before.
    pub fn interrupt(&self) -> bool {
        self.interrupted.swap(true, Ordering::Relaxed)
    }

    /// Whether it was asked to end.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// The same for those who look often.
    pub fn interrupted(&self) -> &AtomicBool {
        &self.interrupted
    }

    pub(super) fn watch(&self, name: String, standing: Arc<Standing>) {
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner).push((name, standing));
    }

    pub(super) fn save_with(&self, saver: Arc<Saver>) {
        *self.saver.lock().unwrap_or_else(PoisonError::into_inner) = Some(saver);
    }

    fn destinations(&self) -> Vec<(String, State)> {
        let destinations = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        destinations.iter().map(|(name, standing)| (name.clone(), standing.now())).collect()
    }

    /// What is awaited of destinations that fail, if anything.
    pub(super) fn awaited(&self) -> Option<String> {
        let now = Instant::now();
        let destinations = self.destinations();
        let awaited = destinations.iter().filter_map(|(name, state)| awaited(name, state, now));
        joined(awaited)
    }

    /// What is on the way to destinations, if anything.
    pub(super) fn on_the_way(&self) -> Option<String> {
        let destinations = self.destinations();
        let holding = destinations.iter().filter(|(_, state)| state.held > 0);
        joined(holding.map(|(name, state)| format!("sending to {name}: {} are not yet answered", records(state.held))))
    }

    /// For a run that does not end in time by itself: saves the state if that is possible at once, removes what would be
    /// left behind, and says how it stands.
    pub fn end_now(&self) -> String {
        let mut lines = vec!["interrupted: what was not read, written or delivered is left for another run".to_owned()];
        for (name, state) in self.destinations() {
            let (taken, held) = (records(state.taken), records(state.held));
            lines
                .push(format!("sent      {name}: {taken} in {} requests; {held} left for another run", state.requests));
        }
        lines.extend(self.save_in_time());
        leftovers::remove();
        lines.push(String::new());
        lines.join("\n")
    }

    fn save_in_time(&self) -> Option<String> {
        // Whoever holds it hands the saver on in no time.
        let saver = self.saver.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (give, take) = mpsc::channel();
        let saving = std::thread::Builder::new().name("save".into()).spawn(move || give.send(saver.save()));
        let saved = saving.ok().map(|_| take.recv_timeout(SAVE_WITHIN));
        let problem = match saved {
            Some(Ok(Ok(()))) => return None,
            Some(Ok(Err(error))) => error.to_string(),
            Some(Err(_)) | None => "the state could not be saved in time".to_owned(),
        };
        Some(format!("failed    {problem}; another run sends again what was taken since it was last saved"))
    }
}

fn joined(parts: impl Iterator<Item = String>) -> Option<String> {
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn awaited(name: &str, state: &State, now: Instant) -> Option<String> {
    let error = state.last_error.as_ref().filter(|_| state.held > 0)?;
    let until = state.tried_until.map_or_else(String::new, |until| {
        format!(", trying for another {}", spelled(until.saturating_duration_since(now)))
    });
    Some(format!("waiting for {name}: {}, last error {error}{until}", records(state.held)))
}

fn records(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} record{}", if count == 1 { "" } else { "s" })
}

fn spelled(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        seconds => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_awaited_is_said_with_its_error_and_time() {
        let now = Instant::now();
        let failing = State {
            held: 1234,
            last_error: Some("no connection: refused".into()),
            tried_until: Some(now + Duration::from_secs(192)),
            ..State::default()
        };
        assert_eq!(
            awaited("otlp=http://a", &failing, now).unwrap(),
            "waiting for otlp=http://a: 1,234 records, last error no connection: refused, trying for another 3m 12s"
        );
        assert_eq!(awaited("otlp=http://a", &State { held: 0, ..failing.clone() }, now), None);
        assert_eq!(awaited("otlp=http://a", &State { last_error: None, ..failing }, now), None);
    }

    #[test]
    fn numbers_and_times_are_spelled_for_people() {
        let counts = [(0, "0 records"), (1, "1 record"), (999, "999 records"), (1_234_567, "1,234,567 records")];
        counts.iter().for_each(|(count, text)| assert_eq!(records(*count), *text));
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m 0s"), (3599, "59m 59s"), (7260, "2h 1m")] {
            assert_eq!(spelled(Duration::from_secs(seconds)), text);
        }
    }
}
