//! Fields of a configuration file: what is there, by name and type.
//!
//! In go nodes of the tree, out come values of the type that is expected, and problems, each with its line and path, what was
//! found, and what is possible. A problem does not end the reading: a file's problems are all told at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::nearest::nearest;
use crate::cli::{parse_bytes, parse_duration};
use crate::config::yaml::{Node, Value};
use crate::input::tail::pattern::PathPattern;

/// What is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The problems that were met so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

/// No more are told of one file.
const PROBLEMS_MAX: usize = 50;

impl Problems {
    pub(crate) fn add(&mut self, line: usize, text: impl Into<String>) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(Problem { line, text: text.into() });
        }
    }
}

/// A value of a file and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sited<T> {
    pub(crate) line: usize,
    pub(crate) value: T,
}

/// Names that a map may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    /// With a value.
    pub(crate) known: &'static [&'static str],
    /// Those of parts that are not built: null alone is taken.
    pub(crate) not_yet: &'static [&'static str],
    /// Every name of the file, as its path, to tell where one belongs.
    pub(crate) anywhere: &'static [&'static str],
}

/// A node and its path from the top.
#[derive(Debug, Clone)]
pub(crate) struct Field<'n> {
    pub(crate) path: String,
    pub(crate) node: &'n Node,
}

/// A map of which each name is known.
pub(crate) struct Section<'n>(Vec<Field<'n>>, String);

impl<'n> Section<'n> {
    /// The field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&Field<'n>> {
        let path = below(&self.1, name);
        self.0.iter().find(|field| field.path == path)
    }

    /// Reads the field of this name, if it is there.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        problems: &mut Problems,
        read: impl FnOnce(&Field<'n>, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        self.field(name).and_then(|field| read(field, problems))
    }

    /// As [`Section::read`]; null turns the field off.
    pub(crate) fn read_or_off<T>(
        &self,
        name: &str,
        problems: &mut Problems,
        read: impl FnOnce(&Field<'n>, &mut Problems) -> Option<T>,
    ) -> Option<Option<T>> {
        let field = self.field(name)?;
        if field.node.is_null() { Some(None) } else { read(field, problems).map(Some) }
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl<'n> Field<'n> {
    fn problem<T>(&self, problems: &mut Problems, possible: &str) -> Option<T> {
        problems.add(self.node.line, format!("{}: found {}; {possible}", self.path, found(self.node)));
        None
    }

    /// A map with these names.
    pub(crate) fn section(&self, names: Names, problems: &mut Problems) -> Option<Section<'n>> {
        let Value::Map(entries) = &self.node.value else {
            return self.problem(problems, &format!("a map is expected, of {}", names.known.join(", ")));
        };
        let mut fields = Vec::new();
        for (key, node) in entries {
            let path = below(&self.path, &key.name);
            if names.known.contains(&key.name.as_str()) {
                fields.push(Field { path, node });
            } else if names.not_yet.contains(&key.name.as_str()) {
                if !node.is_null() {
                    problems.add(key.line, format!("{path}: not available yet; remove it, or write null"));
                }
            } else {
                problems.add(key.line, unknown(&path, &key.name, &self.path, names));
            }
        }
        Some(Section(fields, self.path.clone()))
    }

    /// A list, or one value instead of it.
    pub(crate) fn list(&self) -> Vec<Field<'n>> {
        match &self.node.value {
            Value::List(entries) => {
                let entries = entries.iter().enumerate();
                entries.map(|(at, node)| Field { path: format!("{}[{at}]", self.path), node }).collect()
            }
            _ => vec![self.clone()],
        }
    }

    /// Text. What YAML itself, or an older YAML, takes for something else must stand in quotes.
    pub(crate) fn text(&self, problems: &mut Problems) -> Option<String> {
        match &self.node.value {
            Value::Scalar { text, is_plain: true } if is_no_text(text) => {
                self.problem(problems, "text is expected: if it is meant as text, put it in quotes")
            }
            Value::Scalar { text, .. } if text.trim().is_empty() => self.problem(problems, "text is expected"),
            Value::Scalar { text, .. } => Some(text.clone()),
            _ => self.problem(problems, "text is expected"),
        }
    }

    /// A scalar that `read` understands.
    pub(super) fn scalar<T>(
        &self,
        problems: &mut Problems,
        possible: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = match &self.node.value {
            Value::Scalar { text, .. } => read(text),
            _ => None,
        };
        value.or_else(|| self.problem(problems, possible))
    }

    pub(crate) fn bytes(&self, problems: &mut Problems) -> Option<u64> {
        // A leading zero makes a number octal for some readers.
        let read = |text: &str| parse_bytes(text).ok().filter(|_| !text.starts_with('0'));
        self.scalar(problems, "a size such as 128MiB or 1GiB is expected", read)
    }

    pub(crate) fn duration(&self, problems: &mut Problems) -> Option<Duration> {
        self.scalar(problems, "a duration such as 500ms, 10s or 5m is expected", |text| parse_duration(text).ok())
    }

    /// From 0 to 1.
    pub(crate) fn share(&self, problems: &mut Problems) -> Option<f32> {
        let read = |text: &str| text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
        self.scalar(problems, "a number from 0 to 1 is expected, such as 0.9", read)
    }

    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)], problems: &mut Problems) -> Option<T> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let read = |text: &str| choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        self.scalar(problems, &format!("one of {} is expected", names.join(", ")), read)
    }

    pub(crate) fn address(&self, problems: &mut Problems) -> Option<SocketAddr> {
        let read = |text: &str| text.parse().ok();
        self.scalar(problems, "an IP address with a port is expected, such as 127.0.0.1:9464", read)
    }

    pub(crate) fn absolute_path(&self, problems: &mut Problems) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(problems)?);
        if path.is_absolute() { Some(path) } else { self.problem(problems, "an absolute path is expected") }
    }

    /// Each entry of a list that `read` understands.
    pub(crate) fn each<T>(
        &self,
        problems: &mut Problems,
        read: impl Fn(&Field<'n>, &mut Problems) -> Option<T>,
    ) -> Vec<Sited<T>> {
        let entries = self.list();
        let read = |entry: &Field<'n>| Some(Sited { line: entry.node.line, value: read(entry, problems)? });
        entries.iter().filter_map(read).collect()
    }

    pub(crate) fn patterns(&self, problems: &mut Problems) -> Vec<PathPattern> {
        let pattern = |entry: &Field<'n>, problems: &mut Problems| {
            let text = entry.text(problems)?;
            match PathPattern::new(&text) {
                Ok(pattern) => Some(pattern),
                Err(error) => {
                    problems.add(entry.node.line, format!("{}: {error}", entry.path));
                    None
                }
            }
        };
        self.each(problems, pattern).into_iter().map(|sited| sited.value).collect()
    }

    /// A map of any names to text. Values may be secret: they are not repeated.
    pub(crate) fn pairs(&self, problems: &mut Problems) -> Vec<Sited<(String, String)>> {
        let Value::Map(entries) = &self.node.value else {
            problems.add(self.node.line, format!("{}: a map of names to text is expected", self.path));
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (key, node) in entries {
            let is_bare = |text: &str, is_plain: bool| is_plain && is_no_text(text);
            match &node.value {
                Value::Scalar { text, is_plain } if !is_bare(text, *is_plain) => {
                    pairs.push(Sited { line: key.line, value: (key.name.clone(), text.clone()) });
                }
                _ => problems.add(node.line, format!("{}.{}: text is expected, in quotes", self.path, key.name)),
            }
        }
        pairs
    }
}

