//! One binary holds the end-to-end tests.
