//! What is blacked out in records before they leave.
//!
//! In goes a record, out comes one without what rules find in its message and its fields, if they find anything. A link is
//! decided before that, by what was written. What is not UTF-8 is searched too; resources and source files are not.

mod builtin;
mod json;
mod rule;

use std::borrow::Cow;

use regex::bytes::{RegexSet, RegexSetBuilder};
use spanline_parsers::{Entry, Field, Value};

pub use builtin::{BUILTIN, Builtin};
pub use rule::{KeyRule, PatternRule, REDACTED};

use crate::record::Record;

/// Bytes of what all expressions together become, and of what is remembered of them while they are used.
const PROGRAM_BYTES_MAX: usize = 8 << 20;

/// Blacks out what its rules find.
#[derive(Debug)]
pub struct Redactor {
    /// Rules about text.
    patterns: Vec<PatternRule>,
    /// All of their expressions: most texts match none, which this tells at once.
    any: RegexSet,
    /// Rules about values of keys.
    keys: Vec<KeyRule>,
    /// Names of all rules: those about text first.
    names: Vec<String>,
}

impl Redactor {
    /// Of rules; an error if all expressions together are too large.
    pub fn new(patterns: Vec<PatternRule>, keys: Vec<KeyRule>) -> Result<Redactor, regex::Error> {
        let any = RegexSetBuilder::new(patterns.iter().map(|rule| rule.regex.as_str()))
            .unicode(false)
            .dot_matches_new_line(true)
            .size_limit(PROGRAM_BYTES_MAX)
            .dfa_size_limit(PROGRAM_BYTES_MAX)
            .build()?;
        let of_patterns = patterns.iter().map(|rule| rule.name.clone());
        let names = of_patterns.chain(keys.iter().map(|rule| rule.name.clone())).collect();
        Ok(Redactor { patterns, any, keys, names })
    }

    /// The name of a rule.
    pub fn name(&self, rule: usize) -> &str {
        self.names.get(rule).map_or("", String::as_str)
    }

    /// The names of all rules, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let mut met = std::collections::HashSet::new();
        names.retain(|name| met.insert(*name));
        names
    }

    /// Blacks out a record; `None` where nothing is found. `found`: gets each rule as often as it finds something.
    pub fn record<'r>(&self, record: &Record<'r>, found: &mut dyn FnMut(usize)) -> Option<Redacted<'r>> {
        let body = self.text(&record.entry.body, found);
        let fields = self.fields(&record.entry.fields, found);
        let envelope_fields = self.fields(record.envelope_fields, found);
        if body.is_none() && fields.is_none() && envelope_fields.is_none() {
            return None;
        }
        let mut entry = record.entry.clone();
        if let Some(body) = body {
            entry.body = Cow::Owned(body);
        }
        if let Some(fields) = fields {
            entry.fields = fields;
        }
        Some(Redacted { entry, envelope_fields })
    }

    /// Blacks out a text; `None` where nothing is found.
    pub fn text(&self, text: &[u8], found: &mut dyn FnMut(usize)) -> Option<Vec<u8>> {
        let matched = self.any.matches(text);
        let mut redacted: Option<Vec<u8>> = None;
        for rule in matched.iter() {
            let before = redacted.as_deref().unwrap_or(text);
            let after = self.patterns[rule].replaced(before, &mut || found(rule));
            redacted = after.or(redacted);
        }
        redacted
    }

    fn fields<'r>(&self, fields: &[Field<'r>], found: &mut dyn FnMut(usize)) -> Option<Vec<Field<'r>>> {
        let mut redacted: Option<Vec<Field<'r>>> = None;
        for (at, field) in fields.iter().enumerate() {
            if let Some(value) = self.value(&field.key, &field.value, found) {
                redacted.get_or_insert_with(|| fields.to_vec())[at].value = value;
            }
        }
        redacted
    }

    fn value(&self, key: &[u8], value: &Value<'_>, found: &mut dyn FnMut(usize)) -> Option<Value<'static>> {
        if self.is_secret(key, found) {
            return Some(Value::Text(Cow::Borrowed(REDACTED.as_bytes())));
        }
        let text = match value {
            Value::Text(text) => self.text(text, found)?,
            Value::Number(number) => self.text(number, found)?,
            Value::Json(json) => {
                let json = json::redacted(json, &mut Finding { redactor: self, found })?;
                return Some(Value::Json(Cow::Owned(json)));
            }
            Value::Bool(_) | Value::Null => return None,
        };
        Some(Value::Text(Cow::Owned(text)))
    }

    /// Whether values of a key are blacked out, whatever they are.
    fn is_secret(&self, key: &[u8], found: &mut dyn FnMut(usize)) -> bool {
        let rule = self.keys.iter().position(|rule| rule.keys.is_match(key));
        rule.inspect(|rule| found(self.patterns.len() + rule)).is_some()
    }
}

/// Finds what is blacked out within a value.
struct Finding<'f> {
    redactor: &'f Redactor,
    found: &'f mut dyn FnMut(usize),
}

impl json::Finder for Finding<'_> {
    fn is_secret(&mut self, key: &[u8]) -> bool {
        self.redactor.is_secret(key, self.found)
    }

    fn text(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        self.redactor.text(text, self.found)
    }
}

/// A record in which something was blacked out.
#[derive(Debug)]
pub struct Redacted<'r> {
    entry: Entry<'r>,
    /// `None`: as they were.
    envelope_fields: Option<Vec<Field<'r>>>,
}

impl<'r> Redacted<'r> {
    /// The record with these in place of what was written. Its payload is what was written, which goes nowhere.
    pub fn in_place_of<'s>(&'s self, record: &Record<'s>) -> Record<'s>
    where
        'r: 's,
    {
        let envelope_fields = self.envelope_fields.as_deref().unwrap_or(record.envelope_fields);
        Record { entry: &self.entry, envelope_fields, ..*record }
    }
}

#[cfg(test)]
mod tests;
