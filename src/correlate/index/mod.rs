//! The spans seen lately, and the ways to find them.
//!
//! In go span facts, out come spans by id, trace, parent, resource and time, event and key ([`SpanIndex`]). What a line means
//! is not decided here. Modules outside use what is exported here, not the files.

mod ancestors;
mod attribute_words;
mod bucket_sort;
mod events;
mod failures;
mod identity;
mod innermost;
mod interpolation_search;
mod intervals;
mod keys;
mod names;
mod recent_spans;
mod resources;
mod span;
mod span_ids;
mod span_index;
mod tables;

pub(crate) use attribute_words::AttributeWords;
pub(crate) use events::EventEntry;
pub(crate) use failures::kept as kept_failure;
pub(crate) use identity::IdentityHasher;
pub(crate) use innermost::{innermost_below, innermost_of, package_of};
pub(crate) use interpolation_search::lower_bound;
pub(crate) use intervals::{Intervals, Open};
pub use keys::Key;
pub(crate) use names::Names;
pub(crate) use recent_spans::RecentSpans;
pub use resources::Resource;
pub(crate) use span::AHEAD_NS;
pub use span::{IndexStats, Limits, Slot, Span};
pub use span_index::SpanIndex;
pub(crate) use tables::low_half_of;
