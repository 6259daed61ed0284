//! A record for people: one line that says when, how bad, who and what; further lines of the message below it.
//!
//! In goes a record, out come lines cut at the terminal's width. Nothing that stands in a log line can control the
//! terminal. The zone is UTC, as everywhere.

use spanline_parsers::{Severity, Value};

use super::fields::{self, Attribute, Keys, Sighting};
use super::spell;
use super::terminal::{Line, Paint, Style};
use crate::record::{Link, Method, Origin, Record, Relation};

/// Columns of who wrote a line, so that messages stand below each other.
const SOURCE_COLUMNS: usize = 26;

/// Columns that a message has before the name of its span gets any.
const MESSAGE_COLUMNS: usize = 40;

/// record = time SP level SP [source SP] message *( SP key "=" value ) [ link ] LF *( further-line LF )
///
/// `span` is the name of the link's span, where it is known.
pub fn write(
    out: &mut Vec<u8>,
    record: &Record<'_>,
    link: Option<&Link>,
    span: Option<&str>,
    sighting: &Sighting<'_>,
    style: Style,
) {
    let mut line = Line::begin(out, style);
    time(&mut line, record.time, record.time_digits, true);
    level(&mut line, record.entry.severity);
    let source = source(record.origin);
    if !source.is_empty() {
        column(&mut line, source.as_bytes(), SOURCE_COLUMNS);
    }
    let tag = link.map(|link| {
        let full = tag(link.method, link.relation, link.confidence, span);
        let crowded = line.left() < full.chars().count() + 2 + MESSAGE_COLUMNS;
        if crowded { tag(link.method, link.relation, link.confidence, None) } else { full }
    });
    let indent = line.used();
    let mut further = message(&mut line, record.entry.severity, &record.entry.body, tag.as_deref());
    let mut beside = Vec::new();
    fields(&mut beside, record, sighting);
    put_fields(&mut line, &beside);
    if let Some(tag) = tag {
        right(&mut line, &tag);
    }
    line.end();
    further_lines(out, &mut further, indent, style);
}

/// fields = *( SP key "=" value ), all that a record says beside its message.
///
/// Where a line was written and from which file is for machines; `explain` tells it.
pub(crate) fn fields(out: &mut Vec<u8>, record: &Record<'_>, sighting: &Sighting<'_>) {
    fields::each(record, sighting, Keys::AsWritten, |key, value| {
        if matches!(value, Attribute::Text(_)) && key.starts_with(b"log.") {
            return;
        }
        out.push(b' ');
        out.extend_from_slice(key);
        out.push(b'=');
        plain(out, value);
    });
}

/// Puts [`fields`] behind a message, as far as there is room.
pub(crate) fn put_fields(line: &mut Line<'_>, fields: &[u8]) {
    // Of less nothing could be read.
    if line.left() >= 3 {
        line.put(fields, Paint::Dim);
    }
}

/// Who wrote it: pod and container, else the service, else the unit.
pub fn source(origin: &Origin) -> String {
    match &origin.pod {
        Some(pod) if pod.container.is_empty() || pod.container == pod.name => pod.name.clone(),
        Some(pod) => format!("{}/{}", pod.name, pod.container),
        None if origin.service_name.is_empty() => origin.unit.clone().unwrap_or_default(),
        None => origin.service_name.clone(),
    }
}

/// time = [ date SP ] hh ":" mm ":" ss [ "." 3DIGIT ], as far as it was written; blanks for the rest of the column.
pub(crate) fn time(line: &mut Line<'_>, time: Option<i64>, digits: u8, date: bool) {
    let end = line.used() + if date { 24 } else { 13 };
    if let Some(nanos) = time {
        let mut text = Vec::with_capacity(24);
        if date {
            spell::date(&mut text, nanos);
            text.push(b' ');
            line.put(&text, Paint::Dim);
            text.clear();
        }
        spell::clock(&mut text, nanos, digits.min(3));
        line.put(&text, Paint::Plain);
    } else {
        line.put("no time", Paint::Dim);
    }
    line.pad_to(end);
}

