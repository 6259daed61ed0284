//! A record for people: one line that says when, how bad, who and what; further lines of the message below it.
//!
//! In goes a record, out come lines of the terminal's width: the message first, the rest as far as there is room. Lines from
//! WARN on are whole, over several lines if need be; others are cut. Nothing that stands in a log line can control the
//! terminal. The zone is UTC, as everywhere.

use spanline_parsers::Severity;

use super::terminal::{self, Line, Paint, Style, shown_columns};
use super::text_fields::{FieldList, Fields};
use crate::export::fields;
use crate::export::spell;
use crate::record::{Method, Origin, Record, Relation};

/// Columns of who wrote a line, so that messages stand below each other.
const SOURCE_COLUMNS: usize = 26;

/// Columns of a message that go before what stands at the right.
const MESSAGE_COLUMNS: usize = 60;
/// With fewer columns left a message begins in the next line.
const MESSAGE_COLUMNS_MIN: usize = 24;
/// A level of the tree is indented as long as the indent takes no more than this part of the terminal.
const INDENT_SHARE: usize = 4;
/// Columns of a span's name at the right of a line.
const SPAN_COLUMNS: usize = 40;
/// Digits of an id that tell it from others of a screen.
const SHORT_ID: usize = 4;

/// record = time SP level SP [source SP] message *( SP key "=" value ) [ site ] LF *( further-line LF )
pub fn write(out: &mut Vec<u8>, record: &Record<'_>, which: Fields, style: Style) {
    let source = source(record.origin);
    let list = FieldList::of(record, which);
    let mut fields = Vec::new();
    list.write(&mut fields, None, &[]);
    let row = Row {
        indent: 0,
        time: record.time,
        clock: Clock { date: true, digits: record.time_digits.min(3), columns: 3 },
        severity: record.entry.severity,
        source: &source,
        source_columns: if source.is_empty() { 0 } else { SOURCE_COLUMNS },
        message: &record.entry.body,
        fields: &fields,
        tag: Tag { site: list.site(), ..Tag::default() },
        is_whole: false,
    };
    row.write(out, style);
}

/// A line as it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// Levels of the tree above it.
    pub(crate) indent: usize,
    /// ns since the epoch.
    pub(crate) time: Option<i64>,
    pub(crate) clock: Clock,
    pub(crate) severity: Severity,
    /// Who wrote it, and the columns for that; none where it stands elsewhere.
    pub(crate) source: &'a str,
    pub(crate) source_columns: usize,
    /// What it says.
    pub(crate) message: &'a [u8],
    /// What else it says, as [`FieldList::write`] spells it.
    pub(crate) fields: &'a [u8],
    pub(crate) tag: Tag<'a>,
    /// Nothing of it is cut, whatever its level.
    pub(crate) is_whole: bool,
}

impl Row<'_> {
    /// Writes it, with the further lines of its message; returns the column of the message.
    pub(crate) fn write(&self, out: &mut Vec<u8>, style: Style) -> usize {
        let mut line = Line::begin(out, style);
        indent(&mut line, self.indent, style);
        let indented = line.used();
        self.clock.put(&mut line, self.time);
        level(&mut line, self.severity);
        if self.source_columns > 0 {
            column(&mut line, self.source.as_bytes(), self.source_columns);
        }
        if line.left() < MESSAGE_COLUMNS_MIN {
            line.next(indented + 2);
        }
        let column = line.used();
        let mut further = MessageLines { rest: Some(trimmed(self.message)) };
        let first = further.next().unwrap_or_default();
        let is_whole = self.is_whole || self.severity >= Severity::WARN;
        let (tag, below) = if is_whole {
            line.flow(first, paint_of(self.severity), column);
            line.flow(self.fields, Paint::Dim, column);
            self.tag.fitting(line.left(), 0)
        } else {
            let needed = shown_columns(first) + shown_columns(self.fields);
            let (tag, below) = self.tag.fitting(line.left(), needed.min(MESSAGE_COLUMNS));
            line.reserve(if tag.is_empty() { 0 } else { tag.chars().count() + 2 });
            line.put(first, paint_of(self.severity));
            // Of less nothing could be read.
            if line.left() >= 3 {
                line.put(self.fields, Paint::Dim);
            }
            (tag, below)
        };
        if !tag.is_empty() {
            right(&mut line, &tag);
        }
        for text in further {
            line.next(column);
            line.put("│ ", Paint::Dim);
            if is_whole { line.flow(text, Paint::Plain, column + 2) } else { line.put(text, Paint::Plain) }
        }
        if !below.is_empty() {
            line.next(column);
            line.put("└ ", Paint::Dim);
            line.flow(below.as_bytes(), Paint::Dim, column + 2);
        }
        line.end();
        column
    }
}

