//! `match`, and the like: which sources a rule is about.

use regex::Regex;

use crate::config::agent::fields::{Field, Names, Problems, Section, Sited};
use crate::config::agent::keys::names;
use crate::config::globs;
use crate::line_rules::selector::Selector;

/// Keys of a selector.
pub(super) const SELECTOR: [&str; 8] =
    ["files", "namespaces", "pods", "containers", "units", "services", "labels", "annotations"];

const NAMES: Names = names(&SELECTOR, &[]);

/// A map that is a selector and nothing else.
pub(super) fn selector(field: &Field<'_>, problems: &mut Problems) -> Option<Selector> {
    let section = field.section(NAMES, problems)?;
    Some(of_section(&section, problems))
}

/// The keys of a selector, among others.
pub(super) fn of_section(section: &Section<'_>, problems: &mut Problems) -> Selector {
    Selector {
        files: patterns(section, "files", globs::path, problems),
        namespaces: patterns(section, "namespaces", globs::name, problems),
        pods: patterns(section, "pods", globs::name, problems),
        containers: patterns(section, "containers", globs::name, problems),
        units: patterns(section, "units", globs::name, problems),
        services: patterns(section, "services", globs::name, problems),
        labels: pairs(section, "labels", problems),
        annotations: pairs(section, "annotations", problems),
    }
}

/// Names with patterns of their values.
fn pairs(section: &Section<'_>, name: &str, problems: &mut Problems) -> Vec<(String, Regex)> {
    let Some(field) = section.field(name) else { return Vec::new() };
    let mut pairs = Vec::new();
    for Sited { line, value: (key, text) } in field.pairs(problems) {
        match globs::value(&text) {
            Ok(pattern) => pairs.push((key, pattern)),
            Err(error) => problems.add(line, format!("{}.{key}: {error}", field.path)),
        }
    }
    pairs
}

fn patterns(
    section: &Section<'_>,
    name: &str,
    read: fn(&str) -> Result<Regex, String>,
    problems: &mut Problems,
) -> Vec<Regex> {
    let pattern = |entry: &Field<'_>, problems: &mut Problems| {
        let text = entry.text(problems)?;
        read(&text).map_err(|error| problems.add(entry.node.line, format!("{}: {error}", entry.path))).ok()
    };
    let Some(field) = section.field(name) else { return Vec::new() };
    let patterns: Vec<Regex> = field.each(problems, pattern).into_iter().map(|sited| sited.value).collect();
    // An empty list would hold for nothing, which nobody means.
    if field.list().is_empty() {
        problems.add(field.node.line, format!("{}: give a pattern, or leave the key out", field.path));
    }
    patterns
}

/// The keys of a selector, and these.
pub(super) const fn with<const MORE: usize, const ALL: usize>(more: [&'static str; MORE]) -> [&'static str; ALL] {
    assert!(ALL == SELECTOR.len() + MORE, "BUG: the numbers of keys differ");
    let mut all = [""; ALL];
    let mut at = 0;
    while at < ALL {
        all[at] = if at < MORE { more[at] } else { SELECTOR[at - MORE] };
        at += 1;
    }
    all
}

/// A pattern of names of keys, as a part of an expression.
pub(super) fn name_text(entry: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = entry.text(problems)?;
    let words = text.split('*').map(regex::escape).collect::<Vec<_>>();
    Some(words.join(r"[\w.-]*"))
}
