//! A score as tables for people, or as one JSON object.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::judged::Tally;
use super::kinds::{Kind, Kinds, LineAt, NotRead};
use super::tally::{Bucket, Score};

/// Kinds of lines that the tables show; JSON has all.
const KINDS_SHOWN: usize = 30;

/// name, then counts, then shares
const HEADING: [&str; 13] = [
    "lines",
    "labelled",
    "linked",
    "right",
    "wrong",
    "false",
    "missed",
    "trace P",
    "trace R",
    "exact",
    "span P",
    "span R",
    "unverified",
];

/// Writes tables.
pub(super) fn write_text(score: &Score, out: &mut impl Write) -> io::Result<()> {
    let mut rows = vec![("all".to_owned(), score.total)];
    rows.extend(score.producers.iter().map(|(name, tally)| (name.clone(), *tally)));
    write_table(out, "producer", &rows)?;
    let pairs = |map: &std::collections::BTreeMap<(String, String), Tally>| {
        map.iter().map(|((producer, name), tally)| (format!("{producer}/{name}"), *tally)).collect::<Vec<_>>()
    };
    write_table(out, "links by method", &pairs(&score.methods))?;
    write_table(out, "class", &pairs(&score.classes))?;
    writeln!(out, "{:<28}{:>10}{:>10}{:>10}{:>10}", "confidence", "links", "right", "stated", "observed")?;
    for bucket in &score.calibration {
        let Bucket { from, to, links, right, stated } = *bucket;
        let closing = if to >= 1.0 { ']' } else { ')' };
        let (stated, observed) = (stated / links as f64, right as f64 / links as f64);
        let name = format!("[{from:.2}, {to:.2}{closing}");
        writeln!(out, "{name:<28}{links:>10}{right:>10}{stated:>10.4}{observed:>10.4}")?;
    }
    writeln!(out)?;
    for (count, what) in notes(score) {
        if count > 0 {
            writeln!(out, "{count} {what}")?;
        }
    }
    score.kinds.iter().try_for_each(|kinds| write_kinds(out, kinds))
}

fn write_kinds(out: &mut impl Write, kinds: &Kinds) -> io::Result<()> {
    let with_faults = kinds.kinds.iter().filter(|kind| kind.faults() > 0);
    writeln!(out)?;
    writeln!(out, "{:>9} {:>9} {:>9} {:>9} {:>9}  kind", "lines", "missed", "wrong", "false", "inexact")?;
    for kind in with_faults.clone().take(KINDS_SHOWN) {
        let Tally { lines, missed, wrong, false_links, .. } = kind.tally;
        let inexact = kind.inexact_lines();
        let writer = if kind.writer.is_empty() { "-" } else { &kind.writer };
        writeln!(out, "{lines:>9} {missed:>9} {wrong:>9} {false_links:>9} {inexact:>9}  {writer}: {}", kind.text)?;
        if let Some(LineAt { file, line }) = kind.example() {
            writeln!(out, "{:>51}  {file}:{line}", "")?;
        }
    }
    writeln!(out)?;
    let left = with_faults.count().saturating_sub(KINDS_SHOWN);
    if left > 0 {
        writeln!(out, "{left} more kinds with fewer faults")?;
    }
    for NotRead { file, reason, lines } in &kinds.not_read {
        writeln!(out, "{lines} records without their kind: {file} {reason}")?;
    }
    Ok(())
}

