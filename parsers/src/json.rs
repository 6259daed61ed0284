//! JSON on bytes, read in place.
//!
//! In goes text that may be JSON, out come the members of an object, the elements of an array, text without its
//! escapes, and [`Value`]s that keep a number's spelling. One pass validates and splits at once: [`Members`] and
//! [`Elements`] find out on the way whether the text was JSON, and tell at their [`end`](Members::end). The syntax is
//! that of RFC 8259 without its demand of UTF-8: bytes inside of strings stay as they are. Nothing recurses, nothing
//! goes deeper than [`DEPTH_MAX`], equal keys are all given.

use crate::entry::{Text, Value};
use crate::text::{lanes, value};
use std::borrow::Cow;

pub(crate) use scan::plain_end;
pub use scan::{DEPTH_MAX, string_end};
use scan::{Shape, blanks, scan};

mod lenient;
mod scan;

/// Length of the JSON value that the text starts with (no blanks before it), whatever follows it.
///
/// value = object / array / string / number / "true" / "false" / "null"
pub fn value_end(text: &[u8]) -> Option<usize> {
    scan(text, 0, DEPTH_MAX).map(|shape| shape.end)
}

/// The members of an object that the text starts with, blanks before it aside.
///
/// `None` only if there is no `{`. The members come while they are read; that the object was well-formed is known when
/// [`Members::end`] has a value.
pub fn object(text: &[u8]) -> Option<Members<'_>> {
    let at = blanks(text, 0);
    (text.get(at) == Some(&b'{')).then_some(Members { text, at: at + 1, state: State::Open })
}

/// The elements of an array that the text starts with; as [`object`].
pub fn array(text: &[u8]) -> Option<Elements<'_>> {
    let at = blanks(text, 0);
    (text.get(at) == Some(&b'[')).then_some(Elements { text, at: at + 1, state: State::Open })
}

/// The text of a string that is given with its quotes. A lone surrogate becomes U+FFFD.
pub fn string(raw: &[u8]) -> Option<Text<'_>> {
    if raw.first() != Some(&b'"') {
        return None;
    }
    let (end, escaped) = string_end(raw, 1)?;
    (end == raw.len()).then(|| unquote(raw, escaped))
}

/// A value as an [`Entry`](crate::entry::Entry) holds it: a number stays as it stands, an object or array loses the white space
/// between its tokens, so that it never breaks a line.
///
/// Takes one value as [`value_end`] or the iterators cut it; of anything else it gives the bytes as text.
pub fn value(raw: &[u8]) -> Value<'_> {
    match scan(raw, 0, DEPTH_MAX) {
        Some(shape) if shape.end == raw.len() => shape.value(raw),
        _ => Value::Text(Cow::Borrowed(raw)),
    }
}

/// object = "{" [ member *( "," member ) ] "}" ; member = string ":" value
///
/// Gives the key without its escapes, and the value as it stands.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    text: &'a [u8],
    at: usize,
    state: State,
}

/// array = "[" [ value *( "," value ) ] "]"
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    text: &'a [u8],
    at: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Behind the opening bracket.
    Open,
    /// Behind a member or an element.
    Within,
    /// Behind the closing bracket.
    Closed,
    /// It was no JSON.
    Damaged,
}

/// One member, with what the scan has learned about its key and value.
///
/// Slices and flags only: text is made of them where it is kept, as moving it from place to place takes longer than to
/// find it.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Without its quotes.
    raw_key: &'a [u8],
    key_escaped: bool,
    /// The value as it stands.
    pub raw: &'a [u8],
    marked: bool,
    /// The value is almost JSON.
    lenient: bool,
}

