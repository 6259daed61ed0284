//! Spans by what they do, and by the trace they are of.
//!
//! In goes the settled index, out come small numbers: an operation (service, span name without its values, kind) and a
//! trace for each span, a service for each writer. What is learned, is learned per operation.

use crate::correlate::index::{Slot, SpanIndex, low_half_of};
use crate::correlate::rules::silent_spans::only_waits;
use crate::correlate::text::hash::{NumberMap, NumberSet, fold, mix};
use crate::facts::Kind;

/// Operations told apart; further ones are one.
const OPERATIONS_MAX: usize = 1 << 16;

const MILLISECOND: i64 = 1_000_000;
/// Minimum support, in spans, for the times of a service to be rounded.
const ROUNDED_LEAST: u32 = 8;
/// Siblings that are looked at after a span.
const SIBLINGS_MAX: usize = 8;
/// Minimum support, in spans, for an operation to hold no lines.
const BESIDE_LEAST: u32 = 5;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    of: Vec<u32>,
    /// Of each operation.
    waiting: Vec<bool>,
    /// What it is in other indexes of the same stream too.
    keys: Vec<u64>,
    trace: Vec<u32>,
    /// Of each trace: the low half of its id.
    trace_ids: Vec<u64>,
    /// Service of each writer, by its first resource.
    group: Vec<u32>,
    count: usize,
    /// Of each service whose spans begin at whole milliseconds: how early they may be told to begin and to end, ns.
    rounded: NumberSet<u32>,
    /// Operations that hold no lines.
    silent: NumberSet<u32>,
    /// The thread of each span, and what it is in every other index too, with its service.
    thread: Vec<u32>,
    thread_keys: Vec<(u64, u32)>,
    /// Services with several.
    with_threads: NumberSet<u32>,
}

