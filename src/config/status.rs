//! The configuration of `status`.

use super::error::ConfigError;
use crate::cli::StatusArgs;
use crate::telemetry::ask::Address;

/// The address that `status` asks.
pub fn status(args: &StatusArgs) -> Result<Address, ConfigError> {
    Address::new(&args.url).map_err(|reason| ConfigError::new("--url", reason))
}
