//! From a line to its span, or to an honest none.
//!
//! In go span facts and records, out come links with their method and confidence, or the reason for none
//! ([`Correlator`], which drives; [`Correlator::advance`] where spans and lines come together). Below it stand explicit
//! evidence (`rules`), groups that a request id names (`requests`), what is learned without any rule (`learn`), and under
//! all of them the spans (`index`) and what texts hold (`text`). Bytes of OTLP, inputs and outputs are not known here.

mod arrivals;
pub mod config;
mod correlator;
mod delays;
mod due;
mod explain;
pub mod explanation;
mod hint;
pub mod index;
mod learn;
mod learned;
mod open_parents;
mod requests;
mod rules;
mod sources;
mod stored;
mod stream;
mod text;
mod watermarks;

pub use correlator::{Correlator, CorrelatorStats};
pub use index::{Key, Resource};
pub use learn::LearningLimits;
pub use rules::call_sites::{CallSiteError, CallSites};
pub use stream::Memory;

#[cfg(test)]
mod tests;
