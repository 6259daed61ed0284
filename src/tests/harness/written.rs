//! Lines that can be told from all others, and what became of them.
//!
//! In go the bodies that an endpoint stored, out comes what is lost, what came more than once, and what nobody wrote.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// The lines of one stream, numbered.
#[derive(Debug, Default)]
pub(crate) struct Written {
    name: String,
    bodies: Vec<String>,
}

impl Written {
    pub(crate) fn new(name: &str) -> Written {
        Written { name: name.to_owned(), bodies: Vec::new() }
    }

    /// The next line's body: its stream, its number, and a checksum of both.
    pub(crate) fn body(&mut self) -> String {
        self.body_of("")
    }

    /// The same with more text.
    pub(crate) fn body_of(&mut self, text: &str) -> String {
        let between = if text.is_empty() { "" } else { " " };
        let head = format!("line {} of {}{between}{text}", self.bodies.len(), self.name);
        let body = format!("{head} checked by {:08x}", checksum(&head));
        self.bodies.push(body.clone());
        body
    }

    /// The next line as a runtime writes it.
    pub(crate) fn cri(&mut self) -> String {
        cri("F", &self.body())
    }

    /// So many lines as a runtime writes them.
    pub(crate) fn cri_lines(&mut self, count: usize) -> String {
        (0..count).map(|_| self.cri()).collect()
    }

    /// A line that is no body of this stream's own.
    pub(crate) fn expect(&mut self, body: &str) {
        self.bodies.push(body.to_owned());
    }

    /// All of them, in order.
    pub(crate) fn bodies(&self) -> &[String] {
        &self.bodies
    }

    pub(crate) fn len(&self) -> usize {
        self.bodies.len()
    }
}

fn checksum(text: &str) -> u32 {
    twox_hash::XxHash64::oneshot(0, text.as_bytes()) as u32
}

/// A line of stdout as a runtime writes it: `F` for a whole line or its last part, `P` for another part.
pub(crate) fn cri(tag: &str, body: &str) -> String {
    cri_of("stdout", tag, body)
}

pub(crate) fn cri_of(stream: &str, tag: &str, body: &str) -> String {
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    format!("{now} {stream} {tag} {body}\n")
}

/// What became of lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Not stored.
    pub(crate) lost: Vec<String>,
    /// Stored more than once: how many copies there are too many.
    pub(crate) copies: usize,
    /// Stored, and never written so.
    pub(crate) odd: Vec<String>,
}

/// Compares what was stored with what was written.
pub(crate) fn fate(stored: &HashMap<String, usize>, written: &[&Written]) -> Fate {
    let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
    for body in written.iter().flat_map(|written| &written.bodies) {
        *expected.entry(body).or_default() += 1;
    }
    let mut fate = Fate::default();
    for (body, wanted) in &expected {
        let found = stored.get(*body).copied().unwrap_or(0);
        if found < *wanted {
            fate.lost.push((*body).to_owned());
        }
        fate.copies += found.saturating_sub(*wanted);
    }
    fate.odd = stored.keys().filter(|body| !expected.contains_key(body.as_str())).cloned().collect();
    fate.odd.sort();
    fate
}

/// Opens a file to write to its end, making it and the folders above it.
pub(crate) fn appending(path: &Path) -> File {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// Writes to the end of a file that is opened for that alone.
pub(crate) fn append(path: &Path, text: impl AsRef<[u8]>) {
    appending(path).write_all(text.as_ref()).unwrap();
}
