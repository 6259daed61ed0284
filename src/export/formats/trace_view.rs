//! A trace for people: its spans as a tree, each with its lines, in the order in which things happened.
//!
//! In goes plain data of one trace, out comes a heading and a tree that reads from top to bottom. Spans without a line
//! below them are counted, not shown, but for those that failed, of which nothing is cut. Parents that were not seen, that
//! form a ring or a chain of thousands make no trouble: every line is shown once, and no indent is deeper than
//! [`INDENT_MAX`].

use std::collections::HashMap;
use std::io::{self, Write};

use super::line_list::{Columns, LineList, LineView};
use super::terminal::{Line, Paint, Style, shown_columns};
use super::text;
use crate::export::spell;
use crate::notify::counted;

/// Levels of the tree that are indented.
const INDENT_MAX: usize = 16;

/// Columns that the name of a span has before what follows it goes on in the next line.
const NAME_COLUMNS_MIN: usize = 24;

/// One trace with what belongs to it.
#[derive(Debug, Clone, Default)]
pub struct TraceView<'a> {
    /// Its id.
    pub trace_id: [u8; 16],
    /// Its spans, in any order.
    pub spans: Vec<SpanView<'a>>,
    /// Its lines; those of equal times keep their order.
    pub lines: Vec<LineView<'a>>,
    /// Spans that lead to no line are shown too.
    pub is_whole: bool,
    /// Spans are shown with their ids.
    pub has_ids: bool,
    /// What else belongs to it.
    pub left_out: LeftOut,
}

/// What there was no room for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Lines.
    pub lines: u64,
    /// Spans.
    pub spans: u64,
}

/// A span of the trace.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanView<'a> {
    /// Its id.
    pub span_id: [u8; 8],
    /// Its parent's, all zero for none.
    pub parent_id: [u8; 8],
    /// `service.name`.
    pub service: &'a str,
    /// Its name.
    pub name: &'a str,
    /// ns since the epoch.
    pub start: i64,
    /// ns since the epoch.
    pub end: i64,
    /// Its status message, may be empty; `None` unless its status is an error.
    pub failure: Option<&'a str>,
}

/// Bytes of text that are written at once, rather more.
const WRITTEN_BYTES: usize = 64 << 10;

/// Writes a trace: heading, then the tree with the lines.
pub fn write_trace(output: &mut impl Write, trace: &TraceView<'_>, style: Style) -> io::Result<()> {
    let tree = Tree::of(trace);
    let out = &mut Vec::new();
    heading(out, trace, &tree, style);
    let start = trace_start(trace);
    let columns = Columns::of(&trace.lines);
    let mut list = LineList::of_trace(&trace.trace_id, columns, style);
    let mut before = None;
    for line in &tree.rootless {
        let line = &trace.lines[*line];
        list.write(out, line, before.replace(line), 0);
        write_full(output, out, WRITTEN_BYTES)?;
    }
    // Each entry is a node with its depth; a stack, since a chain of parents may be of any length.
    let mut open: Vec<(Node, usize)> = Vec::new();
    let push = |open: &mut Vec<(Node, usize)>, nodes: &[Node], depth| {
        open.extend(nodes.iter().rev().map(|node| (*node, depth)));
    };
    push(&mut open, &tree.roots, 0);
    while let Some((node, depth)) = open.pop() {
        match node {
            Node::Line(at) => {
                let line = &trace.lines[at];
                let span = tree.index.get(&line.span_id).map(|at| &trace.spans[*at]);
                list.span = span.map_or("", |span| span.name);
                list.write(out, line, before.replace(line), depth.min(INDENT_MAX));
            }
            Node::Span(at) => {
                span_line(out, &trace.spans[at], start, trace.has_ids, depth, style);
                push(&mut open, &tree.below[at], depth + 1);
            }
        }
        write_full(output, out, WRITTEN_BYTES)?;
    }
    let LeftOut { lines, spans } = trace.left_out;
    for (count, of, why) in [
        (tree.hidden as u64, "span", "without a line"),
        (spans, "span", "more than there was room for"),
        (lines, "line", "more than there was room for"),
    ] {
        if count > 0 {
            let mut line = Line::begin(out, style);
            line.put(format!("  … {} {why}", counted(count, of)), Paint::Dim);
            line.end();
        }
    }
    out.push(b'\n');
    write_full(output, out, 0)
}