fn notes(score: &Score) -> [(u64, &'static str); 3] {
    [
        (score.left_out, "lines whose true span is not known, left out"),
        (score.not_in_links, "lines that no record of the links file took, counted as not linked"),
        (score.not_in_truth, "records that the truth does not know, left out"),
    ]
}

fn write_table(out: &mut impl Write, title: &str, rows: &[(String, Tally)]) -> io::Result<()> {
    let has_unverified = rows.iter().any(|(_, tally)| tally.unverified > 0);
    let columns = HEADING.len() - usize::from(!has_unverified);
    let cells = |tally: &Tally| -> [String; 13] {
        let count = |count: u64| count.to_string();
        let share = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.4}"));
        [
            count(tally.lines),
            count(tally.labelled),
            count(tally.linked),
            count(tally.right_trace),
            count(tally.wrong),
            count(tally.false_links),
            count(tally.missed),
            share(tally.trace_precision()),
            share(tally.trace_recall()),
            share(tally.exact()),
            share(tally.span_precision()),
            share(tally.span_recall()),
            count(tally.unverified),
        ]
    };
    let mut line = format!("{title:<28}");
    for cell in &HEADING[..columns] {
        line.push_str(&format!(" {cell:>9}"));
    }
    writeln!(out, "{}", line.trim_end())?;
    for (name, tally) in rows {
        write!(out, "{name:<28}")?;
        for cell in &cells(tally)[..columns] {
            write!(out, " {cell:>9}")?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

/// Writes one object.
pub(super) fn write_json(score: &Score, out: &mut impl Write) -> io::Result<()> {
    let of_pair = |((producer, name), tally): (&(String, String), &Tally), key: &str| {
        let mut object = object(tally);
        object.insert("producer".to_owned(), json!(producer));
        object.insert(key.to_owned(), json!(name));
        Value::Object(object)
    };
    let producers = score.producers.iter().map(|(name, tally)| {
        let mut object = object(tally);
        object.insert("producer".to_owned(), json!(name));
        Value::Object(object)
    });
    let calibration = score.calibration.iter().map(|bucket| {
        json!({
            "from": bucket.from, "to": bucket.to, "links": bucket.links, "right": bucket.right,
            "stated": bucket.stated / bucket.links as f64, "observed": bucket.right as f64 / bucket.links as f64,
        })
    });
    let mut whole = json!({
        "total": object(&score.total),
        "producers": producers.collect::<Vec<_>>(),
        "methods": score.methods.iter().map(|row| of_pair(row, "method")).collect::<Vec<_>>(),
        "classes": score.classes.iter().map(|row| of_pair(row, "class")).collect::<Vec<_>>(),
        "calibration": calibration.collect::<Vec<_>>(),
        "left_out": score.left_out,
        "not_in_links": score.not_in_links,
        "not_in_truth": score.not_in_truth,
    });
    if let Some(kinds) = &score.kinds {
        whole["kinds"] = kinds.kinds.iter().map(kind_object).collect();
        let not_read = kinds.not_read.iter();
        let row = |NotRead { file, reason, lines }: &NotRead| json!({ "file": file, "reason": reason, "lines": lines });
        whole["kinds_not_read"] = not_read.map(row).collect();
    }
    writeln!(out, "{whole}")
}

fn kind_object(kind: &Kind) -> Value {
    let mut object = object(&kind.tally);
    object.insert("writer".to_owned(), json!(kind.writer));
    object.insert("kind".to_owned(), json!(kind.text));
    let example = |at: &Option<LineAt>| at.as_ref().map(|at| json!({ "file": at.file, "line": at.line }));
    let examples = json!({
        "missed": example(&kind.missed),
        "wrong": example(&kind.wrong),
        "false": example(&kind.false_link),
        "inexact": example(&kind.inexact),
    });
    object.insert("examples".to_owned(), examples);
    Value::Object(object)
}

fn object(tally: &Tally) -> Map<String, Value> {
    let counts = [
        ("lines", tally.lines),
        ("labelled", tally.labelled),
        ("linked", tally.linked),
        ("right_trace", tally.right_trace),
        ("right_span", tally.right_span),
        ("wrong", tally.wrong),
        ("false", tally.false_links),
        ("missed", tally.missed),
        ("unverified", tally.unverified),
    ];
    let shares = [
        ("trace_precision", tally.trace_precision()),
        ("trace_recall", tally.trace_recall()),
        ("span_precision", tally.span_precision()),
        ("span_recall", tally.span_recall()),
        ("exact", tally.exact()),
    ];
    let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), json!(count)));
    counts.chain(shares.into_iter().map(|(name, share)| (name.to_owned(), json!(share)))).collect()
}