/// How the time of a line is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    /// With its date.
    pub(crate) date: bool,
    /// Digits of the second, as far as they were written.
    pub(crate) digits: u8,
    /// … and of the longest in its list.
    pub(crate) columns: u8,
}

impl Clock {
    /// time = [ date SP ] hh ":" mm ":" ss [ "." digits ]; blanks for the rest of the column.
    fn put(self, line: &mut Line<'_>, time: Option<i64>) {
        let fraction = if self.columns == 0 { 0 } else { 1 + usize::from(self.columns) };
        let end = line.used() + if self.date { 11 } else { 0 } + "hh:mm:ss".len() + fraction + 1;
        match time {
            Some(nanos) => {
                let mut text = Vec::with_capacity(24);
                if self.date {
                    spell::date(&mut text, nanos);
                    text.push(b' ');
                    line.put(&text, Paint::Dim);
                    text.clear();
                }
                spell::clock(&mut text, nanos, self.digits.min(self.columns));
                line.put(&text, Paint::Plain);
            }
            None => line.put("no time", Paint::Dim),
        }
        line.pad_to(end);
    }
}

/// What stands at the right of a line: where it was written, how it was linked, to which span, where it lies.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tag<'a> {
    /// `kubelet.go:2043`
    pub(crate) site: &'a [u8],
    pub(crate) link: Option<(Method, Relation, Option<f32>)>,
    /// Its span, where that does not stand above it.
    pub(crate) span: Option<SpanName<'a>>,
    /// `FILE:LINE`
    pub(crate) place: Option<&'a str>,
}

/// A span by its name and ids.
#[derive(Debug, Clone, Copy)]
pub struct SpanName<'a> {
    /// Empty where it was not seen.
    pub name: &'a str,
    /// Its id, all zero where only the trace is known.
    pub span_id: [u8; 8],
    /// Its trace's id.
    pub trace_id: [u8; 16],
}

impl Tag<'_> {
    /// The fullest text that leaves the message `needed` of the columns that are left. Which span and which file it is
    /// stands below where it does not fit: that is what a line is followed up by.
    fn fitting(&self, left: usize, needed: usize) -> (String, String) {
        let link =
            self.link.map(|(method, relation, confidence)| how(method, relation, confidence)).unwrap_or_default();
        let site = String::from_utf8_lossy(self.site);
        let site: String = site.chars().filter(|character| !terminal::is_unsafe(*character)).collect();
        let place = self.place.unwrap_or_default();
        let join = |parts: &[&str]| -> String {
            let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
            parts.join("  ")
        };
        let is_limited = left < usize::MAX;
        let [full, name, id] = self.span.map_or_else(Default::default, |span| span.spellings(is_limited));
        let with =
            |span: &str| if link.is_empty() { span.to_owned() } else { join(&[&link, span]).replace("  →", " →") };
        let texts = [
            join(&[&site, &with(&full), place]),
            join(&[&with(&full), place]),
            join(&[&with(&name), place]),
            join(&[&with(&id), place]),
        ];
        let fits = |text: &str| !is_limited || text.chars().count() + 2 + needed <= left;
        if let Some(text) = texts.iter().find(|text| fits(text)) {
            return (text.clone(), String::new());
        }
        let below = join(&[full.trim_start_matches("→ "), place]);
        match (fits(&link), below.is_empty()) {
            (true, _) => (link, below),
            (false, true) => (String::new(), below),
            (false, false) => (String::new(), join(&[&with(&full), place])),
        }
    }
}

