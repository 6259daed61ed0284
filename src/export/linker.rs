//! Where the links of records come from.

use crate::record::{Link, Record, Unlinked};

/// Finds the links of records.
pub trait Linker: Sync {
    /// The span that a record belongs to, or why none was found.
    fn link(&self, record: &Record<'_>) -> Result<Link, Unlinked>;
}

/// The link of a record; without traces it is the one that is written in the record.
pub fn link(linker: Option<&dyn Linker>, record: &Record<'_>) -> Result<Link, Unlinked> {
    match linker {
        Some(linker) => linker.link(record),
        None => record.written_link().ok_or(Unlinked::NoTraces),
    }
}
