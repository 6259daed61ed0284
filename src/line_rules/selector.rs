//! Which sources a rule is about.
//!
//! In goes who wrote lines, and the file that they stand in, out comes whether a rule holds for them. A list holds if one of its
//! patterns does, and a selector if all of its lists do.

use std::collections::BTreeMap;

use regex::Regex;

use crate::record::Origin;
use crate::record::pod_facts::PodFacts;

/// Which sources a rule is about; by default all.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    /// Paths of files.
    pub files: Vec<Regex>,
    /// Namespaces of pods.
    pub namespaces: Vec<Regex>,
    /// Names of pods.
    pub pods: Vec<Regex>,
    /// Names of containers.
    pub containers: Vec<Regex>,
    /// Units of systemd, or programs: with or without `.service`.
    pub units: Vec<Regex>,
    /// Names of services.
    pub services: Vec<Regex>,
    /// Values of labels of pods, of which all must hold.
    pub labels: Vec<(String, Regex)>,
    /// Values of annotations of pods, of which all must hold.
    pub annotations: Vec<(String, Regex)>,
}

impl Selector {
    /// Whether it holds for these lines. `file`: the path that they are shown under.
    pub fn holds(&self, origin: &Origin, file: &str) -> bool {
        let any = |patterns: &[Regex], text: &str| patterns.is_empty() || is_any(patterns, text);
        let of_pod = |patterns: &[Regex], part: fn(&crate::record::Pod) -> &str| {
            patterns.is_empty() || origin.pod.as_ref().is_some_and(|pod| is_any(patterns, part(pod)))
        };
        any(&self.files, file)
            && of_pod(&self.namespaces, |pod| &pod.namespace)
            && of_pod(&self.pods, |pod| &pod.name)
            && of_pod(&self.containers, |pod| &pod.container)
            && (self.units.is_empty() || self.is_unit(origin))
            && any(&self.services, origin.service())
            && all_of(&self.labels, origin, |facts| &facts.labels)
            && all_of(&self.annotations, origin, |facts| &facts.annotations)
    }

    fn is_unit(&self, origin: &Origin) -> bool {
        let unit = origin.unit.as_deref().unwrap_or_default();
        // Of entries without a unit, and of files, their program is known.
        let program = if origin.pod.is_none() { origin.service_name.as_str() } else { "" };
        let names = [unit, unit.trim_end_matches(".service"), program];
        names.into_iter().any(|name| !name.is_empty() && is_any(&self.units, name))
    }
}

/// A pod of which they are not known has none.
fn all_of(patterns: &[(String, Regex)], origin: &Origin, pairs: fn(&PodFacts) -> &BTreeMap<String, String>) -> bool {
    let has = |(key, pattern): &(String, Regex)| {
        let value = origin.pod_facts.as_deref().and_then(|facts| pairs(facts).get(key));
        value.is_some_and(|value| pattern.is_match(value))
    };
    patterns.iter().all(has)
}

fn is_any(patterns: &[Regex], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Pod;

    fn patterns(texts: &[&str]) -> Vec<Regex> {
        texts.iter().map(|text| Regex::new(&format!("^{text}$")).unwrap()).collect()
    }

    fn pod(namespace: &str, name: &str, container: &str) -> Origin {
        let pod = Pod { namespace: namespace.into(), name: name.into(), container: container.into(), ..Pod::default() };
        Origin { service_name: name.into(), pod: Some(pod), ..Origin::default() }
    }

    #[test]
    fn all_lists_hold_that_there_are() {
        let selector =
            Selector { namespaces: patterns(&["shop", "bank"]), pods: patterns(&["web-.*"]), ..Selector::default() };
        for (origin, expected) in [
            (pod("shop", "web-0", "app"), true),
            (pod("bank", "web-1", "app"), true),
            (pod("shop", "db-0", "app"), false),
            (pod("other", "web-0", "app"), false),
            (Origin { service_name: "web-0".into(), ..Origin::default() }, false),
        ] {
            assert_eq!(selector.holds(&origin, "/var/log/x.log"), expected, "{origin:?}");
        }
        assert!(Selector::default().holds(&Origin::default(), ""));
    }

    #[test]
    fn labels_hold_by_their_values_where_they_are_known() {
        let label = |key: &str, value: &str| (key.to_owned(), Regex::new(&format!("^{value}$")).unwrap());
        let selector = Selector { labels: vec![label("app", "web"), label("tier", ".*")], ..Selector::default() };
        let with = |labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let facts = PodFacts { labels, ..PodFacts::default() };
            Origin { pod_facts: Some(facts.into()), ..pod("shop", "web-0", "app") }
        };
        assert!(selector.holds(&with(&[("app", "web"), ("tier", "front")]), ""));
        assert!(
            !selector.holds(&with(&[("app", "web")]), "") && !selector.holds(&with(&[("app", "db"), ("tier", "")]), "")
        );
        assert!(!selector.holds(&pod("shop", "web-0", "app"), ""));
    }

    #[test]
    fn a_unit_is_known_with_and_without_its_ending_and_by_its_program() {
        let selector = Selector { units: patterns(&["kubelet"]), ..Selector::default() };
        let of_unit = |unit: &str| Origin { unit: Some(unit.into()), ..Origin::default() };
        assert!(selector.holds(&of_unit("kubelet.service"), "") && selector.holds(&of_unit("kubelet"), ""));
        assert!(selector.holds(&Origin { service_name: "kubelet".into(), ..Origin::default() }, "/kubelet.log"));
        assert!(!selector.holds(&of_unit("crio.service"), "") && !selector.holds(&pod("x", "kubelet", "kubelet"), ""));
    }
}
