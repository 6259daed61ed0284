//! Times as JSON loggers write them: ISO text, numbers since 1970, and small objects.

use crate::entry::Time;
use crate::json::{self, Member};
use crate::text::ansi;
use crate::time::{epoch, timestamp, zones};

/// The time that a member's value means; `None` if it is none.
pub(super) fn of(member: &Member<'_>) -> Option<Time> {
    match member.raw.first()? {
        b'"' => text(&member.text()?),
        b'{' => object(member.raw),
        b'0'..=b'9' => epoch::guess(member.raw),
        _ => None,
    }
}

/// A whole text: iso8601 [ SP zone-with-name ], or the digits of a number since 1970.
pub(super) fn text(text: &[u8]) -> Option<Time> {
    let text = text.trim_ascii();
    match timestamp::iso8601(text) {
        Some((time, end)) if end == text.len() => Some(time),
        Some((time, end)) => zoned(time, &text[end..]),
        None if text.first() == Some(&ansi::ESCAPE) => self::text(&ansi::strip(text)?),
        None => epoch::guess(text),
    }
}

/// Is the value of a time a bare number, which may count something else?
pub(super) fn is_number(raw: &[u8]) -> bool {
    let digits = raw.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(raw);
    digits.first().is_some_and(u8::is_ascii_digit)
        && digits.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+'))
}

/// Go's `Time.String` and the like put the zone apart: ` +0000 UTC`, ` UTC`, ` Z`.
fn zoned(time: Time, rest: &[u8]) -> Option<Time> {
    let (offset, length) = match rest.strip_prefix(b" ")? {
        b"Z" => (Some(0), 1),
        zone => zones::separate_zone(zone)?,
    };
    // A name or a monotonic reading may follow.
    if rest.get(1 + length).is_some_and(|&byte| byte != b' ') {
        return None;
    }
    match offset {
        Some(offset) => zones::at_offset(time, offset),
        None => Some(time),
    }
}

/// {"seconds": n, "nanos": n} (protobuf), {"epochSecond": n, "nanoOfSecond": n} (log4j2), {"$date": time} (MongoDB)
fn object(raw: &[u8]) -> Option<Time> {
    let (mut seconds, mut nanos) = (None, 0);
    let mut members = json::object(raw)?;
    while let Some(member) = members.member() {
        match member.plain_key() {
            b"seconds" | b"epochSecond" => {
                let digits = member.text().unwrap_or(member.raw.into());
                seconds = Some(std::str::from_utf8(&digits).ok()?.parse::<i64>().ok()?);
            }
            b"nanos" | b"nanoOfSecond" => nanos = std::str::from_utf8(member.raw).ok()?.parse::<u32>().ok()?,
            b"$date" if member.raw.starts_with(b"\"") => return text(&member.text()?),
            _ => {}
        }
    }
    let nanos = seconds?.checked_mul(1_000_000_000)?.checked_add(nanos.into())?;
    Some(Time::Unix { nanos, digits: 9 })
}
