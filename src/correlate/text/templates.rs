//! The kind of a line: what stays when its values are taken out.
//!
//! In goes a record, out come four numbers: a fine one (words without digits, names of fields, place in the source), a
//! coarse one that more lines share, for kinds that are too rare to learn from, one of the words alone, and one of its short
//! values. No table, no parsing: the same text gives the same number in every process with the same seed.

use super::hash::{fold, mix};
use crate::record::Record;
use spanline_parsers::Value;

/// Words that are looked at.
const WORDS_MAX: usize = 10;
/// Fields whose names count.
const FIELDS_MAX: usize = 16;
/// Stands for a word with digits.
const VALUE: u64 = 0x5661_6c75_6500;

/// Kinds of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Template {
    pub(crate) fine: u64,
    pub(crate) coarse: u64,
    /// What it says, in whichever format and service; 0 where it has no words.
    pub(crate) message: u32,
    /// Its values that are short words: they tell kinds apart where many lines have the same. 0 where there are none.
    pub(crate) values: u32,
}

impl Template {
    /// The kind by its values too.
    pub(crate) fn with_values(&self) -> u64 {
        mix(self.fine, u64::from(self.values))
    }

    /// What lines say that are of this kind, fine or coarse.
    pub(crate) fn message_of(&self, kind: u64) -> u64 {
        if kind != self.coarse && self.message != 0 { u64::from(self.message) } else { kind }
    }
}

/// The kind of a record.
pub(crate) fn of(seed: u64, record: &Record<'_>) -> Template {
    let entry = record.entry;
    let mut head = mix(seed, entry.format as u64);
    if let Some(code) = entry.code {
        head = mix(head, fold(seed, code.file));
    }
    let (mut fields, mut values) = (0u64, 0u64);
    for field in entry.fields.iter().take(FIELDS_MAX) {
        let key = fold(seed, &field.key);
        fields = fields.wrapping_add(key);
        let Value::Text(text) = &field.value else { continue };
        if tells_kind(&field.key) && text.len() <= 40 && !text.iter().any(u8::is_ascii_digit) {
            head = mix(head, fold(seed, text));
        } else if may_be_kind(text) {
            values = values.wrapping_add(mix(key, fold(seed, text)));
        }
    }
    let (words, first_two) = words(seed, &entry.body, &mut values);
    let message = if words == seed { 0 } else { (words >> 32) as u32 };
    // Equal messages at two places of a file are written at two places of a request.
    let place = entry.code.map_or(0, |code| u64::from(code.line));
    Template {
        fine: mix(mix(mix(head, fields), words), place),
        coarse: mix(head, first_two),
        message,
        values: (values >> 32) as u32,
    }
}

/// Fields whose values are few and say what the line is about.
fn tells_kind(key: &[u8]) -> bool {
    let last = key.rsplit(|byte| *byte == b'.').next().unwrap_or(key);
    matches!(last, b"logger" | b"component" | b"method" | b"module" | b"target" | b"level" | b"event")
}

/// A short word without digits.
fn may_be_kind(value: &[u8]) -> bool {
    (1..=20).contains(&value.len())
        && value.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-'))
}

/// What a byte is to the kind of a word.
const BLANK: u8 = 1;
const DIGIT: u8 = 2;
const EQUALS: u8 = 4;
const NOT_UPPER: u8 = 8;
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [NOT_UPPER; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if byte.is_ascii_whitespace() {
            classes[at] |= BLANK;
        } else if byte.is_ascii_digit() {
            classes[at] |= DIGIT;
        } else if byte == b'=' {
            classes[at] |= EQUALS;
        } else if byte.is_ascii_uppercase() {
            classes[at] = 0;
        }
        at += 1;
    }
    classes
}

/// Numbers of the first words, and of the first two of them; `values` gets what `key=value` says in one short word.
fn words(seed: u64, body: &[u8], values: &mut u64) -> (u64, u64) {
    let head = &body[..body.len().min(400)];
    let line = memchr::memchr(b'\n', head).map_or(head, |end| &head[..end]);
    let (mut all, mut first_two, mut last, mut count) = (seed, seed, 0, 0);
    let mut rest = line;
    while !rest.is_empty() && count < WORDS_MAX {
        let mut found = 0;
        let class = |byte: &u8| CLASSES[usize::from(*byte)];
        let length =
            rest.iter().map(class).take_while(|class| class & BLANK == 0).inspect(|class| found |= class).count();
        let word = &rest[..length];
        rest = rest.get(length + 1..).unwrap_or_default();
        if word.is_empty() {
            continue;
        }
        if found & EQUALS != 0
            && let Some((_, value)) = word.split_at_checked(memchr::memchr(b'=', word).unwrap_or(0) + 1)
            && may_be_kind(value)
        {
            *values = values.wrapping_add(fold(seed, word));
        }
        let number = number_of(seed, word, found);
        if number == VALUE && last == VALUE {
            continue;
        }
        last = number;
        all = mix(all, number);
        count += 1;
        if count <= 2 {
            first_two = all;
        }
    }
    (all, first_two)
}

/// `found`: the classes of its bytes.
fn number_of(seed: u64, word: &[u8], found: u8) -> u64 {
    if found & EQUALS != 0 {
        let key = &word[..=memchr::memchr(b'=', word).unwrap_or(0)];
        // A path with a query is a value.
        return if key.iter().any(u8::is_ascii_digit) { VALUE } else { fold(seed, key) };
    }
    let is_value = found & DIGIT != 0
        || word.len() == 3 && found & NOT_UPPER == 0
        || word.len() > 40
        || matches!(word, [b'"', .., b'"'] | [b'\'', .., b'\'']);
    if is_value { VALUE } else { fold(seed, word) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_change_the_kind() {
        let kind = |text: &str| words(9, text.as_bytes(), &mut 0);
        assert_eq!(kind("order o-17 placed in 3ms"), kind("order o-9231 placed in 17.5ms"));
        assert_eq!(kind("charge 12 EUR user=a"), kind("charge 99 USD user=bc"));
        assert_eq!(kind("ids 1 2 3 end"), kind("ids 7 end"));
        assert_eq!(kind("GET /stock/P1/reserve?qty=3 done"), kind("GET /stock/P22/reserve?qty=14 done"));
        assert_ne!(kind("order placed"), kind("order paid"));
        assert_eq!(kind("order placed here").1, kind("order placed there").1);
        assert_eq!(kind("first\nsecond 1"), kind("first\nother"));
    }

    #[test]
    fn short_values_are_a_number_of_their_own() {
        let values = |text: &str| {
            let mut values = 0;
            words(9, text.as_bytes(), &mut values);
            values
        };
        assert_eq!(values("step finished step=db req=17"), values("step finished step=db req=18"));
        assert_ne!(values("step finished step=db req=17"), values("step finished step=pay req=17"));
        assert_eq!(values("step finished req=17"), 0);
    }
}
