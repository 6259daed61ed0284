//! `Trace[…]` blocks: what `k8s.io/utils/trace` writes of a slow operation when it is done.
//!
//! In goes the message of a line with the lines that follow it, out come the operation's name, how long it took and the
//! request's id. Steps and nested operations are left to whoever reads the text.

use memchr::memmem;
use nom::IResult;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::digit1;
use nom::combinator::{opt, value};
use nom::sequence::{delimited, preceded};

/// A header longer than this is none.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// Headers tell milliseconds.
const HEADER_UNIT_NS: i64 = 1_000_000;

/// A block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// What the operation is called: `List`, `Create etcd3`.
    pub name: &'a [u8],
    /// The API server's id of the request; empty for work of its own or where there are several, `None` where the program has
    /// no such ids.
    pub audit_id: Option<&'a [u8]>,
    /// How long it took, ns.
    pub took: i64,
    /// Unit of `took`, ns: it was rounded down to it.
    pub unit: i64,
}

/// block  = head *( LF "Trace[" number "]: " item )
/// head   = "Trace[" number "]: " DQUOTE name DQUOTE SP [ fields SP ] "(" start ") (total time: " took "):"
/// fields = key ":" value *( "," key ":" value )              ; values are not quoted
/// item   = *SP ( step / nested ) / "[" took "] [" took "] END"   ; the last one is not rounded to milliseconds
pub fn block(message: &[u8]) -> Option<Block<'_>> {
    let (text, number) = opening(message).ok()?;
    let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
    let (head, items) = text.split_at(end);
    if head.len() > HEADER_BYTES_MAX {
        return None;
    }
    let (rest, name) = name(head).ok()?;
    let at = memmem::rfind(rest, b" (total time: ")?;
    let (fields, total) = rest.split_at(at);
    let (_, (took, unit)) = delimited(tag(&b" (total time: "[..]), duration, tag(&b"):"[..])).parse(total).ok()?;
    let exact = last_item(items, number).and_then(|item| ending(item).ok()).map(|(_, exact)| exact);
    let (took, unit) = exact.unwrap_or((took, unit));
    // Go leaves out zeros at the end: `30s` is rounded no more than `30.001s`.
    Some(Block { name, audit_id: audit_id(fields), took, unit: unit.min(HEADER_UNIT_NS) })
}

/// `Trace[123]: `, with its number in brackets.
fn opening(text: &[u8]) -> IResult<&[u8], &[u8]> {
    delimited(tag(&b"Trace["[..]), digit1, tag(&b"]: "[..])).parse(text)
}

fn name(text: &[u8]) -> IResult<&[u8], &[u8]> {
    delimited(tag(&b"\""[..]), take_while1(|byte| byte != b'"'), tag(&b"\""[..])).parse(text)
}

fn last_item<'a>(items: &'a [u8], number: &[u8]) -> Option<&'a [u8]> {
    let items = items.trim_ascii_end();
    let (item, of) = opening(&items[memchr::memrchr(b'\n', items)? + 1..]).ok()?;
    (of == number).then_some(item)
}

/// `[1.049863418s] [1.049863418s] END`
fn ending(item: &[u8]) -> IResult<&[u8], (i64, i64)> {
    let (rest, total) = delimited(tag(&b"["[..]), duration, tag(&b"] ["[..])).parse(item)?;
    let (rest, _) = (duration, tag(&b"] END"[..])).parse(rest)?;
    Ok((rest, total))
}

/// Go's text of a duration: `1m2.5s`, `608ms`, `14.52µs`; ns, and the unit of its last digit.
fn duration(text: &[u8]) -> IResult<&[u8], (i64, i64)> {
    let (mut rest, mut sum) = part(text)?;
    while let Ok((further, next)) = part(rest) {
        (rest, sum) = (further, (sum.0.saturating_add(next.0), next.1));
    }
    Ok((rest, sum))
}

fn part(text: &[u8]) -> IResult<&[u8], (i64, i64)> {
    let (rest, (whole, fraction)) = (digit1, opt(preceded(tag(&b"."[..]), digit1))).parse(text)?;
    let (rest, mut unit) = alt((
        value(1, tag(&b"ns"[..])),
        value(1_000, alt((tag("µs".as_bytes()), tag("μs".as_bytes()), tag(&b"us"[..])))),
        value(1_000_000, tag(&b"ms"[..])),
        value(1_000_000_000, tag(&b"s"[..])),
        value(60_000_000_000, tag(&b"m"[..])),
        value(3_600_000_000_000, tag(&b"h"[..])),
    ))
    .parse(rest)?;
    let digits = |digits: &[u8]| {
        digits.iter().fold(0i64, |all, digit| all.saturating_mul(10).saturating_add(i64::from(digit - b'0')))
    };
    let mut nanos = digits(whole).saturating_mul(unit);
    for digit in fraction.unwrap_or_default() {
        if unit % 10 != 0 {
            break;
        }
        unit /= 10;
        nanos = nanos.saturating_add(i64::from(digit - b'0') * unit);
    }
    Ok((rest, (nanos, unit)))
}

