//! Sources to records: each file is opened and its lines become records, once, and are held as far as there is room.
//!
//! In go the sources that [`input`](crate::input) found, out go their records to a
//! [`SourceSink`](crate::record::sink::SourceSink), as often as they are wanted. What a source is and how bytes become
//! chunks is the input's; what becomes of the records is the sink's.

pub(crate) mod held;
pub(crate) mod side_by_side;
pub mod source;
pub(crate) mod source_records;
pub(crate) mod window_source;
