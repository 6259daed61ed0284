//! One rule about what is blacked out.
//!
//! In goes a text, out comes one without what the rule finds in it.

use regex::bytes::Regex;

/// What stands in place of what is blacked out.
pub const REDACTED: &str = "[redacted]";

/// What an expression finds: its groups, or all of it where it has none.
#[derive(Debug, Clone)]
pub struct PatternRule {
    /// What it is counted under.
    pub name: String,
    /// The expression.
    pub regex: Regex,
    /// What stands in place of what it finds.
    pub replace: String,
}

/// Values of keys.
#[derive(Debug, Clone)]
pub struct KeyRule {
    /// What it is counted under.
    pub name: String,
    /// Names of keys.
    pub keys: Regex,
}

impl PatternRule {
    pub(super) fn replaced(&self, text: &[u8], found: &mut dyn FnMut()) -> Option<Vec<u8>> {
        let mut out: Option<Vec<u8>> = None;
        let mut copied = 0;
        for captures in self.regex.captures_iter(text) {
            let has_groups = captures.len() > 1;
            for group in captures.iter().skip(usize::from(has_groups)).flatten() {
                // Groups within groups, and what is blacked out already.
                let is_over = group.start() < copied || group.as_bytes() == self.replace.as_bytes();
                if is_over || group.is_empty() {
                    continue;
                }
                let out = out.get_or_insert_with(|| Vec::with_capacity(text.len()));
                out.extend_from_slice(&text[copied..group.start()]);
                out.extend_from_slice(self.replace.as_bytes());
                copied = group.end();
                found();
            }
        }
        if let Some(out) = &mut out {
            out.extend_from_slice(&text[copied..]);
        }
        out
    }
}
