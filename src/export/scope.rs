//! The instrumentation scope of all that is sent.

/// Its name.
pub const NAME: &str = "spanline";
/// Its version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
