//! One binary holds the end-to-end tests.

mod tidy;
mod delivery;
mod harness;