impl SpanName<'_> {
    /// `→ RunPodSandbox 1c2d3e4f (trace 6b291fa0)`, without the trace, and the id alone.
    fn spellings(&self, is_limited: bool) -> [String; 3] {
        let short = |id: &[u8]| {
            let mut text = Vec::new();
            spell::hex(&mut text, &id[..SHORT_ID]);
            String::from_utf8_lossy(&text).into_owned()
        };
        let shown = |character: &char| !terminal::is_unsafe(*character);
        let name: Vec<char> = self.name.chars().filter(shown).collect();
        let name = match name.len().checked_sub(SPAN_COLUMNS) {
            // Names of methods differ in their end.
            Some(beyond @ 1..) if is_limited => format!("…{}", name[beyond + 1..].iter().collect::<String>()),
            _ => name.into_iter().collect(),
        };
        let trace = short(&self.trace_id);
        if self.span_id == [0; 8] {
            return [format!("→ trace {trace}"), format!("→ trace {trace}"), format!("→ trace {trace}")];
        }
        let id = short(&self.span_id);
        let name = if name.is_empty() { "span not seen".to_owned() } else { name };
        [format!("→ {name} {id} (trace {trace})"), format!("→ {name} {id}"), format!("→ {id}")]
    }
}

/// Who wrote it: pod and container, else the service, else the unit.
pub fn source(origin: &Origin) -> String {
    match &origin.pod {
        Some(pod) if pod.container.is_empty() || pod.container == pod.name => pod.name.clone(),
        Some(pod) => format!("{}/{}", pod.name, pod.container),
        None if origin.service().is_empty() => origin.unit.clone().unwrap_or_default(),
        None => origin.service().to_owned(),
    }
}

/// Levels of a tree.
pub(super) fn indent(line: &mut Line<'_>, depth: usize, style: Style) {
    let most = style.width.map_or(usize::MAX, |width| width / INDENT_SHARE / 2);
    for _ in 0..depth.min(most) {
        line.put("│ ", Paint::Dim);
    }
}

/// level = 5 columns and a blank
fn level(line: &mut Line<'_>, severity: Severity) {
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

/// A column of a fixed width and a blank after it.
fn column(line: &mut Line<'_>, text: &[u8], columns: usize) {
    let end = line.used() + columns + 1;
    line.put_within(text, Paint::Cyan, columns);
    line.pad_to(end);
}

fn paint_of(severity: Severity) -> Paint {
    match severity.0 {
        1..9 => Paint::Dim,
        17.. => Paint::Bold,
        _ => Paint::Plain,
    }
}

/// A tag at the right edge if the width is limited and there is room, else two blanks on.
fn right(line: &mut Line<'_>, tag: &str) {
    line.reserve(0);
    let columns = tag.chars().count();
    let free = line.left();
    let start = if free == usize::MAX || free < columns { line.used() + 2 } else { line.used() + free - columns };
    line.pad_to(start);
    line.put(tag, Paint::Dim);
}

/// How a link was found: `entity 0.98`; `about, entity 0.98` for a line written elsewhere.
fn how(method: Method, relation: Relation, confidence: Option<f32>) -> String {
    let about = if relation == Relation::About { "about, " } else { "" };
    match confidence {
        Some(confidence) => format!("{about}{} {:.2}", method.name(), fields::ratio(confidence)),
        None => format!("{about}{}", method.name()),
    }
}

/// The lines of a message.
#[derive(Debug, Clone)]
struct MessageLines<'m> {
    rest: Option<&'m [u8]>,
}

impl<'m> Iterator for MessageLines<'m> {
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

#[cfg(test)]
mod tests {
    use spanline_parsers::Value;

    use super::*;
    use crate::export::samples;
    use spanline_parsers::{CodeSite, Entry};

    const PLAIN: Style = Style { colour: false, width: Some(100) };

