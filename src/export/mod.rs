//! From records to destinations.

pub mod batch;
