//! One binary holds the end-to-end tests.

mod delivery;
mod harness;
mod tidy;