    fn shown(entry: &Entry<'_>, style: Style) -> String {
        let origin = samples::pod_origin();
        let mut out = Vec::new();
        write(&mut out, &samples::record(entry, &origin, &[]), Fields::Some, style);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_reads_from_left_to_right() {
        let mut entry = Entry { severity: Severity::INFO, body: b"SyncLoop ADD"[..].into(), ..Entry::default() };
        entry.push(&b"from"[..], Value::Text(b"api"[..].into()));
        entry.push(&b"why"[..], Value::Text(b"a b"[..].into()));
        let expected = "2026-11-23 09:14:51.322 INFO  web-0/main                 SyncLoop ADD from=api why=\"a b\"";
        assert_eq!(shown(&entry, PLAIN), format!("{expected}\n"));
        entry.code = Some(CodeSite { file: b"a/kubelet.go", line: 7 });
        assert_eq!(shown(&entry, Style { width: None, ..PLAIN }), format!("{expected}  kubelet.go:7\n"));
        let wide = shown(&entry, Style { width: Some(120), ..PLAIN });
        assert!(wide.ends_with("  kubelet.go:7\n") && wide.chars().count() == 121, "{wide}");
        assert_eq!(shown(&entry, PLAIN), format!("{expected}\n"), "the message comes first");
    }

    #[test]
    fn what_is_said_at_the_right_shrinks_with_the_terminal() {
        let tag = Tag {
            site: b"kubelet.go:7",
            link: Some((Method::Entity, Relation::About, Some(0.98))),
            span: Some(SpanName { name: "syncPod", span_id: [0x1c; 8], trace_id: [0x6b; 16] }),
            place: Some("kubelet.log:12"),
        };
        let full = "about, entity 0.98 → syncPod 1c1c1c1c (trace 6b6b6b6b)  kubelet.log:12";
        for (left, text) in [
            (usize::MAX, format!("kubelet.go:7  {full}")),
            (126, format!("kubelet.go:7  {full}")),
            (115, full.to_owned()),
            (100, "about, entity 0.98 → syncPod 1c1c1c1c  kubelet.log:12".to_owned()),
            (87, "about, entity 0.98 → 1c1c1c1c  kubelet.log:12".to_owned()),
        ] {
            assert_eq!(tag.fitting(left, 40), (text, String::new()), "{left}");
        }
        let below = "syncPod 1c1c1c1c (trace 6b6b6b6b)  kubelet.log:12";
        assert_eq!(tag.fitting(60, 40), ("about, entity 0.98".to_owned(), below.to_owned()));
        // The message goes before how the line was linked.
        assert_eq!(tag.fitting(59, 40), (String::new(), full.to_owned()));
        assert_eq!(Tag { span: None, place: None, ..tag }.fitting(10, 0), (String::new(), String::new()));
        let name = "github.com/cri-o/cri-o/server.(*Server).runPodSandbox";
        let long = Tag { span: Some(SpanName { name, span_id: [1; 8], trace_id: [2; 16] }), ..Tag::default() };
        assert_eq!(long.fitting(60, 0).0, "→ …-o/cri-o/server.(*Server).runPodSandbox 01010101");
        assert!(long.fitting(usize::MAX, 0).0.contains(name));
    }

    #[test]
    fn further_lines_stand_below_the_message_and_none_is_wider_than_the_terminal() {
        let body = format!("panic: {}\r\n\tat a\x1b[2J.go:1\n\n", "x".repeat(200));
        let mut entry = Entry { severity: Severity::INFO, body: body.as_bytes().into(), ..Entry::default() };
        let text = shown(&entry, PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{text}");
        assert!(lines[0].ends_with("x…"), "{text}");
        assert_eq!(lines[1].trim_start(), "│     at a\\x1b[2J.go:1");
        let unlimited = shown(&entry, Style { width: None, ..PLAIN });
        assert!(unlimited.contains(&"x".repeat(200)));
        entry.severity = Severity::WARN;
        let text = shown(&entry, PLAIN);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert_eq!(text.matches('x').count(), 200 + 1, "nothing of a warning is cut: {text}");
    }

    #[test]
    fn colours_come_only_from_us() {
        let entry = Entry { severity: Severity::FATAL, body: b"\x1b[31mred"[..].into(), ..Entry::default() };
        assert!(!shown(&entry, PLAIN).contains('\x1b'));
        let coloured = shown(&entry, Style { colour: true, ..PLAIN });
        assert!(coloured.contains("\x1b[1;37;41mFATAL\x1b[0m") && coloured.contains("\\x1b[31mred"), "{coloured:?}");
    }
}