impl<'a> Member<'a> {
    /// The key without its escapes.
    #[inline(always)]
    pub fn key(&self) -> Text<'a> {
        if self.key_escaped { unescaped_key(self.raw_key) } else { Cow::Borrowed(self.raw_key) }
    }

    /// The key, where it has no escapes: no key that has a meaning is written with one.
    #[inline(always)]
    pub fn plain_key(&self) -> &'a [u8] {
        if self.key_escaped { b"" } else { self.raw_key }
    }

    /// The key as it stands between its quotes.
    pub(crate) fn raw_key(&self) -> &'a [u8] {
        self.raw_key
    }

    /// As [`value`], without a second look.
    #[inline(always)]
    pub fn value(&self) -> Value<'a> {
        if self.lenient {
            return lenient::value(self.raw);
        }
        Shape { end: self.raw.len(), marked: self.marked }.value(self.raw)
    }

    /// The text, if it is a string.
    #[inline(always)]
    pub fn text(&self) -> Option<Text<'a>> {
        (self.raw.first() == Some(&b'"')).then(|| unquote(self.raw, self.marked))
    }
}

impl<'a> Members<'a> {
    /// How many bytes of the text the object took, once all members are read and all was well.
    pub fn end(&self) -> Option<usize> {
        (self.state == State::Closed).then_some(self.at)
    }

    /// The members after one that ends at an offset.
    pub(crate) fn behind(text: &'a [u8], at: usize) -> Self {
        Members { text, at, state: State::Within }
    }

    /// The next member; the iterator gives the same as a pair.
    #[inline(always)]
    pub fn member(&mut self) -> Option<Member<'a>> {
        let text = self.text;
        let at = step(text, &mut self.at, &mut self.state, b'}')?;
        // Until the member is whole, nothing is well.
        self.state = State::Damaged;
        if text.get(at) != Some(&b'"') {
            return None;
        }
        let (key_end, key_escaped) = string_end(text, at + 1)?;
        let start = match text.get(key_end..)? {
            [b':', b'!'..=0xff, ..] => key_end + 1,
            _ => {
                let colon = blanks(text, key_end);
                if text.get(colon) != Some(&b':') {
                    return None;
                }
                blanks(text, colon + 1)
            }
        };
        let (shape, lenient) = match scan(text, start, DEPTH_MAX - 1) {
            Some(shape) => (shape, false),
            None => (Shape { end: lenient::end(text, start)?, marked: false }, true),
        };
        self.at = shape.end;
        self.state = State::Within;
        let raw_key = &text[at + 1..key_end - 1];
        Some(Member { raw_key, key_escaped, raw: &text[start..shape.end], marked: shape.marked, lenient })
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Text<'a>, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.member().map(|member| (member.key(), member.raw))
    }
}

impl Elements<'_> {
    /// How many bytes of the text the array took, once all elements are read and all was well.
    pub fn end(&self) -> Option<usize> {
        (self.state == State::Closed).then_some(self.at)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let start = step(self.text, &mut self.at, &mut self.state, b']')?;
        self.state = State::Damaged;
        self.at = scan(self.text, start, DEPTH_MAX - 1)?.end;
        self.state = State::Within;
        Some(&self.text[start..self.at])
    }
}

/// Where the next member or element starts; `None` after the last one.
#[inline(always)]
fn step(text: &[u8], at: &mut usize, state: &mut State, close: u8) -> Option<usize> {
    if let (State::Within, Some([b',', b'!'..=0xff, ..])) = (*state, text.get(*at..)) {
        return Some(*at + 1);
    }
    let next = blanks(text, *at);
    let byte = text.get(next).copied();
    match *state {
        State::Open | State::Within if byte == Some(close) => {
            *at = next + 1;
            *state = State::Closed;
            None
        }
        State::Open => Some(next),
        State::Within if byte == Some(b',') => Some(blanks(text, next + 1)),
        State::Within => {
            *state = State::Damaged;
            None
        }
        State::Closed | State::Damaged => None,
    }
}

impl Shape {
    #[inline(always)]
    fn value(self, raw: &[u8]) -> Value<'_> {
        match raw.first() {
            Some(b'"') => Value::Text(unquote(raw, self.marked)),
            Some(b'{' | b'[') if self.marked => Value::Json(Cow::Owned(lenient::without_blanks(raw))),
            Some(b'{' | b'[') => Value::Json(Cow::Borrowed(raw)),
            Some(b'-' | b'0'..=b'9') => Value::Number(raw),
            _ => value::unquoted(raw),
        }
    }
}

