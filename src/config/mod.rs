//! From what was typed to what is meant: validated, resolved, one configuration per command.
//!
//! In go arguments, the environment and the clock, out come the commands' configurations, or an error that names the flag.
//! Nothing below this module reads the environment.

mod addresses;
mod agent;
mod backfill;
mod convert;
mod endpoints;
mod error;
mod explain;
mod globs;
mod only;
mod pod_files;
mod rules;
mod score;
mod status;
mod times;
mod values;
mod writers;
mod yaml;

pub use agent::{DEFAULT_FILE, Reload, agent, reload};
pub use backfill::backfill;
pub use convert::convert;
pub use error::{ConfigError, Surroundings};
pub use explain::explain;
pub use score::score;
pub use status::status;
