//! Which records are kept.
//!
//! In go rules, a writer, and a record with whether it has a link; out comes the reason for which it is dropped, if it is. What
//! rules say of writers is found out once for each ([`WriterRules`]).

use regex::bytes::Regex;
use spanline_parsers::Severity;

use super::selector::Selector;
use crate::record::{Origin, Record};

/// Rules about which records are kept; by default all are.
#[derive(Debug, Default)]
pub struct Filter {
    /// If there are any, records are kept for which one of them holds.
    pub include: Vec<FilterRule>,
    /// Records are dropped for which one of them holds.
    pub exclude: Vec<FilterRule>,
    /// Of records without a link, a share is kept.
    pub sample: Option<Sample>,
}

/// A rule, which holds where all of its parts do.
#[derive(Debug, Default)]
pub struct FilterRule {
    /// What records that it drops are counted under.
    pub reason: String,
    /// Of which writers.
    pub selector: Selector,
    /// Records whose level is known and lower.
    pub below: Option<Severity>,
    /// Records whose message matches.
    pub regex: Option<Regex>,
}

/// Which share of records without a link is kept.
#[derive(Debug)]
pub struct Sample {
    /// From 0 to 1.
    pub keep: f64,
    /// Of records whose level is known and lower; others are all kept.
    pub below: Severity,
    /// Of which writers.
    pub selector: Selector,
}

/// Reasons for which records are dropped, beside those of rules with names.
pub mod reasons {
    /// No rule includes it.
    pub const NOT_INCLUDED: &str = "not_included";
    /// A rule without a name excludes it.
    pub const EXCLUDED: &str = "excluded";
    /// It has no link, and is not of the share that is kept.
    pub const SAMPLED: &str = "sampled";
}

/// The rules that may hold for one writer's records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriterRules {
    include: Vec<usize>,
    exclude: Vec<usize>,
    is_sampled: bool,
}

impl Filter {
    /// Whether all records are kept.
    pub fn keeps_all(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty() && self.sample.is_none()
    }

    /// The rules that may hold for a writer's records. `file`: the path that they are shown under.
    pub fn of(&self, origin: &Origin, file: &str) -> WriterRules {
        let holding = |rules: &[FilterRule]| -> Vec<usize> {
            let rules = rules.iter().enumerate().filter(|(_, rule)| rule.selector.holds(origin, file));
            rules.map(|(at, _)| at).collect()
        };
        WriterRules {
            include: holding(&self.include),
            exclude: holding(&self.exclude),
            is_sampled: self.sample.as_ref().is_some_and(|sample| sample.selector.holds(origin, file)),
        }
    }

    /// Why a record is dropped; `None`: it is kept. `uid`: its id, by which the share of a sample is chosen, so that the same
    /// records are in it each time.
    pub fn drops(&self, rules: &WriterRules, record: &Record<'_>, is_linked: bool, uid: &[u8; 16]) -> Option<&str> {
        let is_included = || rules.include.iter().any(|at| self.include[*at].holds(record));
        if !self.include.is_empty() && !is_included() {
            return Some(reasons::NOT_INCLUDED);
        }
        if let Some(at) = rules.exclude.iter().find(|at| self.exclude[**at].holds(record)) {
            return Some(&self.exclude[*at].reason);
        }
        let sample = self.sample.as_ref().filter(|_| rules.is_sampled && !is_linked)?;
        (is_below(record, sample.below) && !sample.keeps(uid)).then_some(reasons::SAMPLED)
    }

    /// Whether all records of a writer are dropped, whatever they say.
    pub fn drops_all(&self, rules: &WriterRules) -> bool {
        let is_any = |rule: &FilterRule| rule.below.is_none() && rule.regex.is_none();
        !self.include.is_empty() && rules.include.is_empty()
            || rules.exclude.iter().any(|at| is_any(&self.exclude[*at]))
    }
}

impl FilterRule {
    /// Whether it holds for a record of a writer for which it may.
    fn holds(&self, record: &Record<'_>) -> bool {
        self.below.is_none_or(|below| is_below(record, below))
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(&record.entry.body))
    }
}

impl Sample {
    fn keeps(&self, uid: &[u8; 16]) -> bool {
        let [head, ..] = uid.as_chunks::<8>().0 else { return true };
        // 53 bits, which a double holds without loss.
        (u64::from_be_bytes(*head) >> 11) as f64 / (1u64 << 53) as f64 <= self.keep && self.keep > 0.0
    }
}

