//! The stack of spans that conmon-rs prints in front of its lines.
//!
//! In goes the stack as text, out come the request's uuid and the names below its span, and the span they lead to. What
//! else the line says is the parser's.

use crate::correlate::index::{Slot, SpanIndex};

/// Spans of a stack that are followed.
const DEPTH_MAX: usize = 32;

/// The stack of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    /// `uuid` of the outermost span.
    pub(crate) uuid: Option<&'a [u8]>,
    /// What follows the outermost span: `:promise:watch{pid=1}`
    pub(crate) below_root: &'a [u8],
    /// Name of the innermost span.
    pub(crate) leaf: &'a [u8],
}

/// path = span *( ":" span )
/// span = name [ "{" fields "}" ]
pub(crate) fn path(stack: &[u8]) -> Option<Path<'_>> {
    let (root, fields, below_root) = span(stack)?;
    let uuid = memchr::memmem::find(fields, b"uuid=").map(|at| {
        let value = &fields[at + 5..];
        &value[..value.iter().position(|byte| *byte == b' ').unwrap_or(value.len())]
    });
    let below = std::iter::successors(Some((root, below_root)), |(_, rest)| {
        let (name, _, rest) = rest.strip_prefix(b":").and_then(span)?;
        Some((name, rest))
    });
    let leaf = below.take(DEPTH_MAX).last().map_or(root, |(name, _)| name);
    Some(Path { uuid, below_root, leaf })
}

/// Name, fields, and what follows.
fn span(stack: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let length =
        stack.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/')).count();
    let (name, rest) = stack.split_at(length);
    if name.is_empty() {
        return None;
    }
    match rest.first() {
        Some(b'{') => {
            let end = fields_end(rest)?;
            Some((name, &rest[1..end], &rest[end + 1..]))
        }
        Some(b':') | None => Some((name, &[], rest)),
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
pub(crate) fn descend(index: &SpanIndex, root: Slot, mut below: &[u8], time: i64) -> Slot {
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
        let stack = br#"create_container{container_id="a}8" uuid=bd4e-1}:promise:watch{pid=2}"#;
        let read = path(stack).unwrap();
        assert_eq!(read.uuid, Some(&b"bd4e-1"[..]));
        assert_eq!(read.leaf, b"watch");
        assert_eq!(read.below_root, b":promise:watch{pid=2}");
        assert_eq!(path(b"promise").map(|path| path.uuid), Some(None));
        assert_eq!(path(b"a{b"), None);
        assert_eq!(path(b""), None);
    }
}
