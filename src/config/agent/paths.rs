//! Paths that are typed as flags.

use std::path::{Path, PathBuf};

use crate::config::error::ConfigError;

/// Paths of flags are those of whoever types them.
pub(super) fn absolute(flag: &'static str, path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path).map_err(|error| ConfigError::new(flag, format!("{}: {error}", path.display())))
}
