//! Which records are shown and sent, and which traces.
//!
//! In go conditions, what is known of the spans and, where a condition asks for lines with errors, the traces of these; out
//! comes whether a record is selected and, where all conditions are about traces, whether a trace is. Reading, learning and
//! the links file do not depend on it.

use std::collections::HashSet;

use spanline_parsers::{Severity, Value};

use super::condition::Condition;
use super::span_lookup::{SpanLookup, TraceId};
use super::unmet::{self, Met};
use crate::export::fields::{self, Attribute, Keys, RecordContext};
use crate::otlp::wire::spans::{self, Head};
use crate::record::{Link, Record};
use crate::setting::Setting;

/// Conditions, and what was met of them so far.
#[derive(Debug, Default)]
pub struct Selection<'a> {
    conditions: &'a [Condition],
    tests: Vec<Test<'a>>,
    met: Met,
    /// What to tell of span names that no span has, and for which names they were taken.
    notes: Vec<String>,
}

#[derive(Debug)]
enum Test<'a> {
    /// The trace's id begins so.
    Prefix(&'a str),
    /// The trace is one of these, or the line has this level.
    Failing(HashSet<TraceId>),
    /// The trace is one of these.
    Traces(HashSet<TraceId>),
    /// The line itself.
    Line(&'a Condition),
}

impl<'a> Selection<'a> {
    /// Looks up the traces that conditions speak of; `errors`: those of lines from ERROR on, if they are asked for.
    pub fn new(
        conditions: &'a [Condition],
        spans: Option<&dyn SpanLookup>,
        errors: &HashSet<TraceId>,
    ) -> Selection<'a> {
        let mut notes = Vec::new();
        let mut test = |condition: &'a Condition| match condition {
            Condition::Trace(prefix) => Test::Prefix(prefix),
            Condition::Errors => {
                let mut failing = errors.clone();
                failing.extend(spans.into_iter().flat_map(SpanLookup::failed_traces));
                Test::Failing(failing)
            }
            Condition::Span(name) => {
                Test::Traces(spans.map_or_else(HashSet::new, |spans| with_span(spans, name, &mut notes)))
            }
            condition => Test::Line(condition),
        };
        let tests = conditions.iter().map(&mut test).collect();
        Selection { conditions, tests, met: Met::new(conditions), notes }
    }

    /// Why nothing is shown or sent, where that is so, and how conditions were understood.
    pub fn remarks(&self, spans: Option<&dyn SpanLookup>) -> Vec<String> {
        let why = self.met.why_nothing(self.conditions, spans);
        self.notes.iter().cloned().chain(why).collect()
    }

    /// There is no condition.
    pub fn is_everything(&self) -> bool {
        self.tests.is_empty()
    }

    /// Tells these conditions from others; `None` without any.
    pub fn number(&self) -> Option<u128> {
        let text: String = self.conditions.iter().map(|condition| format!("{condition:?}\n")).collect();
        (!text.is_empty()).then(|| twox_hash::XxHash3_128::oneshot_with_seed(3, text.as_bytes()))
    }

    /// Whether a record is chosen.
    pub fn admits(&self, record: &Record<'_>, link: Option<&Link>) -> bool {
        self.met.see(record.origin);
        self.all(|test| match test {
            Test::Prefix(prefix) => link.is_some_and(|link| begins(&link.trace_id, prefix)),
            Test::Failing(traces) => {
                record.entry.severity >= Severity::ERROR || link.is_some_and(|link| traces.contains(&link.trace_id))
            }
            Test::Traces(traces) => link.is_some_and(|link| traces.contains(&link.trace_id)),
            Test::Line(condition) => meets(condition, record, link),
        })
    }

    /// Whether all tests are met; each is asked, so that it is known which leaves nothing.
    fn all(&self, is_met: impl Fn(&Test<'_>) -> bool) -> bool {
        let mut all = true;
        for (at, test) in self.tests.iter().enumerate() {
            if is_met(test) {
                self.met.one(at);
            } else {
                all = false;
            }
        }
        if all {
            self.met.all();
        }
        all
    }

    /// Whether a trace is chosen without any of its lines: only where all conditions are about traces.
    pub fn admits_trace(&self, trace: &TraceId) -> bool {
        self.all(|test| match test {
            Test::Prefix(prefix) => begins(trace, prefix),
            Test::Failing(traces) | Test::Traces(traces) => traces.contains(trace),
            Test::Line(_) => false,
        })
    }
}

