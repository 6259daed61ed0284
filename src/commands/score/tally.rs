//! The whole result: counts by producer, by method and by class of lines, and by confidence.
//!
//! In go rows of the truth and of the links file, out comes a [`Score`]. What is said of one link is [`super::judged`]'s.

use std::collections::BTreeMap;

use super::judged::{Judged, Tally, Verdict};
use super::kinds::Kinds;
use super::rows::{LinkRow, TrueSpan, Truth};

/// From which confidence on links are counted together.
const BUCKETS: [f64; 7] = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99];

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
    /// The kinds of lines, where they were asked for.
    pub kinds: Option<Kinds>,
}

impl Score {
    /// What is said of it, if it is judged.
    pub(super) fn add_record(&mut self, truth: &mut Truth, row: &LinkRow) -> Option<Judged> {
        let Some(file) = truth.file(&row.file) else {
            self.not_in_truth += 1;
            return None;
        };
        let classes = &truth.classes;
        let file = &mut truth.files[file];
        let Some(first) = file.lines.get_mut(&row.line) else {
            self.not_in_truth += 1;
            return None;
        };
        first.seen = true;
        let first = *first;
        // What stands further in the record counts with its first line.
        for line in 1..row.lines.min(file.lines.len() as u64 + 1) {
            if let Some(line) = file.lines.get_mut(&(row.line + line)) {
                line.seen = true;
            }
        }
        self.add(&file.producer, &classes[usize::from(first.class)], &first, Some(row))
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

    fn add(&mut self, producer: &str, class: &str, truth: &TrueSpan, link: Option<&LinkRow>) -> Option<Judged> {
        if truth.left_out {
            self.left_out += 1;
            return None;
        }
        let judged = Judged::of(truth, link);
        self.total.add(judged);
        self.producers.entry(producer.to_owned()).or_default().add(judged);
        pair(&mut self.classes, producer, class).add(judged);
        if let Some(row) = link.filter(|row| row.within().is_some()) {
            pair(&mut self.methods, producer, row.method.as_deref().unwrap_or("-")).add(judged);
            if let Some(confidence) = row.confidence {
                self.calibrate(confidence, matches!(judged.verdict, Verdict::Right | Verdict::Inexact));
            }
        }
        Some(judged)
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