/// What stands there, for the eye.
fn found(node: &Node) -> String {
    match &node.value {
        Value::Map(_) => "a map".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Scalar { .. } if node.is_null() => "nothing (null)".to_owned(),
        Value::Scalar { text, .. } => {
            let cut: String = text.chars().take(SHOWN_MAX).collect();
            if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
        }
    }
}

/// Characters of a value that are shown.
const SHOWN_MAX: usize = 60;

/// Plain scalars that are no text to every reader of YAML 1.1 and 1.2: null, booleans, numbers, times of day.
fn is_no_text(text: &str) -> bool {
    let words =
        ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "-.inf", "+.inf", ".nan"];
    let is_word = words.contains(&text.to_ascii_lowercase().as_str());
    let digits = text.trim_start_matches(['+', '-']);
    let is_like_number = digits.starts_with(|first: char| first.is_ascii_digit())
        || digits.strip_prefix('.').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    let is_hex_like = digits.starts_with("0x");
    let number = |character: char| {
        matches!(character, '0'..='9' | '_' | '.' | ':' | '+' | '-' | 'e' | 'E' | 'o' | 'x')
            || is_hex_like && character.is_ascii_hexdigit()
    };
    is_word || is_like_number && digits.chars().all(number)
}

fn unknown(path: &str, name: &str, parent: &str, names: Names) -> String {
    let ours = names.known.iter().chain(names.not_yet).copied();
    if let Some(meant) = nearest(name, ours) {
        return format!("{path}: unknown key; did you mean {meant}?");
    }
    let elsewhere = names.anywhere.iter().find(|known| known.rsplit('.').next() == Some(name));
    match elsewhere {
        Some(known) => format!("{path}: unknown key here; did you mean {known}?"),
        None => {
            let place = if parent.is_empty() { "the keys are" } else { "the keys here are" };
            format!("{path}: unknown key; {place} {}", names.known.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_reader_takes_for_something_else_is_no_text() {
        for text in [
            "no",
            "Yes",
            "off",
            "NULL",
            "~",
            "1e3",
            "010",
            "0o17",
            "0x1F",
            "-5",
            "1_000",
            "12:30:45",
            ".5",
            ".inf",
            "y",
            "2026-11-30",
        ] {
            assert!(is_no_text(text), "{text}");
        }
        for text in ["web", "none", "1st", "10.0.0.1/x", "v1.2", "-", "nope", "a1", "0.log", "otlp"] {
            assert!(!is_no_text(text), "{text}");
        }
    }
}
