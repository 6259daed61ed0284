//! Dates, clocks and zones as they are written.
//!
//! In goes text, out comes a [`Time`](crate::Time) as complete as it stands there.

pub(crate) mod dates;
pub mod epoch;
pub mod timestamp;
pub(crate) mod zones;
