//! Metrics as text: OpenMetrics, or the older form of Prometheus.
//!
//! In go the numbers, out comes the text of all of them, grouped by name. Both forms differ in little: OpenMetrics names a
//! counter's family without `_total` and ends with `# EOF`.
//!
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>,
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Write;

use super::{Metrics, Sources};

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
    let mut page = Page { text: String::new(), format };
    let inputs = metrics.inputs.all();
    let destinations = metrics.destinations.all();
    let lines = inputs.iter().map(|(name, input)| (name, input.lines_read.get()));
    page.counter("spanline_lines_read", "Lines read.", "input", lines);
    let delivered = destinations.iter().map(|(name, destination)| (name, destination.delivered.get()));
    page.counter("spanline_records_delivered", "Records that a destination acknowledged.", "destination", delivered);
    let held = destinations.iter().map(|(name, destination)| (name, destination.held.get()));
    page.gauge("spanline_records_held", "Records read and not yet acknowledged by a destination.", "destination", held);
    for (name, help, label, family) in [
        ("spanline_records_dropped", "Records dropped on purpose, by reason.", "reason", &metrics.dropped),
        (
            "spanline_bytes_lost",
            "Bytes of logs that could not be read any more, by reason.",
            "reason",
            &metrics.bytes_lost,
        ),
        ("spanline_links", "Records with a link to a span, by method.", "method", &metrics.links),
    ] {
        let all = family.all();
        page.counter(name, help, label, all.iter().map(|(value, counter)| (value, counter.get())));
    }
    if let Some(sources) = sources {
        let bytes = sources.inputs.iter().map(|(name, input)| (name, input.lag_bytes_max));
        page.gauge("spanline_lag_bytes", "Bytes that the worst source of an input is behind.", "input", bytes);
        let seconds = sources.inputs.iter().map(|(name, input)| (name, input.lag_max.as_secs_f64()));
        page.gauge("spanline_lag_seconds", "Time that the worst source of an input is behind.", "input", seconds);
    }
    page.single_gauge(
        "spanline_waiting_records",
        "Records that wait until their links are known.",
        metrics.waiting_records.get(),
    );
    let memory = metrics.memory.all();
    let memory = memory.iter().map(|(part, bytes)| (part, bytes.get()));
    page.gauge("spanline_memory_bytes", "Bytes that a part of the agent holds.", "part", memory);
    page.end()
}

struct Page {
    text: String,
    format: TextFormat,
}

impl Page {
    fn counter<'l>(&mut self, name: &str, help: &str, label: &str, values: impl Iterator<Item = (&'l String, u64)>) {
        let family = match self.format {
            TextFormat::OpenMetrics => name.to_owned(),
            TextFormat::Prometheus => format!("{name}_total"),
        };
        self.head(&family, "counter", help);
        self.samples(&format!("{name}_total"), label, values);
    }

    fn gauge<'l, N: std::fmt::Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (&'l String, N)>,
    ) {
        self.head(name, "gauge", help);
        self.samples(name, label, values);
    }

    fn single_gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "gauge", help);
        let _ = writeln!(self.text, "{name} {value}");
    }

    /// A family's own lines.
    fn head(&mut self, family: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# TYPE {family} {kind}");
        let unit = ["bytes", "seconds"].into_iter().find(|unit| family.ends_with(&format!("_{unit}")));
        if let Some(unit) = unit.filter(|_| self.format == TextFormat::OpenMetrics) {
            let _ = writeln!(self.text, "# UNIT {family} {unit}");
        }
        let _ = writeln!(self.text, "# HELP {family} {help}");
    }

    fn samples<'l, N: std::fmt::Display>(
        &mut self,
        name: &str,
        label: &str,
        values: impl Iterator<Item = (&'l String, N)>,
    ) {
        for (label_value, value) in values {
            let _ = writeln!(self.text, "{name}{{{label}=\"{}\"}} {value}", escaped(label_value));
        }
    }

    fn end(mut self) -> String {
        if self.format == TextFormat::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
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
        metrics.links("written").add(4);
        metrics.memory("batches").set(1 << 20);
        metrics.waiting_records.set(6);
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
# TYPE spanline_links counter
# HELP spanline_links Records with a link to a span, by method.
spanline_links_total{method=\"written\"} 4
# TYPE spanline_lag_bytes gauge
# UNIT spanline_lag_bytes bytes
# HELP spanline_lag_bytes Bytes that the worst source of an input is behind.
spanline_lag_bytes{input=\"pods\"} 77
# TYPE spanline_lag_seconds gauge
# UNIT spanline_lag_seconds seconds
# HELP spanline_lag_seconds Time that the worst source of an input is behind.
spanline_lag_seconds{input=\"pods\"} 1.5
# TYPE spanline_waiting_records gauge
# HELP spanline_waiting_records Records that wait until their links are known.
spanline_waiting_records 6
# TYPE spanline_memory_bytes gauge
# UNIT spanline_memory_bytes bytes
# HELP spanline_memory_bytes Bytes that a part of the agent holds.
spanline_memory_bytes{part=\"batches\"} 1048576
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
