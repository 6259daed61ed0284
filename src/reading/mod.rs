//! Sources to records: each file is opened, its lines become records, in order.
//!
//! In go the sources that [`input`](crate::input) found, out go their records to a [`SourceSink`](crate::record::sink::SourceSink). What
//! a source is and how bytes become chunks is the input's; what becomes of the records is the sink's.

pub mod source;
