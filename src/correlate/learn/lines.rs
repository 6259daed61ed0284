//! What is kept of a line between the passes: some tens of bytes, no text.
//!
//! In go records, out come [`Line`]s with lists of hashes and durations. Bounded: lines beyond the limit are counted and
//! stay without an inferred link.

use crate::correlate::hint::Hint;
use crate::correlate::index::AHEAD_NS;
use crate::correlate::text::hash::NumberSet;
use crate::correlate::text::templates::{self, Template};
use crate::correlate::text::words::{self, Duration};
use crate::record::{Envelope, Producer, Record};
use spanline_parsers::{Format, Time, Value};

/// Room is made for this many at first: what is never used costs nothing, growing does.
const ROWS_RESERVED: usize = 1 << 17;
/// Durations kept of one line.
const DURATIONS_MAX: usize = 3;
/// Keys with values kept of one line.
const KEY_VALUES_MAX: usize = 8;
/// Words kept of one line.
const WORDS_MAX: usize = 16;
/// Bytes of a text that are looked at.
pub(crate) const TEXT_MAX: usize = 2048;

/// A line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) source: u32,
    /// Number of its writer: a journal has several.
    pub(crate) writer: u32,
    pub(crate) file: u32,
    pub(crate) offset: u64,
    pub(crate) time: i64,
    /// [`i64::MIN`] where there is none.
    pub(crate) envelope_time: i64,
    pub(crate) template: Template,
    /// What a rule made of it, by its place among all.
    hint: u32,
    words: u32,
    key_values: u32,
    durations: u32,
    /// How many words, pairs and durations.
    counts: [u8; 3],
    /// Others learn from it, and it looks for its span.
    pub(crate) teaches: bool,
    /// Digits of the second.
    pub(crate) digits: u8,
    pub(crate) from_payload: bool,
    pub(crate) from_journal: bool,
    /// It is of an access log.
    pub(crate) is_access: bool,
    /// Who wrote it.
    pub(crate) producer: Producer,
    /// It was decided; others still learn from it.
    pub(crate) is_decided: bool,
    /// Along a stream: it is looked at for what it tells of others, and decided later.
    pub(crate) is_waiting: bool,
    /// Along a stream: it was counted, to tell when to learn.
    pub(crate) is_counted: bool,
    /// Along a stream: what it teaches was kept, and it is not learned from again.
    pub(crate) is_learned: bool,
}

impl Line {
    /// It is to be decided once all up to `due` are.
    pub(crate) fn is_due(&self, due: i64) -> bool {
        !self.is_decided && !self.is_waiting && self.time <= due
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) rows: Vec<Line>,
    words: Vec<u32>,
    key_values: Vec<u64>,
    durations: Vec<Duration>,
    /// What rules made of lines; of most, nothing.
    hints: Vec<Hint>,
    /// Lines beyond the limit.
    pub(crate) overflow: u64,
}

impl Lines {
    /// Of lines that are added only those are kept that there is room for.
    pub(crate) fn has_room(&mut self, bytes_max: usize) -> bool {
        let has_room = self.bytes() < bytes_max;
        self.overflow += u64::from(!has_room);
        has_room
    }

    /// Keeps what is needed of a record; of one that teaches nothing, where it stands.
    pub(crate) fn add(&mut self, seed: u64, record: &Record<'_>, writer: u32, hint: Hint, teaches: bool) {
        let Some(time) = record.time else { return };
        if self.rows.is_empty() {
            self.rows.reserve(ROWS_RESERVED);
        }
        let (mut words, mut key_values, mut durations) = Default::default();
        if teaches {
            words = list(&mut self.words, |list| words_of(seed, record, list));
            key_values = list(&mut self.key_values, |list| key_values_of(seed, record, list));
            durations = list(&mut self.durations, |list| durations_of(record, list));
        }
        let hint = match hint {
            Hint::None => u32::MAX,
            hint => {
                self.hints.push(hint);
                self.hints.len() as u32 - 1
            }
        };
        self.rows.push(Line {
            source: record.source,
            writer,
            file: record.position.file,
            offset: record.position.offset,
            time,
            envelope_time: record.envelope_time.unwrap_or(i64::MIN),
            template: templates::of(seed, record),
            hint,
            words: words.0,
            key_values: key_values.0,
            durations: durations.0,
            counts: [words.1, key_values.1, durations.1],
            teaches,
            digits: record.time_digits,
            from_payload: !matches!(record.entry.time, Time::None),
            from_journal: record.envelope == Envelope::Journal,
            is_access: record.entry.format == Format::Access,
            producer: record.origin.producer,
            is_decided: false,
            is_waiting: false,
            is_counted: false,
            is_learned: false,
        });
    }

    /// Without those that are decided up to `due` and earlier than `from`; what is of a clock that is far ahead is left out.
    pub(crate) fn left_after(self, from: i64, due: i64) -> Lines {
        let mut left = Lines { overflow: self.overflow, ..Lines::default() };
        for line in &self.rows {
            if line.time > due.saturating_add(AHEAD_NS) {
                left.overflow += 1;
            } else if line.time > due || line.time >= from {
                left.copy(&self, Line { is_decided: line.is_decided || line.is_due(due), ..*line });
            }
        }
        left
    }

