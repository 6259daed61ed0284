//! CRI-O's requests: all lines with one `id` belong to one call, and so to one trace.
//!
//! In go records (their `id`, `name` and time), later the index; out comes for each id the span of its call. Where an
//! event carries the id it is known; else the group of its lines is matched to the spans of that name. Kept is one small
//! row per id, none per line. Other programs' `id` fields mean other things: only lines that name a CRI method count.

use super::matching::{self, Extent, OffsetHistograms};
use super::position::LinePosition;
use super::position::{position, position_of};
use super::rounded::{self, Clock};
use super::sequence::{Bounds, GroupBounds};
use crate::correlate::hint::Hint;
use crate::correlate::index::{IdentityHasher, Key, Names, Slot, SpanIndex, innermost_below};
use crate::correlate::text::hash::NumberMap;
use crate::record::{Producer, Record};
use spanline_parsers::Format;

/// Methods kept.
const METHODS_MAX: usize = 1 << 12;
/// Events of a request that are asked for its trace.
const EVENTS_MAX: usize = 64;
/// Times with a larger unit tell little of the place within a request.
const ROUNDED_NS: i64 = 1_000_000;
/// Belief from which a match is one.
const SURE: f32 = 0.9;

/// What is known of the span of a request's call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CallMatch {
    /// Its span.
    Known(Slot, f32),
    /// Several spans fit.
    Ambiguous,
    /// No span is known to be its.
    None,
}

impl CallMatch {
    /// From the match that was found among the calls of a method.
    fn of(found: Option<(usize, f32)>, calls: &[Slot]) -> CallMatch {
        match found {
            Some((call, belief)) if belief >= SURE => CallMatch::Known(calls[call], belief),
            Some((_, belief)) if belief > 0.2 => CallMatch::Ambiguous,
            _ => CallMatch::None,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// By hash of the id.
    groups: NumberMap<u64, Group>,
    methods: Names,
    /// Of each method: where its lines stand in its calls.
    offsets: NumberMap<u32, OffsetHistograms>,
    /// What requests with rounded times tell of the times of other lines.
    clock: Option<Clock>,
    /// Requests beyond the limit.
    pub(crate) overflow: u64,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    method: u32,
    unit: i64,
    first: i64,
    last: i64,
    first_at: LinePosition,
    last_at: LinePosition,
    is_opened: bool,
    is_closed: bool,
    call: CallMatch,
}

impl Group {
    fn is_rounded(&self) -> bool {
        self.unit > ROUNDED_NS
    }

    fn request(&self, time: &impl Fn(&Slot) -> (i64, i64)) -> rounded::Request {
        let within = |from: i64| Bounds { from, to: from.saturating_add(self.unit - 1) };
        let (first, last) = (within(self.first), within(self.last));
        let known = match &self.call {
            CallMatch::Known(slot, _) => Some(time(slot)),
            _ => None,
        };
        rounded::Request {
            method: self.method,
            first_at: self.first_at,
            last_at: self.last_at,
            lines: GroupBounds { first, last, is_opened: self.is_opened, is_closed: self.is_closed },
            known,
        }
    }
}

/// The request that a line of CRI-O names: its id, and the method it calls.
pub(crate) fn named_in<'r>(record: &'r Record<'_>) -> Option<(&'r [u8], &'r [u8])> {
    let may_be_crio = matches!(record.origin.producer, Producer::Crio | Producer::Other);
    if !may_be_crio || !matches!(record.entry.format, Format::Logrus | Format::LogrusJson) {
        return None;
    }
    let method = record.entry.text(b"name").filter(|name| is_method(name))?;
    Some((record.entry.text(b"id")?, method))
}

/// method = "/runtime." version "." ( "Runtime" / "Image" ) "Service/" name
fn is_method(name: &[u8]) -> bool {
    name.len() <= 200 && name.starts_with(b"/") && memchr::memmem::find(name, b"Service/").is_some()
}

/// What the record's time was rounded down to, ns.
pub(crate) fn unit_of(record: &Record<'_>) -> i64 {
    10i64.pow(9 - u32::from(record.time_digits.min(9)))
}

impl Requests {
    /// Learns of one line. `requests_max`: those that are kept; further ones are known by their events only.
    pub(crate) fn observe(&mut self, hasher: &IdentityHasher, record: &Record<'_>, requests_max: usize) {
        let (Some((id, method)), Some(time)) = (named_in(record), record.time) else { return };
        let hash = hasher.of_key(Key::CrioRequest as u64, id);
        let place = position_of(record);
        let is_closed = record.entry.body.starts_with(b"Response");
        if let Some(group) = self.groups.get_mut(&hash) {
            group.first = group.first.min(time);
            group.last = group.last.max(time);
            (group.last_at, group.is_closed) = (place, is_closed);
            return;
        }
        let method = std::str::from_utf8(method).unwrap_or_default();
        if self.groups.len() >= requests_max || self.methods.len() >= METHODS_MAX {
            self.overflow += 1;
            return;
        }
        let method = self.methods.number(method);
        // CRI-O trims zeros at the end of a fraction: fewer digits do not mean a coarser clock, none at all do.
        let unit = if record.time_digits == 0 { unit_of(record) } else { 1 };
        let is_opened = record.entry.body.starts_with(b"Request: ");
        let (first_at, last_at, call) = (place, place, CallMatch::None);
        let group = Group { method, unit, first: time, last: time, first_at, last_at, is_opened, is_closed, call };
        self.groups.insert(hash, group);
    }

