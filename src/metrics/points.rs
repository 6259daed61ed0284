//! All metrics as data: what each is called, means and counts.
//!
//! In go the numbers, out come groups of points. How they are written is decided by those who write them.

use super::{Buckets, Counter, Family, Histogram, Metrics, ParserMetrics, Sources};

/// The points of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// Its name, of a counter without `_total`.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// What is counted.
    pub unit: Unit,
    /// How it changes.
    pub kind: Kind,
    /// The label that its points differ by; empty if there is one point.
    pub label: &'static str,
    /// Values of the label, and the numbers.
    pub points: Vec<(String, Number)>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Lines or records.
    Items,
}

/// How a number changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It grows and shrinks.
    Gauge,
    /// Values are counted by their size.
    Histogram,
}

/// A number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Of what can be counted.
    Whole(u64),
    /// Of what is measured.
    Real(f64),
    /// How many are of which size.
    Buckets(Buckets),
}

/// All metrics; the lag as in `sources`.
pub fn points(metrics: &Metrics, sources: Option<&Sources>) -> Vec<Points> {
    let mut all = vec![
        Points {
            name: "spanline_lines_read",
            help: "Lines read.",
            unit: Unit::Items,
            kind: Kind::Counter,
            label: "input",
            points: each(&metrics.inputs, |input| input.lines_read.get()),
        },
        Points {
            name: "spanline_records_delivered",
            help: "Records that a destination acknowledged.",
            unit: Unit::Items,
            kind: Kind::Counter,
            label: "destination",
            points: each(&metrics.destinations, |destination| destination.delivered.get()),
        },
        Points {
            name: "spanline_records_held",
            help: "Records read and not yet acknowledged by a destination.",
            unit: Unit::Items,
            kind: Kind::Gauge,
            label: "destination",
            points: each(&metrics.destinations, |destination| destination.held.get()),
        },
        Points {
            name: "spanline_records_dropped",
            help: "Records dropped on purpose, by reason.",
            unit: Unit::Items,
            kind: Kind::Counter,
            label: "reason",
            points: each(&metrics.dropped, Counter::get),
        },
        Points {
            name: "spanline_bytes_lost",
            help: "Bytes of logs that could not be read any more, by reason.",
            unit: Unit::Bytes,
            kind: Kind::Counter,
            label: "reason",
            points: each(&metrics.bytes_lost, Counter::get),
        },
        Points {
            name: "spanline_journal_entries_lost",
            help: "Entries of the journal that could not be read any more, by reason.",
            unit: Unit::Items,
            kind: Kind::Counter,
            label: "reason",
            points: each(&metrics.entries_lost, Counter::get),
        },
        Points {
            name: "spanline_links",
            help: "Records with a link to a span, by method.",
            unit: Unit::Items,
            kind: Kind::Counter,
            label: "method",
            points: each(&metrics.links, Counter::get),
        },
    ];
    all.extend(rules(metrics));
    all.extend(spans(metrics));
    all.extend(logs(metrics));
    all.extend(sources.into_iter().flat_map(lag));
    all.extend(held(metrics));
    all
}

/// What came of the user's rules, and of asking the kubelet.
fn rules(metrics: &Metrics) -> [Points; 6] {
    let points = |name, help, label, points| {
        let (unit, kind) = (Unit::Items, Kind::Counter);
        Points { name, help, unit, kind, label, points }
    };
    let of_parsers = |number: fn(&ParserMetrics) -> u64| each(&metrics.parsers, number);
    [
        points(
            "spanline_parser_matched",
            "Records that are in a format of the user's own.",
            "parser",
            of_parsers(|parser| parser.matched.get()),
        ),
        points(
            "spanline_parser_unmatched",
            "Records that are not in the format that their source should be in, and went as they are.",
            "parser",
            of_parsers(|parser| parser.unmatched.get()),
        ),
        points(
            "spanline_parser_bad_times",
            "Records in a format of the user's own whose time could not be read.",
            "parser",
            of_parsers(|parser| parser.bad_times.get()),
        ),
        points(
            "spanline_redactions",
            "What was blacked out, by rule.",
            "rule",
            each(&metrics.redactions, Counter::get),
        ),
        points(
            "spanline_kubelet_failures",
            "Times that the kubelet could not be asked for its pods.",
            "",
            vec![(String::new(), Number::Whole(metrics.kubelet_failures.get()))],
        ),
        points(
            "spanline_pods_unknown",
            "Sources that were begun to be read before it was known what their pod is.",
            "",
            vec![(String::new(), Number::Whole(metrics.pods_unknown.get()))],
        ),
    ]
}

