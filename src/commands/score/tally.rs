//! Counts of right, wrong and missing links.
//!
//! A line is labelled if a recorded span was active, linked if its record has a link that says the span encloses it. A
//! link is right (trace, span), wrong (another trace than the true one), or false (no recorded span was active). Ids that
//! were written in a line whose span was not seen are no claim about a recorded span: without a true span they are
//! counted for themselves.

use std::collections::BTreeMap;

use super::rows::{LinkRow, TrueSpan, Truth};

/// From which confidence on links are counted together.
const BUCKETS: [f64; 7] = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99];

/// Counts of one kind of lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records.
    pub lines: u64,
    /// Those with a true span.
    pub labelled: u64,
    /// Those with a link.
    pub linked: u64,
    /// Links to the right trace.
    pub right_trace: u64,
    /// Links to the right span.
    pub right_span: u64,
    /// Links to another trace than the true one.
    pub wrong: u64,
    /// Links of lines that have no true span.
    pub false_links: u64,
    /// Labelled lines without a link.
    pub missed: u64,
    /// Written ids whose span was not seen, on lines without a true span.
    pub unverified: u64,
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Tally {
    /// Right traces of the links.
    pub fn trace_precision(&self) -> Option<f64> {
        share(self.right_trace, self.linked)
    }

    /// Right traces of the labelled lines.
    pub fn trace_recall(&self) -> Option<f64> {
        share(self.right_trace, self.labelled)
    }

    /// Right spans of the links.
    pub fn span_precision(&self) -> Option<f64> {
        share(self.right_span, self.linked)
    }

    /// Right spans of the labelled lines.
    pub fn span_recall(&self) -> Option<f64> {
        share(self.right_span, self.labelled)
    }

    /// Right spans of the links to the right trace.
    pub fn exact(&self) -> Option<f64> {
        share(self.right_span, self.right_trace)
    }

    fn add(&mut self, truth: &TrueSpan, link: Option<&LinkRow>) {
        self.lines += 1;
        self.labelled += u64::from(truth.ids.is_some());
        let within = link.and_then(LinkRow::within);
        match (truth.ids, within) {
            (None, None) => {}
            (None, Some(_)) if link.is_some_and(|link| link.verified == Some(false)) => self.unverified += 1,
            (None, Some(_)) => {
                self.linked += 1;
                self.false_links += 1;
            }
            (Some(_), None) => self.missed += 1,
            (Some((trace_id, span_id)), Some((linked_trace, linked_span))) => {
                self.linked += 1;
                if trace_id == linked_trace {
                    self.right_trace += 1;
                    self.right_span += u64::from(linked_span.is_some() && span_id == linked_span);
                } else {
                    self.wrong += 1;
                }
            }
        }
    }
}

/// Links of about one confidence.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bucket {
    /// From this confidence on.
    pub from: f64,
    /// Below this one; 1 belongs to the last bucket.
    pub to: f64,
    /// Links.
    pub links: u64,
    /// Those to the right trace.
    pub right: u64,
    /// Sum of what they said of themselves.
    pub stated: f64,
}

/// The whole result.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Score {
    /// All lines.
    pub total: Tally,
    /// By producer.
    pub producers: BTreeMap<String, Tally>,
    /// By producer and method, of the linked lines.
    pub methods: BTreeMap<(String, String), Tally>,
    /// By producer and class.
    pub classes: BTreeMap<(String, String), Tally>,
    /// By confidence, lowest first; empty ones are left out.
    pub calibration: Vec<Bucket>,
    /// Lines whose true span is not known (class `unknown-span`, or a quirk).
    pub left_out: u64,
    /// Records of the links file that the truth does not know.
    pub not_in_truth: u64,
    /// Lines of the truth that no record of the links file took; they count as not linked.
    pub not_in_links: u64,
}

impl Score {
    pub(super) fn add_record(&mut self, truth: &mut Truth, row: &LinkRow) {
        let Some(file) = truth.file(&row.file) else {
            self.not_in_truth += 1;
            return;
        };
        let classes = &truth.classes;
        let file = &mut truth.files[file];
        let Some(first) = file.lines.get_mut(&row.line) else {
            self.not_in_truth += 1;
            return;
        };
        first.seen = true;
        let first = *first;
        // What stands further in the record counts with its first line.
        for line in 1..row.lines.min(file.lines.len() as u64 + 1) {
            if let Some(line) = file.lines.get_mut(&(row.line + line)) {
                line.seen = true;
            }
        }
        self.add(&file.producer, &classes[usize::from(first.class)], &first, Some(row));
    }

    /// Lines that no record took.
    pub(super) fn add_rest(&mut self, truth: &Truth) {
        for file in &truth.files {
            for line in file.lines.values().filter(|line| !line.seen) {
                self.not_in_links += 1;
                self.add(&file.producer, &truth.classes[usize::from(line.class)], line, None);
            }
        }
        self.calibration.retain(|bucket| bucket.links > 0);
    }

    fn add(&mut self, producer: &str, class: &str, truth: &TrueSpan, link: Option<&LinkRow>) {
        if truth.left_out {
            self.left_out += 1;
            return;
        }
        self.total.add(truth, link);
        self.producers.entry(producer.to_owned()).or_default().add(truth, link);
        pair(&mut self.classes, producer, class).add(truth, link);
        let Some((row, (trace_id, _))) = link.and_then(|row| Some((row, row.within()?))) else { return };
        pair(&mut self.methods, producer, row.method.as_deref().unwrap_or("-")).add(truth, link);
        if let Some(confidence) = row.confidence {
            let is_right = truth.ids.is_some_and(|(true_trace, _)| true_trace == trace_id);
            self.calibrate(confidence, is_right);
        }
    }

    fn calibrate(&mut self, confidence: f64, is_right: bool) {
        if self.calibration.is_empty() {
            let ends = BUCKETS[1..].iter().copied().chain([1.0]);
            let bucket = |(from, to): (&f64, f64)| Bucket { from: *from, to, ..Bucket::default() };
            self.calibration = BUCKETS.iter().zip(ends).map(bucket).collect();
        }
        let at = BUCKETS.iter().rposition(|from| confidence >= *from).unwrap_or(0);
        let bucket = &mut self.calibration[at];
        bucket.links += 1;
        bucket.right += u64::from(is_right);
        bucket.stated += confidence;
    }
}

fn pair<'a>(map: &'a mut BTreeMap<(String, String), Tally>, one: &str, two: &str) -> &'a mut Tally {
    map.entry((one.to_owned(), two.to_owned())).or_default()
}
