//! The model of a stream, to bytes and back.
//!
//! In goes a model, out come its bytes, and it again from these.

use super::model::Model;
use crate::correlate::stored::Stored;

impl Stored for Model {
    fn put(&self, out: &mut Vec<u8>) {
        // All of them are named: one that is added is to be kept too, or to be left out for a reason.
        let Model {
            templates,
            families,
            stand_ins,
            // Always the same.
            unknown: _,
            never: _,
            agreement,
            without_span,
            delays,
            threads,
            continuations,
            digits,
            common_words,
            rarities,
            estimations,
        } = self;
        templates.put(out);
        families.put(out);
        stand_ins.put(out);
        agreement.put(out);
        without_span.put(out);
        delays.put(out);
        threads.put(out);
        continuations.put(out);
        digits.put(out);
        common_words.put(out);
        rarities.put(out);
        estimations.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Model> {
        let Model { unknown, never, .. } = Model::default();
        Some(Model {
            templates: Stored::take(from)?,
            families: Stored::take(from)?,
            stand_ins: Stored::take(from)?,
            unknown,
            never,
            agreement: Stored::take(from)?,
            without_span: Stored::take(from)?,
            delays: Stored::take(from)?,
            threads: Stored::take(from)?,
            continuations: Stored::take(from)?,
            digits: Stored::take(from)?,
            common_words: Stored::take(from)?,
            rarities: Stored::take(from)?,
            estimations: Stored::take(from)?,
        })
    }
}
