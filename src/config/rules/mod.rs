//! Rules for lines, as a file has them: the agent's configuration, or one of rules alone.
//!
//! In goes the file, out come [`LineRules`], or all of its problems, each with its line and key. Keys of the agent's
//! configuration that are no rules are passed over, so that its file can be tried on other lines.

mod filter;
mod parsers;
mod redact;
mod selector;

use std::path::Path;

use super::agent::fields::{Field, Names, Problems, Section};
use super::agent::keys::{TOP_KEYS, names};
use super::agent::text::{text, told};
use super::error::ConfigError;
use super::yaml::{self, Node, Value};
use crate::line_rules::LineRules;
use crate::line_rules::custom_format::CustomFormats;

/// Keys of rules.
pub(super) const RULES: [&str; 3] = ["parsers", "filter", "redact"];

const FILE: Names = names(&TOP_KEYS, &[]);

/// The flag that names a file of rules.
pub(super) const FLAG: &str = "--rules";

/// The rules of a file.
pub(super) fn of_file(path: Option<&Path>) -> Result<LineRules, ConfigError> {
    let Some(path) = path else { return Ok(LineRules::default()) };
    let mut problems = Problems::default();
    let text = text(FLAG, path, &mut problems)?;
    let mut rules = LineRules::default();
    match text.as_deref().map(yaml::parse) {
        Some(Ok(node)) if !node.is_null() => {
            let top = Field { path: String::new(), node: &node };
            if let Some(top) = top.section(FILE, &mut problems) {
                rules = of_section(&top, &mut problems);
            }
        }
        Some(Err(error)) => problems.add(error.line, error.reason),
        Some(Ok(_)) | None => {}
    }
    if problems.0.is_empty() { Ok(rules) } else { Err(ConfigError::new(FLAG, told(path, &problems.0))) }
}

/// The rules among the keys of a file.
pub(super) fn of_section(top: &Section<'_>, problems: &mut Problems) -> LineRules {
    let formats = top.read_or_off("parsers", problems, |field, problems| Some(parsers::parsers(field, problems)));
    let filter = top.read_or_off("filter", problems, filter::filter).flatten();
    let redactor = top.read_or_off("redact", problems, redact::redactor).flatten().flatten();
    let mut rules = LineRules {
        formats: CustomFormats { all: formats.flatten().unwrap_or_default() }.into(),
        filter: filter.unwrap_or_default().into(),
        redactor: redactor.map(Into::into),
        as_written: String::new(),
    };
    if !rules.are_none() {
        let nodes = RULES.iter().filter_map(|name| top.field(name)).map(|field| field.node);
        nodes.for_each(|node| write(node, &mut rules.as_written));
    }
    rules
}

/// Appends a value without what may change without a meaning: lines, comments and quotes.
fn write(node: &Node, text: &mut String) {
    match &node.value {
        Value::Scalar { text: scalar, .. } => text.push_str(&format!("{scalar:?}")),
        Value::List(entries) => {
            text.push('[');
            entries.iter().for_each(|entry| write(entry, text));
            text.push(']');
        }
        Value::Map(entries) => {
            text.push('{');
            for (key, entry) in entries {
                text.push_str(&format!("{:?}:", key.name));
                write(entry, text);
            }
            text.push('}');
        }
    }
}
