//! Words to the user at once, while a run goes on.

use std::sync::Arc;

/// Tells the user something; whoever runs a command decides where it is shown.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;
