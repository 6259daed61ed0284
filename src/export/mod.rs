//! From records to destinations.

pub mod batch;
pub mod deliver;
pub mod job;
pub mod retry;
pub mod ship;

pub use batch::{Batch, Group};
pub use deliver::Deliver;
pub use job::Options;
pub use ship::{Event, Parcel, Summary};