#[cold]
fn unescaped_key(raw: &[u8]) -> Text<'_> {
    let quoted = [raw, b"\""].concat();
    Cow::Owned(unescape(&quoted, 0).map_or_else(Vec::new, |(text, _)| text))
}

/// Takes the quotes off a valid string, and undoes its escapes.
#[inline(always)]
fn unquote(raw: &[u8], escaped: bool) -> Text<'_> {
    if escaped {
        Cow::Owned(unescape(raw, 1).map_or_else(Vec::new, |(text, _)| text))
    } else {
        Cow::Borrowed(&raw[1..raw.len() - 1])
    }
}

/// Undoes the escapes of a string starting after its first quote, and checks it on the way: the text, and the end.
///
/// It never grows by that, so that it is written into a buffer of the length that is left; whole steps are copied, and
/// what a step has after its next escape is overwritten.
pub(crate) fn unescape(text: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let mut out = vec![0; text.len().checked_sub(start)?];
    let (mut at, mut to) = (start, 0);
    loop {
        if let (Some(bytes), Some(room)) = (text.get(at..)?.first_chunk(), out[to..].first_chunk_mut()) {
            *room = *bytes;
            let marks = lanes::json_marks(bytes);
            let length = if marks == 0 { lanes::STEP } else { marks.trailing_zeros() as usize };
            at += length;
            to += length;
            if marks == 0 {
                continue;
            }
        }
        let (byte, taken) = match *text.get(at)? {
            b'"' => break,
            b'\\' => match *text.get(at + 1)? {
                same @ (b'"' | b'\\' | b'/') => (same, 2),
                b'n' => (b'\n', 2),
                b't' => (b'\t', 2),
                b'r' => (b'\r', 2),
                b'b' => (8, 2),
                b'f' => (12, 2),
                b'u' => {
                    let (char, taken) = unicode_escape(&text[at..])?;
                    let mut utf8 = [0; 4];
                    let utf8 = char.encode_utf8(&mut utf8).as_bytes();
                    out[to..to + utf8.len()].copy_from_slice(utf8);
                    (at, to) = (at + taken, to + utf8.len());
                    continue;
                }
                _ => return None,
            },
            0..0x20 => return None,
            byte => (byte, 1),
        };
        out[to] = byte;
        to += 1;
        at += taken;
    }
    out.truncate(to);
    Some((out, at + 1))
}

