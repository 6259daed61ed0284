//! What a text holds that a span may hold as well: words with digits or slashes, durations, keys with their values.
//!
//! In goes the text of a line or of a span's attribute, out come numbers (hashes, nanoseconds). Nothing is kept as text,
//! nothing is looked up. One pass over the bytes, no allocation but that of the lists that are handed in.

use super::hash::fold;

/// Shorter ones say nothing, nor do shorter parts after a colon.
const WORD_MIN: usize = 5;
const PART_MIN: usize = 8;
/// Longer ones are no ids.
const WORD_MAX: usize = 256;

/// A duration in a text, and how exact it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Duration {
    pub(crate) nanos: i64,
    /// What the number was rounded to.
    pub(crate) unit: i64,
}

impl Duration {
    /// A span of this length may be what it tells of.
    pub(crate) fn is_about(&self, length: i64) -> bool {
        (length - self.nanos).abs() <= (self.nanos / 50).max(60_000).max(self.unit)
    }
}

/// What a byte is to a word.
const IN_WORD: u8 = 1;
const SLASH: u8 = 4;
const COLON: u8 = 8;
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        classes[at] = match byte {
            b'/' => IN_WORD | SLASH,
            b':' => IN_WORD | COLON,
            b'_' | b'.' | b'@' | b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => IN_WORD,
            _ => 0,
        };
        at += 1;
    }
    classes
}

/// Hashes of the words of a text, as [`each_word`] gives them.
pub(crate) fn words(seed: u64, text: &[u8], into: &mut Vec<u32>, room: usize) {
    if into.len() < room {
        each_word(text, |word| {
            into.push(word_hash(seed, word));
            into.len() < room
        });
    }
}

/// Words of a text that may name something: those with a digit or a slash, and the parts between slashes and colons. Dates
/// and times name nothing. Ends where the word's taker says `false`.
#[inline(always)]
pub(crate) fn each_word<'t>(text: &'t [u8], mut give: impl FnMut(&'t [u8]) -> bool) {
    let class = |byte: &u8| CLASSES[usize::from(*byte)];
    let mut from = 0;
    // Most words have neither.
    while let Some(mark) = digit_or_slash(text, from) {
        let (mut start, mut end, mut all) = (mark, mark, 0);
        while start > from && class(&text[start - 1]) != 0 {
            start -= 1;
            all |= class(&text[start]);
        }
        while let Some(found) = text.get(end).map(class)
            && found != 0
        {
            end += 1;
            all |= found;
        }
        from = end;
        let word = trim(&text[start..end]);
        if !(WORD_MIN..=WORD_MAX).contains(&word.len()) || is_time(word) {
            continue;
        }
        if !give(word) {
            return;
        }
        if all & (SLASH | COLON) != 0 {
            let least = if all & COLON != 0 { PART_MIN } else { WORD_MIN };
            for part in word.split(|byte| matches!(byte, b'/' | b':')) {
                let names = part.len() >= least && part.len() < word.len() && part.iter().any(u8::is_ascii_digit);
                if names && !give(part) {
                    return;
                }
            }
        }
    }
}

/// The next digit or slash: they are neighbours in ASCII.
fn digit_or_slash(text: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = text.get(from..)?.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // No byte borrows from the next.
        let from_slash = (word | HIGH) - ONES * u64::from(b'/');
        let behind_nine = (word | HIGH) - ONES * u64::from(b'9' + 1);
        let found = from_slash & !behind_nine & !word & HIGH;
        if found != 0 {
            return Some(from + 8 * at + (found.trailing_zeros() / 8) as usize);
        }
    }
    let at = rest.iter().position(|byte| matches!(byte, b'/'..=b'9'))?;
    Some(text.len() - rest.len() + at)
}

/// `2026-11-23…`, `09:12:31…`
fn is_time(word: &[u8]) -> bool {
    let is_like = |form: &[u8]| {
        let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
        word.len() >= form.len() && word.iter().zip(form).all(fits)
    };
    // Few words have the first of its marks.
    match word {
        [_, _, b':', ..] => is_like(b"00:00:00"),
        [_, _, _, _, b'-', ..] => is_like(b"0000-00-00"),
        _ => false,
    }
}

