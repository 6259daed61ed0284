//! What tests talk to.

pub(crate) mod sink;
