//! The stack of spans that conmon-rs prints in front of its lines.
//!
//! In goes the text of a line, out come the request's uuid and the names below its span, and the span they lead to. What
//! else the line says is the parser's.

use super::span_index::{Slot, SpanIndex};

/// Spans of a stack that are followed.
const DEPTH_MAX: usize = 32;

/// The stack of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// `uuid` of the outermost span.
    pub(super) uuid: Option<&'a [u8]>,
    /// What follows the outermost span: `:promise:watch{pid=1}: conmonrs::…`
    pub(super) below_root: &'a [u8],
}

/// line = [ts SP] level SP span *( ":" span ) ":" SP target …
/// span = name [ "{" fields "}" ]
pub(super) fn path(line: &[u8]) -> Option<Path<'_>> {
    // The stack comes within the first words, before any text that could hold a brace.
    let level = line
        .split(|byte| *byte == b' ')
        .take(4)
        .find(|word| word.len() >= 4 && word.is_ascii() && word.iter().all(u8::is_ascii_uppercase))?;
    let at = memchr::memmem::find(line, level)? + level.len();
    let stack = line[at..].trim_ascii_start();
    let (_, fields, below_root) = span(stack)?;
    let uuid = memchr::memmem::find(fields, b"uuid=").map(|at| {
        let value = &fields[at + 5..];
        &value[..value.iter().position(|byte| matches!(byte, b' ' | b'}')).unwrap_or(value.len())]
    });
    Some(Path { uuid, below_root })
}

/// Name, fields, and what follows.
fn span(stack: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let length =
        stack.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/')).count();
    let (name, rest) = stack.split_at(length);
    if name.is_empty() {
        return None;
    }
    match rest.first()? {
        b'{' => {
            let end = fields_end(rest)?;
            Some((name, &rest[1..end], &rest[end + 1..]))
        }
        b':' => Some((name, &[], rest)),
        _ => None,
    }
}

/// Where the brace of `{a="}" b=1}` closes.
fn fields_end(text: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' if quoted => drop(bytes.next()),
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Follows the names from the request's span down: at each step the child of that name which covers the time, else the
/// one that began last before it.
pub(super) fn descend(index: &SpanIndex, root: Slot, mut below: &[u8], time: i64) -> Slot {
    let mut at = root;
    for _ in 0..DEPTH_MAX {
        let Some(next) = below.strip_prefix(b":").and_then(span) else { break };
        let (name, _, rest) = next;
        below = rest;
        let is_named = |slot: &Slot| index.name(index.span(*slot).name).as_bytes() == name;
        let children = index.children(at);
        let begun = children.partition_point(|child| index.span(*child).start <= time.saturating_add(1_000));
        let mut named = children[..begun].iter().rev().take(4096).copied().filter(is_named);
        let Some(last) = named.next() else { break };
        let covers = |slot: &Slot| index.span(*slot).covers(time, 1_000);
        at = if covers(&last) { last } else { named.find(covers).unwrap_or(last) };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_is_read_from_the_text() {
        let line = br#"2026-11-23T12:03:10.149713Z DEBUG create_container{container_id="a}8" uuid=bd4e-1}:promise:watch{pid=2}: conmonrs::child_reaper: 557: Writing {} code=0"#;
        let path = path(line).unwrap();
        assert_eq!(path.uuid, Some(&b"bd4e-1"[..]));
        assert!(path.below_root.starts_with(b":promise:watch{pid=2}: conmonrs"));
        assert_eq!(
            super::path(b"2026-11-23T12:03:10.149713Z  INFO conmonrs::server: 5: text {uuid=1}").and_then(|p| p.uuid),
            None
        );
        assert_eq!(super::path(b""), None);
    }
}
