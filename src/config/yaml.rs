//! YAML to a tree that remembers its lines.
//!
//! In goes the text of a configuration file, out comes a tree of maps, lists and scalars, or what is wrong and where. A
//! scalar stays as it was written: what it means is decided by who knows what is expected there, so that `no`, `1e3` and
//! `010` never become something else on the way. What makes YAML hard to read for people, and costly to read for machines,
//! is refused: aliases, tags, keys that are no text, equal keys, several documents.
//!
//! <https://yaml.org/spec/1.2.2/>

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// A value and the line on which it begins, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// As it was written; `is_plain`: without quotes.
    Scalar {
        text: String,
        is_plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) line: usize,
    pub(crate) name: String,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

/// Maps and lists within one another.
const DEPTH_MAX: usize = 32;

impl Node {
    /// `null`, `~`, or nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, is_plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// The tree of a text; an empty one is null.
pub(crate) fn parse(text: &str) -> Result<Node, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError {
            line: error.marker().line(),
            reason: explained(text, error.marker().line(), error.info()),
        })?;
        builder.take(event, &span)?;
    }
    let nothing = Node { line: 1, value: Value::Scalar { text: String::new(), is_plain: true } };
    Ok(builder.root.unwrap_or(nothing))
}

/// The parser's words, or better ones for what it cannot know.
fn explained(text: &str, line: usize, info: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let at = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    if at[..indent(at)].contains('\t') {
        return "a tab in the indentation: YAML takes spaces only".to_owned();
    }
    format!("not YAML: {info}")
}

/// What is open while events come in.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

struct Open {
    line: usize,
    value: OpenValue,
}

enum OpenValue {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, key: Option<Key> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), YamlError> {
        let line = span.start.line();
        let error = |reason: &str| Err(YamlError { line, reason: reason.to_owned() });
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return error("a second document begins here: one file holds one configuration");
                }
            }
            Event::Alias(_) => return error("aliases (*name) are not taken: write the value out"),
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return error("tags (!name) are not taken: write the value alone");
            }
            Event::Scalar(text, style, _, None) => {
                return self.scalar(text.into_owned(), style == ScalarStyle::Plain, line);
            }
            Event::SequenceStart(..) => self.begin(line, OpenValue::List(Vec::new()))?,
            Event::MappingStart(..) => self.begin(line, OpenValue::Map { entries: Vec::new(), key: None })?,
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.value {
                    OpenValue::List(entries) => Value::List(entries),
                    OpenValue::Map { entries, .. } => Value::Map(entries),
                };
                self.put(Node { line: open.line, value });
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, line: usize, value: OpenValue) -> Result<(), YamlError> {
        if self.expects_key() {
            return Err(YamlError { line, reason: "a key must be text, not a map or a list".to_owned() });
        }
        if self.open.len() == DEPTH_MAX {
            return Err(YamlError { line, reason: format!("more than {DEPTH_MAX} maps and lists within one another") });
        }
        self.open.push(Open { line, value });
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { value: OpenValue::Map { key: None, .. }, .. }))
    }

    fn scalar(&mut self, text: String, is_plain: bool, line: usize) -> Result<(), YamlError> {
        match self.open.last_mut() {
            Some(Open { value: OpenValue::Map { entries, key: key @ None }, .. }) => {
                if let Some((before, _)) = entries.iter().find(|(before, _)| before.name == text) {
                    let reason =
                        format!("{text:?} stands on line {} too: which of them holds is not clear", before.line);
                    return Err(YamlError { line, reason });
                }
                *key = Some(Key { line, name: text });
            }
            _ => self.put(Node { line, value: Value::Scalar { text, is_plain } }),
        }
        Ok(())
    }

    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { value: OpenValue::List(entries), .. }) => entries.push(node),
            Some(Open { value: OpenValue::Map { entries, key }, .. }) => {
                if let Some(key) = key.take() {
                    entries.push((key, node));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The tree in a line: `{a: x, b: [1, "2"]}`.
    fn shown(node: &Node) -> String {
        match &node.value {
            Value::Scalar { text, is_plain: true } => text.clone(),
            Value::Scalar { text, is_plain: false } => format!("{text:?}"),
            Value::List(entries) => format!("[{}]", entries.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Value::Map(entries) => {
                let entries: Vec<_> =
                    entries.iter().map(|(key, node)| format!("{}: {}", key.name, shown(node))).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    #[test]
    fn values_stay_as_they_are_written() {
        for (text, expected) in [
            (
                "a: no\nb: 1e3\nc: 010\nd: 0o17\ne: \"yes\"\nf: 1_000\ng: 12:30:45",
                "{a: no, b: 1e3, c: 010, d: 0o17, e: \"yes\", f: 1_000, g: 12:30:45}",
            ),
            ("a: {b: [x, 'y', null], c: }", "{a: {b: [x, \"y\", null], c: }}"),
            ("\u{feff}a: 1 # more\n", "{a: 1}"),
            ("a: |\n  one\n  two\n", "{a: \"one\\ntwo\\n\"}"),
            ("---\na: 1\n...\n", "{a: 1}"),
            ("a: &anchor 1", "{a: 1}"),
            ("on: off", "{on: off}"),
        ] {
            assert_eq!(shown(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn nothing_is_null() {
        for text in ["", "\n", "# only a comment\n", "---\n", "~", "null", "\u{feff}"] {
            assert!(parse(text).unwrap().is_null(), "{text:?}");
        }
        assert!(!parse("'null'").unwrap().is_null() && !parse("\"\"").unwrap().is_null());
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let Value::Map(entries) = parse("# first\na: 1\n\nb:\n  - x\n  - y\n").unwrap().value else { panic!() };
        let lines: Vec<_> = entries.iter().map(|(key, node)| (key.line, node.line)).collect();
        assert_eq!(lines[0], (2, 2));
        assert_eq!(lines[1].0, 4);
        let Value::List(entries) = &entries[1].1.value else { panic!() };
        assert_eq!((entries[0].line, entries[1].line), (5, 6));
    }

    #[test]
    fn what_is_hard_to_read_is_refused() {
        for (text, line, words) in [
            ("a: 1\nb: 2\na: 3\n", 3, "\"a\" stands on line 1 too"),
            ("a: &x 1\nb: *x\n", 2, "aliases"),
            ("a: !!str 1\n", 1, "tags"),
            ("a: !include x\n", 1, "tags"),
            ("? [a]\n: 1\n", 1, "a key must be text"),
            ("a: 1\n---\nb: 2\n", 3, "a second document"),
            ("a:\n\tb: 1\n", 2, "a tab"),
            ("a: [1, 2\n", 2, "not YAML"),
            ("a: 1\n b: 2\n", 2, "not YAML"),
            ("a: \"x\n", 2, "not YAML"),
            ("a: \u{0}\n", 1, "not YAML"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.reason.contains(words) && error.line.abs_diff(line) <= 1, "{text:?}: {error:?}");
        }
        let deep = "[".repeat(DEPTH_MAX + 1);
        assert!(parse(&deep).unwrap_err().reason.contains("within one another"));
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"a: {".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-c:\\-\\[\\]{}&*!|>'\"%@`#?,~ \\n\\t0.]{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_on_any_text(text in "\\PC{0,60}") {
            let _ = parse(&text);
        }
    }
}
