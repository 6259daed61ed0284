//! `parsers`: formats of the user's own, as they are written in a file.

use super::selector::selector;
use crate::calendar::Zone;
use crate::config::agent::fields::{Field, Names, Problems};
use crate::config::agent::keys::names;
use crate::line_rules::custom_format::{CustomFormat, RecordPattern, expression};
use crate::line_rules::selector::Selector;
use crate::line_rules::written_time::TimeFormat;

const PARSER: Names = names(&["name", "match", "regex", "time", "zone", "multiline"], &[]);
const MULTILINE: Names = names(&["start"], &[]);

/// Formats of one file: each costs a look-up with each new source.
const PARSERS_MAX: usize = 100;

pub(super) fn parsers(field: &Field<'_>, problems: &mut Problems) -> Vec<CustomFormat> {
    let parsers = field.each(problems, parser);
    if let Some(first_over) = parsers.get(PARSERS_MAX) {
        problems.add(first_over.line, format!("{}: more than {PARSERS_MAX}", field.path));
    }
    for (at, parser) in parsers.iter().enumerate() {
        if parsers[..at].iter().any(|before| before.value.name == parser.value.name) {
            problems.add(parser.line, format!("{}[{at}].name: {:?} is given twice", field.path, parser.value.name));
        }
    }
    parsers.into_iter().map(|sited| sited.value).collect()
}

fn parser(field: &Field<'_>, problems: &mut Problems) -> Option<CustomFormat> {
    let section = field.section(PARSER, problems)?;
    let bad = |name: &str, error: &dyn std::fmt::Display, problems: &mut Problems| {
        let line = section.field(name).map_or(field.node.line, |field| field.node.line);
        problems.add(line, format!("{}.{name}: {error}", field.path));
    };
    let name = section.read("name", problems, Field::text);
    if section.field("name").is_none() {
        problems.add(field.node.line, format!("{}: give name, which it is counted under", field.path));
    }
    let time = section
        .read("time", problems, Field::text)
        .and_then(|text| TimeFormat::new(&text).map_err(|error| bad("time", &error, problems)).ok());
    let zone = section
        .read("zone", problems, Field::text)
        .and_then(|text| Zone::parse(&text).map_err(|error| bad("zone", &error, problems)).ok());
    let regex = section.read("regex", problems, Field::text).and_then(|text| {
        let pattern = RecordPattern::new(&text, time.unwrap_or(TimeFormat::Auto));
        pattern.map_err(|error| bad("regex", &error, problems)).ok()
    });
    for key in ["time", "zone"] {
        if section.field(key).is_some() && regex.as_ref().is_none_or(|regex| !regex.has_time()) {
            bad(key, &"has no effect: regex has no group (?P<time>…)", problems);
        }
    }
    let start = section.read("multiline", problems, |field, problems| {
        let multiline = field.section(MULTILINE, problems)?;
        if multiline.field("start").is_none() {
            problems
                .add(field.node.line, format!("{}: give start, what the first line of a record is like", field.path));
        }
        let text = multiline.read("start", problems, Field::text)?;
        expression(&text).map_err(|error| problems.add(field.node.line, format!("{}.start: {error}", field.path))).ok()
    });
    if section.field("regex").is_none() && section.field("multiline").is_none() {
        problems.add(field.node.line, format!("{}: give regex, multiline, or both", field.path));
    }
    let selector = section.read("match", problems, selector).unwrap_or_else(Selector::default);
    Some(CustomFormat { name: name?, selector, record: regex, start, zone })
}
