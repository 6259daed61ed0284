//! Metrics as text: OpenMetrics, or the older form of Prometheus.
//!
//! In go the numbers, out comes the text of all of them, grouped by name. Both forms differ in little: OpenMetrics names a
//! counter's family without `_total` and ends with `# EOF`.
//!
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>,
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Write;

use super::points::{Kind, Number, Points, Unit, points};
use super::{BOUNDS, Buckets, Metrics, Sources};

/// The form of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus 0.0.4.
    Prometheus,
}

impl TextFormat {
    /// The content type of an answer in this form.
    pub fn content_type(self) -> &'static str {
        match self {
            TextFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            TextFormat::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All metrics; the lag as in `sources`.
pub fn text(metrics: &Metrics, sources: Option<&Sources>, format: TextFormat) -> String {
    let mut text = String::new();
    points(metrics, sources).iter().for_each(|points| family(&mut text, points, format));
    if format == TextFormat::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn family(text: &mut String, points: &Points, format: TextFormat) {
    let Points { name, help, label, .. } = points;
    let (kind, suffix) = match points.kind {
        Kind::Counter => ("counter", "_total"),
        Kind::Gauge => ("gauge", ""),
        Kind::Histogram => ("histogram", ""),
    };
    let of_family = if format == TextFormat::OpenMetrics { "" } else { suffix };
    let _ = writeln!(text, "# TYPE {name}{of_family} {kind}");
    let unit = match points.unit {
        Unit::Bytes => "bytes",
        Unit::Seconds => "seconds",
        Unit::Items => "",
    };
    // A name must end with its unit to have one.
    if !unit.is_empty() && name.ends_with(unit) && format == TextFormat::OpenMetrics {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    let _ = writeln!(text, "# HELP {name}{of_family} {help}");
    for (label_value, number) in &points.points {
        let labels = if label.is_empty() { String::new() } else { format!("{{{label}=\"{}\"}}", escaped(label_value)) };
        let _ = match number {
            Number::Whole(whole) => writeln!(text, "{name}{suffix}{labels} {whole}"),
            Number::Real(real) => writeln!(text, "{name}{suffix}{labels} {real}"),
            Number::Buckets(buckets) => histogram(text, name, (label, label_value), buckets),
        };
    }
}

/// Each bucket holds those before it, too.
fn histogram(text: &mut String, name: &str, (label, value): (&str, &str), buckets: &Buckets) -> std::fmt::Result {
    let value = escaped(value);
    let mut count = 0;
    for (bucket, bound) in buckets.counts.iter().zip(BOUNDS.iter().map(Some).chain([None])) {
        count += bucket;
        // OpenMetrics wants a bound of a whole number as 5.0.
        let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| format!("{bound:?}"));
        writeln!(text, "{name}_bucket{{{label}=\"{value}\",le=\"{bound}\"}} {count}")?;
    }
    writeln!(text, "{name}_count{{{label}=\"{value}\"}} {count}")?;
    writeln!(text, "{name}_sum{{{label}=\"{value}\"}} {}", buckets.sum)
}

/// A label's value between quotes: backslash, quote and line feed are escaped, in both forms.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::super::SourceFacts;
    use super::*;

    fn filled() -> Metrics {
        let now = Instant::now();
        let metrics = Metrics::new(now);
        metrics.input("pods").lines_read.add(5);
        metrics.input("files").lines_read.add(0);
        let destination = metrics.destination("otlp=http://c:4317");
        destination.delivered.add(3);
        destination.held.set(2);
        metrics.dropped("a \"quoted\"\\reason\nof two lines").add(1);
        metrics.bytes_lost("deleted").add(9);
        metrics.entries_lost("vacuumed").add(8);
        metrics.links("written").add(4);
        metrics.parser("shop").matched.add(5);
        metrics.redactions("jwt").add(2);
        metrics.memory("batches").set(1 << 20);
        metrics.limit_reached("sources").add(2);
        metrics.spans.received.add(20);
        metrics.logs.received.add(30);
        metrics.logs.linked.add(17);
        metrics.spans.forward("otlp=http://j:4317").delivered.add(12);
        metrics.spans.spilled("otlp=http://j:4317").set(99);
        metrics.spans.dropped("refused").add(3);
        metrics.spans.requests_refused("queue_full").add(7);
        metrics.waiting_records.set(6);
        let waits = metrics.link_waits("crio");
        [400, 5_000, 70_000].map(Duration::from_millis).into_iter().for_each(|wait| waits.add(wait));
        let lag = Duration::from_millis(1500);
        let source = SourceFacts { path: Path::new("0.log"), input: "pods", bytes_read: 1, lag_bytes: 77, lag };
        metrics.set_sources(now, [source].into_iter());
        metrics
    }

    #[test]
    fn openmetrics_has_every_number_once_under_its_name() {
        let metrics = filled();
        let text = text(&metrics, metrics.sources().as_deref(), TextFormat::OpenMetrics);
        let expected = "\
# TYPE spanline_lines_read counter
# HELP spanline_lines_read Lines read.
spanline_lines_read_total{input=\"files\"} 0
spanline_lines_read_total{input=\"pods\"} 5
# TYPE spanline_records_delivered counter
# HELP spanline_records_delivered Records that a destination acknowledged.
spanline_records_delivered_total{destination=\"otlp=http://c:4317\"} 3
# TYPE spanline_records_held gauge
# HELP spanline_records_held Records read and not yet acknowledged by a destination.
spanline_records_held{destination=\"otlp=http://c:4317\"} 2
# TYPE spanline_records_dropped counter
# HELP spanline_records_dropped Records dropped on purpose, by reason.
spanline_records_dropped_total{reason=\"a \\\"quoted\\\"\\\\reason\\nof two lines\"} 1
# TYPE spanline_bytes_lost counter
# HELP spanline_bytes_lost Bytes of logs that could not be read any more, by reason.
spanline_bytes_lost_total{reason=\"deleted\"} 9
# TYPE spanline_journal_entries_lost counter
# HELP spanline_journal_entries_lost Entries of the journal that could not be read any more, by reason.
spanline_journal_entries_lost_total{reason=\"vacuumed\"} 8
# TYPE spanline_links counter
# HELP spanline_links Records with a link to a span, by method.
spanline_links_total{method=\"written\"} 4
# TYPE spanline_parser_matched counter
# HELP spanline_parser_matched Records that are in a format of the user's own.
spanline_parser_matched_total{parser=\"shop\"} 5
# TYPE spanline_parser_unmatched counter
# HELP spanline_parser_unmatched Records that are not in the format that their source should be in, and went as they are.
spanline_parser_unmatched_total{parser=\"shop\"} 0
# TYPE spanline_parser_bad_times counter
# HELP spanline_parser_bad_times Records in a format of the user's own whose time could not be read.
spanline_parser_bad_times_total{parser=\"shop\"} 0
# TYPE spanline_redactions counter
# HELP spanline_redactions What was blacked out, by rule.
spanline_redactions_total{rule=\"jwt\"} 2
# TYPE spanline_kubelet_failures counter
# HELP spanline_kubelet_failures Times that the kubelet could not be asked for its pods.
spanline_kubelet_failures_total 0
# TYPE spanline_pods_unknown counter
# HELP spanline_pods_unknown Sources that were begun to be read before it was known what their pod is.
spanline_pods_unknown_total 0
# TYPE spanline_spans_received counter
# HELP spanline_spans_received Spans received in requests that were taken.
spanline_spans_received_total 20
# TYPE spanline_spans_forwarded counter
# HELP spanline_spans_forwarded Spans that a destination acknowledged.
spanline_spans_forwarded_total{destination=\"otlp=http://j:4317\"} 12
# TYPE spanline_spans_held gauge
# HELP spanline_spans_held Spans received and not yet acknowledged.
spanline_spans_held{destination=\"otlp=http://j:4317\"} 0
# TYPE spanline_spans_dropped counter
# HELP spanline_spans_dropped Spans that were taken and could not be passed on, by reason.
spanline_spans_dropped_total{reason=\"refused\"} 3
# TYPE spanline_requests_dropped counter
# HELP spanline_requests_dropped Received requests of any signal that were taken and could not be passed on, by reason.
# TYPE spanline_requests_refused counter
# HELP spanline_requests_refused Received requests and connections that were not taken, by reason.
spanline_requests_refused_total{reason=\"queue_full\"} 7
# TYPE spanline_span_events counter
# HELP spanline_span_events Lines that went out as events of spans, by how: on the span itself, or on carriers below it.
# TYPE spanline_spilled_bytes gauge
# UNIT spanline_spilled_bytes bytes
# HELP spanline_spilled_bytes Bytes of received requests on the disk that wait for a destination.
spanline_spilled_bytes{destination=\"otlp=http://j:4317\"} 99
# TYPE spanline_log_records_received counter
# HELP spanline_log_records_received Log records received in requests that were looked at.
spanline_log_records_received_total 30
# TYPE spanline_log_records_linked counter
# HELP spanline_log_records_linked Log records that were passed on with a link which they did not have.
spanline_log_records_linked_total 17
# TYPE spanline_lag_bytes gauge
# UNIT spanline_lag_bytes bytes
# HELP spanline_lag_bytes Bytes that the worst source of an input is behind.
spanline_lag_bytes{input=\"pods\"} 77
# TYPE spanline_lag_seconds gauge
# UNIT spanline_lag_seconds seconds
# HELP spanline_lag_seconds Time that the worst source of an input is behind.
spanline_lag_seconds{input=\"pods\"} 1.5
# TYPE spanline_link_wait_seconds histogram
# UNIT spanline_link_wait_seconds seconds
# HELP spanline_link_wait_seconds Time from when a line was written to when it was decided, of lines that waited for their spans.
spanline_link_wait_seconds_bucket{writer=\"crio\",le=\"0.2\"} 0
spanline_link_wait_seconds_bucket{writer=\"crio\",le=\"0.5\"} 1
spanline_link_wait_seconds_bucket{writer=\"crio\",le=\"1.0\"} 1
spanline_link_wait_seconds_bucket{writer=\"crio\",le=\"2.5\"} 1
spanline_link_wait_seconds_bucket{writer=\"crio\",le=\"5.0\"} 2
spanline_link_wait_seconds_bucket{writer=\"crio\",le=\"7.5\"} 2
spanline_link_wait_seconds_bucket{writer=\"crio\",le=\"10.0\"} 2
spanline_link_wait_seconds_bucket{writer=\"crio\",le=\"15.0\"} 2
spanline_link_wait_seconds_bucket{writer=\"crio\",le=\"60.0\"} 2
spanline_link_wait_seconds_bucket{writer=\"crio\",le=\"+Inf\"} 3
spanline_link_wait_seconds_count{writer=\"crio\"} 3
spanline_link_wait_seconds_sum{writer=\"crio\"} 75.4
# TYPE spanline_waiting_records gauge
# HELP spanline_waiting_records Records that wait until their links are known.
spanline_waiting_records 6
# TYPE spanline_memory_bytes gauge
# UNIT spanline_memory_bytes bytes
# HELP spanline_memory_bytes Bytes that a part of the agent holds.
spanline_memory_bytes{part=\"batches\"} 1048576
# TYPE spanline_limits_reached counter
# HELP spanline_limits_reached Times that a limit was reached, by limit.
spanline_limits_reached_total{limit=\"sources\"} 2
# EOF
";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_older_form_names_counters_in_full() {
        let metrics = filled();
        let text = text(&metrics, None, TextFormat::Prometheus);
        assert!(text.contains("# TYPE spanline_links_total counter\n# HELP spanline_links_total "), "{text}");
        assert!(text.contains("\nspanline_links_total{method=\"written\"} 4\n"), "{text}");
        assert!(!text.contains("# EOF") && !text.contains("# UNIT") && !text.contains("spanline_lag"), "{text}");
    }
}
