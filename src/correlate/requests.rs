//! CRI-O's requests: all lines with one `id` belong to one call, and so to one trace.
//!
//! In go records (their `id`, `name` and time), later the index; out comes for each id the span of its call. Where an
//! event carries the id it is known; else the group of its lines is matched to the spans of that name. Kept is one small
//! row per id, none per line. Other programs' `id` fields mean other things: only lines that name a CRI method count.

use std::collections::HashMap;

use super::engine::Hint;
use super::engine::hash::NumberMap;
use super::identity::Hasher;
use super::keys::Key;
use super::matching::{self, Extent};
use super::names::Names;
use super::place::innermost_below;
use super::span_index::{Slot, SpanIndex};
use crate::record::{Producer, Record};
use spanline_parsers::Format;

/// Groups kept; further ones are known by their events only.
const GROUPS_MAX: usize = 4 << 20;
/// Methods kept.
const METHODS_MAX: usize = 1 << 12;
/// Events of a request that are asked for its trace.
const EVENTS_MAX: usize = 64;
/// Belief from which a match is one.
const SURE: f32 = 0.9;

/// What is known of the span of a request's call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Call {
    /// Its span.
    Known(Slot, f32),
    /// Several spans fit.
    Ambiguous,
    /// No span is known to be its.
    None,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// By hash of the id.
    groups: NumberMap<u64, Group>,
    methods: Names,
    /// Requests beyond the limit.
    pub(super) overflow: u64,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    method: u32,
    unit: i64,
    first: i64,
    last: i64,
    call: Call,
}

/// The request that a line of CRI-O names: its id, and the method it calls.
pub(super) fn named_in<'r>(record: &'r Record<'_>) -> Option<(&'r [u8], &'r [u8])> {
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
pub(super) fn unit_of(record: &Record<'_>) -> i64 {
    10i64.pow(9 - u32::from(record.time_digits.min(9)))
}

impl Requests {
    /// Learns of one line.
    pub(super) fn observe(&mut self, hasher: &Hasher, record: &Record<'_>) {
        let (Some((id, method)), Some(time)) = (named_in(record), record.time) else { return };
        let hash = hasher.of_key(Key::CrioRequest as u64, id);
        if let Some(group) = self.groups.get_mut(&hash) {
            group.first = group.first.min(time);
            group.last = group.last.max(time);
            return;
        }
        let method = std::str::from_utf8(method).unwrap_or_default();
        if self.groups.len() >= GROUPS_MAX || self.methods.len() >= METHODS_MAX {
            self.overflow += 1;
            return;
        }
        let method = self.methods.number(method);
        // CRI-O trims zeros at the end of a fraction: fewer digits do not mean a coarser clock, none at all do.
        let unit = if record.time_digits == 0 { unit_of(record) } else { 1 };
        self.groups.insert(hash, Group { method, unit, first: time, last: time, call: Call::None });
    }

    /// The request a line names, as a number.
    pub(super) fn hint(&self, hasher: &Hasher, record: &Record<'_>) -> Hint {
        named_in(record).map_or(Hint::None, |(id, _)| Hint::Request(hasher.of_key(Key::CrioRequest as u64, id)))
    }

    /// The innermost span of a request's call at a time.
    pub(super) fn span_at(&self, index: &SpanIndex, id: u64, time: i64) -> Option<Slot> {
        match self.groups.get(&id)?.call {
            Call::Known(call, _) => Some(innermost_below(index, call, time, None)),
            _ => None,
        }
    }

    /// Finds the call of every request.
    pub(super) fn settle(&mut self, index: &SpanIndex, resources: &[u32]) {
        let mut open: HashMap<u32, Vec<u64>> = HashMap::new();
        let mut taken: Vec<Slot> = Vec::new();
        for (hash, group) in &mut self.groups {
            group.call = call_of_events(index, *hash, self.methods.name(group.method));
            match group.call {
                Call::Known(slot, _) => taken.push(slot),
                Call::Ambiguous => {}
                Call::None => open.entry(group.method).or_default().push(*hash),
            }
        }
        taken.sort_unstable();
        let mut calls = self.calls_of(index, resources, open.keys().copied());
        for (method, mut hashes) in open {
            let Some(calls) = calls.get_mut(&method) else { continue };
            calls.retain(|slot| taken.binary_search(slot).is_err());
            hashes.sort_unstable();
            self.assign(index, &hashes, calls);
        }
    }

    /// The call of a request.
    pub(super) fn call(&self, hasher: &Hasher, id: &[u8]) -> Option<Call> {
        self.groups.get(&hasher.of_key(Key::CrioRequest as u64, id)).map(|group| group.call)
    }

    /// Spans of the methods' calls: those that CRI-O's own interceptor makes (named with the slash), else the server
    /// spans of its gRPC library (without).
    fn calls_of(
        &self,
        index: &SpanIndex,
        resources: &[u32],
        methods: impl Iterator<Item = u32>,
    ) -> HashMap<u32, Vec<Slot>> {
        let mut by_name: HashMap<u32, (u32, bool)> = HashMap::new();
        for method in methods {
            let name = self.methods.name(method);
            by_name.extend(index.name_number(name).map(|number| (number, (method, true))));
            let bare = name.strip_prefix('/').and_then(|name| index.name_number(name));
            by_name.extend(bare.map(|number| (number, (method, false))));
        }
        let (mut inner, mut outer): (HashMap<u32, Vec<Slot>>, HashMap<u32, Vec<Slot>>) = Default::default();
        for slot in 0..index.len() as Slot {
            let span = index.span(slot);
            let Some((method, is_inner)) = by_name.get(&span.name) else { continue };
            if !resources.is_empty() && !resources.contains(&span.resource) {
                continue;
            }
            if *is_inner {
                inner.entry(*method).or_default().push(slot);
            } else if span.kind != super::facts::Kind::Client {
                outer.entry(*method).or_default().push(slot);
            }
        }
        for (method, slots) in outer {
            inner.entry(method).or_insert(slots);
        }
        inner
    }

    fn assign(&mut self, index: &SpanIndex, hashes: &[u64], calls: &[Slot]) {
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
        for (hash, found) in hashes.iter().zip(matching::assign(&spans, &groups)) {
            let Some(group) = self.groups.get_mut(hash) else { continue };
            group.call = match found {
                Some((span, belief)) if belief >= SURE => Call::Known(calls[span], belief),
                Some((_, belief)) if belief > 0.2 => Call::Ambiguous,
                _ => Call::None,
            };
        }
    }
}

/// The call whose events carry the request's id: the span of that name above them, else the topmost of their process.
fn call_of_events(index: &SpanIndex, hash: u64, method: &str) -> Call {
    let method = index.name_number(method);
    let mut call = Call::None;
    for slot in index.keys.find(hash).take(EVENTS_MAX) {
        let resource = index.span(slot).resource;
        let mut own = index.ancestors(slot).take_while(|above| index.span(*above).resource == resource);
        let named = own.find(|above| Some(index.span(*above).name) == method);
        let top = || index.ancestors(slot).take_while(|above| index.span(*above).resource == resource).last();
        let found = named.or_else(top).unwrap_or(slot);
        call = match call {
            Call::None => Call::Known(found, 1.0),
            Call::Known(known, _) if index.span(known).trace_id == index.span(found).trace_id => call,
            _ => return Call::Ambiguous,
        };
    }
    call
}