/// What is received and passed on.
fn spans(metrics: &Metrics) -> [Points; 8] {
    let points =
        |name, help, label, points| Points { name, help, unit: Unit::Items, kind: Kind::Counter, label, points };
    let of = &metrics.spans;
    let received = vec![(String::new(), Number::Whole(of.received.get()))];
    let forwarded = each(&of.forwards, |forward| forward.delivered.get());
    let held = each(&of.forwards, |forward| forward.held.get());
    [
        points("spanline_spans_received", "Spans received in requests that were taken.", "", received),
        points("spanline_spans_forwarded", "Spans that a destination acknowledged.", "destination", forwarded),
        Points {
            kind: Kind::Gauge,
            ..points("spanline_spans_held", "Spans received and not yet acknowledged.", "destination", held)
        },
        points(
            "spanline_spans_dropped",
            "Spans that were taken and could not be passed on, by reason.",
            "reason",
            each(&of.dropped, Counter::get),
        ),
        points(
            "spanline_requests_dropped",
            "Received requests of any signal that were taken and could not be passed on, by reason.",
            "reason",
            each(&of.requests_dropped, Counter::get),
        ),
        points(
            "spanline_requests_refused",
            "Received requests and connections that were not taken, by reason.",
            "reason",
            each(&of.requests_refused, Counter::get),
        ),
        points(
            "spanline_span_events",
            "Lines that went out as events of spans, by how: on the span itself, or on carriers below it.",
            "how",
            each(&of.events, Counter::get),
        ),
        Points {
            name: "spanline_spilled_bytes",
            help: "Bytes of received requests on the disk that wait for a destination.",
            unit: Unit::Bytes,
            kind: Kind::Gauge,
            label: "destination",
            points: each(&of.spilled, super::Gauge::get),
        },
    ]
}

/// What of logs is received and passed on.
fn logs(metrics: &Metrics) -> [Points; 2] {
    let points = |name, help, counter: &Counter| {
        let points = vec![(String::new(), Number::Whole(counter.get()))];
        Points { name, help, unit: Unit::Items, kind: Kind::Counter, label: "", points }
    };
    [
        points(
            "spanline_log_records_received",
            "Log records received in requests that were looked at.",
            &metrics.logs.received,
        ),
        points(
            "spanline_log_records_linked",
            "Log records that were passed on with a link which they did not have.",
            &metrics.logs.linked,
        ),
    ]
}

/// What it holds.
fn held(metrics: &Metrics) -> [Points; 4] {
    let waits = metrics.link_waits.all().into_iter();
    [
        Points {
            name: "spanline_link_wait_seconds",
            help: "Time from when a line was written to when it was decided, of lines that waited for their spans.",
            unit: Unit::Seconds,
            kind: Kind::Histogram,
            label: "writer",
            points: waits.map(|(writer, waits)| (writer, Number::Buckets(Histogram::get(&waits)))).collect(),
        },
        Points {
            name: "spanline_waiting_records",
            help: "Records that wait until their links are known.",
            unit: Unit::Items,
            kind: Kind::Gauge,
            label: "",
            points: vec![(String::new(), Number::Whole(metrics.waiting_records.get()))],
        },
        Points {
            name: "spanline_memory_bytes",
            help: "Bytes that a part of the agent holds.",
            unit: Unit::Bytes,
            kind: Kind::Gauge,
            label: "part",
            points: each(&metrics.memory, super::Gauge::get),
        },
        Points {
            name: "spanline_limits_reached",
            help: "Times that a limit was reached, by limit.",
            unit: Unit::Items,
            kind: Kind::Counter,
            label: "limit",
            points: each(&metrics.limits, Counter::get),
        },
    ]
}

fn lag(sources: &Sources) -> [Points; 2] {
    let inputs = sources.inputs.iter();
    let bytes = inputs.clone().map(|(name, input)| (name.clone(), Number::Whole(input.lag_bytes_max)));
    let seconds = inputs.map(|(name, input)| (name.clone(), Number::Real(input.lag_max.as_secs_f64())));
    [
        Points {
            name: "spanline_lag_bytes",
            help: "Bytes that the worst source of an input is behind.",
            unit: Unit::Bytes,
            kind: Kind::Gauge,
            label: "input",
            points: bytes.collect(),
        },
        Points {
            name: "spanline_lag_seconds",
            help: "Time that the worst source of an input is behind.",
            unit: Unit::Seconds,
            kind: Kind::Gauge,
            label: "input",
            points: seconds.collect(),
        },
    ]
}

fn each<T: Default>(family: &Family<T>, number: impl Fn(&T) -> u64) -> Vec<(String, Number)> {
    let all = family.all().into_iter();
    all.map(|(label, value)| (label, Number::Whole(number(&value)))).collect()
}
