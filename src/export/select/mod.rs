//! Which records, and which traces, are shown and sent.

mod condition;
mod window;

pub use condition::Condition;
pub use window::Window;
