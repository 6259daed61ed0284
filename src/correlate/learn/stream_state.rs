//! What is kept of a stream between its steps.
//!
//! In go lines as they come, out come those that a step decides, and a [`Sample`] of those to learn from where it is time
//! (see `schedule`). Decided lines are kept until they were learned from, as many of each service as a sample holds.

use super::decay::DecayedStatistics;
use super::due_lines::DueLines;
use super::earlier_lines::EarlierLines;
use super::kinds::Kinds;
use super::lines::{Line, Lines};
use super::model::Model;
use super::schedule::Schedule;
use super::stream_tuning::{
    CONTEXT_NS, LAST_TIME_AFTER_NS, LAST_TIME_AGE_NS, LINES_KEPT_LEAST, LOOKAHEAD_NS, SAMPLE_LINES,
};
use crate::correlate::index::AHEAD_NS;
use crate::correlate::stored::Stored;
use crate::correlate::text::hash::{NumberMap, NumberSet};

/// See the module.
#[derive(Debug)]
pub(crate) struct StreamState {
    pub(crate) decayed: DecayedStatistics,
    pub(crate) model: Model,
    pub(crate) earlier: EarlierLines,
    schedule: Schedule,
    kinds: Kinds,
    /// Lines that are not decided, and those that were just before: time and place among the lines kept.
    open: Vec<(i64, u32)>,
    /// Lines that were left after those that nobody needs had gone.
    kept: usize,
}

/// Lines to learn from.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Of the first and the last.
    pub(crate) times: (i64, i64),
    pub(crate) services: NumberSet<u32>,
    places: Vec<u32>,
}

impl StreamState {
    /// Nothing so far; so many classes are remembered.
    pub(crate) fn new(classes_max: usize) -> StreamState {
        let (model, earlier, schedule, kinds, open, kept) = Default::default();
        let decayed = DecayedStatistics::new(classes_max);
        StreamState { decayed, model, earlier, schedule, kinds, open, kept }
    }

    /// Appends what was learned so far.
    pub(crate) fn put_learned(&self, out: &mut Vec<u8>) {
        self.decayed.put(out);
        self.model.put(out);
        self.schedule.put(out);
        self.kinds.put(out);
    }

    /// Goes on with what was learned, of these bytes; `None`, and nothing is changed, if they are of nothing learned.
    pub(crate) fn take_learned(&mut self, from: &mut &[u8]) -> Option<()> {
        let decayed = DecayedStatistics::take(from)?.remembering(self.decayed.classes_max());
        let (model, schedule, kinds) = (Stored::take(from)?, Stored::take(from)?, Stored::take(from)?);
        (self.decayed, self.model, self.schedule, self.kinds) = (decayed, model, schedule, kinds);
        Some(())
    }

    /// A line was added.
    pub(crate) fn add(&mut self, time: i64, row: u32) {
        self.open.push((time, row));
    }

    /// Of each source: up to when its lines could be decided, which becomes when the first of them was written that had better
    /// wait. `services`: of each writer.
    pub(crate) fn hold_new_kinds(&mut self, lines: &Lines, services: &[u32], dues: &mut NumberMap<u32, i64>) {
        let mut new = Vec::new();
        self.kinds.fade();
        for (time, row) in &self.open {
            let line = &lines.rows[*row as usize];
            let could_be = dues.get(&line.source).is_some_and(|due| time <= due) && !line.is_decided;
            let service = services.get(line.writer as usize).copied().unwrap_or(u32::MAX);
            if could_be && line.teaches && self.kinds.is_new(service, line.template.coarse, *time) {
                new.push((service, line.source, *time));
            }
        }
        for (_, source, time) in new.into_iter().filter(|(service, ..)| self.kinds.are_many(*service)) {
            dues.entry(source).and_modify(|due| *due = (*due).min(time.saturating_sub(1)));
        }
    }

    /// Lines to learn from before those up to `due` are decided, if it is time. `services`: of each writer; `memory`: spans
    /// are kept no longer, ns.
    pub(crate) fn sample(&mut self, lines: &mut Lines, services: &[u32], due: i64, memory: i64) -> Option<Sample> {
        let service_of = |writer: u32| services.get(writer as usize).copied().filter(|service| *service != u32::MAX);
        let until = due.saturating_add(LOOKAHEAD_NS);
        // Before they are due, so that new kinds are known by then.
        for (_, row) in self.open.iter().filter(|(time, _)| *time <= until) {
            let line = &mut lines.rows[*row as usize];
            if let Some(service) = service_of(line.writer).filter(|_| line.teaches && !line.is_counted) {
                line.is_counted = true;
                self.schedule.count(service, &line.template, &self.model);
            }
        }
        let services = self.schedule.due(due)?;
        let from = due.saturating_sub(memory);
        let mut room: NumberMap<u32, usize> = services.iter().map(|service| (*service, SAMPLE_LINES)).collect();
        let mut sample = Sample { times: (i64::MAX, i64::MIN), services, places: Vec::new() };
        let mut take = |line: &Line, place: u32| {
            let may_teach = !line.is_learned && line.teaches;
            let Some(room) = service_of(line.writer).filter(|_| may_teach).and_then(|of| room.get_mut(&of)) else {
                return;
            };
            if *room > 0 {
                *room -= 1;
                sample.places.push(place);
                sample.times = (sample.times.0.min(line.time), sample.times.1.max(line.time));
            }
        };
        // The latest of those that are due; not all spans of later ones have come, which count where there are few.
        let rows = || lines.rows.iter().zip(0..lines.rows.len() as u32);
        rows().rev().filter(|(line, _)| (from..=due).contains(&line.time)).for_each(|(line, place)| take(line, place));
        rows().filter(|(line, _)| due < line.time && line.time <= until).for_each(|(line, place)| take(line, place));
        sample.places.sort_unstable();
        (!sample.places.is_empty()).then_some(sample)
    }