/// Spans of requests that are sent or written again with their lines; `of_lines`: traces of the lines that are left.
impl Selection<'_> {
    /// Of each span of a request, in order, whether it stays behind; empty where none does.
    pub fn left_out(&self, request: &[u8], of_lines: &HashSet<TraceId>) -> Vec<bool> {
        let mut left_out = Vec::new();
        if !self.is_everything() {
            spans::each(request, |at| left_out.push(!self.keeps(at.span, of_lines)));
        }
        left_out
    }

    /// Whether a span goes out.
    pub fn keeps(&self, span: &[u8], of_lines: &HashSet<TraceId>) -> bool {
        let trace_id = Head::of(span).trace_id;
        of_lines.contains(&trace_id) || self.admits_trace(&trace_id)
    }
}

/// Whether the line itself meets a condition.
fn meets(condition: &Condition, record: &Record<'_>, link: Option<&Link>) -> bool {
    let pod = record.origin.pod.as_ref();
    match condition {
        Condition::Level(level) => record.entry.severity >= *level,
        Condition::Pod { namespace, name, container } => pod.is_some_and(|pod| {
            pod.name == *name
                && namespace.as_ref().is_none_or(|namespace| pod.namespace == *namespace)
                && container.as_ref().is_none_or(|container| pod.container == *container)
        }),
        Condition::Namespace(namespace) => pod.is_some_and(|pod| pod.namespace == *namespace),
        Condition::Service(service) => record.origin.service() == service,
        Condition::Grep(pattern) => {
            pattern.is_match(&record.entry.body) || any_field(record, |text| pattern.is_match(text))
        }
        Condition::Linked => link.is_some(),
        // Told by their traces.
        Condition::Trace(_) | Condition::Errors | Condition::Span(_) => true,
    }
}

/// Whether any `key=value` of a record matches, or the place in its source, `kubelet.go:2043`.
fn any_field(record: &Record<'_>, matches: impl Fn(&[u8]) -> bool) -> bool {
    let mut found = false;
    let mut text = Vec::new();
    fields::each(record, &RecordContext::default(), Keys::AsWritten, |key, value| {
        if found {
            return;
        }
        text.clear();
        text.extend_from_slice(key);
        text.push(b'=');
        match value {
            Attribute::Line(Value::Text(value)) => text.extend_from_slice(value),
            value => crate::export::formats::text_fields::plain(&mut text, value),
        }
        found = matches(&text);
    });
    found
        || record.entry.code.is_some_and(|site| {
            text.clear();
            text.extend_from_slice(site.file);
            text.extend_from_slice(format!(":{}", site.line).as_bytes());
            matches(&text)
        })
}

/// Traces with a span of this name; where there is none, with spans whose name ends with it, in any case.
fn with_span(spans: &dyn SpanLookup, name: &str, notes: &mut Vec<String>) -> HashSet<TraceId> {
    let names = spans.span_names();
    if names.contains(name) {
        return spans.traces_with_span(&[name]);
    }
    let part = unmet::last_part(name);
    let alike: Vec<&str> = names.into_iter().filter(|other| unmet::last_part(other) == part).collect();
    if !alike.is_empty() {
        notes.push(format!("{} span={name}: no span has this name, taken for {}", Setting::Only, alike.join(", ")));
    }
    spans.traces_with_span(&alike)
}

fn begins(id: &TraceId, prefix: &str) -> bool {
    let mut text = Vec::with_capacity(32);
    crate::export::spell::hex(&mut text, id);
    text.starts_with(prefix.as_bytes())
}
