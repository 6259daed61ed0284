//! One binary holds the end-to-end tests.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

mod collector;
mod delivery;
mod harness;
mod tidy;