/// level = 5 columns and a blank
pub(crate) fn level(line: &mut Line<'_>, severity: Severity) {
    let (name, paint) = match severity.0 {
        1..5 => ("TRACE", Paint::Dim),
        5..9 => ("DEBUG", Paint::Dim),
        9 => ("INFO", Paint::Green),
        10..13 => ("NOTE", Paint::Green),
        13..17 => ("WARN", Paint::Yellow),
        17 => ("ERROR", Paint::Red),
        18 => ("CRIT", Paint::Red),
        19..21 => ("ALERT", Paint::Alarm),
        21.. => ("FATAL", Paint::Alarm),
        0 => ("-", Paint::Dim),
    };
    let end = line.used() + 6;
    line.put(name, paint);
    line.pad_to(end);
}

/// A column of a fixed width and a blank behind it.
pub(super) fn column(line: &mut Line<'_>, text: &[u8], columns: usize) {
    let end = line.used() + columns + 1;
    line.put_within(text, Paint::Cyan, columns);
    line.pad_to(end);
}

/// The message's first line, with room left for a tag at the right; returns the further lines.
pub(crate) fn message<'m>(line: &mut Line<'_>, severity: Severity, message: &'m [u8], tag: Option<&str>) -> Lines<'m> {
    let mut lines = Lines { rest: Some(trimmed(message)) };
    let paint = match severity.0 {
        1..9 => Paint::Dim,
        17.. => Paint::Bold,
        _ => Paint::Plain,
    };
    line.reserve(tag.map_or(0, |tag| tag.chars().count() + 2));
    line.put(lines.next().unwrap_or_default(), paint);
    lines
}

/// A tag at the right edge if the width is limited and there is room, else two blanks on.
pub(super) fn right(line: &mut Line<'_>, tag: &str) {
    line.reserve(0);
    let columns = tag.chars().count();
    let free = line.left();
    let start = if free == usize::MAX || free < columns { line.used() + 2 } else { line.used() + free - columns };
    line.pad_to(start);
    line.put(tag, Paint::Dim);
}

/// How a link was found: `entity 0.98 → RunPodSandbox`; `about, entity 0.98` for a line written elsewhere.
pub(super) fn tag(method: Method, relation: Relation, confidence: Option<f32>, span: Option<&str>) -> String {
    let mut tag = if relation == Relation::About { "about, ".to_owned() } else { String::new() };
    tag.push_str(method.name());
    if let Some(confidence) = confidence {
        tag.push_str(&format!(" {:.2}", fields::ratio(confidence)));
    }
    if let Some(span) = span {
        tag.push_str(" → ");
        tag.extend(span.chars().filter(|character| !super::terminal::is_unsafe(*character)).take(40));
    }
    tag
}

/// The lines of a message behind its first, indented and framed.
pub(crate) fn further_lines(out: &mut Vec<u8>, lines: &mut Lines<'_>, indent: usize, style: Style) {
    for text in lines {
        let mut line = Line::begin(out, style);
        line.pad_to(indent.min(style.width.map_or(indent, |width| width / 2)));
        line.put("│ ", Paint::Dim);
        line.put(text, Paint::Plain);
        line.end();
    }
}

/// The lines of a message.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'m> {
    rest: Option<&'m [u8]>,
}

impl<'m> Iterator for Lines<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        let rest = self.rest?;
        let (line, rest) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
            None => (rest, None),
        };
        self.rest = rest;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// A message without line breaks at its end, which would show as empty lines.
fn trimmed(message: &[u8]) -> &[u8] {
    let end = message.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    &message[..end]
}

