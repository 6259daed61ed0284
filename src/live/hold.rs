//! A request with spans or logs that is held, for what may be put into it.
//!
//! In goes what is to be done with it; who holds it does that. For how long is decided there.

use std::fmt::Debug;

use bytes::Bytes;

/// To be called once whoever the request went to has it; dropped, if it is lost.
pub type WhenTaken = Box<dyn FnOnce() + Send>;

/// Whoever holds a request. Dropped, it lets the request go as it came.
pub trait Hold: Debug + Send {
    /// Whether anything can still be put into the request.
    fn is_open(&self) -> bool;
    /// Lets the request go, as it came or as this request of the same kind; false where that came too late, and it went as it
    /// came.
    ///
    /// `taken`: for what is put in; called as well where it came too late.
    fn release(self: Box<Self>, changed: Option<Bytes>, taken: Option<WhenTaken>) -> bool;
}