    /// Those whose last line was before a time are over.
    pub(crate) fn forget_before(&mut self, time: i64) {
        self.groups.retain(|_, group| group.last >= time);
    }

    /// Other spans come: what was found is not theirs.
    pub(crate) fn forget_calls(&mut self) {
        self.groups.values_mut().for_each(|group| group.call = CallMatch::None);
    }

    /// The request a line names, as a number.
    pub(crate) fn hint(&self, hasher: &IdentityHasher, record: &Record<'_>) -> Hint {
        named_in(record).map_or(Hint::None, |(id, _)| Hint::Request(hasher.of_key(Key::CrioRequest as u64, id)))
    }

    /// The innermost span of a request's call at a time.
    pub(crate) fn span_at(&self, index: &SpanIndex, id: u64, time: i64) -> Option<Slot> {
        match self.groups.get(&id)?.call {
            CallMatch::Known(call, _) => Some(innermost_below(index, call, time, None)),
            _ => None,
        }
    }

    /// Finds the call of every request. `times`: of those only with lines between these times, while others have none.
    /// `teaches`: what they tell of their methods is remembered, else what was remembered tells of them.
    pub(crate) fn settle(&mut self, index: &SpanIndex, resources: &[u32], times: Option<(i64, i64)>, teaches: bool) {
        let mut open: NumberMap<u32, Vec<u64>> = NumberMap::default();
        let mut taken: Vec<Slot> = Vec::new();
        for (hash, group) in &mut self.groups {
            if times.is_some_and(|(from, to)| group.last < from || group.first > to) {
                group.call = CallMatch::None;
                continue;
            }
            group.call = call_of_events(index, *hash, self.methods.name(group.method));
            match group.call {
                CallMatch::Known(slot, _) => taken.push(slot),
                CallMatch::Ambiguous => {}
                CallMatch::None => open.entry(group.method).or_default().push(*hash),
            }
        }
        taken.sort_unstable();
        let mut calls = self.calls_of(index, resources, open.keys().copied());
        if self.groups.values().any(Group::is_rounded) {
            self.assign_rounded(index, &mut open, &calls, &mut taken);
            taken.sort_unstable();
        }
        for (method, mut hashes) in open {
            let Some(calls) = calls.get_mut(&method) else { continue };
            calls.retain(|slot| taken.binary_search(slot).is_err());
            hashes.sort_unstable();
            self.assign(index, (method, &hashes), calls, teaches);
        }
    }

    /// Between which times a line was written that says no more than the second, by the requests around it.
    pub(crate) fn bounds(&self, source: u32, file: u32, offset: u64, second: i64) -> Option<Bounds> {
        let own = Bounds { from: second, to: second.saturating_add(999_999_999) };
        Some(self.clock.as_ref()?.bounds(position(source, file, offset), own))
    }

    /// The call of a request, by the hash of its id.
    pub(crate) fn call(&self, request: u64) -> Option<CallMatch> {
        self.groups.get(&request).map(|group| group.call)
    }

    /// Spans of the methods' calls: those that CRI-O's own interceptor makes (named with the slash), else the server
    /// spans of its gRPC library (without).
    fn calls_of(
        &self,
        index: &SpanIndex,
        resources: &[u32],
        methods: impl Iterator<Item = u32>,
    ) -> NumberMap<u32, Vec<Slot>> {
        let mut by_name: NumberMap<u32, (u32, bool)> = NumberMap::default();
        for method in methods {
            let name = self.methods.name(method);
            by_name.extend(index.name_number(name).map(|number| (number, (method, true))));
            let bare = name.strip_prefix('/').and_then(|name| index.name_number(name));
            by_name.extend(bare.map(|number| (number, (method, false))));
        }
        let (mut inner, mut outer): (NumberMap<u32, Vec<Slot>>, NumberMap<u32, Vec<Slot>>) = Default::default();
        for slot in 0..index.len() as Slot {
            let span = index.span(slot);
            let Some((method, is_inner)) = by_name.get(&span.name) else { continue };
            if !resources.is_empty() && !resources.contains(&span.resource) {
                continue;
            }
            if *is_inner {
                inner.entry(*method).or_default().push(slot);
            } else if span.kind != crate::facts::Kind::Client {
                outer.entry(*method).or_default().push(slot);
            }
        }
        for (method, slots) in outer {
            inner.entry(method).or_insert(slots);
        }
        inner
    }

