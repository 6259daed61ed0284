//! The pods that are known: by UID, by that of their manifest, and by namespace and name.
//!
//! In go lists of pods, out come the facts of one. A pod that is missing in a later list is kept for a while: its last lines may
//! still be to be read. Bounded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::record::Pod;
use crate::record::pod_facts::PodFacts;

/// Pods that are known: a node has some hundred, a cluster's list more.
pub const PODS_MAX: usize = 200_000;
/// Pods that are gone are kept so long.
const GONE_FOR: Duration = Duration::from_secs(600);
/// More of them are not kept, whenever they went.
const GONE_MAX: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub struct PodDirectory {
    by_uid: HashMap<String, Arc<PodFacts>>,
    by_name: HashMap<(String, String), Arc<PodFacts>>,
    /// Those that were missing in the last list, and since when.
    gone: HashMap<String, (Arc<PodFacts>, Instant)>,
}

impl PodDirectory {
    /// All pods are these now.
    pub fn replace(&mut self, pods: Vec<PodFacts>, now: Instant) {
        let before = std::mem::take(&mut self.by_uid);
        self.by_name.clear();
        self.add(pods);
        let gone = before.into_iter().filter(|(uid, _)| !self.by_uid.contains_key(uid));
        self.gone.extend(gone.map(|(uid, facts)| (uid, (facts, now))));
        let by_uid = &self.by_uid;
        self.gone
            .retain(|uid, (_, since)| !by_uid.contains_key(uid) && now.saturating_duration_since(*since) < GONE_FOR);
        if self.gone.len() > GONE_MAX {
            let mut times: Vec<Instant> = self.gone.values().map(|(_, since)| *since).collect();
            times.sort_unstable();
            let oldest = times[times.len() - GONE_MAX];
            self.gone.retain(|_, (_, since)| *since > oldest);
        }
    }

    /// These are known too.
    pub fn add(&mut self, pods: Vec<PodFacts>) {
        for facts in pods {
            if self.by_uid.len() >= PODS_MAX {
                return;
            }
            let facts = Arc::new(facts);
            self.by_name.insert((facts.namespace.clone(), facts.name.clone()), facts.clone());
            for uid in facts.static_uid.iter().chain([&facts.uid]).filter(|uid| !uid.is_empty()) {
                self.by_uid.insert(uid.clone(), facts.clone());
            }
        }
    }

    /// What is known of a pod: by its UID, or, where that is not told, by its name.
    pub fn find(&self, pod: &Pod) -> Option<Arc<PodFacts>> {
        if pod.uid.is_empty() {
            return self.by_name.get(&(pod.namespace.clone(), pod.name.clone())).cloned();
        }
        let gone = || self.gone.get(&pod.uid).map(|(facts, _)| facts);
        self.by_uid.get(&pod.uid).or_else(gone).cloned()
    }

    /// How many pods are known.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// None is known.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, uid: &str, static_uid: Option<&str>) -> PodFacts {
        let (name, uid) = (name.to_owned(), uid.to_owned());
        PodFacts {
            namespace: "shop".into(),
            name,
            uid,
            static_uid: static_uid.map(str::to_owned),
            ..PodFacts::default()
        }
    }

    fn pod(name: &str, uid: &str) -> Pod {
        Pod { namespace: "shop".into(), name: name.into(), uid: uid.into(), ..Pod::default() }
    }

    #[test]
    fn a_pod_is_found_by_its_uids_and_without_one_by_its_name() {
        let mut directory = PodDirectory::default();
        directory.add(vec![facts("web", "u1", None), facts("etcd", "u2", Some("hash"))]);
        for (name, uid, expected) in [
            ("x", "u1", Some("web")),
            ("x", "hash", Some("etcd")),
            ("x", "u2", Some("etcd")),
            ("web", "", Some("web")),
            ("web", "u9", None),
            ("x", "", None),
        ] {
            let found = directory.find(&pod(name, uid));
            assert_eq!(found.as_ref().map(|facts| facts.name.as_str()), expected, "{name} {uid}");
        }
    }

    #[test]
    fn a_pod_that_is_gone_is_kept_for_a_while_and_not_for_ever() {
        let (mut directory, start) = (PodDirectory::default(), Instant::now());
        directory.replace(vec![facts("web", "u1", None)], start);
        directory.replace(vec![facts("web", "u2", None)], start + Duration::from_secs(1));
        assert!(directory.find(&pod("web", "u1")).is_some() && directory.find(&pod("web", "u2")).is_some());
        assert_eq!(directory.find(&pod("web", "")).unwrap().uid, "u2");
        directory.replace(vec![facts("web", "u2", None)], start + GONE_FOR + Duration::from_secs(2));
        assert!(directory.find(&pod("web", "u1")).is_none());
        // Lists with other pods each time do not fill the memory.
        for round in 0..3 {
            let many = (0..GONE_MAX).map(|number| facts("x", &format!("{round}-{number}"), None)).collect();
            directory.replace(many, start + Duration::from_secs(1000 + round));
        }
        assert!(directory.gone.len() <= GONE_MAX);
    }
}
