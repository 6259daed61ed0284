//! Access lines of nginx, Apache (common, combined) and Envoy.
//!
//! The body stays the whole line; the time and four fields are taken out of it. Such lines have no severity.

use crate::entry::{Entry, Format, Text, Time, Value};
use crate::json::plain_end;
use crate::time::{dates, timestamp};

/// The request's bracket begins within this many bytes.
const HEAD_MAX: usize = 300;

/// line = common / envoy
pub fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    if line.first() == Some(&b'[') { envoy(line, entry) } else { common(line, entry) }
}

/// common = [ vhost SP ] client SP ident SP user SP "[" time "]" SP request SP status SP bytes …
pub(crate) fn common<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some(open) = memchr::memchr(b'[', &line[..line.len().min(HEAD_MAX)]) else { return false };
    let Some(client) = client(&line[..open]) else { return false };
    let Some((time, rest)) = line.get(open + 1..).and_then(clf_time) else { return false };
    let Some(rest) = rest.strip_prefix(b"] ") else { return false };
    if !request(rest, entry) {
        return false;
    }
    entry.time = time;
    entry.push(&b"client.address"[..], Value::Text(Text::Borrowed(client)));
    entry.format = Format::Access;
    entry.body = Text::Borrowed(line);
    true
}

/// The client, which is followed by ident and user; a virtual host may stand before it.
fn client(head: &[u8]) -> Option<&[u8]> {
    let head = head.strip_suffix(b" ")?;
    let first = memchr::memchr(b' ', head)?;
    // A list of X-Forwarded-For: the client comes first, then proxies.
    if let Some(client) = head[..first].strip_suffix(b",") {
        return (!client.is_empty()).then_some(client);
    }
    let rest = &head[first + 1..];
    let second = memchr::memchr(b' ', rest)?;
    let third = &rest[second + 1..];
    // Only the user may have blanks in it; the ident is a dash on nearly every server.
    if &rest[..second] != b"-" && (third.starts_with(b"- ") || third == b"-") && memchr::memchr(b' ', third).is_some() {
        return Some(&rest[..second]);
    }
    (first > 0 && !third.is_empty()).then(|| &head[..first])
}

/// time = dd "/" Mon "/" yyyy ( ":" hh ":" mm ":" ss SP zone / SP hh ":" mm ":" ss )
///
/// Python's servers write the second form: Werkzeug, http.server. It, and what follows.
fn clf_time(text: &[u8]) -> Option<(Time, &[u8])> {
    if text.get(11) == Some(&b' ') {
        return dates::day_month(text).filter(|_| text[2] == b'/');
    }
    let head = text.get(..26)?;
    if head[2] != b'/' || head[6] != b'/' || head[11] != b':' || head[20] != b' ' {
        return None;
    }
    let two = |at| timestamp::two(head, at);
    let month = timestamp::month(&head[3..6])?;
    let (day, year) = (two(0)?, i32::from(two(7)?) * 100 + i32::from(two(9)?));
    let (nanos_of_day, _, 20) = timestamp::time_of_day(head, 12)? else { return None };
    let (offset, 5) = timestamp::zone(&head[21..])? else { return None };
    if !timestamp::is_date(Some(year), month, day) {
        return None;
    }
    let seconds = timestamp::days_from_civil(year, month, day) * 86_400 - offset;
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(nanos_of_day)?;
    Some((Time::Unix { nanos, digits: 0 }, &text[26..]))
}

/// request = DQUOTE [ method SP target [ SP version ] / *other ] DQUOTE SP status
fn request<'a>(text: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some(inner) = text.strip_prefix(b"\"") else { return false };
    let Some(end) = closing_quote(inner) else { return false };
    let Some(after) = inner[end + 1..].strip_prefix(b" ") else { return false };
    // Envoy writes 0 where there was no response.
    let digits = after.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let (status, after) = after.split_at(digits);
    if !(digits == 3 || status == b"0") || after.first().is_some_and(|b| *b != b' ') {
        return false;
    }
    let request = &inner[..end];
    let method = request.iter().take(16).take_while(|b| b.is_ascii_uppercase()).count();
    if method > 0
        && let Some(target) = request[method..].strip_prefix(b" ")
    {
        let target = &target[..memchr::memchr(b' ', target).unwrap_or(target.len())];
        entry.push(&b"http.request.method"[..], Value::Text(Text::Borrowed(&request[..method])));
        if target.first() == Some(&b'/') {
            let path = &target[..memchr::memchr(b'?', target).unwrap_or(target.len())];
            entry.push(&b"url.path"[..], Value::Text(Text::Borrowed(path)));
        } else {
            entry.push(&b"url.original"[..], Value::Text(Text::Borrowed(target)));
        }
    }
    entry.push(&b"http.response.status_code"[..], crate::text::value::unquoted(status));
    true
}

/// Apache escapes quotes inside of the request with a backslash.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = plain_end(text, 0);
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// envoy = "[" ( date-time / time ) "]" SP request SP …
fn envoy<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let inside = line.get(1..).unwrap_or_default();
    let Some((time, rest)) = dates::stamp(inside).or_else(|| dates::day_month(inside)) else { return false };
    let Some(rest) = rest.strip_prefix(b"] ") else { return false };
    if !request(rest, entry) {
        return false;
    }
    entry.time = time;
    entry.format = Format::Access;
    entry.body = Text::Borrowed(line);
    true
}
