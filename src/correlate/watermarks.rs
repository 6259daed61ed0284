//! How far the spans of each resource have come: up to when a line of it has all the spans that it may lie in.
//!
//! In go spans as they come, request by request, out comes a time. Exporters send the spans of a process in the order of their
//! ends (the SDKs' batch processors take a span when it ends), so that the newest end of a request tells that all spans that
//! ended before have come; of a process that is silent, how long its spans take to come tells the same. A line may lie in a
//! span that ends later: its children, which end before it, tell that it is open, and it is waited for. Until the first of these
//! has come it is hidden, for as long as is usual for its service. Nothing is decided here.

use super::delays::Delays;
use super::index::Span;
use super::open_parents::OpenParents;
use super::stored::{Stored, stored};
use crate::facts::Kind;

/// This share of spans is hidden no longer than a line is waited with: with .95 to .99 recall differs by less than .1 point on
/// captures of CRI-O, containerd and demo apps.
const HIDDEN_SHARE: f32 = 0.95;
/// This share of parents begins no earlier before its first child.
const LEAD_SHARE: f32 = 0.95;
/// All spans that ended before so long have come but for this share, of a resource that is silent …
const COME_SHARE: f32 = 0.995;
/// … and this share of spans keeps the order of ends, where several exporters send those of one process.
const ORDERED_SHARE: f32 = 0.995;
/// Lines and ends are so far from the time that they tell, and lines tell of those after them, ns.
const MARGIN_NS: i64 = 300_000_000;
/// Spans of a service that are seen before anything is concluded of them.
const SPANS_LEAST: u32 = 30;
/// Parents are waited for where no fewer of those that were named have come than this share.
const PARENTS_COME_SHARE: f32 = 0.5;
/// Once so many parents are counted, each counts half.
const PARENTS_COUNTED_MAX: f32 = 1_000.0;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Watermarks {
    /// By numbers of resources and of services.
    resources: Vec<Watermark>,
    services: Vec<ServiceDelays>,
    /// Resources of the request that is coming.
    arriving: Vec<u32>,
    open: OpenParents,
}

/// Of a resource, ns since the epoch.
#[derive(Debug, Clone, Copy)]
struct Watermark {
    service: u32,
    /// All spans that ended before have come, but for those that are out of order.
    newest: i64,
    /// The first and the last end in the request that is coming.
    coming: (i64, i64),
}

const UNKNOWN: Watermark = Watermark { service: u32::MAX, newest: i64::MIN, coming: NOTHING };
const NOTHING: (i64, i64) = (i64::MAX, i64::MIN);

#[derive(Debug, Clone, Default)]
struct ServiceDelays {
    /// From the start of a span to its end, or to that of its first child.
    hidden: Delays,
    /// From the start of a span to that of its first child.
    lead: Delays,
    /// Parents that were named and came, and those that did not.
    came: f32,
    missing: f32,
    /// From the first end in a request to its arrival.
    coming: Delays,
    /// By how much a span ended before the newest that had come.
    out_of_order: Delays,
}

stored!(ServiceDelays { hidden, lead, came, missing, coming, out_of_order });

impl Watermarks {
    /// A span comes, of a request that [`Watermarks::request_ends`] ends. `service`: the number of its service; `has_come`:
    /// whether a span of its trace has.
    pub(crate) fn span(&mut self, span: &Span, service: u32, has_come: impl FnOnce(&[u8; 8]) -> bool) {
        let at = span.resource as usize;
        if at >= self.resources.len() {
            self.resources.resize(at + 1, UNKNOWN);
        }
        if service as usize >= self.services.len() {
            self.services.resize_with(service as usize + 1, ServiceDelays::default);
        }
        let (of, delays) = (&mut self.resources[at], &mut self.services[service as usize]);
        of.service = service;
        match self.open.comes(span.span_id) {
            Some(open) => {
                delays.hidden.add(open.child.1.min(span.end).saturating_sub(span.start));
                delays.lead.add(open.child.0.saturating_sub(span.start));
                delays.came += 1.0;
            }
            None => delays.hidden.add(span.end.saturating_sub(span.start)),
        }
        let is_of_process = !matches!(span.kind, Kind::Server | Kind::Consumer) && span.parent_id != [0; 8];
        if is_of_process && !has_come(&span.parent_id) {
            self.open.is_named(span.parent_id, span.resource, (span.start, span.end));
        }
        if of.newest != i64::MIN {
            delays.out_of_order.add(of.newest.saturating_sub(span.end));
        }
        if of.coming == NOTHING {
            self.arriving.push(span.resource);
        }
        of.coming = (of.coming.0.min(span.end), of.coming.1.max(span.end));
    }