impl Operations {
    /// `resources_of`: the resources of each writer, by number.
    pub(crate) fn new<'a>(index: &SpanIndex, resources_of: impl Iterator<Item = &'a [u32]>) -> Operations {
        let service_of = |resources: &[u32]| {
            resources.first().map_or(u32::MAX, |first| index.resources()[*first as usize].service_number)
        };
        let mut operations = Operations { group: resources_of.map(service_of).collect(), ..Operations::default() };
        operations.number_operations(index);
        operations.number_traces(index);
        operations.number_threads(index);
        operations.find_silent(index);
        operations.find_rounded(index);
        operations
    }

    fn number_operations(&mut self, index: &SpanIndex) {
        let mut names: NumberMap<u32, u64> = NumberMap::default();
        let mut numbers: NumberMap<(u32, u64, u8), u32> = NumberMap::default();
        self.of.reserve(index.len());
        for slot in 0..index.len() as Slot {
            let span = index.span(slot);
            let name = *names.entry(span.name).or_insert_with(|| bare(index.name(span.name)));
            let next = (numbers.len() as u32).min(OPERATIONS_MAX as u32 - 1);
            let key = (index.resource(span.resource).service_number, name, span.kind as u8);
            let number = *numbers.entry(key).or_insert(next);
            if number as usize >= self.waiting.len() {
                self.waiting.push(only_waits(index.name(span.name)));
                self.keys.push(mix(mix(name, u64::from(key.0)), u64::from(key.2)));
            }
            self.of.push(number);
        }
        self.count = numbers.len().min(OPERATIONS_MAX);
    }

    fn number_traces(&mut self, index: &SpanIndex) {
        self.trace = vec![0; index.len()];
        let mut last = None;
        for slot in index.in_order_of_traces() {
            let id = index.span(*slot).trace_id;
            if last != Some(id) {
                last = Some(id);
                self.trace_ids.push(low_half_of(&id));
            }
            self.trace[*slot as usize] = self.trace_ids.len() as u32 - 1;
        }
    }

    fn number_threads(&mut self, index: &SpanIndex) {
        let mut numbers: NumberMap<(u32, u16), u32> = NumberMap::default();
        let mut of_services: NumberMap<u32, u32> = NumberMap::default();
        self.thread.reserve(index.len());
        for slot in 0..index.len() as Slot {
            let span = index.span(slot);
            let next = numbers.len() as u32;
            let number = *numbers.entry((span.resource, span.thread)).or_insert(next);
            if number == next {
                let resource = index.resource(span.resource);
                let service = resource.service_number;
                self.thread_keys.push((mix(resource.identity, u64::from(span.thread)), service));
                *of_services.entry(service).or_default() += 1;
            }
            self.thread.push(number);
        }
        self.with_threads =
            of_services.into_iter().filter(|(_, threads)| *threads > 1).map(|(service, _)| service).collect();
    }

    /// Spans while which others begin and end that are not below them, but beside them: what is done meanwhile does not know
    /// of them, and nor do its lines. Told by operation, or else by all of a library.
    fn find_silent(&mut self, index: &SpanIndex) {
        let mut of_operations: NumberMap<u32, (Scope, Beside)> = NumberMap::default();
        let mut of_scopes: NumberMap<Scope, Beside> = NumberMap::default();
        for slot in 0..index.len() as Slot {
            let span = index.span(slot);
            if !matches!(span.kind, Kind::Client | Kind::Producer) {
                continue;
            }
            let beside = self.beside(index, slot);
            let scope = (index.resource(span.resource).service_number, span.scope, span.kind as u8);
            let of_operation = of_operations.entry(self.of[slot as usize]).or_default();
            of_operation.0 = scope;
            of_operation.1.add(beside);
            of_scopes.entry(scope).or_default().add(beside);
        }
        let is_silent = |(_, (scope, own)): &(u32, (Scope, Beside))| match own.below + own.within >= BESIDE_LEAST {
            true => own.is_silent(),
            false => own.below * 10 <= own.spans && of_scopes[scope].is_silent(),
        };
        self.silent = of_operations.into_iter().filter(is_silent).map(|(operation, _)| operation).collect();
    }

    /// What begins and ends while a span is open, below it or beside it.
    fn beside(&self, index: &SpanIndex, slot: Slot) -> Beside {
        let span = index.span(slot);
        let is_own = |other: &Slot| index.span(*other).resource == span.resource;
        let below = index.children(slot).iter().filter(|below| is_own(below)).count() as u32;
        let siblings = index.parent(slot).filter(|above| *above != slot).map_or(&[][..], |above| index.children(above));
        let from = siblings.partition_point(|other| index.span(*other).start <= span.start);
        let mut next =
            siblings[from..].iter().take(SIBLINGS_MAX).take_while(|other| index.span(**other).start < span.end);
        let is_other = |other: &Slot| self.of[*other as usize] != self.of[slot as usize];
        let is_within = next.any(|other| index.span(*other).end <= span.end && is_other(other) && is_own(other));
        Beside { spans: 1, below, within: u32::from(is_within) }
    }

    /// Some libraries round the starts of spans down to the millisecond, and with them their ends.
    fn find_rounded(&mut self, index: &SpanIndex) {
        let mut of_resources = vec![(0, 0); index.resources().len()];
        for slot in 0..index.len() as Slot {
            let span = index.span(slot);
            let counts: &mut (u32, u32) = &mut of_resources[span.resource as usize];
            *counts = (counts.0 + 1, counts.1 + u32::from(span.start % MILLISECOND == 0));
        }
        let mut spans: NumberMap<u32, (u32, u32)> = NumberMap::default();
        for (resource, (all, whole)) in index.resources().iter().zip(of_resources) {
            let of_service = spans.entry(resource.service_number).or_default();
            *of_service = (of_service.0 + all, of_service.1 + whole);
        }
        let is_rounded = |(_, (all, whole)): &(u32, (u32, u32))| *all >= ROUNDED_LEAST && *whole * 10 >= *all * 9;
        self.rounded = spans.into_iter().filter(is_rounded).map(|(service, _)| service).collect();
    }

    /// Spans of a writer may end so much later than they say, ns.
    pub(crate) fn rounding(&self, writer: u32) -> i64 {
        if self.rounded.contains(&self.service_of_writer(writer)) { MILLISECOND } else { 0 }
    }

    /// No line is in a span like this.
    pub(crate) fn holds_nothing(&self, slot: Slot) -> bool {
        self.silent.contains(&self.of[slot as usize])
    }

    /// The number of a span's thread.
    pub(crate) fn thread(&self, slot: Slot) -> u32 {
        self.thread[slot as usize]
    }

    /// What tells a thread from others, in every index.
    pub(crate) fn thread_key(&self, thread: u32) -> u64 {
        self.thread_keys[thread as usize].0
    }

    /// The service of a thread.
    pub(crate) fn service_of_thread(&self, thread: u32) -> u32 {
        self.thread_keys[thread as usize].1
    }

    /// Spans of the service are of several threads.
    pub(crate) fn has_threads(&self, service: u32) -> bool {
        self.with_threads.contains(&service)
    }

    /// The operation of a span.
    pub(crate) fn of(&self, slot: Slot) -> u32 {
        self.of[slot as usize]
    }

    /// The span only waits for a process to end.
    pub(crate) fn only_waits(&self, slot: Slot) -> bool {
        self.waiting[self.of[slot as usize] as usize]
    }

    /// What tells an operation from others, in all indexes of a stream.
    pub(crate) fn key(&self, operation: u32) -> u64 {
        self.keys.get(operation as usize).copied().unwrap_or_default()
    }

    /// The trace of a span.
    pub(crate) fn trace(&self, slot: Slot) -> u32 {
        self.trace[slot as usize]
    }

    /// Traces are numbered below.
    pub(crate) fn traces(&self) -> usize {
        self.trace_ids.len()
    }

    /// The low half of the id of a trace.
    pub(crate) fn trace_id(&self, trace: u32) -> u64 {
        self.trace_ids[trace as usize]
    }

    /// Operations are numbered below.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// What kinds of lines of a writer are told apart with.
    pub(crate) fn service_of_writer(&self, writer: u32) -> u32 {
        self.group.get(writer as usize).copied().unwrap_or(u32::MAX)
    }
}

