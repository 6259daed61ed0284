//! Which span of a trace a moment lies in.
//!
//! In go a time, the resources of the process and a span to start from (or a whole trace), out comes the innermost span
//! of that process that covers the time. Where siblings both do, the source file that the line names decides, else the
//! one that began last.

use super::span::Slot;
use super::span_index::SpanIndex;

/// Levels gone down at most.
const DEPTH_MAX: usize = 64;
/// Children of one span that are looked at.
const CHILDREN_MAX: usize = 4096;

/// The innermost span at or below `top` and in its resource that covers the time; `top` itself where none does.
pub(crate) fn innermost_below(index: &SpanIndex, top: Slot, time: i64, package: Option<&[u8]>) -> Slot {
    let resource = index.span(top).resource;
    let mut at = top;
    for _ in 0..DEPTH_MAX {
        let children = index.children(at);
        // Children are in order of start: those that begin later cannot cover the time.
        let begun = children.partition_point(|child| index.span(*child).start <= time.saturating_add(1));
        let recent = &children[begun.saturating_sub(CHILDREN_MAX)..begun];
        let covering = || {
            recent.iter().rev().copied().filter(|child| {
                let span = index.span(*child);
                span.resource == resource && span.covers(time, 0) && *child != at
            })
        };
        let Some(last) = covering().next() else { return at };
        at = match package {
            Some(package) => covering().find(|child| is_in_package(index, *child, package)).unwrap_or(last),
            None => last,
        };
    }
    at
}

/// The innermost span of these resources in a trace that covers the time: the one that began last among those with no
/// covering child of their own.
pub(crate) fn innermost_of(index: &SpanIndex, trace: &[Slot], resources: &[u32], time: i64) -> Option<Slot> {
    let begun = trace.partition_point(|slot| index.span(*slot).start <= time.saturating_add(1));
    let recent = &trace[begun.saturating_sub(CHILDREN_MAX)..begun];
    let covering = recent.iter().rev().copied().find(|slot| {
        let span = index.span(*slot);
        resources.contains(&span.resource) && span.covers(time, 0)
    })?;
    Some(innermost_below(index, covering, time, None))
}

/// `server` of `server/image_status.go:47` is the package of `github.com/cri-o/cri-o/server.(*Server).ImageStatus`.
fn is_in_package(index: &SpanIndex, slot: Slot, package: &[u8]) -> bool {
    let name = index.name(index.span(slot).name).as_bytes();
    let last = memchr::memrchr(b'/', name).map_or(name, |at| &name[at + 1..]);
    last.strip_prefix(package).is_some_and(|rest| rest.first() == Some(&b'.'))
}

/// The folder in front of a source file.
pub(crate) fn package_of(file: &[u8]) -> Option<&[u8]> {
    let folder = &file[..memchr::memrchr(b'/', file)?];
    Some(memchr::memrchr(b'/', folder).map_or(folder, |at| &folder[at + 1..]))
}