    /// Parents that are open since before this time (ns since the epoch) are not waited for any more.
    pub(crate) fn forget_before(&mut self, time: i64) {
        let Watermarks { resources, services, open, .. } = self;
        open.forget_before(time, |open| {
            let service = resources.get(open.resource as usize).map_or(u32::MAX, |of| of.service);
            if let Some(delays) = services.get_mut(service as usize) {
                delays.missing += 1.0;
                if delays.missing + delays.came > PARENTS_COUNTED_MAX {
                    (delays.missing, delays.came) = (delays.missing / 2.0, delays.came / 2.0);
                }
            }
        });
    }

    /// All spans of a request were given, which has come at this time.
    pub(crate) fn request_ends(&mut self, now: i64) {
        for resource in self.arriving.drain(..) {
            let of = &mut self.resources[resource as usize];
            let (first, last) = std::mem::replace(&mut of.coming, NOTHING);
            self.services[of.service as usize].coming.add(now.saturating_sub(first));
            // The end of a span that has come lies in the past, whatever its clock says.
            of.newest = of.newest.max(last.min(now));
        }
    }

    /// All spans that lines up to this time may lie in have come, but for few: of a writer with these resources. `None` where
    /// too little is known.
    pub(crate) fn settled(&self, resources: &[u32], now: i64) -> Option<i64> {
        let settled = |resource: &u32| {
            let of = self.resources.get(*resource as usize).filter(|of| of.newest != i64::MIN)?;
            let delays = self.services.get(of.service as usize)?;
            if delays.hidden.count() < SPANS_LEAST {
                return None;
            }
            let silent = now.saturating_sub(delays.coming.quantile(COME_SHARE));
            let ended = of.newest.saturating_sub(delays.out_of_order.quantile(ORDERED_SHARE)).max(silent);
            let seen = ended.saturating_sub(delays.hidden.quantile(HIDDEN_SHARE));
            let open = self.open.earliest(*resource).filter(|_| delays.parents_come());
            let before_open = open.map(|start| start.saturating_sub(delays.lead.quantile(LEAD_SHARE)));
            Some(before_open.map_or(seen, |open| open.min(seen)).saturating_sub(MARGIN_NS))
        };
        let mut earliest = None;
        for resource in resources {
            let settled = settled(resource)?;
            earliest = Some(earliest.map_or(settled, |earliest: i64| earliest.min(settled)));
        }
        earliest
    }

    /// Appends what is known of services.
    pub(crate) fn put_learned(&self, out: &mut Vec<u8>) {
        // Of single resources and spans nothing is kept: these come anew.
        let Watermarks { services, resources: _, arriving: _, open: _ } = self;
        services.put(out);
    }

    /// Goes on with it; `None` if these bytes are of something else.
    pub(crate) fn take_learned(&mut self, from: &mut &[u8]) -> Option<()> {
        self.services = Stored::take(from)?;
        Some(())
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.resources.capacity() * size_of::<Watermark>()
            + self.services.capacity() * size_of::<ServiceDelays>()
            + self.open.bytes()
    }
}