fn plain(out: &mut Vec<u8>, value: Attribute<'_>) {
    match value {
        Attribute::Line(Value::Text(text)) => readable(out, text),
        Attribute::Line(Value::Number(token)) => out.extend_from_slice(token),
        Attribute::Line(Value::Bool(true)) => out.extend_from_slice(b"true"),
        Attribute::Line(Value::Bool(false)) => out.extend_from_slice(b"false"),
        Attribute::Line(Value::Null) => out.extend_from_slice(b"null"),
        Attribute::Line(Value::Json(raw)) => out.extend_from_slice(raw),
        Attribute::Integer(number) => spell::decimal(out, number),
        Attribute::Text(text) => readable(out, text),
        Attribute::Ratio(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Attribute::Uid(uid) => spell::hex(out, &uid),
    }
}

/// Quotes only where a reader could not tell where the value ends.
fn readable(out: &mut Vec<u8>, text: &[u8]) {
    if text.is_empty() || text.iter().any(|byte| matches!(byte, b' ' | b'"' | b'=' | b'\n')) {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    } else {
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::samples;
    use spanline_parsers::Entry;

    const PLAIN: Style = Style { colour: false, width: Some(100) };

    fn shown(entry: &Entry<'_>, link: Option<&Link>, style: Style) -> String {
        let origin = samples::pod_origin();
        let mut out = Vec::new();
        write(
            &mut out,
            &samples::record(entry, &origin, &[]),
            link,
            Some("RunPodSandbox"),
            &Sighting::default(),
            style,
        );
        String::from_utf8(out).unwrap()
    }

    fn link() -> Link {
        Link {
            trace_id: [1; 16],
            span_id: [2; 8],
            method: Method::Entity,
            confidence: Some(0.98),
            relation: Default::default(),
            verified: true,
            has_event: false,
        }
    }

    #[test]
    fn a_record_reads_from_left_to_right() {
        let mut entry = Entry { severity: Severity::INFO, body: b"SyncLoop ADD"[..].into(), ..Entry::default() };
        entry.push(&b"source"[..], Value::Text(b"api"[..].into()));
        entry.push(&b"why"[..], Value::Text(b"a b"[..].into()));
        assert_eq!(
            shown(&entry, None, PLAIN),
            "2026-11-23 09:14:51.322 INFO  web-0/main                 SyncLoop ADD source=api why=\"a b\"\n"
        );
        assert_eq!(
            shown(&entry, Some(&link()), Style { width: Some(130), ..PLAIN }),
            "2026-11-23 09:14:51.322 INFO  web-0/main                 SyncLoop ADD source=api why=\"a b\"\
             \u{20}            entity 0.98 → RunPodSandbox\n"
        );
    }

    #[test]
    fn many_fields_leave_the_tag_its_room() {
        let mut entry = Entry { body: b"m"[..].into(), ..Entry::default() };
        for key in ["first", "second", "third"] {
            entry.push(key.as_bytes(), Value::Text("y".repeat(30).into_bytes().into()));
        }
        let text = shown(&entry, Some(&link()), PLAIN);
        assert!(text.ends_with("…  entity 0.98\n") && text.chars().count() == 101, "{text}");
    }

    #[test]
    fn further_lines_stand_below_the_message_and_none_is_wider_than_the_terminal() {
        let body = format!("panic: {}\r\n\tat a\x1b[2J.go:1\n\n", "x".repeat(200));
        let entry = Entry { severity: Severity::ERROR, body: body.as_bytes().into(), ..Entry::default() };
        let text = shown(&entry, Some(&link()), PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{text}");
        assert!(lines[0].ends_with("x…  entity 0.98"), "{text}");
        assert_eq!(lines[1].trim_start(), "│     at a\\x1b[2J.go:1");
        let unlimited = shown(&entry, None, Style { width: None, ..PLAIN });
        assert!(unlimited.contains(&"x".repeat(200)));
    }

    #[test]
    fn colours_come_only_from_us() {
        let entry = Entry { severity: Severity::FATAL, body: b"\x1b[31mred"[..].into(), ..Entry::default() };
        assert!(!shown(&entry, None, PLAIN).contains('\x1b'));
        let coloured = shown(&entry, None, Style { colour: true, ..PLAIN });
        assert!(coloured.contains("\x1b[1;37;41mFATAL\x1b[0m") && coloured.contains("\\x1b[31mred"), "{coloured:?}");
    }
}