/// Writes what is gathered once it is so much.
fn write_full(output: &mut impl Write, text: &mut Vec<u8>, bytes_least: usize) -> io::Result<()> {
    if text.len() >= bytes_least {
        output.write_all(text)?;
        text.clear();
    }
    Ok(())
}

/// What stands below what.
struct Tree {
    /// Spans without a parent among the trace's, by start.
    roots: Vec<Node>,
    /// For each span: child spans that lead to a line, and its lines, by time.
    below: Vec<Vec<Node>>,
    /// Lines without a span.
    rootless: Vec<usize>,
    /// Spans that lead to no line.
    hidden: usize,
    /// The span that names the trace.
    first: Option<usize>,
    /// Spans by their ids.
    index: HashMap<[u8; 8], usize>,
}

#[derive(Debug, Clone, Copy)]
enum Node {
    Span(usize),
    Line(usize),
}

impl Tree {
    fn of(trace: &TraceView<'_>) -> Tree {
        let spans = &trace.spans;
        let index: HashMap<[u8; 8], usize> = spans.iter().enumerate().map(|(at, span)| (span.span_id, at)).collect();
        let parents = parents(spans, &index);
        let mut tree = Tree {
            roots: Vec::new(),
            below: vec![Vec::new(); spans.len()],
            rootless: Vec::new(),
            hidden: 0,
            first: first(spans),
            index: HashMap::new(),
        };
        let mut leads = vec![trace.is_whole; spans.len()];
        let mut show = |span: usize| {
            let mut up = Some(span);
            while let Some(span) = up.filter(|span| !leads[*span]) {
                leads[span] = true;
                up = parents[span];
            }
        };
        for (at, line) in trace.lines.iter().enumerate() {
            let Some(&span) = index.get(&line.span_id) else {
                tree.rootless.push(at);
                continue;
            };
            tree.below[span].push(Node::Line(at));
            show(span);
        }
        (0..spans.len()).filter(|at| spans[*at].failure.is_some()).for_each(show);
        for at in 0..spans.len() {
            match (leads[at], parents[at]) {
                (false, _) => tree.hidden += 1,
                (true, Some(parent)) => tree.below[parent].push(Node::Span(at)),
                (true, None) => tree.roots.push(Node::Span(at)),
            }
        }
        let time = |node: &Node| match *node {
            Node::Span(at) => (spans[at].start, 0, at),
            Node::Line(at) => (trace.lines[at].order.unwrap_or(i64::MIN), 1, at),
        };
        tree.below.iter_mut().for_each(|nodes| nodes.sort_by_key(time));
        tree.roots.sort_by_key(time);
        tree.index = index;
        tree
    }
}

