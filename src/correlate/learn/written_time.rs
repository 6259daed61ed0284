//! When a line was written, as far as its timestamps tell.
//!
//! In go the times of lines, out come bounds for each, and the median delay of each writer's container runtime. No span is
//! known here.

use super::lines::Line;
use super::tuning::{RUNTIME_DELAY_MOST_NS, RUNTIME_DELAY_NS, SLACK_EXACT_NS, SLACK_RUNTIME_NS};

/// How much later than it was written a line is stamped by the runtime, of writers of which that is known.
#[derive(Debug, Default)]
pub(crate) struct Delays(Vec<Option<i64>>);

impl Delays {
    pub(crate) fn new<'l>(lines: impl Iterator<Item = &'l Line>) -> Delays {
        let mut seen: Vec<(u32, i64)> = Vec::new();
        for line in lines {
            if line.from_payload && line.envelope_time != i64::MIN && line.digits >= 3 {
                // Printed times are rounded down: half a unit later on average.
                let unit = 10i64.pow(9 - u32::from(line.digits.min(9)));
                seen.push((line.writer, line.envelope_time - line.time - unit / 2));
            }
        }
        seen.sort_unstable();
        let mut delays = Vec::new();
        for run in seen.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() >= 8) {
            let writer = run[0].0 as usize;
            delays.resize(delays.len().max(writer + 1), None);
            delays[writer] = Some(run[run.len() / 2].1.clamp(20_000, 2_000_000));
        }
        Delays(delays)
    }

    pub(crate) fn of(&self, writer: u32) -> i64 {
        self.0.get(writer as usize).copied().flatten().unwrap_or(RUNTIME_DELAY_NS)
    }

    /// What is known now, and of other writers what was known before.
    pub(crate) fn take_in(&mut self, now: Delays) {
        self.0.resize(self.0.len().max(now.0.len()), None);
        for (delay, now) in self.0.iter_mut().zip(now.0) {
            *delay = now.or(*delay);
        }
    }
}

/// When a line was written, since when it may have been, and how late its span may have ended. `digits`: of the second,
/// in lines of its kind.
pub(crate) fn when(line: &Line, digits: u8) -> Option<(i64, i64, i64)> {
    let envelope = (line.envelope_time != i64::MIN).then_some(line.envelope_time);
    if !line.from_payload {
        return Some((line.time, line.time.saturating_sub(RUNTIME_DELAY_MOST_NS), SLACK_RUNTIME_NS));
    }
    let unit = 10i64.pow(9 - u32::from(digits.min(9)));
    if unit <= 1_000 {
        return Some((line.time, line.time, if line.from_journal { SLACK_RUNTIME_NS } else { SLACK_EXACT_NS }));
    }
    match envelope {
        Some(envelope) => {
            let time = envelope.clamp(line.time, line.time.saturating_add(unit));
            Some((time, line.time, SLACK_RUNTIME_NS))
        }
        None if unit <= 10_000_000 => Some((line.time.saturating_add(unit / 2), line.time, unit)),
        None => None,
    }
}