impl ServiceDelays {
    /// Parents that are named come.
    fn parents_come(&self) -> bool {
        self.came >= (self.came + self.missing) * PARENTS_COME_SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const MS: i64 = 1_000_000;

    fn span(id: u64, parent: u64, (start, end): (i64, i64)) -> Span {
        let (trace_id, span_id, parent_id) = ([1; 16], id.to_be_bytes(), parent.to_be_bytes());
        Span {
            trace_id,
            span_id,
            parent_id,
            start,
            end,
            name: 0,
            scope: 0,
            resource: 0,
            kind: Kind::Internal,
            thread: 0,
        }
    }

    /// A request each 5 s with what has ended since: spans of 20 ms, one every 100 ms. `late`: ns, of those of further requests.
    fn played(seconds: i64, late: &[i64]) -> Watermarks {
        let mut watermarks = Watermarks::default();
        for at in 1..=seconds / 5 {
            let now = at * 5 * SECOND;
            for late in late {
                for number in 0..50 {
                    let end = now - 5 * SECOND + number * 100 * MS - late;
                    let id = (at * 50 + number) as u64 * 3 + 1;
                    watermarks.span(&span(id, 0, (end - 20 * MS, end)), 0, |_| false);
                }
                watermarks.request_ends(now + 10 * MS);
            }
        }
        watermarks
    }

    #[test]
    fn the_newest_end_of_a_request_tells_what_has_come() {
        let watermarks = played(20, &[0]);
        let settled = watermarks.settled(&[0], 21 * SECOND).unwrap();
        // The last span ended 100 ms before the request, and spans last 20 ms.
        let right = 19_900 * MS - 20 * MS - MARGIN_NS;
        assert!((right - 5 * MS..=right).contains(&settled), "{settled}");
        assert_eq!(watermarks.settled(&[0], 22 * SECOND), Some(settled));
        assert_eq!(watermarks.settled(&[0, 1], 22 * SECOND), None);
        assert_eq!(watermarks.settled(&[], 22 * SECOND), None);
    }

    #[test]
    fn a_silent_resource_is_waited_for_as_long_as_its_spans_take_to_come() {
        let settled = played(50, &[0]).settled(&[0], 100 * SECOND).unwrap();
        assert!((93 * SECOND..95 * SECOND).contains(&settled), "{settled}");
    }

    #[test]
    fn spans_out_of_order_are_waited_for() {
        // Another exporter of the same process is 2 s behind.
        let settled = played(200, &[0, 2 * SECOND]).settled(&[0], 201 * SECOND).unwrap();
        assert!((190 * SECOND..198 * SECOND).contains(&settled), "{settled}");
    }

    #[test]
    fn too_few_spans_tell_nothing_and_clocks_that_are_ahead_are_not_believed() {
        let mut watermarks = Watermarks::default();
        watermarks.span(&span(1, 0, (0, SECOND)), 0, |_| false);
        watermarks.request_ends(SECOND);
        assert_eq!(watermarks.settled(&[0], 2 * SECOND), None);
        let ahead = played(50, &[-3600 * SECOND]);
        assert!(ahead.settled(&[0], 51 * SECOND).unwrap() < 51 * SECOND);
    }

    #[test]
    fn a_parent_that_was_named_is_waited_for_until_it_comes_or_the_time_is_up() {
        let mut watermarks = played(250, &[0]);
        let at = |seconds: i64| 250 * SECOND + seconds * SECOND;
        let child = span(50_002, 50_003, (at(1), at(2)));
        watermarks.span(&child, 0, |_| false);
        watermarks.span(&span(50_004, 0, (at(4), at(5) - MS)), 0, |_| false);
        watermarks.request_ends(at(5));
        let settled = |watermarks: &Watermarks| watermarks.settled(&[0], at(6)).unwrap();
        let waiting = settled(&watermarks);
        assert!((at(0)..at(1)).contains(&waiting), "{waiting}");
        let mut is_up = Watermarks { open: OpenParents::default(), ..watermarks };
        assert!(settled(&is_up) > at(4));
        // One whose parent has come names none; nor does one of another process.
        is_up.span(&span(50_005, 50_003, (at(1), at(2))), 0, |_| true);
        is_up.span(&Span { kind: Kind::Server, ..span(50_006, 50_007, (at(1), at(2))) }, 0, |_| false);
        assert!(settled(&is_up) > at(4));
        is_up.span(&child, 0, |_| false);
        assert!(settled(&is_up) < at(1));
        is_up.span(&span(50_003, 0, (at(0), at(5))), 0, |_| false);
        assert!(settled(&is_up) > at(4));
        is_up.span(&child, 0, |_| false);
        is_up.forget_before(at(1) + 1);
        assert!(settled(&is_up) > at(4));
    }
}
