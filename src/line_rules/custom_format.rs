//! Formats that the user describes: by an expression whose groups are the parts of a record, and by how its first line begins.
//!
//! In goes the payload of a record, or a line, of a source that a format is for; out comes what the record says, and whether
//! the line begins one. What does not match is left to the formats that are known. The time that a line takes grows with its
//! length only, whatever the expression.
//!
//! <https://docs.rs/regex/latest/regex/#untrusted-input>

use std::borrow::Cow;

use regex::bytes::{CaptureLocations, Regex, RegexBuilder};
use spanline_parsers::{Entry, Format, Severity, Time, Value, trace_context, value};

use super::selector::Selector;
use super::written_time::TimeFormat;
use crate::calendar::Zone;
use crate::record::Origin;

/// Longer lines are not held against an expression: at a microsecond for some hundred bytes, a thread would be held for long.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 10;
/// Bytes of an expression.
pub const PATTERN_BYTES_MAX: usize = 8 << 10;
/// Bytes of what an expression becomes, and of what is remembered of it while it is used.
const PROGRAM_BYTES_MAX: usize = 1 << 20;
/// Groups of an expression.
pub const GROUPS_MAX: usize = 64;

/// All formats of a file: of each source the first one holds that is for it.
#[derive(Debug, Default)]
pub struct CustomFormats {
    /// In the order of the file.
    pub all: Vec<CustomFormat>,
}

impl CustomFormats {
    /// The format of a source, by its place. `file`: the path that it is shown under.
    pub fn of(&self, origin: &Origin, file: &str) -> Option<usize> {
        self.all.iter().position(|format| format.selector.holds(origin, file))
    }
}

/// A format that the user describes.
#[derive(Debug)]
pub struct CustomFormat {
    /// What it is called.
    pub name: String,
    /// Which sources are in it.
    pub selector: Selector,
    /// What a record says; `None`: as the formats that are known.
    pub record: Option<RecordPattern>,
    /// What the first line of a record is like; `None`: as everywhere.
    pub start: Option<Regex>,
    /// The zone of times that have none.
    pub zone: Option<Zone>,
}

/// An expression whose groups are the parts of a record.
#[derive(Debug)]
pub struct RecordPattern {
    regex: Regex,
    /// What each group is, by its number.
    roles: Vec<Role>,
    time: TimeFormat,
}

/// What a group of an expression is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    /// Nothing: it has no name.
    None,
    Time,
    Severity,
    Body,
    /// An attribute of this name.
    Attribute(Box<[u8]>),
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// It is in the format.
    Matched,
    /// It is, but what stands for its time is none.
    BadTime,
    /// It is not.
    Unmatched,
    /// It was not looked at: it is too long.
    TooLong,
}

/// Why an expression is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It is too long.
    #[error("an expression has at most {PATTERN_BYTES_MAX} bytes")]
    TooLong,
    /// It is not one.
    #[error("{0}")]
    Syntax(String),
    /// It has no group with a name.
    #[error("no group has a name: write (?P<body>…), (?P<time>…), (?P<severity>…), or the name of an attribute")]
    NoGroups,
    /// It has too many groups.
    #[error("an expression has at most {GROUPS_MAX} groups")]
    TooManyGroups,
}

/// An expression over bytes: `.` is any of them, and classes such as `\d` and `\w` are those of ASCII.
pub fn expression(pattern: &str) -> Result<Regex, BadPattern> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(BadPattern::TooLong);
    }
    let mut builder = RegexBuilder::new(pattern);
    let builder = builder.unicode(false).dot_matches_new_line(true);
    let built = builder.size_limit(PROGRAM_BYTES_MAX).dfa_size_limit(PROGRAM_BYTES_MAX).build();
    // The whole of the message stands on several lines, of which the last says what is wrong.
    let syntax = |error: regex::Error| error.to_string().lines().last().unwrap_or_default().trim().to_owned();
    built.map_err(|error| BadPattern::Syntax(syntax(error)))
}

