//! Which records, and which traces, are shown and sent.

mod asked_spans;
mod condition;
mod selection;
mod span_lookup;
mod traces_with_errors;
mod unmet;
mod window;

pub use asked_spans::AskedSpans;
pub use condition::Condition;
pub use selection::Selection;
pub use span_lookup::{SpanLookup, TraceId};
pub use traces_with_errors::{ErrorsOfTraces, TracesWithErrors};
pub use window::Window;