    /// The calls of requests whose lines have rounded times: those leave `open`, their calls go to `taken`.
    fn assign_rounded(
        &mut self,
        index: &SpanIndex,
        open: &mut NumberMap<u32, Vec<u64>>,
        calls: &NumberMap<u32, Vec<Slot>>,
        taken: &mut Vec<Slot>,
    ) {
        let time = |slot: &Slot| (index.span(*slot).start, index.span(*slot).end);
        let free = |slots: &[Slot]| -> Vec<Slot> {
            let mut free: Vec<Slot> = slots.iter().copied().filter(|slot| taken.binary_search(slot).is_err()).collect();
            free.sort_unstable_by_key(|slot| (index.span(*slot).start, index.span(*slot).span_id));
            free
        };
        let calls: NumberMap<u32, Vec<Slot>> = calls.iter().map(|(method, slots)| (*method, free(slots))).collect();
        let times = calls.iter().map(|(method, slots)| (*method, slots.iter().map(time).collect())).collect();
        let mut hashes: Vec<u64> =
            self.groups.iter().filter(|(_, group)| group.is_rounded()).map(|(id, _)| *id).collect();
        hashes.sort_unstable_by_key(|hash| (self.groups[hash].first_at, *hash));
        let requests: Vec<rounded::Request> = hashes.iter().map(|hash| self.groups[hash].request(&time)).collect();
        let (all, clock) = rounded::assign(&requests, &times);
        self.clock = Some(clock);
        for (hash, found) in hashes.iter().zip(all) {
            let Some(group) = self.groups.get_mut(hash).filter(|group| group.call == CallMatch::None) else { continue };
            let Some(calls) = calls.get(&group.method) else { continue };
            group.call = CallMatch::of(found, calls);
            if let CallMatch::Known(slot, _) = group.call {
                taken.push(slot);
            }
        }
        for hashes in open.values_mut() {
            hashes.retain(|hash| !self.groups[hash].is_rounded());
        }
    }

    /// `teaches`: later requests of the method are known by these.
    fn assign(&mut self, index: &SpanIndex, (method, hashes): (u32, &[u64]), calls: &[Slot], teaches: bool) {
        let extent_of_span =
            |slot: &Slot| Extent { first: index.span(*slot).start, last: index.span(*slot).end, unit: 1 };
        let spans: Vec<Extent> = calls.iter().map(extent_of_span).collect();
        let groups: Vec<Extent> = hashes
            .iter()
            .map(|hash| {
                let group = &self.groups[hash];
                Extent { first: group.first, last: group.last, unit: group.unit }
            })
            .collect();
        let before = self.offsets.get(&method).filter(|_| !teaches);
        let (all, offsets) = matching::assign(&spans, &groups, before);
        if teaches {
            self.offsets.insert(method, offsets);
        }
        for (hash, found) in hashes.iter().zip(all) {
            let Some(group) = self.groups.get_mut(hash) else { continue };
            group.call = CallMatch::of(found, calls);
        }
    }
}

/// The call whose events carry the request's id: the span of that name above them, else the topmost of their process.
fn call_of_events(index: &SpanIndex, hash: u64, method: &str) -> CallMatch {
    let method = index.name_number(method);
    let mut call = CallMatch::None;
    for slot in index.keys.find(hash).take(EVENTS_MAX) {
        let resource = index.span(slot).resource;
        let mut own = index.ancestors(slot).take_while(|above| index.span(*above).resource == resource);
        let named = own.find(|above| Some(index.span(*above).name) == method);
        let top = || index.ancestors(slot).take_while(|above| index.span(*above).resource == resource).last();
        let found = named.or_else(top).unwrap_or(slot);
        call = match call {
            CallMatch::None => CallMatch::Known(found, 1.0),
            CallMatch::Known(known, _) if index.span(known).trace_id == index.span(found).trace_id => call,
            _ => return CallMatch::Ambiguous,
        };
    }
    call
}
