//! What tests talk to.

pub(crate) mod run;
pub(crate) mod sink;