fn is_below(record: &Record<'_>, level: Severity) -> bool {
    let severity = record.entry.severity;
    severity != Severity::UNKNOWN && severity < level
}

#[cfg(test)]
mod tests {
    use regex::Regex as Pattern;
    use spanline_parsers::{Entry, Text};

    use super::*;
    use crate::record::{Envelope, Pod, Position, Stream};

    fn dropped(
        filter: &Filter,
        namespace: &str,
        severity: Severity,
        body: &str,
        is_linked: bool,
        uid: u8,
    ) -> Option<String> {
        let pod = Pod { namespace: namespace.into(), ..Pod::default() };
        let origin = Origin { pod: Some(pod), ..Origin::default() };
        let entry = Entry { severity, body: Text::Borrowed(body.as_bytes()), ..Entry::default() };
        let record = Record {
            source: 0,
            origin: &origin,
            position: Position::default(),
            envelope: Envelope::Cri,
            stream: Stream::Stdout,
            time: None,
            time_digits: 0,
            envelope_time: None,
            entry: &entry,
            envelope_fields: &[],
            payload: b"",
            piece: 0,
        };
        let rules = filter.of(&origin, "");
        filter.drops(&rules, &record, is_linked, &[uid; 16]).map(str::to_owned)
    }

    fn of_namespace(name: &str) -> Selector {
        Selector { namespaces: vec![Pattern::new(name).unwrap()], ..Selector::default() }
    }

    fn rule(reason: &str) -> FilterRule {
        FilterRule { reason: reason.into(), ..FilterRule::default() }
    }

    #[test]
    fn what_is_included_and_not_excluded_is_kept() {
        let filter = Filter {
            include: vec![
                FilterRule { selector: of_namespace("^shop$"), ..rule("") },
                FilterRule { regex: Some(Regex::new("payment").unwrap()), ..rule("") },
            ],
            exclude: vec![
                FilterRule { below: Some(Severity::INFO), ..rule("quiet") },
                FilterRule { regex: Some(Regex::new("healthz").unwrap()), ..rule("excluded") },
            ],
            sample: None,
        };
        for (namespace, severity, body, expected) in [
            ("shop", Severity::INFO, "hello", None),
            ("bank", Severity::INFO, "hello", Some("not_included")),
            ("bank", Severity::INFO, "a payment", None),
            ("shop", Severity::DEBUG, "hello", Some("quiet")),
            ("shop", Severity::UNKNOWN, "hello", None),
            ("shop", Severity::WARN, "GET /healthz", Some("excluded")),
        ] {
            assert_eq!(dropped(&filter, namespace, severity, body, true, 0).as_deref(), expected, "{namespace} {body}");
        }
    }

    #[test]
    fn a_writer_all_of_whose_records_are_dropped_is_known() {
        let filter = Filter {
            exclude: vec![
                FilterRule { selector: of_namespace("^kube-system$"), ..rule("excluded") },
                FilterRule { below: Some(Severity::INFO), ..rule("excluded") },
            ],
            ..Filter::default()
        };
        let of = |namespace: &str| {
            let pod = Pod { namespace: namespace.into(), ..Pod::default() };
            filter.drops_all(&filter.of(&Origin { pod: Some(pod), ..Origin::default() }, ""))
        };
        assert!(of("kube-system") && !of("shop"));
    }

    #[test]
    fn a_sample_is_of_records_without_a_link_and_the_same_each_time() {
        let sample = |keep| Some(Sample { keep, below: Severity::WARN, selector: Selector::default() });
        let filter = Filter { sample: sample(0.5), ..Filter::default() };
        let of = |severity, is_linked, uid| dropped(&filter, "shop", severity, "x", is_linked, uid);
        assert_eq!(of(Severity::INFO, false, 0xf0).as_deref(), Some("sampled"));
        assert_eq!(of(Severity::INFO, false, 0x10), None);
        assert_eq!(of(Severity::INFO, true, 0xf0), None);
        assert_eq!(of(Severity::WARN, false, 0xf0), None);
        assert_eq!(of(Severity::UNKNOWN, false, 0xf0), None);
        let kept = (0..=255).filter(|uid| of(Severity::INFO, false, *uid).is_none()).count();
        assert_eq!(kept, 128);
        for (keep, expected) in [(0.0, 0), (1.0, 256)] {
            let filter = Filter { sample: sample(keep), ..Filter::default() };
            let of = |uid| dropped(&filter, "shop", Severity::INFO, "x", false, uid);
            assert_eq!((0..=255).filter(|uid| of(*uid).is_none()).count(), expected);
        }
    }
}
