//! Records of Linux' audit: auditd's file, and the kernel's own lines.
//!
//! The time is the event's, all pairs are fields, and the body stays the whole line: no part of it is a message.

use crate::entry::{Entry, Text, Time, Value};
use crate::text::value;
use crate::time::epoch::{self, Unit};

/// line  = [ "node=" name SP ] [ "audit: " ] "type=" type SP [ "msg=" ] "audit(" seconds "." millis ":" serial ")" ":" *( SP pair )
/// pair  = key "=" ( "'" text "'" / DQUOTE text DQUOTE / token )
pub(crate) fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let text = line.strip_prefix(b"audit: ").unwrap_or(line);
    if !(text.starts_with(b"type=") || text.starts_with(b"node=")) {
        return false;
    }
    let Some(open) = memchr::memmem::find(&text[..text.len().min(300)], b" audit(")
        .or_else(|| memchr::memmem::find(&text[..text.len().min(300)], b"=audit("))
    else {
        return false;
    };
    let inside = &text[open + 7..];
    let Some(close) = memchr::memchr(b')', &inside[..inside.len().min(64)]) else { return false };
    let Some(colon) = memchr::memchr(b':', &inside[..close]) else { return false };
    let (seconds, serial) = (&inside[..colon], &inside[colon + 1..close]);
    let Some(time @ Time::Unix { .. }) = epoch::time(seconds, Unit::Seconds) else { return false };
    if serial.is_empty() || !serial.iter().all(u8::is_ascii_digit) {
        return false;
    }
    entry.time = time;
    entry.body = Text::Borrowed(line);
    pairs(text, entry);
    true
}

fn pairs<'a>(text: &'a [u8], entry: &mut Entry<'a>) {
    // An enriched record repeats its fields in words after a group separator.
    let is_gap = |byte: u8| matches!(byte, b' ' | 0x1d);
    let mut rest = text;
    loop {
        let gap = rest.iter().take_while(|byte| is_gap(**byte)).count();
        rest = &rest[gap..];
        if rest.is_empty() {
            return;
        }
        let end = rest.iter().position(|byte| is_gap(*byte) || *byte == b'=').unwrap_or(rest.len());
        let key = &rest[..end];
        if rest.get(end) != Some(&b'=') {
            rest = &rest[end..];
            continue;
        }
        let behind = &rest[end + 1..];
        let quote = behind.first().copied().filter(|byte| matches!(byte, b'\'' | b'"'));
        let quoted = quote.and_then(|quote| memchr::memchr(quote, &behind[1..]));
        let (value, length) = match quoted {
            Some(close) => (Value::Text(Text::Borrowed(&behind[1..=close])), close + 2),
            None => {
                let end = behind.iter().position(|byte| is_gap(*byte)).unwrap_or(behind.len());
                let token = &behind[..end];
                let token =
                    if token.starts_with(b"audit(") { token.strip_suffix(b":").unwrap_or(token) } else { token };
                (value::unquoted(token), end)
            }
        };
        entry.push(key, value);
        rest = &behind[length..];
    }
}