    /// These lines alone.
    pub(crate) fn copied(&self, places: &[u32]) -> Lines {
        let mut lines = Lines::default();
        lines.rows.reserve(places.len());
        places.iter().for_each(|at| lines.copy(self, self.rows[*at as usize]));
        lines
    }

    /// Adds a line of others.
    fn copy(&mut self, others: &Lines, line: Line) {
        let mut kept = line;
        kept.words = copy(&mut self.words, others.words(&line));
        kept.key_values = copy(&mut self.key_values, others.key_values(&line));
        kept.durations = copy(&mut self.durations, others.durations(&line));
        if let Some(hint) = others.hints.get(line.hint as usize) {
            kept.hint = copy(&mut self.hints, std::slice::from_ref(hint));
        }
        self.rows.push(kept);
    }

    /// Lines that say no more than the second, and no more than whose file says it, are given the digits that the bounds
    /// of their times allow.
    pub(crate) fn narrow(&mut self, bounds: &dyn Fn(u32, u32, u64, i64) -> Option<(i64, i64)>) {
        for line in self.rows.iter_mut().filter(|line| line.digits == 0 && line.envelope_time == i64::MIN) {
            if let Some((from, to)) = bounds(line.source, line.file, line.offset, line.time) {
                line.time = from;
                // All of the bounds lie within a unit of the last digit.
                line.digits = (1..=9)
                    .rev()
                    .find(|digits| 10i64.pow(9 - u32::from(*digits)) >= to.saturating_sub(from))
                    .unwrap_or(0);
            }
        }
    }

    pub(crate) fn all_words(&self) -> NumberSet<u32> {
        self.words.iter().copied().collect()
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.len() * size_of::<Line>()
            + self.words.len() * size_of::<u32>()
            + self.key_values.len() * size_of::<u64>()
            + self.durations.len() * size_of::<Duration>()
            + self.hints.len() * size_of::<Hint>()
    }

    /// What a rule made of a line; see `rules`.
    pub(crate) fn hint(&self, line: &Line) -> Hint {
        self.hints.get(line.hint as usize).copied().unwrap_or_default()
    }

    pub(crate) fn words(&self, line: &Line) -> &[u32] {
        slice(&self.words, line.words, line.counts[0])
    }

    pub(crate) fn key_values(&self, line: &Line) -> &[u64] {
        slice(&self.key_values, line.key_values, line.counts[1])
    }

    pub(crate) fn durations(&self, line: &Line) -> &[Duration] {
        slice(&self.durations, line.durations, line.counts[2])
    }
}

fn list<T>(all: &mut Vec<T>, fill: impl FnOnce(&mut Vec<T>)) -> (u32, u8) {
    let start = all.len();
    if u32::try_from(start).is_ok() {
        fill(all);
        all.truncate(start + usize::from(u8::MAX));
    }
    (start as u32, (all.len() - start) as u8)
}

fn copy<T: Copy>(all: &mut Vec<T>, list: &[T]) -> u32 {
    all.extend_from_slice(list);
    (all.len() - list.len()) as u32
}

fn slice<T>(all: &[T], start: u32, count: u8) -> &[T] {
    all.get(start as usize..start as usize + usize::from(count)).unwrap_or_default()
}

/// Words of the text and of values: a time is none.
fn words_of(seed: u64, record: &Record<'_>, into: &mut Vec<u32>) {
    let room = into.len() + WORDS_MAX;
    let body = &record.entry.body;
    words::words(seed, &body[..body.len().min(TEXT_MAX)], into, room);
    for field in &record.entry.fields {
        let value: &[u8] = match &field.value {
            Value::Text(text) | Value::Json(text) => text,
            Value::Number(number) => number,
            _ => continue,
        };
        words::words(seed, &value[..value.len().min(TEXT_MAX)], into, room);
    }
}

fn key_values_of(seed: u64, record: &Record<'_>, into: &mut Vec<u64>) {
    let room = into.len() + KEY_VALUES_MAX;
    for field in &record.entry.fields {
        let value: &[u8] = match &field.value {
            Value::Text(text) => text,
            Value::Number(number) => number,
            _ => continue,
        };
        if into.len() < room && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            into.extend(words::key_value(seed, &field.key, value));
        }
    }
    let body = &record.entry.body;
    words::key_values(seed, &body[..body.len().min(TEXT_MAX)], into, room);
}

fn durations_of(record: &Record<'_>, into: &mut Vec<Duration>) {
    let room = into.len() + DURATIONS_MAX;
    for field in &record.entry.fields {
        if let Value::Number(number) = field.value
            && into.len() < room
            && let Some(scale) = words::scale_of_key(&field.key)
        {
            into.extend(words::number(number, scale));
        }
    }
    words::durations(&record.payload[..record.payload.len().min(TEXT_MAX)], into, room);
}
