//! What came of the user's rules, in words.

use crate::assemble::CustomCounts;
use crate::counts::Named;
use crate::line_rules::custom_format::CustomFormats;
use crate::notify::counted;

/// A line for each format that was met.
pub(super) fn parsed<'a>(formats: &'a CustomFormats, counts: &'a [CustomCounts]) -> impl Iterator<Item = String> + 'a {
    let met = formats.all.iter().zip(counts).filter(|(_, counts)| **counts != CustomCounts::default());
    met.map(|(format, counts)| {
        let mut text = format!("parser {}: {} in it", format.name, counted(counts.matched, "record"));
        for (count, what) in [
            (counts.bad_times, "of these with another time than it says"),
            (counts.unmatched, "not in it, read as every other"),
            (counts.too_long, "too long to be looked at"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text
    })
}

/// How often, by name; `None` where it never was.
pub(super) fn listed(what: &str, named: &Named) -> Option<String> {
    let all: Vec<String> = named.iter().map(|(name, count)| format!("{name} {count}")).collect();
    (!all.is_empty()).then(|| format!("{what} {}: {}", named.sum(), all.join(", ")))
}
