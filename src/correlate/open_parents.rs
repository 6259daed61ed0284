//! Spans that are known before they end: those that have come name them as their parents.
//!
//! In go spans as they come, out come the parents that have not, and since when each is open at least. Bounded; what is named
//! and does not come is forgotten.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::text::hash::NumberMap;

/// Parents that are waited for: of more, those that were named first are forgotten.
const OPEN_MAX: usize = 1 << 14;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct OpenParents {
    /// By the id of the span.
    spans: HashMap<u64, OpenParent>,
    /// Of each resource: the spans, by the start of the first child.
    resources: NumberMap<u32, BTreeMap<i64, u64>>,
}

/// A span that has not come; times in ns since the epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenParent {
    pub(crate) resource: u32,
    /// Start and end of the first of its children to come.
    pub(crate) child: (i64, i64),
}

impl OpenParents {
    /// A span has come that names a parent which has not.
    pub(crate) fn is_named(&mut self, parent: [u8; 8], resource: u32, child: (i64, i64)) {
        let id = u64::from_be_bytes(parent);
        if self.spans.len() >= OPEN_MAX || self.spans.contains_key(&id) {
            return;
        }
        let of_resource = self.resources.entry(resource).or_default();
        // Two that begin in one nanosecond: one of them tells enough.
        if let Entry::Vacant(entry) = of_resource.entry(child.0) {
            entry.insert(id);
            self.spans.insert(id, OpenParent { resource, child });
        }
    }

    /// A span has come; what was known of it before.
    pub(crate) fn comes(&mut self, span: [u8; 8]) -> Option<OpenParent> {
        let open = self.spans.remove(&u64::from_be_bytes(span))?;
        if let Some(of_resource) = self.resources.get_mut(&open.resource) {
            of_resource.remove(&open.child.0);
        }
        Some(open)
    }

    /// Forgets those that are open since before a time; `each`: is told of them.
    pub(crate) fn forget_before(&mut self, time: i64, mut each: impl FnMut(OpenParent)) {
        let OpenParents { spans, resources } = self;
        resources.retain(|_, of_resource| {
            let kept = of_resource.split_off(&time);
            let gone = std::mem::replace(of_resource, kept);
            gone.values().filter_map(|id| spans.remove(id)).for_each(&mut each);
            !of_resource.is_empty()
        });
    }

    /// Since when the one of a resource is open that is open for longest: its first child's start, ns since the epoch.
    pub(crate) fn earliest(&self, resource: u32) -> Option<i64> {
        self.resources.get(&resource)?.keys().next().copied()
    }

    /// Bytes that are kept, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.spans.len() * (size_of::<(u64, OpenParent)>() + 2 * size_of::<(i64, u64)>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_open_from_its_first_child_until_it_comes() {
        let mut open = OpenParents::default();
        let id = |number: u64| number.to_be_bytes();
        open.is_named(id(1), 7, (100, 110));
        open.is_named(id(2), 7, (50, 60));
        open.is_named(id(1), 7, (120, 130));
        assert_eq!(open.earliest(7), Some(50));
        assert_eq!(open.comes(id(2)).map(|open| open.child), Some((50, 60)));
        assert_eq!((open.earliest(7), open.earliest(8)), (Some(100), None));
        assert!(open.comes(id(3)).is_none());
        let mut gone = 0;
        open.forget_before(100, |_| gone += 1);
        assert_eq!(gone, 0);
        open.forget_before(101, |_| gone += 1);
        assert_eq!((gone, open.earliest(7), open.bytes()), (1, None, 0));
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let mut open = OpenParents::default();
        for id in 0..2 * OPEN_MAX as u64 {
            open.is_named(id.to_be_bytes(), 1, (id as i64, id as i64 + 1));
        }
        assert_eq!(open.spans.len(), OPEN_MAX);
    }
}
