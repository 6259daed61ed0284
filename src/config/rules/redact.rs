//! `redact`: what is blacked out, as it is written in a file.

use super::selector::name_text;
use crate::config::agent::fields::{Field, Names, Problems};
use crate::config::agent::keys::names;
use crate::line_rules::custom_format::expression;
use crate::line_rules::redact::{BUILTIN, Builtin, KeyRule, PatternRule, REDACTED, Redactor};

const REDACT: Names = names(&["builtin", "keys", "patterns"], &[]);
const PATTERN: Names = names(&["name", "regex", "replace"], &[]);
/// What stands for all rules that are built in.
const ALL: &str = "all";
/// What values of keys that the user names are counted under.
const KEYS: &str = "keys";
/// Rules of a file: each is asked for each text in which one of them finds something.
const RULES_MAX: usize = 100;

/// `None` where there is nothing to black out.
pub(super) fn redactor(field: &Field<'_>, problems: &mut Problems) -> Option<Option<Redactor>> {
    let section = field.section(REDACT, problems)?;
    let (mut patterns, mut keys) = (Vec::new(), Vec::new());
    if let Some(builtin) = section.field("builtin").filter(|builtin| !builtin.node.is_null()) {
        for builtin in self::builtin(builtin, problems) {
            match builtin.rules() {
                Ok((pattern, of_keys)) => {
                    patterns.push(pattern);
                    keys.extend(of_keys);
                }
                Err(error) => problems.add(field.node.line, format!("{}.builtin: {error}", field.path)),
            }
        }
    }
    if let Some(own) = section.field("keys").filter(|own| !own.node.is_null()) {
        let (of_text, of_keys) = own_keys(own, problems);
        patterns.extend(of_text);
        keys.extend(of_keys);
    }
    if let Some(own) = section.field("patterns").filter(|own| !own.node.is_null()) {
        patterns.extend(own.each(problems, pattern).into_iter().map(|sited| sited.value));
    }
    if patterns.len() > RULES_MAX {
        problems.add(field.node.line, format!("{}: more than {RULES_MAX} rules", field.path));
        return None;
    }
    if patterns.is_empty() && keys.is_empty() {
        return Some(None);
    }
    let redactor = Redactor::new(patterns, keys);
    redactor.map(Some).map_err(|error| problems.add(field.node.line, format!("{}: {error}", field.path))).ok()
}

fn builtin(field: &Field<'_>, problems: &mut Problems) -> Vec<Builtin> {
    let one = |entry: &Field<'_>, problems: &mut Problems| {
        let name = entry.text(problems)?;
        if name == ALL {
            return Some(BUILTIN.to_vec());
        }
        let found = Builtin::named(&name);
        if found.is_none() {
            let known = BUILTIN.map(|builtin| builtin.name).join(", ");
            problems.add(entry.node.line, format!("{}: found {name:?}; {ALL}, or of {known} is expected", entry.path));
        }
        found.map(|found| vec![found])
    };
    field.each(problems, one).into_iter().flat_map(|sited| sited.value).collect()
}

/// Keys, in any case: their values in fields, and what stands behind them in texts.
fn own_keys(field: &Field<'_>, problems: &mut Problems) -> (Option<PatternRule>, Option<KeyRule>) {
    let named: Vec<String> = field.each(problems, name_text).into_iter().map(|sited| sited.value).collect();
    if named.is_empty() {
        return (None, None);
    }
    let any = named.join("|");
    let value = r#"\\?["']?\s*[=:]\s*(?:\\?"((?:[^"\\]|\\[^"])+)|'([^']+)|([^\s"'\\,;&)}\](\[{]+))"#;
    let rules = (expression(&format!(r"(?i)\b(?:{any}){value}")), expression(&format!(r"(?i)^(?:{any})$")));
    match rules {
        (Ok(regex), Ok(keys)) => (
            Some(PatternRule { name: KEYS.to_owned(), regex, replace: REDACTED.to_owned() }),
            Some(KeyRule { name: KEYS.to_owned(), keys }),
        ),
        (Err(error), _) | (_, Err(error)) => {
            problems.add(field.node.line, format!("{}: {error}", field.path));
            (None, None)
        }
    }
}

fn pattern(field: &Field<'_>, problems: &mut Problems) -> Option<PatternRule> {
    let section = field.section(PATTERN, problems)?;
    for key in ["name", "regex"] {
        if section.field(key).is_none() {
            problems.add(field.node.line, format!("{}: give {key}", field.path));
        }
    }
    let name = section.read("name", problems, Field::text);
    let replace = section.read("replace", problems, Field::text);
    let regex = section.read("regex", problems, |field, problems| {
        let text = field.text(problems)?;
        expression(&text).map_err(|error| problems.add(field.node.line, format!("{}: {error}", field.path))).ok()
    });
    Some(PatternRule { name: name?, regex: regex?, replace: replace.unwrap_or_else(|| REDACTED.to_owned()) })
}
