//! How sure a link must be, and what is known of programs beforehand.

use super::rules::call_sites::CallSites;

/// How sure a link must be, and what is known of programs beforehand.
#[derive(Debug, Clone)]
pub struct LinkingConfig {
    /// Links of a lower confidence (0 to 1) are not made.
    pub min_confidence: f32,
    /// Where programs write their lines.
    pub call_sites: CallSites,
}
