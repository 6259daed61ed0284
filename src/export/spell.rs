//! How values are spelled in bytes: numbers, times, ids, JSON strings.
//!
//! In go plain values, out come characters at the end of a buffer. Bytes need not be UTF-8; what JSON cannot hold
//! becomes U+FFFD, one for each maximal subpart, as `String::from_utf8_lossy` has it.

const NANOS: i64 = 1_000_000_000;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The double that a number token with a fraction or an exponent means. `None` for an integer and for a number beyond all
/// doubles: where a number has 64 bits, those that do not fit are text.
pub fn double_of(token: &[u8]) -> Option<f64> {
    if !token.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return None;
    }
    std::str::from_utf8(token).ok()?.parse().ok().filter(|double: &f64| double.is_finite())
}

/// The two digits of each number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + number as u8 / 10, b'0' + number as u8 % 10];
        number += 1;
    }
    pairs
};

fn pair(number: u64) -> [u8; 2] {
    PAIRS[(number % 100) as usize]
}

/// A number in decimal.
pub fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    while number >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&pair(number));
        number /= 100;
    }
    if number > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + number as u8;
    }
    out.extend_from_slice(&digits[at..]);
}

/// A number in decimal, with its sign.
pub fn signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    decimal(out, number.unsigned_abs());
}

/// A number in units of 0.0001, as a decimal fraction without zeros at its end.
pub fn ten_thousandths(out: &mut Vec<u8>, number: u32) {
    decimal(out, u64::from(number / 10_000));
    let mut fraction = number % 10_000;
    if fraction > 0 {
        out.push(b'.');
        let mut width = 4;
        while fraction.is_multiple_of(10) {
            (fraction, width) = (fraction / 10, width - 1);
        }
        padded(out, fraction.into(), width);
    }
}

/// Bytes in lower-case hex.
pub fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for bytes in bytes.chunks(16) {
        let mut digits = [[0; 2]; 16];
        for (pair, byte) in digits.iter_mut().zip(bytes) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        out.extend_from_slice(digits[..bytes.len()].as_flattened());
    }
}

/// Nanoseconds since the epoch as RFC 3339 in UTC, with the given number of digits of the second (0–9) and `Z`.
pub fn rfc3339(out: &mut Vec<u8>, nanos: i64, digits: u8) {
    date(out, nanos);
    out.push(b'T');
    clock(out, nanos, digits);
    out.push(b'Z');
}

/// date = YYYY "-" MM "-" DD, in UTC.
pub fn date(out: &mut Vec<u8>, nanos: i64) {
    let (year, month, day) = civil_from_days(nanos.div_euclid(86_400 * NANOS));
    // What 64 bits of nanoseconds can say lies within 1677 and 2262.
    let year = year.unsigned_abs();
    let ([a, b], [c, d], [e, f], [g, h]) = (pair(year / 100), pair(year), pair(month), pair(day));
    out.extend_from_slice(&[a, b, c, d, b'-', e, f, b'-', g, h]);
}

/// clock = hh ":" mm ":" ss [ "." digits ], in UTC.
pub fn clock(out: &mut Vec<u8>, nanos: i64, digits: u8) {
    let of_day = nanos.rem_euclid(86_400 * NANOS).unsigned_abs();
    let (second, fraction) = (of_day / NANOS as u64, of_day % NANOS as u64);
    let mut text = *b"00:00:00.000000000";
    let pairs = [
        (0, second / 3600),
        (3, second / 60 % 60),
        (6, second % 60),
        (9, fraction / 10_000_000),
        (11, fraction / 100_000),
        (13, fraction / 1000),
        (15, fraction / 10),
    ];
    for (at, number) in pairs {
        text[at..at + 2].copy_from_slice(&pair(number));
    }
    text[17] = b'0' + (fraction % 10) as u8;
    let end = if digits == 0 { 8 } else { 9 + usize::from(digits.min(9)) };
    out.extend_from_slice(&text[..end]);
}

fn padded(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of a number of days since 1970-01-01.
///
/// Counted in eras of 400 years that begin on 1 March, so that the day of a leap year comes last.
fn civil_from_days(days: i64) -> (i64, u64, u64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month.unsigned_abs(), day.unsigned_abs())
}

/// string = DQUOTE text DQUOTE
pub fn json_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    json_text(out, text);
    out.push(b'"');
}