/// The parent of each span among the others; a ring is opened at one of its spans.
fn parents(spans: &[SpanView<'_>], index: &HashMap<[u8; 8], usize>) -> Vec<Option<usize>> {
    let mut parents: Vec<Option<usize>> =
        spans.iter().map(|span| index.get(&span.parent_id).copied().filter(|_| span.parent_id != [0; 8])).collect();
    // 0: not looked at; else the walk that came by.
    let mut walks = vec![0; spans.len()];
    for start in 0..spans.len() {
        let mut at = start;
        while walks[at] == 0 {
            walks[at] = start + 1;
            match parents[at] {
                Some(parent) if walks[parent] == start + 1 => parents[at] = None,
                Some(parent) => at = parent,
                None => {}
            }
        }
    }
    parents
}

/// The span that names a trace: the earliest without a parent, else the earliest.
fn first(spans: &[SpanView<'_>]) -> Option<usize> {
    (0..spans.len()).min_by_key(|at| (spans[*at].parent_id != [0; 8], spans[*at].start))
}

fn trace_start(trace: &TraceView<'_>) -> i64 {
    trace.spans.iter().map(|span| span.start).min().unwrap_or_default()
}

/// heading = name SP service SP duration SP start LF "trace" SP trace-id SP counts
fn heading(out: &mut Vec<u8>, trace: &TraceView<'_>, tree: &Tree, style: Style) {
    let mut line = Line::begin(out, style);
    match tree.first.map(|at| &trace.spans[at]) {
        Some(span) => {
            line.flow(span.name.as_bytes(), Paint::Bold, 0);
            line.flow_apart(span.service.as_bytes(), Paint::Cyan, 2);
            let end = trace.spans.iter().map(|span| span.end).max().unwrap_or_default();
            let took = duration(end.saturating_sub(trace_start(trace)));
            line.flow_apart(took.as_bytes(), Paint::Plain, 2);
            let mut start = Vec::new();
            spell::date(&mut start, trace_start(trace));
            start.push(b' ');
            spell::clock(&mut start, trace_start(trace), 3);
            line.flow_apart(&start, Paint::Plain, 2);
        }
        None => line.flow(b"trace whose spans were not seen", Paint::Bold, 0),
    }
    line.end();
    let mut line = Line::begin(out, style);
    let mut id = b"trace ".to_vec();
    spell::hex(&mut id, &trace.trace_id);
    line.flow(&id, Paint::Dim, 0);
    let LeftOut { lines, spans } = trace.left_out;
    let [lines, spans] = [lines + trace.lines.len() as u64, spans + trace.spans.len() as u64];
    let counts = format!("{}, {}", counted(lines, "line"), counted(spans, "span"));
    line.flow_apart(counts.as_bytes(), Paint::Dim, 2);
    let failed = trace.spans.iter().filter(|span| span.failure.is_some()).count();
    if failed > 0 {
        line.flow(format!(", {failed} failed").as_bytes(), Paint::Red, 2);
    }
    line.end();
}

/// span = "▸" name SP service SP duration SP "+" since-start [ "span" id ] [ "failed" [ ":" message ] ]
///
/// What does not fit goes on below; of a long name the end is shown.
fn span_line(out: &mut Vec<u8>, span: &SpanView<'_>, trace_start: i64, has_id: bool, depth: usize, style: Style) {
    let has_failed = span.failure.is_some();
    let mut line = Line::begin(out, style);
    text::indent(&mut line, depth.min(INDENT_MAX), style);
    line.put("▸ ", if has_failed { Paint::Red } else { Paint::Cyan });
    let margin = line.used();
    let times = format!(
        "{}  +{}",
        duration(span.end.saturating_sub(span.start)),
        duration(span.start.saturating_sub(trace_start))
    );
    let mut id = Vec::new();
    if has_id {
        id.extend_from_slice(b"span ");
        spell::hex(&mut id, &span.span_id);
    }
    let mut behind = shown_columns(span.service.as_bytes()) + shown_columns(times.as_bytes()) + 4;
    behind += if has_id { id.len() + 2 } else { 0 };
    let room = line.left().saturating_sub(behind);
    let fits = room >= NAME_COLUMNS_MIN.min(shown_columns(span.name.as_bytes()));
    let name = if fits { room } else { line.left() };
    line.put_end(span.name.as_bytes(), if has_failed { Paint::Red } else { Paint::Bold }, name);
    line.flow_apart(span.service.as_bytes(), Paint::Cyan, margin);
    line.flow_apart(times.as_bytes(), Paint::Dim, margin);
    if has_id {
        line.flow_apart(&id, Paint::Dim, margin);
    }
    if let Some(message) = span.failure {
        let message = message.trim();
        line.flow_apart(if message.is_empty() { b"failed" } else { b"failed:" }, Paint::Red, margin);
        if !message.is_empty() {
            line.flow(format!(" {message}").as_bytes(), Paint::Red, margin);
        }
    }
    line.end();
}

/// A duration with three significant digits or so.
pub(crate) fn duration(nanos: i64) -> String {
    let nanos = nanos.max(0);
    let [micros, millis, seconds] = [nanos / 1000, nanos / 1_000_000, nanos / 1_000_000_000];
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{micros} µs"),
        1_000_000..10_000_000 => format!("{millis}.{} ms", micros % 1000 / 100),
        10_000_000..1_000_000_000 => format!("{millis} ms"),
        1_000_000_000..60_000_000_000 => format!("{seconds}.{:02} s", millis % 1000 / 10),
        60_000_000_000..3_600_000_000_000 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use spanline_parsers::Severity;

    use super::*;
    use crate::export::formats::line_list::write_heading_of_unlinked;
    use crate::export::formats::text_fields::{FieldList, Fields};
    use crate::record::{Method, Relation};

    const START: i64 = 1_795_425_291_322_215_577;

    fn id(number: u32) -> [u8; 8] {
        let mut id = [0; 8];
        id[4..].copy_from_slice(&number.to_be_bytes());
        id
    }

    fn span(number: u32, parent: u32, name: &'static str, from_ms: i64, to_ms: i64) -> SpanView<'static> {
        SpanView {
            span_id: id(number),
            parent_id: id(parent),
            service: if number == 1 { "kubelet" } else { "crio" },
            name,
            start: START + from_ms * 1_000_000,
            end: START + to_ms * 1_000_000,
            failure: (name == "StartContainer" || name == "pull").then_some("no such\nfile\n"),
        }
    }

    fn fields(text: &'static str) -> FieldList<'static> {
        let mut entry = spanline_parsers::Entry::default();
        if let Some((key, value)) = text.split_once('=') {
            entry.push(key.as_bytes(), spanline_parsers::Value::Text(value.as_bytes().into()));
        }
        let origin = crate::record::Origin::default();
        FieldList::of(&crate::export::samples::record(&entry, &origin, &[]), Fields::Some)
    }

    fn line(span: u32, at_ms: i64, severity: Severity, message: &'static str) -> LineView<'static> {
        LineView {
            span_id: id(span),
            time: Some(START + at_ms * 1_000_000),
            order: Some(START + at_ms * 1_000_000),
            time_digits: 9,
            severity,
            source: if span == 1 { "kubelet" } else { "crio" },
            message: message.as_bytes(),
            fields: fields(if span == 3 { "pod=web-0" } else { "" }),
            span: None,
            place: None,
            method: Some(Method::Entity),
            relation: Relation::Within,
            confidence: Some(0.98),
        }
    }

    fn shown(trace: &TraceView<'_>) -> String {
        let mut out = Vec::new();
        write_trace(&mut out, trace, Style { colour: false, width: Some(100) }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_trace_reads_from_top_to_bottom() {
        let trace = TraceView {
            trace_id: [0xab; 16],
            spans: vec![
                span(3, 1, "StartContainer", 700, 900),
                span(2, 1, "RunPodSandbox", 10, 600),
                span(1, 0, "syncPod", 0, 1284),
                span(4, 2, "networkSetup", 20, 30),
                span(5, 4, "pull", 25, 28),
                span(6, 2, "quiet", 40, 50),
            ],
            lines: vec![
                line(1, 1, Severity::INFO, "SyncLoop ADD"),
                line(2, 11, Severity::INFO, "Running pod sandbox: default/web-0\nsecond"),
                line(1, 650, Severity::WARN, "slow"),
                line(3, 710, Severity::ERROR, "cannot start\nstack 1\nstack 2\n"),
                line(9, 5, Severity::UNKNOWN, "of a span that was not seen"),
            ],
            ..TraceView::default()
        };
        let expected = "\
syncPod  kubelet  1.28 s  2026-11-23 09:14:51.322
trace abababababababababababababababab  5 lines, 6 spans, 2 failed
09:14:51.327 -     crio                 of a span that was not seen                      entity 0.98
▸ syncPod  kubelet  1.28 s  +0 ns
│ 09:14:51.323 INFO  kubelet              SyncLoop ADD                                   entity 0.98
│ ▸ RunPodSandbox  crio  590 ms  +10 ms
│ │ 09:14:51.333 INFO  crio                 Running pod sandbox: default/web-0           entity 0.98
                               │ second
│ │ ▸ networkSetup  crio  10 ms  +20 ms
│ │ │ ▸ pull  crio  3.0 ms  +25 ms  failed: no such\\nfile
│ 09:14:51.972 WARN  kubelet              slow                                           entity 0.98
│ ▸ StartContainer  crio  200 ms  +700 ms  failed: no such\\nfile
│ │ 09:14:52.032 ERROR crio                 cannot start pod=web-0                       entity 0.98
                               │ stack 1
                               │ stack 2
  … 1 span without a line

";
        // The right edge is checked by width, so that the picture above stays readable.
        let squeezed = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        let text = shown(&trace);
        assert_eq!(squeezed(&text), squeezed(expected), "{text}");
        assert!(text.lines().filter(|line| line.ends_with("0.98")).all(|line| line.chars().count() == 100), "{text}");
    }

    #[test]
    fn a_narrow_terminal_shows_causes_and_ids_whole_and_messages_first() {
        let cause = "failed to \"StartContainer\" for \"main\" with ImagePullBackOff: \"Back-off pulling image\"";
        let failed = SpanView { failure: Some(cause), ..span(1, 0, "syncPod", 0, 9) };
        let long = span(2, 1, "github.com/cri-o/cri-o/server.(*Server).runPodSandbox", 1, 8);
        let place = Some("a/long/folder/of/logs/0.log:123".to_owned());
        let say = |severity, message| LineView { place: place.clone(), ..line(2, 2, severity, message) };
        let lines = vec![
            say(Severity::ERROR, "cannot pull the image: not found, and nothing else is known"),
            say(Severity::INFO, "an info line that is longer than the terminal is wide, and is cut"),
        ];
        let trace = TraceView { spans: vec![failed, long], lines, has_ids: true, ..TraceView::default() };
        for width in [40, 80] {
            let mut out = Vec::new();
            write_trace(&mut out, &trace, Style { colour: false, width: Some(width) }).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            let dense = text.split_whitespace().filter(|word| !matches!(*word, "│" | "└")).collect::<String>();
            let holds = |words: &str| dense.contains(&words.replace(' ', ""));
            for words in [cause, "cannot pull the image: not found, and nothing else is known", "an info line"] {
                assert!(holds(words), "{width} {words}\n{text}");
            }
            assert!(holds("span 0000000000000001") && holds("span 0000000000000002"), "{text}");
            assert!(holds("runPodSandbox") && holds("a/long/folder/of/logs/0.log:123"), "{text}");
            assert!(text.contains("is cut") == (width > 200), "{text}");
        }
    }

    #[test]
    fn rings_and_long_chains_of_parents_show_every_line_once() {
        let spans = vec![span(1, 2, "a", 0, 9), span(2, 3, "b", 1, 8), span(3, 1, "c", 2, 7), span(4, 4, "self", 0, 1)];
        let lines = (1..=4).map(|at| line(at, i64::from(at), Severity::INFO, "once")).collect();
        let text = shown(&TraceView { spans, lines, ..TraceView::default() });
        assert_eq!(text.matches("once").count(), 4, "{text}");
        let spans = (1..20_000).map(|at| span(at, at - 1, "deep", 0, 1)).collect();
        let lines = vec![line(19_999, 0, Severity::INFO, "bottom")];
        let text = shown(&TraceView { spans, lines, ..TraceView::default() });
        assert_eq!(text.matches("bottom").count(), 1);
        assert!(text.lines().all(|line| line.chars().count() <= 100));
    }

    #[test]
    fn lines_of_no_trace_have_a_date() {
        let mut out = Vec::new();
        let lone = LineView { method: None, confidence: None, ..line(0, 0, Severity::INFO, "alone") };
        write_heading_of_unlinked(&mut out, 1, Style::default());
        LineList::new(Columns::of(std::slice::from_ref(&lone)), Style::default()).write(&mut out, &lone, None, 0);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("no trace  1 line\n2026-11-23 09:14:51.322 INFO  crio"), "{text}");
        assert!(text.ends_with(" alone\n"), "{text}");
    }

    #[test]
    fn durations_are_short() {
        for (nanos, text) in [
            (-5, "0 ns"),
            (999, "999 ns"),
            (1_500, "1 µs"),
            (1_590_000, "1.5 ms"),
            (812_000_000, "812 ms"),
            (1_284_000_000, "1.28 s"),
            (61_000_000_000, "1 min 01 s"),
            (7_260_000_000_000, "2 h 01 min"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }
}
