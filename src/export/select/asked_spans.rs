//! What conditions ask about spans that are not held.
//!
//! In go the spans one by one, out come the ids of the traces that conditions speak of, and names to tell when nothing meets
//! them. No span is kept.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::condition::Condition;
use super::span_lookup::{SpanLookup, TraceId};
use super::unmet::{NAMES_MAX, last_part};

/// See the module.
#[derive(Debug, Default)]
pub struct AskedSpans {
    /// The last parts of the names that conditions ask for.
    parts: Vec<String>,
    asks_for_failures: bool,
    /// Traces by the names of their spans, of those that end so.
    traces: BTreeMap<String, HashSet<TraceId>>,
    failed: HashSet<TraceId>,
    /// Of all spans, as many as are told.
    names: BTreeSet<String>,
    services: BTreeSet<String>,
    /// Name and service of the last span that was looked at.
    last: (String, String),
}

impl AskedSpans {
    /// Before the first span.
    pub fn new(conditions: &[Condition]) -> AskedSpans {
        let part = |condition: &Condition| match condition {
            Condition::Span(name) => Some(last_part(name)),
            _ => None,
        };
        let asks_for_failures = conditions.iter().any(|condition| matches!(condition, Condition::Errors));
        AskedSpans { parts: conditions.iter().filter_map(part).collect(), asks_for_failures, ..AskedSpans::default() }
    }

    /// Looks at a span.
    pub fn add(&mut self, trace_id: TraceId, service: &str, name: &str, has_failed: bool) {
        if has_failed && self.asks_for_failures {
            self.failed.insert(trace_id);
        }
        if self.last.1 != service {
            service.clone_into(&mut self.last.1);
            add_name(&mut self.services, service);
        }
        if self.parts.is_empty() {
            return;
        }
        if let Some(traces) = self.traces.get_mut(name) {
            traces.insert(trace_id);
        } else if self.last.0 != name {
            name.clone_into(&mut self.last.0);
            if self.parts.contains(&last_part(name)) {
                self.traces.insert(name.to_owned(), HashSet::from([trace_id]));
            } else {
                add_name(&mut self.names, name);
            }
        }
    }
}

fn add_name(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < NAMES_MAX && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

impl SpanLookup for AskedSpans {
    fn failed_traces(&self) -> HashSet<TraceId> {
        self.failed.clone()
    }

    fn traces_with_span(&self, names: &[&str]) -> HashSet<TraceId> {
        names.iter().filter_map(|name| self.traces.get(*name)).flatten().copied().collect()
    }

    fn span_names(&self) -> BTreeSet<&str> {
        self.traces.keys().chain(&self.names).map(String::as_str).collect()
    }

    fn services(&self) -> Vec<&str> {
        self.services.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traces_that_conditions_speak_of_are_found() {
        let conditions = [Condition::Span("runPod".into()), Condition::Errors];
        let mut asked = AskedSpans::new(&conditions);
        for (trace, service, name, has_failed) in [
            (1, "crio", "/v1/RunPod", false),
            (2, "crio", "Status", true),
            (3, "kubelet", "/v1/RunPod", true),
            (3, "kubelet", "runPod", false),
            (4, "kubelet", "Status", false),
        ] {
            asked.add([trace; 16], service, name, has_failed);
        }
        let ids = |traces: HashSet<TraceId>| traces.into_iter().map(|id| id[0]).collect::<BTreeSet<u8>>();
        assert_eq!(ids(asked.failed_traces()), [2, 3].into());
        assert_eq!(ids(asked.traces_with_span(&["/v1/RunPod"])), [1, 3].into());
        assert_eq!(ids(asked.traces_with_span(&["runPod", "Status"])), [3].into());
        assert_eq!(asked.span_names(), ["/v1/RunPod", "Status", "runPod"].into());
        assert_eq!(asked.services(), ["crio", "kubelet"]);
        let mut nothing = AskedSpans::new(&[Condition::Linked]);
        nothing.add([1; 16], "crio", "Status", true);
        assert!(nothing.failed_traces().is_empty() && nothing.span_names().is_empty());
    }
}