    /// The lines of a sample, which are learned from now: many of them for the last time, since later samples begin after them.
    /// `services`: as for [`StreamState::sample`].
    pub(crate) fn take_sample(&self, lines: &mut Lines, services: &[u32], sample: &Sample, due: i64) -> Lines {
        let mut counts: NumberMap<u32, usize> = NumberMap::default();
        let service_of = |line: &Line| services.get(line.writer as usize).copied().unwrap_or(u32::MAX);
        for place in &sample.places {
            *counts.entry(service_of(&lines.rows[*place as usize])).or_default() += 1;
        }
        for place in &sample.places {
            let line = &mut lines.rows[*place as usize];
            let service = service_of(line);
            let is_last = counts[&service] >= SAMPLE_LINES || self.schedule.pause_of(service) >= LAST_TIME_AFTER_NS;
            line.is_learned = line.time <= if is_last { due } else { due.saturating_sub(LAST_TIME_AGE_NS) };
        }
        lines.copied(&sample.places)
    }

    /// These lines of a sample were learned from. `services`: of each writer.
    pub(crate) fn learned(&mut self, lines: &Lines, services: &[u32], sample: &Sample) {
        let service_of = |writer: u32| services.get(writer as usize).copied().unwrap_or(u32::MAX);
        let lines = lines.rows.iter().map(|line| (service_of(line.writer), line.template));
        self.schedule.learned(&sample.services, &self.model, lines);
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.open.capacity() * size_of::<(i64, u32)>()
            + self.decayed.bytes()
            + self.model.bytes()
            + self.earlier.bytes()
            + self.kinds.bytes()
    }

    /// The lines that are due, and those of the same sources little before and after them, which are not decided now.
    pub(crate) fn lines_around(&self, lines: &Lines, due: &DueLines) -> Lines {
        let place = |(time, row): &(i64, u32)| {
            let of = due.of(lines.rows[*row as usize].source)?;
            let (from, to) = (of.times.0.saturating_sub(CONTEXT_NS), of.due.saturating_add(CONTEXT_NS));
            (from..=to).contains(time).then_some(*row)
        };
        let places: Vec<u32> = self.open.iter().filter_map(place).collect();
        let mut copied = lines.copied(&places);
        for line in &mut copied.rows {
            line.is_waiting = due.of(line.source).is_none_or(|of| line.time > of.due);
        }
        copied
    }

    /// Lines are decided that were due; all up to `due` are by now. `services`, `memory`: as for [`StreamState::sample`].
    pub(crate) fn close(
        &mut self,
        lines: &mut Lines,
        services: &[u32],
        (due_lines, due): (&DueLines, i64),
        memory: i64,
    ) {
        let open_from = due.saturating_sub(CONTEXT_NS);
        self.open.retain(|(time, row)| {
            let line = &mut lines.rows[*row as usize];
            line.is_decided |= *time <= due || due_lines.of(line.source).is_some_and(|of| *time <= of.due);
            *time > open_from
        });
        if lines.rows.len() > self.kept + self.kept / 4 + LINES_KEPT_LEAST {
            self.forget(lines, services, due, memory);
        }
    }

    /// Lines that are decided go, but for those that may be learned from.
    fn forget(&mut self, lines: &mut Lines, services: &[u32], due: i64, memory: i64) {
        let (from, open_from) = (due.saturating_sub(memory), due.saturating_sub(CONTEXT_NS));
        let mut rooms: NumberMap<u32, usize> = NumberMap::default();
        let mut places = Vec::new();
        for (line, place) in lines.rows.iter().zip(0..lines.rows.len() as u32).rev() {
            if line.time > due.saturating_add(AHEAD_NS) {
                // Its clock is far ahead.
                lines.overflow += 1;
                continue;
            }
            let service = services.get(line.writer as usize).copied().unwrap_or(u32::MAX);
            let mut may_teach = || {
                let room = rooms.entry(service).or_insert(SAMPLE_LINES);
                let is_left = *room > 0;
                *room = room.saturating_sub(1);
                is_left
            };
            let is_open = !line.is_decided || line.time > open_from;
            if is_open || line.teaches && !line.is_learned && line.time >= from && may_teach() {
                places.push(place);
            }
        }
        places.reverse();
        let overflow = lines.overflow;
        *lines = lines.copied(&places);
        lines.overflow = overflow;
        let is_open = |time: i64, is_decided: bool| !is_decided || time > open_from;
        let open = lines.rows.iter().zip(0..).filter(|(line, _)| is_open(line.time, line.is_decided));
        self.open = open.map(|(line, row)| (line.time, row)).collect();
        self.kept = lines.rows.len();
    }
}
