//! From records to destinations.

pub mod batch;
pub mod deliver;
pub mod retry;
pub mod ship;

pub use batch::{Batch, Group};
pub use deliver::{Deliver, Options};
pub use ship::{Event, Parcel, Summary};
