//! What a user can do about a record without a link.

use crate::record::Unlinked;

/// The flag that may help, in brackets; empty where none does.
pub(super) fn remedy(reason: Unlinked) -> &'static str {
    match reason {
        Unlinked::NoTraces => " (give --traces)",
        Unlinked::WriterNotKnown => " (give --pod NS/POD or --service NAME before the path)",
        Unlinked::BelowThreshold => " (--min-confidence)",
        _ => "",
    }
}
