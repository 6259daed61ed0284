//! A stream of spans to a destination.
//!
//! Values only: what its receipts bear, and which of its spans need not be sent. Who remembers them is not known here.

/// A stream of spans to a destination.
pub struct SpanStream {
    /// [`Receipt::source`](crate::record::Receipt::source).
    pub key: u32,
    /// Whether the destination has the span of this ordinal.
    pub is_acknowledged: Box<dyn Fn(u64) -> bool>,
}
