//! Who writes the lines of each source, and whose spans are theirs.
//!
//! In go sources with their origins as lines come, out come writers, numbered over all sources. Which spans may be a writer's is
//! decided in [`process`](super::rules::process).

use super::index::SpanIndex;
use super::rules::process::{is_assumed, resources_of};
use crate::record::{Origin, Pod};
use std::collections::HashMap;

/// Sources whose resources are remembered; further ones are looked up for every line.
const SOURCES_MAX: usize = 1 << 20;
/// Writers of one source whose resources are remembered.
const WRITERS_MAX: usize = 256;

/// Lines so much before the first span of their writer, or after the last, have none: what was not traced any more says
/// nothing of the share of requests that were recorded. More than any clock or rounded time is off.
pub(crate) const MARGIN_NS: i64 = 5_000_000_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Of each: its writers, one but for journals.
    list: Vec<Vec<Writer>>,
    /// Number of writers in all, and those of sources that have ended.
    count: u32,
    unused: Vec<u32>,
    /// Resources that are taken for a pod's by their service alone, and the pod; `None` where several pods would be it.
    assumed: HashMap<u32, Option<Pod>>,
    /// How many resources there were when those of each writer were looked for last.
    resources_known: usize,
}

/// Who writes lines of a source.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Among all writers.
    pub(crate) number: u32,
    pub(crate) origin: Origin,
    /// Those of its spans.
    pub(crate) resources: Vec<u32>,
    /// While it has spans, and a little longer.
    pub(crate) range: (i64, i64),
}

impl Sources {
    /// A writer, where it can be kept.
    pub(crate) fn writer(&mut self, index: &SpanIndex, source: u32, origin: &Origin) -> Option<&Writer> {
        let at = source as usize;
        if at >= SOURCES_MAX {
            return None;
        }
        if at >= self.list.len() {
            self.list.resize_with(at + 1, Vec::new);
        }
        if let Some(known) = self.list[at].iter().position(|writer| writer.origin == *origin) {
            return self.list[at].get(known);
        }
        if self.list[at].len() >= WRITERS_MAX {
            return None;
        }
        let number = self.unused.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        });
        let (resources, range) = traced(index, origin);
        let is_shared = assume(&mut self.assumed, index, origin, &resources);
        self.list[at].push(Writer { number, origin: origin.clone(), resources, range });
        if is_shared {
            self.give_up_shared();
        }
        self.list[at].last()
    }

    /// A writer that was kept.
    pub(crate) fn known(&self, source: u32, origin: &Origin) -> Option<&Writer> {
        self.list.get(source as usize)?.iter().find(|writer| writer.origin == *origin)
    }

    /// Those of a source.
    pub(crate) fn of_source(&self, source: u32) -> &[Writer] {
        self.list.get(source as usize).map_or(&[], Vec::as_slice)
    }

    /// All that are kept.
    pub(crate) fn writers(&self) -> impl Iterator<Item = &Writer> {
        self.list.iter().flatten()
    }

    /// Writers are numbered below.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// The number of each writer's service, [`u32::MAX`] where it has no spans.
    pub(crate) fn services(&self, index: &SpanIndex) -> Vec<u32> {
        let mut services = vec![u32::MAX; self.count()];
        for writer in self.writers() {
            if let Some(first) = writer.resources.first() {
                services[writer.number as usize] = index.resource(*first).service_number;
            }
        }
        services
    }

    /// Finds whose spans each writer's are by now.
    pub(crate) fn find_resources(&mut self, index: &SpanIndex) {
        let known = std::mem::replace(&mut self.resources_known, index.resources().len());
        if known != self.resources_known {
            self.assumed.clear();
            for writer in self.list.iter_mut().flatten() {
                writer.resources = resources_of(&writer.origin, index.resources());
                assume(&mut self.assumed, index, &writer.origin, &writer.resources);
            }
            self.give_up_shared();
        }
    }

    /// Of several pods that a resource might be, none is it.
    fn give_up_shared(&mut self) {
        let is_shared = |resource: &u32| self.assumed.get(resource).is_some_and(Option::is_none);
        if self.assumed.values().any(Option::is_none) {
            for writer in self.list.iter_mut().flatten().filter(|writer| writer.origin.pod.is_some()) {
                writer.resources.retain(|resource| !is_shared(resource));
            }
        }
    }

    /// Finds while each writer has spans, of those that are shown.
    pub(crate) fn find_ranges(&mut self, index: &SpanIndex) {
        for writer in self.list.iter_mut().flatten() {
            writer.range = range_of(index, &writer.resources);
        }
    }

    /// No line of a source is left, nor comes any more: the numbers of its writers may be others'.
    pub(crate) fn source_ends(&mut self, source: u32) {
        if let Some(writers) = self.list.get_mut(source as usize) {
            self.unused.extend(writers.drain(..).map(|writer| writer.number));
        }
    }
}

