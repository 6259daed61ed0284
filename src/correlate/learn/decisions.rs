//! What was found for lines, by their places.
//!
//! In go lines with their spans, or why they have none, out comes the link of a record. Nothing is decided here.

use super::lines::Line;
use crate::correlate::index::Span;
use crate::record::{Link, Method, Relation, Unlinked};

/// Source, file and offset of a line.
type LinePlace = (u32, u32, u64);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    decisions: Vec<Decision>,
    /// Of each source: its first decision.
    of_sources: Vec<u32>,
    /// Lines with candidates none of which was chosen, and why.
    undecided: Vec<(LinePlace, Unlinked)>,
}

/// Of a line. Spans are told by their ids: the index may hold others later.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Decision {
    place: LinePlace,
    trace_id: [u8; 16],
    span_id: [u8; 8],
    confidence: f32,
    method: Method,
    relation: Relation,
}

fn place_of(line: &Line) -> LinePlace {
    (line.source, line.file, line.offset)
}

impl Decisions {
    /// Forgets those that there are, but not why lines were left out.
    pub(crate) fn clear(&mut self) {
        self.decisions.clear();
        self.of_sources.clear();
    }

    /// A line has a span.
    pub(crate) fn add(&mut self, line: &Line, span: &Span, confidence: f32, method: Method, relation: Relation) {
        let Span { trace_id, span_id, .. } = *span;
        self.decisions.push(Decision { place: place_of(line), trace_id, span_id, confidence, method, relation });
    }

    /// A line has none.
    pub(crate) fn leave_out(&mut self, line: &Line, why: Unlinked) {
        self.undecided.push((place_of(line), why));
    }

    /// All were added: they can be found.
    pub(crate) fn put_in_order(&mut self) {
        self.undecided.sort_unstable();
        self.decisions.sort_unstable_by_key(|decision| decision.place);
        let sources = self.decisions.last().map_or(0, |decision| decision.place.0 + 1);
        let first = |source| self.decisions.partition_point(|decision| decision.place.0 < source) as u32;
        self.of_sources = (0..=sources).map(first).collect();
    }

    /// Lines that go on with a record have the link of the line that began it, or none for the same reason.
    pub(crate) fn take_over<'l>(&mut self, lines: impl Iterator<Item = (&'l Line, &'l Line)>) {
        let (mut decisions, mut undecided) = (Vec::new(), Vec::new());
        for (line, began) in lines {
            let place = place_of(line);
            match self.of(place_of(began)) {
                Some(decision) => decisions.push(Decision { place, ..*decision }),
                None => undecided.extend(self.why_none(place_of(began)).map(|why| (place, why))),
            }
        }
        if decisions.len() + undecided.len() > 0 {
            self.decisions.append(&mut decisions);
            self.undecided.append(&mut undecided);
            self.put_in_order();
        }
    }

    fn of(&self, place: LinePlace) -> Option<&Decision> {
        let [from, to] = self.of_sources.get(place.0 as usize..)?.first_chunk()?;
        let decisions = &self.decisions[*from as usize..*to as usize];
        Some(&decisions[decisions.binary_search_by_key(&place, |decision| decision.place).ok()?])
    }

    /// The span of a record, by its source, file and offset.
    pub(crate) fn link(&self, place: LinePlace) -> Option<Link> {
        let decision = self.of(place)?;
        Some(Link {
            trace_id: decision.trace_id,
            span_id: decision.span_id,
            method: decision.method,
            confidence: Some(decision.confidence.min(0.9999)),
            relation: decision.relation,
            verified: true,
            has_event: false,
        })
    }

    /// Why no span was chosen for a record that some might have held.
    pub(crate) fn why_none(&self, place: LinePlace) -> Option<Unlinked> {
        let at = self.undecided.binary_search_by_key(&place, |row| row.0).ok()?;
        Some(self.undecided[at].1)
    }
}