/// The number of a word.
pub(crate) fn word_hash(seed: u64, word: &[u8]) -> u32 {
    (fold(seed ^ 0x77, word) >> 32) as u32
}

fn trim(mut word: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = word {
        if !matches!(first, b'.' | b':' | b'-' | b'@') {
            break;
        }
        word = rest;
    }
    while let [rest @ .., last] = word {
        if !matches!(last, b'.' | b':' | b'-' | b'@' | b'/') {
            break;
        }
        word = rest;
    }
    word
}

/// Durations of a text: `271.595ms`, `1.2s`, `35µs`, `17us`.
pub(crate) fn durations(text: &[u8], into: &mut Vec<Duration>, room: usize) {
    if into.len() < room {
        each_duration(text, |_, duration| {
            into.push(duration);
            into.len() < room
        });
    }
}

/// Each with its text. Ends where the taker says `false`.
#[inline(always)]
pub(crate) fn each_duration<'t>(text: &'t [u8], mut give: impl FnMut(&'t [u8], Duration) -> bool) {
    // All units end alike.
    for at in memchr::memchr_iter(b's', text) {
        let Some((scale, end)) = unit(&text[..at]) else { continue };
        let after = text.get(at + 1).copied().unwrap_or(b' ');
        if after.is_ascii_alphanumeric() || after == b'_' {
            continue;
        }
        let is_in = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let start = text[..end].iter().rposition(|byte| !is_in(byte)).map_or(0, |before| before + 1);
        let before = start.checked_sub(1).map_or(b' ', |before| text[before]);
        // A number does not begin with its dot.
        let begins = text[start].is_ascii_digit();
        if !begins || before.is_ascii_alphanumeric() || matches!(before, b'-' | b'_' | b'/') || before >= 0x80 {
            continue;
        }
        if let Some(duration) = number(&text[start..end], scale)
            && !give(&text[start..=at], duration)
        {
            return;
        }
    }
}

/// What follows a number, up to the `s` that ends it: the unit's scale, and where the number ends.
fn unit(text: &[u8]) -> Option<(i64, usize)> {
    let (scale, length) = match text {
        [.., b'0'..=b'9' | b'.'] => (1_000_000_000, 0),
        [.., b'0'..=b'9' | b'.', b'm'] => (1_000_000, 1),
        [.., b'0'..=b'9' | b'.', b'u'] => (1_000, 1),
        [.., b'0'..=b'9' | b'.', b'n'] => (1, 1),
        [.., b'0'..=b'9' | b'.', 0xc2, 0xb5] | [.., b'0'..=b'9' | b'.', 0xce, 0xbc] => (1_000, 2),
        _ => return None,
    };
    Some((scale, text.len() - length))
}

/// Digits with at most one dot, in units of `scale` ns.
pub(crate) fn number(digits: &[u8], scale: i64) -> Option<Duration> {
    let text = std::str::from_utf8(digits).ok()?;
    let value: f64 = text.parse().ok()?;
    let fraction = digits.iter().position(|byte| *byte == b'.').map_or(0, |dot| digits.len() - dot - 1);
    let nanos = value * scale as f64;
    (nanos < 1e17 && fraction < 18)
        .then(|| Duration { nanos: nanos as i64, unit: (scale / 10i64.pow(fraction as u32)).max(1) })
}

/// The scale that a key's name tells for its bare number: `took_ms`, `elapsed_us`, `duration_seconds`.
pub(crate) fn scale_of_key(key: &[u8]) -> Option<i64> {
    let ends = |tail: &[u8]| {
        let Some((head, last)) = key.len().checked_sub(tail.len()).map(|at| key.split_at(at)) else { return false };
        // `took_ms`, `durationMs`; not the end of `items`.
        let begins_word = head.last().is_none_or(|byte| !byte.is_ascii_lowercase());
        last.eq_ignore_ascii_case(tail) && (begins_word || last[0].is_ascii_uppercase())
    };
    let scales: [(&[u8], i64); 7] = [
        (b"ms", 1_000_000),
        (b"millis", 1_000_000),
        (b"us", 1_000),
        (b"micros", 1_000),
        (b"ns", 1),
        (b"nanos", 1),
        (b"seconds", 1_000_000_000),
    ];
    scales.iter().find(|(tail, _)| ends(tail)).map(|(_, scale)| *scale)
}