/// Notes resources that are taken for a pod's by their service alone; true where one was another pod's before.
fn assume(assumed: &mut HashMap<u32, Option<Pod>>, index: &SpanIndex, origin: &Origin, resources: &[u32]) -> bool {
    let Some(pod) = origin.pod.as_ref().filter(|_| is_assumed(origin, index.resources(), resources)) else {
        return false;
    };
    let mut is_shared = false;
    for resource in resources {
        let known = assumed.entry(*resource).or_insert_with(|| Some(pod.clone()));
        let is_same =
            |known: &Pod| (&known.namespace, &known.name, &known.uid) == (&pod.namespace, &pod.name, &pod.uid);
        if !known.as_ref().is_some_and(is_same) {
            *known = None;
            is_shared = true;
        }
    }
    is_shared
}

/// The resources of a writer's spans, and while it has any.
pub(crate) fn traced(index: &SpanIndex, origin: &Origin) -> (Vec<u32>, (i64, i64)) {
    let resources = resources_of(origin, index.resources());
    let range = range_of(index, &resources);
    (resources, range)
}

/// While a writer of these resources has spans, with a margin.
fn range_of(index: &SpanIndex, resources: &[u32]) -> (i64, i64) {
    let (from, to) = match index.range_of(resources) {
        // It has spans, but not of the time that is in hand.
        (from, to) if from > to && !resources.is_empty() => (i64::MAX, i64::MAX),
        range => range,
    };
    (from.saturating_sub(MARGIN_NS), to.saturating_add(MARGIN_NS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::index::Limits;
    use crate::facts::ResourceFact;

    #[test]
    fn spans_that_two_pods_might_have_are_of_neither() {
        let mut index = SpanIndex::new(Limits::default());
        index.add_resource(&ResourceFact { service: "web", ..ResourceFact::default() });
        let origin = |pod: &str, container: &str| Origin {
            pod: Some(Pod { name: pod.into(), container: container.into(), ..Pod::default() }),
            ..Origin::default()
        };
        let mut sources = Sources::default();
        let resources = |sources: &Sources, source: u32, origin: &Origin| {
            sources.known(source, origin).map(|writer| writer.resources.clone()).unwrap_or_default()
        };
        let [first, beside, second] = [origin("web-0", "app"), origin("web-0", "proxy"), origin("web-1", "app")];
        sources.writer(&index, 0, &first);
        sources.writer(&index, 1, &beside);
        assert_eq!(resources(&sources, 0, &first), [0], "containers of one pod do not compete");
        sources.writer(&index, 2, &second);
        for again in [false, true] {
            for (source, origin) in [(0, &first), (1, &beside), (2, &second)] {
                assert!(resources(&sources, source, origin).is_empty());
            }
            if !again {
                index.add_resource(&ResourceFact { service: "api", ..ResourceFact::default() });
                sources.find_resources(&index);
            }
        }
    }
}
