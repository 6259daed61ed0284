//! When a line was written, as far as its timestamps tell.
//!
//! In go the times of lines, out come bounds for each, and the median delay of each writer's container runtime. No span is
//! known here.

use super::lines::Line;
use super::tuning::{
    RUNTIME_DELAY_LIMIT_NS, RUNTIME_DELAY_MOST_NS, RUNTIME_DELAY_NS, RUNTIME_DELAY_QUANTILE, SLACK_EXACT_NS,
    SLACK_RUNTIME_NS,
};
use crate::correlate::stored::{Stored, stored};

/// How much later than it was written a line is stamped by the runtime, of writers of which that is known.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    of_writers: Vec<Option<Delay>>,
    /// Of all of them.
    all: Option<Delay>,
}

/// How much later than it was written a line is stamped, ns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delay {
    pub(crate) median: i64,
    /// Few are stamped later.
    pub(crate) most: i64,
}

stored!(Delay { median, most });

/// Numbers of writers are others' in the next run: what is kept is the delay of all of them, whose lines one runtime stamps.
impl Stored for Delays {
    fn put(&self, out: &mut Vec<u8>) {
        let Delays { of_writers: _, all } = self;
        all.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Delays> {
        Some(Delays { of_writers: Vec::new(), all: Stored::take(from)? })
    }
}

impl Default for Delay {
    fn default() -> Delay {
        Delay { median: RUNTIME_DELAY_NS, most: RUNTIME_DELAY_MOST_NS }
    }
}

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
        let mut delays = Delays::default();
        for run in seen.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() >= 8) {
            let writer = run[0].0 as usize;
            delays.of_writers.resize(delays.of_writers.len().max(writer + 1), None);
            delays.of_writers[writer] = Some(Delay::of(run));
        }
        seen.sort_unstable_by_key(|seen| seen.1);
        if seen.len() >= 8 {
            delays.all = Some(Delay::of(&seen));
        }
        delays
    }

    pub(crate) fn of(&self, writer: u32) -> Delay {
        self.of_writers.get(writer as usize).copied().flatten().or(self.all).unwrap_or_default()
    }

    /// What is known now, and of other writers what was known before.
    pub(crate) fn take_in(&mut self, now: Delays) {
        self.of_writers.resize(self.of_writers.len().max(now.of_writers.len()), None);
        for (delay, now) in self.of_writers.iter_mut().zip(now.of_writers) {
            *delay = now.or(*delay);
        }
        self.all = now.all.or(self.all);
    }
}

impl Delay {
    /// Of some lines, in order.
    fn of(seen: &[(u32, i64)]) -> Delay {
        let quantile = |part: f32| seen[((seen.len() - 1) as f32 * part) as usize].1;
        Delay {
            median: quantile(0.5).clamp(20_000, 2_000_000),
            most: quantile(RUNTIME_DELAY_QUANTILE).clamp(RUNTIME_DELAY_MOST_NS, RUNTIME_DELAY_LIMIT_NS),
        }
    }
}

/// When a line was written, as far as its timestamps tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// No later than this.
    pub(crate) time: i64,
    /// No earlier than this.
    pub(crate) low: i64,
    /// Most likely then.
    pub(crate) likely: i64,
    /// How late its span may have ended.
    pub(crate) slack: i64,
    /// Any time between is as likely as any other: it was rounded. Else it was stamped some time after.
    pub(crate) is_rounded: bool,
}

/// When a line was written. `digits`: of the second, in lines of its kind; `delay`: of its writer's timestamps.
pub(crate) fn when(line: &Line, digits: u8, delay: Delay) -> Option<Written> {
    let envelope = (line.envelope_time != i64::MIN).then_some(line.envelope_time);
    let written =
        Written { time: line.time, low: line.time, likely: line.time, slack: SLACK_RUNTIME_NS, is_rounded: false };
    // The text may say no more than the second.
    if !line.from_payload || envelope == Some(line.time) {
        let low = line.time.saturating_sub(delay.most);
        return Some(Written { low, slack: SLACK_RUNTIME_NS.max(delay.most), ..written });
    }
    let unit = 10i64.pow(9 - u32::from(digits.min(9)));
    if unit <= 1_000 {
        return Some(Written { slack: if line.from_journal { SLACK_RUNTIME_NS } else { SLACK_EXACT_NS }, ..written });
    }
    match envelope {
        Some(envelope) => {
            let time = envelope.clamp(line.time, line.time.saturating_add(unit));
            let is_fine = unit <= 10_000_000;
            let low = if is_fine { line.time } else { line.time.max(time.saturating_sub(delay.most)) };
            let slack = if is_fine { SLACK_RUNTIME_NS } else { SLACK_RUNTIME_NS.max(delay.most) };
            let likely = match is_fine && envelope > time {
                true => line.time + (time - line.time) / 2,
                false => time,
            };
            Some(Written { time, low, likely, slack, is_rounded: is_fine })
        }
        None if unit <= 10_000_000 => {
            let likely = line.time.saturating_add(unit / 2);
            Some(Written { time: likely, likely, slack: unit, ..written })
        }
        None => None,
    }
}
