//! The status of a run in words: for progress lines, and for the end of a run that is cut short.
//!
//! In goes the run's monitor, out come messages. Nothing of the run is decided here.

use std::sync::mpsc;
use std::time::Duration;

use tokio::time::Instant;

use super::flags::with_flags;
use crate::export::deliver::status::DeliveryStatus;
use crate::files::leftovers;
use crate::run::monitor::Monitor;

/// How long saving the state may take when a run has to end at once.
const SAVE_WITHIN: Duration = Duration::from_millis(200);

/// Which destinations fail and what they hold, if any does.
pub(super) fn awaited_of_all(monitor: &Monitor) -> Option<String> {
    let now = Instant::now();
    let destinations = monitor.destinations();
    joined(destinations.iter().filter_map(|(name, state)| awaited(name, state, now)))
}

/// What is in flight to destinations, if anything.
pub(super) fn in_flight(monitor: &Monitor) -> Option<String> {
    let destinations = monitor.destinations();
    let holding = destinations.iter().filter(|(_, state)| state.held > 0);
    joined(holding.map(|(name, state)| format!("sending to {name}: {} are not yet answered", records(state.held))))
}

/// For a run that does not end in time by itself: saves the state if that is possible at once, removes what would be left
/// over, and returns the status in words.
pub fn end_now(monitor: &Monitor) -> String {
    let mut lines = vec!["interrupted: what was not read, written or delivered is left for another run".to_owned()];
    for (name, state) in monitor.destinations() {
        let (taken, held) = (records(state.taken), records(state.held));
        lines.push(format!("sent      {name}: {taken} in {} requests; {held} left for another run", state.requests));
    }
    lines.extend(save_in_time(monitor));
    leftovers::remove();
    lines.push(String::new());
    with_flags(&lines.join("\n")).into_owned()
}

fn save_in_time(monitor: &Monitor) -> Option<String> {
    let saver = monitor.saver()?;
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

fn joined(parts: impl Iterator<Item = String>) -> Option<String> {
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn awaited(name: &str, state: &DeliveryStatus, now: Instant) -> Option<String> {
    let error = state.last_error.as_ref().filter(|_| state.held > 0)?;
    let until = state.tried_until.map_or_else(String::new, |until| {
        format!(", trying for another {}", spelled(until.saturating_duration_since(now)))
    });
    let text = format!("waiting for {name}: {}, last error {error}{until}", records(state.held));
    Some(with_flags(&text).into_owned())
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
        let failing = DeliveryStatus {
            held: 1234,
            last_error: Some("no connection: refused".into()),
            tried_until: Some(now + Duration::from_secs(192)),
            ..DeliveryStatus::default()
        };
        assert_eq!(
            awaited("otlp=http://a", &failing, now).unwrap(),
            "waiting for otlp=http://a: 1,234 records, last error no connection: refused, trying for another 3m 12s"
        );
        assert_eq!(awaited("otlp=http://a", &DeliveryStatus { held: 0, ..failing.clone() }, now), None);
        assert_eq!(awaited("otlp=http://a", &DeliveryStatus { last_error: None, ..failing }, now), None);
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
