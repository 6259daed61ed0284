//! Files as the system sees them: which names lead to the same one, and how one is replaced without being half written.
//!
//! In go paths and open descriptors, out come identities, the reason why an output must not be written to, and outputs
//! that appear under their names when they are whole, and what is remembered of a file that is followed. What files hold is
//! not known here.

pub mod clash;
pub mod followed;
pub mod identity;
pub mod leftovers;
pub mod replace;
