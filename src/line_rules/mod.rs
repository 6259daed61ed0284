//! What the user wants done with lines: formats of their own, which lines are kept, and what is blacked out in them.
//!
//! In go rules as they were resolved from a file, out come answers about a source, a line or a record. Nothing is read, linked
//! or sent here, and no rule is applied here: lines are read by [`assemble`](crate::assemble), records are dropped and
//! redacted by [`export`](crate::export) once their links are decided.

pub mod custom_format;
pub mod filter;
pub mod redact;
pub mod selector;
pub mod written_time;

use std::sync::Arc;

use custom_format::CustomFormats;
use filter::Filter;
use redact::Redactor;

/// All rules of a file.
#[derive(Debug, Clone, Default)]
pub struct LineRules {
    /// Formats of the user's own.
    pub formats: Arc<CustomFormats>,
    /// Which records are kept.
    pub filter: Arc<Filter>,
    /// What is blacked out; `None`: nothing.
    pub redactor: Option<Arc<Redactor>>,
    /// The rules as they were written, by which two are told apart.
    pub as_written: String,
}

impl LineRules {
    /// There are none.
    pub fn are_none(&self) -> bool {
        self.formats.all.is_empty() && self.filter.keeps_all() && self.redactor.is_none()
    }
}

impl PartialEq for LineRules {
    fn eq(&self, other: &LineRules) -> bool {
        self.as_written == other.as_written
    }
}
