//! Names of files for the text on the terminal.
//!
//! In go the sources, out comes for each of their files a name that is as short as tells it from all others.

use std::collections::HashMap;

use crate::input::discover;
use crate::input::sources::Source;

/// Of each file of each source the shortest end that no other file has.
pub(super) fn short_names(sources: &[Source]) -> Vec<Vec<String>> {
    let shown = |source: &Source| -> Vec<String> { source.files.iter().map(|file| file.shown.clone()).collect() };
    let mut all: Vec<Vec<String>> = sources.iter().map(shown).collect();
    let mut ends: HashMap<String, usize> = HashMap::new();
    for end in all.iter().flatten().flat_map(|name| ends_of(name)) {
        *ends.entry(end).or_default() += 1;
    }
    for name in all.iter_mut().flatten() {
        let short = ends_of(name).find(|end| ends.get(end) == Some(&1));
        *name = short.unwrap_or_else(|| std::mem::take(name));
    }
    all
}

/// The last part of a path, the last two, …
fn ends_of(path: &str) -> impl Iterator<Item = String> {
    let mut end = String::new();
    discover::parts_from_end(path).map(move |part| {
        end = if end.is_empty() { part.to_owned() } else { format!("{part}/{end}") };
        end.clone()
    })
}