/// The value of `audit-id`: letters, digits and dashes. Whoever calls may write `accept` and `user-agent` as they like: of
/// several ids none counts.
fn audit_id(fields: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"audit-id:";
    let starts = |at: &usize| *at == 0 || matches!(fields[at - 1], b' ' | b',');
    let value = |at: usize| {
        let value = &fields[at + KEY.len()..];
        let length = value.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
        &value[..length]
    };
    let mut ids = memmem::find_iter(fields, KEY).filter(starts).map(value);
    let first = ids.next()?;
    Some(if ids.all(|id| id == first) { first } else { &[] })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_tells_its_name_request_and_time() {
        let text =
            b"Trace[1357454070]: \"List\" accept:application/json;as=Table, */*,audit-id:e507a3fb-61cb,client:::1,\
            user-agent:kubectl/v1 (linux) 8e16b12,verb:LIST (23-Nov-2026 12:20:05.874) (total time: 1049ms):\n\
            Trace[1357454070]: [\"cacher.GetList\" audit-id:e507a3fb-61cb,type:pods 1049ms (12:20:05.875)]\n\
            Trace[1357454070]: [1.049863418s] [1.049863418s] END";
        let found = block(text).unwrap();
        assert_eq!((found.name, found.audit_id), (&b"List"[..], Some(&b"e507a3fb-61cb"[..])));
        assert_eq!((found.took, found.unit), (1_049_863_418, 1));
        let head = &text[..memchr::memchr(b'\n', text).unwrap()];
        let found = block(head).unwrap();
        assert_eq!((found.took, found.unit), (1_049_000_000, 1_000_000));
    }

    #[test]
    fn times_are_rounded_to_milliseconds_at_most() {
        let of = |took: &str| {
            let text = format!("Trace[7]: \"Sync\" (05-Nov-2023 13:37:21.394) (total time: {took}):");
            block(text.as_bytes()).map(|block| (block.took, block.unit)).unwrap()
        };
        assert_eq!(of("30s"), (30_000_000_000, 1_000_000));
        assert_eq!(of("1m2.5s"), (62_500_000_000, 1_000_000));
    }

    #[test]
    fn background_work_has_an_empty_id_or_none() {
        let of = |fields: &str| {
            let text = format!(
                "Trace[7]: \"Reflector ListAndWatch\" {fields}(05-Nov-2023 13:37:21.394) (total time: 14.52s):"
            );
            block(text.as_bytes()).map(|block| block.audit_id.map(<[u8]>::to_vec)).unwrap()
        };
        assert_eq!(of("name:x,audit-id:,y:1 "), Some(Vec::new()));
        assert_eq!(of("name:pkg/client/reflector.go:1 "), None);
        assert_eq!(of("accept:a,audit-id:other,audit-id:its-own,verb:GET "), Some(Vec::new()));
        assert_eq!(of("audit-id:its-own,verb:GET,user-agent:x audit-id:its-own "), Some(b"its-own".to_vec()));
        assert_eq!(of(""), None);
    }

    #[test]
    fn durations_are_those_of_go() {
        let of = |text: &str| duration(text.as_bytes()).map(|(_, found)| found).unwrap();
        assert_eq!(of("608ms"), (608_000_000, 1_000_000));
        assert_eq!(of("1m2.5s"), (62_500_000_000, 100_000_000));
        assert_eq!(of("14.52µs"), (14_520, 10));
        assert_eq!(of("907.279961ms"), (907_279_961, 1));
        assert!(duration(b"12").is_err());
    }

    #[test]
    fn other_text_is_none() {
        assert_eq!(block(b"Trace[x]: \"a\" (total time: 1ms):"), None);
        assert_eq!(block(b"Trace[1]: a (total time: 1ms):"), None);
        assert_eq!(block(b"Tracing \"a\" (total time: 1ms):"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in "Trace\\[[0-9]{0,12}\\]: \"[a-z ]*\" ") {
            let mut text = head.into_bytes();
            text.extend_from_slice(&bytes);
            let _ = block(&text);
            text.extend_from_slice(b" (total time: 99999999999999999999999h9.99999999999999999999ms):\n");
            let _ = block(&text);
        }
    }
}
