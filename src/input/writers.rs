//! Who wrote files, as the user says it.
//!
//! In goes a file's place among the given paths, its name, and what that name tells of its writer; out comes the writer
//! replaced by what the user said. How that is typed is known in `config`.

use regex::Regex;

use crate::decode;
use crate::record::{Origin, Pod};

/// What the user says of one writer.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    /// `service.name`
    pub service: Option<String>,
    /// Namespace, pod and container.
    pub pod: Option<(String, String, Option<String>)>,
    /// Other attributes of the resource.
    pub resource: Vec<(String, String)>,
}

/// What the user says of all of them.
#[derive(Debug, Clone, Default)]
pub struct Writers {
    /// For each of the given paths, which of `all` holds for it.
    pub of_path: Vec<Option<usize>>,
    /// Files of these patterns; the last one that fits holds.
    pub patterns: Vec<Pattern>,
    /// The writers.
    pub all: Vec<Writer>,
}

/// Files by their names.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As the user wrote it.
    pub text: String,
    /// What the names look like.
    pub names: Regex,
    /// Their writer's number.
    pub writer: usize,
}

impl Writers {
    /// Patterns that none of these files has.
    pub fn unmatched(&self, shown: &[&str]) -> impl Iterator<Item = &str> {
        let is_unmatched = |pattern: &&Pattern| !shown.iter().any(|shown| pattern.names.is_match(shown));
        self.patterns.iter().filter(is_unmatched).map(|pattern| pattern.text.as_str())
    }

    /// Which writer a file has, by its number; a pattern says more than a place.
    pub fn of(&self, given: usize, shown: &str) -> Option<usize> {
        let by_pattern = self.patterns.iter().rev().find(|pattern| pattern.names.is_match(shown));
        let by_pattern = by_pattern.map(|pattern| pattern.writer);
        by_pattern.or_else(|| self.of_path.get(given).copied().flatten())
    }

    /// Replaces what a name tells by what the user says.
    pub fn put_over(&self, writer: Option<usize>, origin: &mut Origin) {
        if let Some(writer) = writer.and_then(|at| self.all.get(at)) {
            writer.put_over(origin);
        }
    }
}

impl Writer {
    /// Puts it over what a name tells.
    pub fn put_over(&self, origin: &mut Origin) {
        if let Some((namespace, name, container)) = &self.pod {
            let known = origin.pod.take().filter(|known| known.namespace == *namespace && known.name == *name);
            let mut pod =
                known.unwrap_or_else(|| Pod { namespace: namespace.clone(), name: name.clone(), ..Pod::default() });
            if let Some(container) = container {
                pod.container.clone_from(container);
            }
            crate::decode::origin::name_after_pod(origin, pod);
        }
        for (key, value) in &self.resource {
            take_resource(origin, key, value);
        }
        if let Some(service) = &self.service {
            origin.service_name.clone_from(service);
            if origin.pod.is_none() {
                let (producer, _) = decode::origin::producer_named(service);
                origin.producer = producer;
            }
        }
        origin.is_guessed &= self.pod.is_none() && self.service.is_none() && self.resource.is_empty();
    }

    /// Whether the user says the service.
    pub fn says_service(&self) -> bool {
        self.service.is_some() || self.resource.iter().any(|(key, _)| key == "service.name")
    }
}

/// Attributes that links are found by have their own place.
fn take_resource(origin: &mut Origin, key: &str, value: &str) {
    let value = value.to_owned();
    let is_of_pod = key.starts_with("k8s.") || key.starts_with("container.");
    let pod = is_of_pod.then(|| origin.pod.get_or_insert_default());
    match (key, pod) {
        ("service.name", _) => origin.service_name = value,
        ("host.name", _) => origin.host = Some(value),
        ("k8s.namespace.name", Some(pod)) => pod.namespace = value,
        ("k8s.pod.name", Some(pod)) => pod.name = value,
        ("k8s.pod.uid", Some(pod)) => pod.uid = value,
        ("k8s.container.name", Some(pod)) => pod.container = value,
        ("container.id", Some(pod)) => pod.container_id = Some(value),
        _ => {
            origin.resource.retain(|(known, _)| known != key);
            origin.resource.push((key.to_owned(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Producer;

    #[test]
    fn what_is_said_goes_over_what_a_name_tells_and_a_pattern_over_a_place() {
        let pod = Writer { pod: Some(("shop".into(), "web-7d9f8b6c5-x2x4z".into(), None)), ..Writer::default() };
        let resource = vec![("k8s.pod.uid".into(), "u1".into()), ("k8s.cluster.name".into(), "c".into())];
        let service = Writer { service: Some("api".into()), resource, ..Writer::default() };
        let writers = Writers {
            of_path: vec![None, Some(0)],
            patterns: vec![Pattern { text: "api*".into(), names: Regex::new("(^|/)api[^/]*$").unwrap(), writer: 1 }],
            all: vec![pod, service],
        };
        assert_eq!(writers.unmatched(&["x.log"]).collect::<Vec<_>>(), ["api*"]);
        assert_eq!(writers.unmatched(&["x.log", "logs/api.log"]).count(), 0);
        let origin = |given, shown| {
            let mut origin = Origin { service_name: "x".into(), producer: Producer::Other, ..Origin::default() };
            writers.put_over(writers.of(given, shown), &mut origin);
            origin
        };
        assert_eq!(origin(0, "x.log").service_name, "x");
        let web = origin(1, "x.log");
        assert_eq!((web.service_name.as_str(), web.producer), ("web", Producer::Pod));
        let api = origin(1, "logs/api.log");
        assert_eq!((api.service_name.as_str(), api.pod.unwrap().uid.as_str()), ("api", "u1"));
        assert_eq!(api.resource, [("k8s.cluster.name".to_owned(), "c".to_owned())]);
    }
}
