//! Groups of flags in the help.

pub(super) const INPUT: &str = "Input";
pub(super) const LINKING: &str = "Linking";
pub(super) const OUTPUT: &str = "Output";
pub(super) const TEXT: &str = "Text";
pub(super) const SPANS: &str = "Spans";
pub(super) const SENDING: &str = "Sending";
pub(super) const LIMITS: &str = "Limits";
pub(super) const MESSAGES: &str = "Messages";