impl RecordPattern {
    /// Of an expression with named groups; `time`: how the group of that name is written.
    pub fn new(pattern: &str, time: TimeFormat) -> Result<RecordPattern, BadPattern> {
        let regex = expression(pattern)?;
        if regex.captures_len() > GROUPS_MAX + 1 {
            return Err(BadPattern::TooManyGroups);
        }
        let role = |name: Option<&str>| match name {
            None => Role::None,
            Some("time") => Role::Time,
            Some("severity") => Role::Severity,
            Some("body") => Role::Body,
            Some(name) => Role::Attribute(name.as_bytes().into()),
        };
        let roles: Vec<Role> = regex.capture_names().map(role).collect();
        if roles.iter().all(|role| *role == Role::None) {
            return Err(BadPattern::NoGroups);
        }
        Ok(RecordPattern { regex, roles, time })
    }

    /// Whether it says where the time stands.
    pub fn has_time(&self) -> bool {
        self.roles.contains(&Role::Time)
    }

    /// Room for the places of groups.
    pub fn locations(&self) -> CaptureLocations {
        self.regex.capture_locations()
    }

    /// Reads a record. Unless it matches, the entry stays empty.
    pub fn read<'a>(&'a self, payload: &'a [u8], locations: &mut CaptureLocations, entry: &mut Entry<'a>) -> Read {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Read::TooLong;
        }
        if self.regex.captures_read(locations, payload).is_none() {
            return Read::Unmatched;
        }
        entry.clear();
        entry.format = Format::Custom;
        entry.body = Cow::Borrowed(payload);
        let mut read = Read::Matched;
        for (at, role) in self.roles.iter().enumerate() {
            let Some((from, to)) = locations.get(at) else { continue };
            let text = &payload[from..to];
            match role {
                Role::None => {}
                Role::Time => {
                    entry.time = self.time.read(text);
                    if entry.time == Time::None {
                        read = Read::BadTime;
                        entry.push(&b"time"[..], Value::Text(Cow::Borrowed(text)));
                    }
                }
                Role::Severity => {
                    let text = text.trim_ascii();
                    (entry.severity, entry.severity_text) = (severity(text), Cow::Borrowed(text));
                }
                Role::Body => entry.body = Cow::Borrowed(text),
                Role::Attribute(name) => entry.push(&**name, value::unquoted(text)),
            }
        }
        entry.trace = trace_context::from_fields(&entry.fields);
        if entry.trace.trace_id.is_none() {
            entry.trace = trace_context::from_text(payload);
        }
        read
    }
}

