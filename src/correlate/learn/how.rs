//! How lines are decided: by what all of them teach, or by what was learned before.
//!
//! In go candidates, out come their association with spans and the choices among these. What is learned along a stream is
//! kept by whoever drives.

use super::association::Association;
use super::candidates::{Block, Candidates};
use super::continuations::Continuations;
use super::em;
use super::features::tables::FeatureTables;
use super::lines::Lines;
use super::observed::Observed;
use super::operations::Operations;
use super::pick_span::{self, Choices};
use super::posteriors::Keeps;
use super::remembered::Remembered;
use super::stream_state::StreamState;
use crate::correlate::text::hash::NumberMap;

/// How lines are decided.
pub(crate) enum How<'a> {
    /// By what all of them teach.
    Whole,
    /// By what all of them and those before teach.
    Window(&'a mut StreamState),
    /// Not at all: what they teach is kept in the model.
    Learn(&'a mut StreamState),
    /// By what was learned before.
    ByModel(&'a mut StreamState),
}

impl How<'_> {
    /// What is kept of learning.
    pub(crate) fn keeps(&self, keeps_evidence: bool) -> Keeps {
        match self {
            How::Learn(_) => Keeps::Habits,
            How::Whole if keeps_evidence => Keeps::Evidence,
            _ => Keeps::Posteriors,
        }
    }

    /// What was learned before.
    pub(crate) fn remembered(&self) -> Remembered<'_> {
        match self {
            How::Whole => Remembered::default(),
            How::Learn(stream) | How::Window(stream) => Remembered { decayed: Some(&stream.decayed), model: None },
            How::ByModel(stream) => Remembered { decayed: None, model: Some(&stream.model) },
        }
    }

    /// Lines that go on with a record, and the line that began it; what is learned of them is kept.
    pub(crate) fn continuations(&mut self, lines: &Lines, operations: &Operations) -> Vec<(u32, u32)> {
        let service = |writer| operations.service_of_writer(writer);
        match self {
            How::ByModel(stream) => stream.model.continuations.find(lines, service),
            How::Whole | How::Window(_) => Continuations::new(lines, service).find(lines, service),
            How::Learn(stream) => {
                let learned = Continuations::new(lines, service);
                let found = learned.find(lines, service);
                stream.model.continuations.take_in(learned);
                found
            }
        }
    }

    /// Keeps what lines that are decided, up to `due`, tell of later ones.
    pub(crate) fn keep_decided(
        &mut self,
        candidates: &Candidates,
        association: &mut Association,
        (lines, due): (&Lines, i64),
        operations: &Operations,
    ) {
        match self {
            How::ByModel(stream) => {
                for told in std::mem::take(&mut association.told) {
                    let line = &lines.rows[candidates.rows[told.row as usize].line as usize];
                    if line.is_due(due) {
                        stream.earlier.add(told, line.time);
                    }
                }
            }
            How::Window(stream) => stream.decayed.learn(candidates, association, lines, operations),
            How::Whole | How::Learn(_) => {}
        }
    }

    /// Of each service: the share of its lines without a recorded span.
    pub(crate) fn without_span(&self, candidates: &Candidates, association: &Association) -> NumberMap<u32, f32> {
        match self {
            How::ByModel(stream) => stream.model.without_span.clone(),
            _ => association.without_span(candidates),
        }
    }
}

/// Which trace each line is of, and which of its spans. `traces`: of lines that rules have settled; `words_max`: words that
/// are kept.
pub(crate) fn associate(
    tables: &FeatureTables<'_>,
    candidates: &Candidates,
    (traces, words_max): (&[(u32, u32)], usize),
    how: &How<'_>,
    keeps: Keeps,
) -> (Association, Choices) {
    let agreement_before = match how {
        How::Whole => None,
        How::Learn(stream) | How::Window(stream) => Some(&stream.decayed.keys),
        How::ByModel(stream) => Some(&stream.model.agreement),
    };
    let earlier = match how {
        How::ByModel(stream) => Some(&stream.earlier),
        // All lines are there.
        How::Whole | How::Learn(_) | How::Window(_) => None,
    };
    let FeatureTables { lines, operations, .. } = *tables;
    let observed = Observed { lines, operations, settled: traces, words_max, agreement_before, earlier };
    if let How::ByModel(stream) = how {
        let model = &stream.model;
        let association = em::associate_by(model, candidates, &observed);
        let weights = (&association.posteriors.weights[..], &association.context.threads);
        let known = |block: &Block| model.family(candidates, block);
        let choices = pick_span::choose_by(tables.index, tables.operations, candidates, weights, &known);
        return (association, choices);
    }
    let association = em::associate(candidates, &observed, keeps);
    let choices = pick_span::choose(
        tables.index,
        tables.operations,
        candidates,
        (&association.posteriors.weights, &association.context.threads),
        keeps,
    );
    (association, choices)
}