/// One `\uXXXX`, or two that are a surrogate pair, and their length.
fn unicode_escape(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| -> Option<u32> {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))
    };
    let first = unit(0)?;
    if (0xD800..0xDC00).contains(&first)
        && let Some(second) = unit(6)
        && (0xDC00..0xE000).contains(&second)
    {
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12));
    }
    Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6))
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    fn members(text: &[u8]) -> (Pairs, Option<usize>) {
        let mut members = object(text).unwrap();
        let all = members.by_ref().map(|(key, raw)| (key.into_owned(), raw.to_vec())).collect();
        (all, members.end())
    }

    #[test]
    fn splits_an_object_into_members() {
        let (all, end) = members(br#" { "a" : "x\"y" , "b\n":[1, {"c":2}],"a":-1.5e3,"":null }tail"#);
        let expected: [(&[u8], &[u8]); 4] =
            [(b"a", br#""x\"y""#), (b"b\n", br#"[1, {"c":2}]"#), (b"a", b"-1.5e3"), (b"", b"null")];
        assert_eq!(all, expected.map(|(key, raw)| (key.to_vec(), raw.to_vec())));
        assert_eq!(end, Some(61 - 4));
        assert_eq!(members(b"{}").1, Some(2));
        let mut elements = array(b"[1, \"a\",[ ]]").unwrap();
        assert_eq!(elements.by_ref().collect::<Vec<_>>(), [&b"1"[..], b"\"a\"", b"[ ]"]);
        assert_eq!(elements.end(), Some(12));
    }

    #[test]
    fn tells_damage_at_the_end() {
        for bad in [
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{,}",
            "{\"a\" 1}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":tru}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\t\"}",
            "{\"a\":[1,]}",
            "{\"a\":{\"b\"}}",
            "{\"a\":[}]}",
            "{\"a\":1]",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":1.}",
            "{\"a\":1e}",
        ] {
            assert_eq!(members(bad.as_bytes()).1, None, "{bad}");
            assert_eq!(value_end(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn undoes_escapes() {
        for (raw, text) in [
            (r#""""#, ""),
            (r#""plain ÄÖ""#, "plain ÄÖ"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\u00e9\ud83d\ude00x""#, "é😀x"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ude00\u0041""#, "\u{fffd}A"),
            (r#""\u0000""#, "\0"),
        ] {
            assert_eq!(string(raw.as_bytes()).as_deref(), Some(text.as_bytes()), "{raw}");
        }
        assert_eq!(string(b"\"\xff\\n\xfe\"").as_deref(), Some(&b"\xff\n\xfe"[..]));
        assert!(matches!(string(b"\"no escape\""), Some(Cow::Borrowed(_))));
        for bad in ["", "\"", "x", "\"a\"b", "\"\\\"", "\"\\u123\""] {
            assert_eq!(string(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn values_keep_their_spelling_and_their_line() {
        assert_eq!(value(b"18446744073709551615"), Value::Number(b"18446744073709551615"));
        for number in ["1.10", "1e3", "5e-324", "0.0000001", "-0.0", "1e400", "18446744073709551616"] {
            assert_eq!(value(number.as_bytes()), Value::Number(number.as_bytes()));
        }
        assert_eq!(value(b"true"), Value::Bool(true));
        assert_eq!(value(b"null"), Value::Null);
        assert_eq!(value(b"\"a\\tb\""), Value::Text(Cow::Borrowed(b"a\tb")));
        assert!(matches!(value(b"{\"a b\":[1,\"c d\"]}"), Value::Json(Cow::Borrowed(_))));
        assert_eq!(
            value(b"{ \"a b\" :\n[1 , \"c\\\" d\"\r\n] }"),
            Value::Json(Cow::Borrowed(b"{\"a b\":[1,\"c\\\" d\"]}"))
        );
    }

    #[test]
    fn depth_is_limited() {
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert_eq!(value_end(&deep(64)), Some(128));
        assert_eq!(value_end(&deep(65)), None);
        assert_eq!(value_end(&vec![b'['; 1_000_000]), None);
        let wrapped = |levels: usize| [b"{\"a\":".to_vec(), deep(levels), b"}".to_vec()].concat();
        for levels in [62, 63] {
            assert_eq!(members(&wrapped(levels)).1, value_end(&wrapped(levels)));
        }
    }

    /// What the members of an object are.
    fn values(text: &str) -> Option<Vec<Value<'_>>> {
        let mut members = object(text.as_bytes()).unwrap();
        let values = std::iter::from_fn(|| members.member()).map(|member| member.value()).collect();
        members.end().map(|_| values)
    }

    #[test]
    fn what_is_almost_json_costs_its_value_only() {
        let text = |text: &'static str| Value::Text(Cow::Borrowed(text.as_bytes()));
        let json = |text: &str| Value::Json(Cow::Owned(text.as_bytes().to_vec()));
        for (object, expected) in [
            (r#"{"a":NaN,"b":1}"#, vec![text("NaN"), Value::Number(b"1")]),
            (r#"{"a": -Infinity , "b":+Inf}"#, vec![text("-Infinity"), text("+Inf")]),
            (r#"{"a":[1.0, NaN, {"b c":-inf}],"d":null}"#, vec![json(r#"[1.0,"NaN",{"b c":"-inf"}]"#), Value::Null]),
        ] {
            assert_eq!(values(object), Some(expected), "{object}");
        }
        for damaged in [
            r#"{"a":NaN0}"#,
            r#"{"a":nano}"#,
            r#"{"a":[NaN,]}"#,
            r#"{"a":[NaN}"#,
            r#"{"a":{NaN:1}}"#,
            r#"{"a":-}"#,
            r#"{"a":[1"#,
        ] {
            assert_eq!(values(damaged), None, "{damaged}");
        }
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        for levels in [65, 66, 5000] {
            let whole = format!(r#"{{"a":{},"b":2}}"#, deep(levels));
            assert_eq!(values(&whole), Some(vec![Value::Text(deep(levels).as_bytes().into()), Value::Number(b"2")]));
        }
        assert_eq!(values(&format!(r#"{{"a":{}}}"#, "[".repeat(100_000))), None);
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(|value| serde_json::json!(value)),
            any::<String>().prop_map(Into::into),
            "[ -~]{0,20}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                proptest::collection::vec((any::<String>(), inner), 0..5)
                    .prop_map(|all| serde_json::Value::Object(all.into_iter().collect())),
            ]
        })
    }

    /// What serde_json makes of a text, `None` where its verdict is not ours to share: it wants UTF-8, numbers that fit
    /// a double, and paired surrogates.
    fn serde_accepts(text: &[u8]) -> Option<bool> {
        std::str::from_utf8(text).ok()?;
        match serde_json::from_slice::<serde_json::Value>(text) {
            Ok(_) => Some(true),
            Err(error) => {
                let reason = error.to_string();
                let ours = ["out of range", "surrogate", "unexpected end of hex escape"];
                (!ours.iter().any(|part| reason.contains(part))).then_some(false)
            }
        }
    }

    fn we_accept(text: &[u8]) -> bool {
        let start = blanks(text, 0);
        value_end(&text[start..]).is_some_and(|end| blanks(text, start + end) == text.len())
    }

    fn rebuilt(raw: &[u8]) -> serde_json::Value {
        let text = |text: Text<'_>| String::from_utf8(text.into_owned()).unwrap();
        match raw[0] {
            b'{' => object(raw).unwrap().map(|(key, raw)| (text(key), rebuilt(raw))).collect(),
            b'[' => array(raw).unwrap().map(rebuilt).collect(),
            b'"' => text(string(raw).unwrap()).into(),
            _ => serde_json::from_slice(raw).unwrap(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = value_end(&bytes);
            let _ = value(&bytes);
            let _ = string(&bytes);
            let _ = object(&bytes).map(Iterator::count);
            let _ = array(&bytes).map(Iterator::count);
        }

        #[test]
        fn reads_what_serde_json_writes(json in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_vec_pretty(&json) } else { serde_json::to_vec(&json) }.unwrap();
            prop_assert_eq!(value_end(&text), Some(text.len()));
            // serde_json itself may read a double back one bit off.
            let again: serde_json::Value = serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(rebuilt(&text), again);
            if let Value::Json(line) = value(&text) {
                prop_assert_eq!(&*line, &serde_json::to_vec(&json).unwrap()[..]);
            }
        }

        #[test]
        fn agrees_with_serde_json_on_damaged_text(
            json in json(),
            edits in proptest::collection::vec((any::<proptest::sample::Index>(), 0..3u8, any::<u8>()), 0..4),
        ) {
            let mut text = serde_json::to_vec(&json).unwrap();
            for (index, kind, byte) in edits {
                let tokens = b"{}[],:\"\\0123456789eE+-.truefalsn \t\n\rx";
                let byte = if byte < 0xC0 { tokens[byte as usize % tokens.len()] } else { byte & 0x7F };
                let at = index.index(text.len() + 1);
                match kind {
                    0 => text.insert(at, byte),
                    1 if at < text.len() => text[at] = byte,
                    _ if at < text.len() => { text.remove(at); }
                    _ => {}
                }
            }
            if let Some(verdict) = serde_accepts(&text) {
                prop_assert_eq!(we_accept(&text), verdict, "{}", String::from_utf8_lossy(&text));
            }
            if let Some(mut members) = object(&text) {
                members.by_ref().for_each(drop);
                // Where it is no JSON, it may still be almost.
                if let Some(end) = value_end(&text[blanks(&text, 0)..]) {
                    prop_assert_eq!(members.end(), Some(end + blanks(&text, 0)));
                }
            }
        }
    }
}