/// A level by its name, by klog's and others' letter, or by syslog's number.
fn severity(text: &[u8]) -> Severity {
    match text {
        [b'0'..=b'7'] => Severity::from_priority(text[0] - b'0'),
        [b'T' | b't'] => Severity::TRACE,
        [b'D' | b'd'] => Severity::DEBUG,
        [b'I' | b'i'] => Severity::INFO,
        [b'N' | b'n'] => Severity::INFO2,
        [b'W' | b'w'] => Severity::WARN,
        [b'E' | b'e'] => Severity::ERROR,
        [b'C' | b'c'] => Severity::ERROR2,
        [b'F' | b'f'] => Severity::FATAL,
        _ => Severity::from_name(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHOP: &str = r"^(?P<time>\S+ \S+) \[(?P<severity>\w+)\] (?:order=(?P<order>\S+) )?(?P<body>.*)$";

    fn pattern() -> RecordPattern {
        RecordPattern::new(SHOP, TimeFormat::new("%Y-%m-%d %H:%M:%S,%3f").unwrap()).unwrap()
    }

    /// What is read, for the eye.
    fn read(pattern: &RecordPattern, payload: &str) -> (Read, String) {
        let mut entry = Entry::default();
        let read = pattern.read(payload.as_bytes(), &mut pattern.locations(), &mut entry);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = entry.fields.iter().map(|field| match &field.value {
            Value::Text(value) => format!("{}={:?}", text(&field.key), text(value)),
            Value::Number(number) => format!("{}={}", text(&field.key), text(number)),
            other => format!("{}={other:?}", text(&field.key)),
        });
        let fields: Vec<String> = fields.collect();
        (
            read,
            format!(
                "{} {:?} {:?} {}",
                entry.severity.0,
                text(&entry.severity_text),
                text(&entry.body),
                fields.join(" ")
            ),
        )
    }

    #[test]
    fn groups_are_the_parts_of_a_record() {
        let pattern = pattern();
        for (payload, expected) in [
            (
                "2026-11-30 10:20:30,123 [WARN] order=17 paid late\nand more",
                (Read::Matched, "13 \"WARN\" \"paid late\\nand more\" order=17"),
            ),
            ("2026-11-30 10:20:30,123 [chat] hello", (Read::Matched, "0 \"chat\" \"hello\" ")),
            (
                "2026-11-30 25:20:30,123 [W] hello",
                (Read::BadTime, "13 \"W\" \"hello\" time=\"2026-11-30 25:20:30,123\""),
            ),
            ("hello", (Read::Unmatched, "0 \"\" \"\" ")),
        ] {
            let (read, shown) = read(&pattern, payload);
            assert_eq!((read, shown.as_str()), expected, "{payload}");
        }
        let long = format!("2026-11-30 10:20:30,123 [WARN] {}", "x".repeat(PAYLOAD_BYTES_MAX));
        assert_eq!(read(&pattern, &long).0, Read::TooLong);
    }

    #[test]
    fn without_a_group_for_it_the_whole_record_is_the_body_and_ids_are_found() {
        let pattern = RecordPattern::new(r"trace=(?P<trace_id>[0-9a-f]{32})", TimeFormat::Auto).unwrap();
        let payload = b"paid trace=0af7651916cd43dd8448eb211c80319c";
        let mut entry = Entry::default();
        assert_eq!(pattern.read(payload, &mut pattern.locations(), &mut entry), Read::Matched);
        assert_eq!((&*entry.body, entry.trace.trace_id.is_some()), (&payload[..], true));
        assert_eq!(entry.format, Format::Custom);
    }

    #[test]
    fn bytes_that_are_no_text_are_read_too() {
        let pattern = pattern();
        let mut entry = Entry::default();
        let payload = b"2026-11-30 10:20:30,123 [INFO] \xff\xfe";
        assert_eq!(pattern.read(payload, &mut pattern.locations(), &mut entry), Read::Matched);
        assert_eq!(&*entry.body, b"\xff\xfe");
    }

    #[test]
    fn expressions_that_cannot_be_used_are_refused() {
        let many = format!("(?P<a>x){}", "(x)".repeat(GROUPS_MAX));
        for (text, words) in [
            ("(", "unclosed group"),
            ("x", "no group has a name"),
            ("(x)", "no group has a name"),
            (r"(?P<body>(a{1000}){1000})", "exceeds size limit"),
            (&many, "at most 64 groups"),
            (&"x".repeat(PATTERN_BYTES_MAX + 1), "at most 8192 bytes"),
            (r"(?P<body>a)\1", "backreferences are not supported"),
        ] {
            let error = RecordPattern::new(text, TimeFormat::Auto).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_payload_panics_and_what_matches_is_within_it(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let pattern = RecordPattern::new(r"(?P<time>\d+)?(?P<severity>[A-Z])?(?P<k>.)?(?P<body>.*)", TimeFormat::Auto);
            let pattern = pattern.unwrap();
            let mut entry = Entry::default();
            prop_assert_eq!(pattern.read(&payload, &mut pattern.locations(), &mut entry) == Read::Unmatched, false);
            prop_assert!(payload.ends_with(&entry.body));
        }
    }
}