/// The inside of a JSON string. U+0085, U+2028 and U+2029 are escaped as well: some readers split lines there.
pub fn json_text(out: &mut Vec<u8>, text: &[u8]) {
    if text.is_ascii() {
        return escape::<true>(out, text);
    }
    for chunk in text.utf8_chunks() {
        escape::<false>(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Copies runs that need no escape, found eight bytes at a time. `ASCII`: the text has no byte beyond.
fn escape<const ASCII: bool>(out: &mut Vec<u8>, text: &[u8]) {
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = next_mark::<ASCII>(text, from) {
        let length = match text[at] {
            0xc2 | 0xe2 => line_break(&text[at..]),
            _ => 1,
        };
        from = at + length.max(1);
        if length > 0 {
            out.extend_from_slice(&text[copied..at]);
            escaped(out, &text[at..from]);
            copied = from;
        }
    }
    out.extend_from_slice(&text[copied..]);
}

/// Where the next byte stands that needs an escape, or begins a character that may.
#[inline]
fn next_mark<const ASCII: bool>(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(word) = text[at..].first_chunk() {
        let marks = marks::<ASCII>(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize / 8);
        }
        at += WORD;
    }
    let marks = marks::<ASCII>(last_word(text, at));
    (marks != 0).then(|| at + marks.trailing_zeros() as usize / 8)
}

const WORD: usize = 8;
const ONES: u64 = 0x0101_0101_0101_0101;

/// The fewer than eight bytes from `at` on, with blanks after them.
#[inline]
fn last_word(text: &[u8], at: usize) -> u64 {
    const BLANKS: u64 = ONES * b' ' as u64;
    let count = text.len() - at;
    if count == 0 {
        return BLANKS;
    }
    let bytes = match text.last_chunk() {
        Some(last) => u64::from_le_bytes(*last) >> (8 * (WORD - count)),
        // A short text: each byte stands once at least in what its ends and its middle are read as.
        None => match (text[at..].first_chunk(), text[at..].last_chunk()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (count - 4))
            }
            _ => [at, at + count / 2, at + count - 1]
                .iter()
                .fold(0, |word, place| word | u64::from(text[*place]) << (8 * (place - at))),
        },
    };
    bytes | BLANKS << (8 * count)
}

/// The high bit of each byte that needs an escape: controls, quotes and backslashes, and beyond ASCII the first bytes of
/// U+0085, U+2028 and U+2029. Bytes above the lowest that is marked may be marked wrongly.
#[inline]
fn marks<const ASCII: bool>(word: u64) -> u64 {
    let is = |byte: u8| {
        let differs = word ^ (ONES * u64::from(byte));
        differs.wrapping_sub(ONES) & !differs
    };
    let beyond = if ASCII { 0 } else { is(0xc2) | is(0xe2) };
    (word.wrapping_sub(ONES * 0x20) & !word | is(b'"') | is(b'\\') | beyond) & (ONES << 7)
}

