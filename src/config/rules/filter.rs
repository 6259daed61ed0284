//! `filter`: which records are kept, as it is written in a file.

use spanline_parsers::Severity;

use super::selector::{self, SELECTOR};
use crate::config::agent::fields::{Field, Names, Problems};
use crate::config::agent::keys::names;
use crate::line_rules::custom_format::expression;
use crate::line_rules::filter::{Filter, FilterRule, Sample, reasons};

const FILTER: Names = names(&["include", "exclude", "sample"], &[]);
const RULE: Names = names(&RULE_KEYS, &[]);
const SAMPLE: Names = names(&SAMPLE_KEYS, &[]);
const RULE_KEYS: [&str; SELECTOR.len() + 3] = selector::with(["name", "below", "regex"]);
const SAMPLE_KEYS: [&str; SELECTOR.len() + 2] = selector::with(["keep", "below"]);

/// Rules of a list: each is asked for each record.
const RULES_MAX: usize = 1000;

pub(super) fn filter(field: &Field<'_>, problems: &mut Problems) -> Option<Filter> {
    let section = field.section(FILTER, problems)?;
    let rules = |field: &Field<'_>, problems: &mut Problems| Some(rules(field, problems));
    Some(Filter {
        include: section.read_or_off("include", problems, rules).flatten().unwrap_or_default(),
        exclude: section.read_or_off("exclude", problems, rules).flatten().unwrap_or_default(),
        sample: section.read_or_off("sample", problems, sample).flatten(),
    })
}

fn rules(field: &Field<'_>, problems: &mut Problems) -> Vec<FilterRule> {
    let rules = field.each(problems, rule);
    if let Some(first_over) = rules.get(RULES_MAX) {
        problems.add(first_over.line, format!("{}: more than {RULES_MAX}", field.path));
    }
    rules.into_iter().map(|sited| sited.value).collect()
}

fn rule(field: &Field<'_>, problems: &mut Problems) -> Option<FilterRule> {
    let section = field.section(RULE, problems)?;
    let reason = section.read("name", problems, Field::text);
    let regex = section.read("regex", problems, |field, problems| {
        let text = field.text(problems)?;
        expression(&text).map_err(|error| problems.add(field.node.line, format!("{}: {error}", field.path))).ok()
    });
    if RULE_KEYS.iter().all(|key| *key == "name" || section.field(key).is_none()) {
        problems.add(
            field.node.line,
            format!("{}: it holds for everything: give one of {}", field.path, RULE_KEYS.join(", ")),
        );
    }
    Some(FilterRule {
        reason: reason.unwrap_or_else(|| reasons::EXCLUDED.to_owned()),
        selector: selector::of_section(&section, problems),
        below: section.read("below", problems, level),
        regex,
    })
}

fn sample(field: &Field<'_>, problems: &mut Problems) -> Option<Sample> {
    let section = field.section(SAMPLE, problems)?;
    for key in ["keep", "below"] {
        if section.field(key).is_none() {
            problems.add(field.node.line, format!("{}: give {key}, as in {{keep: 0.1, below: info}}", field.path));
        }
    }
    let selector = selector::of_section(&section, problems);
    let keep = section.read("keep", problems, Field::share);
    let below = section.read("below", problems, level);
    Some(Sample { keep: f64::from(keep?), below: below?, selector })
}

/// A level by its name.
fn level(field: &Field<'_>, problems: &mut Problems) -> Option<Severity> {
    const LEVELS: [(&str, Severity); 6] = [
        ("debug", Severity::DEBUG),
        ("info", Severity::INFO),
        ("notice", Severity::INFO2),
        ("warn", Severity::WARN),
        ("error", Severity::ERROR),
        ("fatal", Severity::FATAL),
    ];
    field.choice(&LEVELS, problems)
}