/// Service, instrumentation scope and kind of spans.
type Scope = (u32, u32, u8);

/// Spans that begin and end while others are open.
#[derive(Debug, Clone, Copy, Default)]
struct Beside {
    spans: u32,
    /// Below them.
    below: u32,
    /// Spans while which one does that is not below, but beside them.
    within: u32,
}

impl Beside {
    fn add(&mut self, other: Beside) {
        self.spans += other.spans;
        self.below += other.below;
        self.within += other.within;
    }

    fn is_silent(&self) -> bool {
        self.within >= BESIDE_LEAST && self.within * 5 >= 2 * self.spans && self.below * 20 <= self.within
    }
}

/// A number for a span's name without its values: words with digits are one.
fn bare(name: &str) -> u64 {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'/' | b'?' | b'=' | b',');
    let parts = name.as_bytes().split(is_end);
    parts.fold(0, |all, part| {
        let long_number = part.iter().filter(|byte| byte.is_ascii_digit()).count() >= 3;
        let part = if long_number || part.iter().all(u8::is_ascii_digit) { b"#" } else { part };
        mix(all, fold(0, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::index::Limits;
    use crate::facts::{ResourceFact, SpanFact};

    fn operations(spans: impl Iterator<Item = (u8, u8, &'static str, Kind, i64, i64)>) -> (SpanIndex, Operations) {
        let mut index = SpanIndex::new(Limits::default());
        for (trace, (id, parent, name, kind, start, end)) in spans.enumerate() {
            let trace = (trace / 3) as u8 + 1;
            let [span_id, parent_id] =
                [id, parent].map(|id| if id == 0 { [0; 8] } else { [trace, id, 0, 0, 0, 0, 0, 1] });
            let span =
                SpanFact { trace_id: [trace; 16], span_id, parent_id, name, kind, start, end, ..SpanFact::default() };
            index.add(&ResourceFact::default(), &span);
        }
        index.settle();
        let resources: [&[u32]; 1] = [&[0]];
        let operations = Operations::new(&index, resources.into_iter());
        (index, operations)
    }

    fn silent(index: &SpanIndex, operations: &Operations) -> Vec<String> {
        let names = (0..index.len() as Slot).filter(|slot| operations.holds_nothing(*slot));
        let mut names: Vec<String> = names.map(|slot| index.name(index.span(slot).name).to_owned()).collect();
        names.dedup();
        names
    }

    #[test]
    fn a_call_beside_which_others_run_holds_no_lines() {
        let request = |driver_parent: u8| {
            let spans = [
                (1, 0, "GET", Kind::Server, 0, 1_000),
                (2, 1, "SELECT db", Kind::Client, 100, 300),
                (3, driver_parent, "driver", Kind::Internal, 120, 280),
            ];
            (0..8).flat_map(move |_| spans)
        };
        let (index, beside) = operations(request(1));
        assert_eq!(silent(&index, &beside), ["SELECT db"]);
        let (index, below) = operations(request(2));
        assert!(silent(&index, &below).is_empty());
    }

    #[test]
    fn whole_milliseconds_are_rounded() {
        let request = |start: i64| {
            (0..8).flat_map(move |at| {
                (1..4u8).map(move |id| (id, 0, "GET", Kind::Server, 1_000_000 * at + start, 9_000_000_000))
            })
        };
        assert_eq!(operations(request(0)).1.rounding(0), MILLISECOND);
        assert_eq!(operations(request(17)).1.rounding(0), 0);
    }

    #[test]
    fn names_are_one_but_for_their_values() {
        assert_eq!(bare("GET /orders/12345"), bare("GET /orders/99123"));
        assert_ne!(bare("GET /orders/12345"), bare("GET /carts/12345"));
        assert_ne!(bare("containerd.task.v3.Task/Wait"), bare("containerd.task.v2.Task/Wait"));
    }
}
