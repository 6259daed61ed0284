//! Spring Boot's console pattern, Boot 1 to 3.5, with Sleuth's and Micrometer's blocks.
//!
//! Time, level and pid go to their places, the thread and the logger to fields, a block with ids to the trace context.

use crate::entry::{Entry, Format, Text, TraceContext, Value};
use crate::text::{levels, parts, short_search};
use crate::time::dates;
use crate::trace_context;

/// Blocks before the logger: application, thread, correlation and one more.
const BLOCKS_MAX: usize = 4;
/// A block with ids is at least `[x,16H,16H]` or `[32H]` long.
const IDS_MIN: usize = 34;

/// line = date-time SP level SP rest
pub fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((time, rest)) = dates::stamp(line) else { return false };
    let Some((severity, word, rest)) = levels::level(rest) else { return false };
    entry.time = time;
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    after_level(rest, entry)
}

/// rest = [ "[" app "," trace "," span [ "," bool ] "]" SP ] [pid] SP "---" SP *( "[" … "]" SP ) logger *SP ":" SP msg
pub(crate) fn after_level<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let mut rest = parts::skip_blanks(rest);
    let mut sleuth = None;
    if rest.first() == Some(&b'[') {
        let Some((block, after)) = block(rest) else { return false };
        sleuth = Some(block);
        rest = after;
    }
    let (pid, after) = parts::digits(rest);
    let Some(mut rest) = parts::skip_blanks(after).strip_prefix(b"--- ") else { return false };
    let mut blocks = [&b""[..]; BLOCKS_MAX];
    let mut count = 0;
    let mut trace = sleuth.map(ids).unwrap_or_default();
    rest = parts::skip_blanks(rest);
    while let Some((block, after)) = block(rest) {
        rest = after;
        let found = ids(block);
        if found.trace_id.is_some() {
            trace = found;
        } else if !is_empty_ids(block) && count < BLOCKS_MAX {
            blocks[count] = block[1..block.len() - 1].trim_ascii();
            count += 1;
        }
    }
    let end = short_search::either::<b' ', b'\n'>(rest);
    let (logger, after) = rest.split_at(end);
    // The logger is padded to 40 columns; without padding the colon may touch it.
    let Some(message) = parts::skip_blanks(after).strip_prefix(b":") else { return false };
    entry.format = Format::Spring;
    entry.pid = pid;
    entry.trace = trace;
    if let Some(application) =
        sleuth.map(|block| block[1..].split(|b| matches!(b, b',' | b']')).next().unwrap_or_default())
        && !application.is_empty()
    {
        entry.push(&b"spring.application.name"[..], Value::Text(Text::Borrowed(application)));
    }
    if let Some(context) = sleuth.filter(|_| trace.trace_id.is_none()).and_then(own_context) {
        entry.push(&b"mdc"[..], Value::Text(Text::Borrowed(context)));
    }
    match &blocks[..count] {
        [] => {}
        [thread] => entry.push(&b"thread.name"[..], Value::Text(Text::Borrowed(thread))),
        [application, thread, others @ ..] => {
            entry.push(&b"spring.application.name"[..], Value::Text(Text::Borrowed(application)));
            entry.push(&b"thread.name"[..], Value::Text(Text::Borrowed(thread)));
            for context in others {
                entry.push(&b"mdc"[..], Value::Text(Text::Borrowed(context)));
            }
        }
    }
    entry.push(&b"logger"[..], Value::Text(Text::Borrowed(logger)));
    entry.body = Text::Borrowed(message.strip_prefix(b" ").unwrap_or(message));
    true
}

/// "[" … "]" *SP : the block with its brackets, and what follows.
fn block(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.first() != Some(&b'[') {
        return None;
    }
    let end = memchr::memchr(b']', &text[..text.len().min(512)])? + 1;
    Some((&text[..end], parts::skip_blanks(&text[end..])))
}

/// What a block has after the application's name, where that is no ids but what a program put into its context.
fn own_context(block: &[u8]) -> Option<&[u8]> {
    let inside = &block[1..block.len() - 1];
    let context = &inside[memchr::memchr(b',', inside)? + 1..];
    let says = |part: &[u8]| !matches!(part.trim_ascii(), b"" | b"-" | b"true" | b"false");
    context.split(|byte| *byte == b',').any(says).then_some(context)
}

fn ids(block: &[u8]) -> TraceContext {
    if block.len() < IDS_MIN { TraceContext::default() } else { trace_context::from_text(block) }
}

/// A correlation block without ids: blanks only, commas only, or keys without values.
fn is_empty_ids(block: &[u8]) -> bool {
    block[1..block.len() - 1].iter().all(|b| matches!(b, b' ' | b'-' | b',')) || block.starts_with(b"[trace_id=")
}
