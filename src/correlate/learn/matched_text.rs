//! Which words, durations and keys of a line are those that spoke for a span, for whoever asks why.
//!
//! In go a record and a span, out comes text of the record. What was learned went by hashes of the same text; nothing is
//! weighed here.

use spanline_parsers::Value;

use super::lines::TEXT_MAX;
use crate::correlate::index::{Slot, SpanIndex};
use crate::correlate::text::words;
use crate::record::Record;

/// Words told of one line.
const TOLD_MAX: usize = 3;
/// Spans above one that are asked for a word.
const ABOVE_MAX: usize = 12;

/// Durations of a line that a span of this length may be meant by.
pub(crate) fn durations(record: &Record<'_>, length: i64) -> Vec<String> {
    let mut found = Vec::new();
    for field in &record.entry.fields {
        if let Value::Number(number) = field.value
            && let Some(duration) = words::scale_of_key(&field.key).and_then(|scale| words::number(number, scale))
            && duration.is_about(length)
        {
            found.push(key_value(&field.key, number));
        }
    }
    words::each_duration(&record.payload[..record.payload.len().min(TEXT_MAX)], |text, duration| {
        if duration.is_about(length) {
            found.push(String::from_utf8_lossy(text).into_owned());
        }
        found.len() < TOLD_MAX
    });
    found.truncate(TOLD_MAX);
    found
}

/// Words of a line that attributes of a span, or of one above it, hold, with the name of that span; else those that another
/// span of its trace holds.
pub(crate) fn words_of(index: &SpanIndex, record: &Record<'_>, slot: Slot) -> Vec<String> {
    let seed = index.words.seed();
    let holds =
        |slot: Slot, word: u32| index.words.of(slot).binary_search(&(u64::from(slot) << 32 | u64::from(word))).is_ok();
    let above: Vec<Slot> = index.ancestors(slot).take(ABOVE_MAX).collect();
    let trace = index.by_trace(&index.span(slot).trace_id, false);
    let (mut own, mut others): (Vec<String>, Vec<String>) = Default::default();
    let mut look = |word: &[u8]| {
        let hash = words::word_hash(seed, word);
        let tell = |slot: &Slot| {
            format!("{} (an attribute of {})", String::from_utf8_lossy(word), index.name(index.span(*slot).name))
        };
        if let Some(found) = above.iter().find(|slot| holds(**slot, hash)) {
            own.push(tell(found));
        } else if let Some(found) = trace.iter().find(|slot| holds(**slot, hash)) {
            others.push(tell(found));
        }
        own.len() < TOLD_MAX
    };
    let body = &record.entry.body;
    words::each_word(&body[..body.len().min(TEXT_MAX)], &mut look);
    for field in &record.entry.fields {
        let value: &[u8] = match &field.value {
            Value::Text(text) | Value::Json(text) => text,
            Value::Number(number) => number,
            _ => continue,
        };
        words::each_word(&value[..value.len().min(TEXT_MAX)], &mut look);
    }
    let mut told = if own.is_empty() { others } else { own };
    told.dedup();
    told.truncate(TOLD_MAX);
    told
}

/// Keys with values that may be ids, as learning knows them, and as they stand.
pub(crate) fn key_values(seed: u64, record: &Record<'_>) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let mut take = |key: &[u8], value: &[u8]| {
        found.extend(words::key_value(seed, key, value).map(|hash| (hash, key_value(key, value))))
    };
    for field in &record.entry.fields {
        match &field.value {
            Value::Text(text) => take(&field.key, text),
            Value::Number(number) => take(&field.key, number),
            _ => {}
        }
    }
    let body = &record.entry.body;
    words::each_key_value(&body[..body.len().min(TEXT_MAX)], |key, value| {
        take(key, value);
        true
    });
    found
}

fn key_value(key: &[u8], value: &[u8]) -> String {
    format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
}
