//! Files as the system sees them: which names lead to the same one, how one is replaced without being half written, and
//! temporary ones for what the memory has no room for.
//!
//! In go paths and open descriptors, out come identities, the reason why an output must not be written to, and outputs
//! that appear under their names when they are whole, and what is remembered of a file that is followed; and bytes that were
//! put aside ([`spill`]), also in another order ([`external_sort`]). What files hold is not known here.

pub mod clash;
pub mod external_sort;
pub mod followed;
pub mod identity;
pub mod leftovers;
pub mod replace;
pub mod section;
pub mod spill;
