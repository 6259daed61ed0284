//! Which records, and which traces, are shown and sent.

mod condition;
mod selection;
mod span_lookup;
mod traces_with_errors;
mod unmet;
mod window;

pub use condition::Condition;
pub use selection::Selection;
pub use span_lookup::{SpanLookup, TraceId};
pub use traces_with_errors::TracesWithErrors;
pub use window::Window;
