//! The live agent against writers that rotate, cut, delete and tear their files, and endpoints that fail: nothing is lost that
//! could be read, nothing comes twice that was acknowledged, and what is lost is counted.
//!
//! The names of cases (R1, P2, …) are those of the list that they come from.

mod destinations;
mod events_only;
mod files;
mod journal;
mod links;
mod metadata;
mod parts;
mod restarts;
mod rotation;
mod rules;
mod tap;
mod times;