/// `key=value` pairs within a text, both as hashes: for texts whose fields no parser found.
pub(crate) fn key_values(seed: u64, text: &[u8], into: &mut Vec<u64>, room: usize) {
    if into.len() < room {
        each_key_value(text, |key, value| {
            into.extend(key_value(seed, key, value));
            into.len() < room
        });
    }
}

/// Each key with its value. Ends where the taker says `false`.
#[inline(always)]
pub(crate) fn each_key_value<'t>(text: &'t [u8], mut give: impl FnMut(&'t [u8], &'t [u8]) -> bool) {
    let mut from = 0;
    while let Some(at) = memchr::memchr2(b'=', b':', &text[from..]).map(|at| from + at) {
        from = at + 1;
        let mut value = &text[at + 1..];
        if text[at] == b':' {
            // `Id: value`, not the colon of a time.
            let Some(rest) = value.strip_prefix(b" ") else { continue };
            value = rest;
        }
        let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        let key_len = text[..at].iter().rev().take(48).take_while(|byte| is_key(byte)).count();
        if key_len == 0 {
            continue;
        }
        value = value.strip_prefix(b"\"").unwrap_or(value);
        let length = value
            .iter()
            .take(80)
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-' || **byte == b'_')
            .count();
        if !give(&text[at - key_len..at], &value[..length]) {
            return;
        }
    }
}

/// A key with its value, where the value may be an id.
pub(crate) fn key_value(seed: u64, key: &[u8], value: &[u8]) -> Option<u64> {
    let may_be_id = (6..=80).contains(&value.len()) && value.iter().any(u8::is_ascii_digit);
    may_be_id.then(|| fold(seed, key) & 0xffff_ffff_0000_0000 | fold(seed ^ 1, value) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_may_be_ids_are_found_in_both_texts() {
        let (mut line, mut attribute) = (Vec::new(), Vec::new());
        words(1, br#"GET "/v1/orders/o-99123" took long, user=u12345. at 09:12:31.5"#, &mut line, 16);
        words(1, b"/v1/orders/o-99123", &mut attribute, 16);
        assert!(attribute.iter().all(|word| line.contains(word)) && attribute.len() == 2);
        assert!(line.contains(&word_hash(1, b"u12345")));
        line.clear();
        words(1, b"no ids here at all, 2026-11-23T09:12:31Z", &mut line, 16);
        assert!(line.is_empty());
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        let read = |text: &str| {
            let mut found = Vec::new();
            durations(text.as_bytes(), &mut found, 4);
            found.iter().map(|found| (found.nanos, found.unit)).collect::<Vec<_>>()
        };
        assert_eq!(read("took=271.5ms"), [(271_500_000, 100_000)]);
        assert_eq!(read("(1.25s) 35µs"), [(1_250_000_000, 10_000_000), (35_000, 1_000)]);
        assert_eq!(read("abc12ms 7 sheep 3msx 09:12:33s"), [(33_000_000_000, 1_000_000_000)]);
        assert_eq!(scale_of_key(b"http.resp.took_ms"), Some(1_000_000));
        assert_eq!(scale_of_key(b"items"), None);
        assert_eq!(scale_of_key(b"durationMs"), Some(1_000_000));
    }

    #[test]
    fn pairs_are_found_in_plain_text() {
        let mut found = Vec::new();
        key_values(1, b"a req=r-4711xy [Id: 63306003-4d50] at 10:11:12 x=1", &mut found, 8);
        assert_eq!(found, [key_value(1, b"req", b"r-4711xy").unwrap(), key_value(1, b"Id", b"63306003-4d50").unwrap()]);
    }
}