/// Length of the U+0085, U+2028 or U+2029 that the text starts with, or 0.
fn line_break(text: &[u8]) -> usize {
    match text {
        [0xc2, 0x85, ..] => 2,
        [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
        _ => 0,
    }
}

fn escaped(out: &mut Vec<u8>, character: &[u8]) {
    let code = match character {
        [b'"'] => return out.extend_from_slice(b"\\\""),
        [b'\\'] => return out.extend_from_slice(b"\\\\"),
        [b'\n'] => return out.extend_from_slice(b"\\n"),
        [b'\r'] => return out.extend_from_slice(b"\\r"),
        [b'\t'] => return out.extend_from_slice(b"\\t"),
        [byte] => [0, *byte],
        [_, low] => [0, *low],
        [.., low] => [0x20, low & 0x3f],
        [] => return,
    };
    out.extend_from_slice(b"\\u");
    hex(out, &code);
}

/// A JSON value as it stands, made fit for one line of UTF-8 that every reader takes: line breaks between tokens become
/// blanks, and lone surrogates U+FFFD.
pub fn json_raw(out: &mut Vec<u8>, raw: &[u8]) {
    if raw.iter().all(|byte| matches!(byte, 0x20..=0x5b | 0x5d..=0x7e)) {
        return out.extend_from_slice(raw);
    }
    for chunk in raw.utf8_chunks() {
        let text = chunk.valid().as_bytes();
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            at += match (byte, line_break(&text[at..])) {
                (b'\\', _) => raw_escape(out, &text[at..]),
                (0..0x20, _) => {
                    out.push(b' ');
                    1
                }
                (_, 0) => {
                    out.push(byte);
                    1
                }
                (_, length) => {
                    escaped(out, &text[at..at + length]);
                    length
                }
            };
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Copies the escape that the text starts with, and tells its length.
fn raw_escape(out: &mut Vec<u8>, text: &[u8]) -> usize {
    let length = match unit(text) {
        Some(0xd800..0xdc00) if unit(&text[6..]).is_some_and(|low| (0xdc00..0xe000).contains(&low)) => 12,
        Some(0xd800..0xe000) => {
            out.extend_from_slice(b"\\ufffd");
            return 6;
        }
        Some(_) => 6,
        None => text.len().min(2),
    };
    out.extend_from_slice(&text[..length]);
    length
}

/// unit = "\u" 4HEXDIG
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spelled(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fractions_are_spelled_as_numbers_are() {
        for number in (0..=10_000).chain([10_001, 25_000]) {
            let mut out = Vec::new();
            ten_thousandths(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), (f64::from(number) / 1e4).to_string());
        }
    }

    #[test]
    fn times_are_in_utc_with_the_digits_asked_for() {
        for (nanos, digits, expected) in [
            (0, 9, "1970-01-01T00:00:00.000000000Z"),
            (-1, 9, "1969-12-31T23:59:59.999999999Z"),
            (1_795_425_291_322_215_577, 9, "2026-11-23T09:14:51.322215577Z"),
            (1_795_425_291_322_215_577, 3, "2026-11-23T09:14:51.322Z"),
            (1_709_164_800_000_000_000, 0, "2024-02-29T00:00:00Z"),
            (i64::MAX, 9, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, 9, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(spelled(|out| rfc3339(out, nanos, digits)), expected);
        }
    }

    #[test]
    fn numbers_and_ids() {
        assert_eq!(spelled(|out| decimal(out, 0)), "0");
        assert_eq!(spelled(|out| decimal(out, u64::MAX)), u64::MAX.to_string());
        for number in (0..20).flat_map(|power| [10u64.pow(power) - 1, 10u64.pow(power), 10u64.pow(power) + 7]) {
            assert_eq!(spelled(|out| decimal(out, number)), number.to_string());
        }
        assert_eq!(spelled(|out| signed(out, i64::MIN)), i64::MIN.to_string());
        assert_eq!(spelled(|out| hex(out, &[0, 0x0f, 0xa0, 0xff])), "000fa0ff");
    }

    #[test]
    fn strings_keep_to_one_line() {
        let odd = "a\u{85}b\u{2028}c\u{2029}d\u{b}\u{c}\r\n\t\0\"\\/é€😀\u{7f}";
        let spelled = spelled(|out| json_string(out, odd.as_bytes()));
        assert!(!spelled.contains(['\u{85}', '\u{2028}', '\u{2029}']), "{spelled}");
        assert_eq!(serde_json::from_str::<String>(&spelled).unwrap(), odd);
    }

    #[test]
    fn raw_json_becomes_one_line_of_utf8_that_every_reader_takes() {
        for (raw, expected) in [
            (&b"{\"a\":\r\n1}"[..], "{\"a\":  1}"),
            (
                b"[\"\\ud83d\\ude00\",\"\\ud83d\",\"\\ude00x\",\"\\\\ud800\"]",
                r#"["\ud83d\ude00","\ufffd","\ufffdx","\\ud800"]"#,
            ),
            (b"[\"\xff\xe2\x80\xa8\"]", "[\"\u{fffd}\\u2028\"]"),
            (b"[\"\\ud83d\\ud83d\\ude00\"]", r#"["\ufffd\ud83d\ude00"]"#),
            (b"\\", "\\"),
        ] {
            assert_eq!(spelled(|out| json_raw(out, raw)), expected);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back_as_lossy_text(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let spelled = spelled(|out| json_string(out, &bytes));
            prop_assert_eq!(spelled.lines().count(), 1);
            prop_assert_eq!(serde_json::from_str::<String>(&spelled).unwrap(), String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn texts_of_any_length_come_back(text in "[ -~]{0,40}[\"\\\\\n\u{1f}\u{20}\u{7f}\u{85}\u{2028}\u{2030}é]{0,3}[ -~]{0,40}") {
            let spelled = spelled(|out| json_string(out, text.as_bytes()));
            prop_assert!(!spelled.contains(['\u{85}', '\u{2028}', '\n', '\u{1f}']), "{}", spelled);
            prop_assert_eq!(serde_json::from_str::<String>(&spelled).unwrap(), text);
        }

        #[test]
        fn any_time_reads_back(nanos in any::<i64>()) {
            let text = spelled(|out| rfc3339(out, nanos, 9));
            let (time, length) = spanline_parsers::timestamp::iso8601(text.as_bytes()).unwrap();
            prop_assert_eq!(length, text.len());
            prop_assert_eq!(time, spanline_parsers::Time::Unix { nanos, digits: 9 });
        }
    }
}
