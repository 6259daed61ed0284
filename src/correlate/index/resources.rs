//! Resources of spans, each kept once.
//!
//! In go resources as spans come with them, out come small numbers. Bounded: beyond the limit all share the last number.

use std::collections::HashMap;

use crate::correlate::text::hash::{fold, mix};
use crate::facts::ResourceFact;

/// Distinct resources kept.
const RESOURCES_MAX: usize = 1 << 16;

/// Whose spans these are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    /// `service.name`
    pub service: String,
    /// `k8s.pod.uid`
    pub pod_uid: String,
    /// `k8s.namespace.name`
    pub namespace: String,
    /// `k8s.pod.name`
    pub pod: String,
    /// `k8s.container.name`
    pub container: String,
    /// `container.id`
    pub container_id: String,
    /// `host.name`
    pub host: String,
    /// `service.instance.id`
    pub instance: String,
    /// `process.pid`, 0 where not told.
    pub pid: u64,
    /// Equal for resources of one service, from the first on.
    pub(crate) service_number: u32,
    /// What tells it from others, in every run.
    pub(crate) identity: u64,
}

impl Resource {
    fn is(&self, fact: &ResourceFact<'_>) -> bool {
        self.pid == fact.pid
            && self.service == fact.service
            && self.pod_uid == fact.pod_uid
            && self.host == fact.host
            && self.pod == fact.pod
            && self.namespace == fact.namespace
            && self.container == fact.container
            && self.container_id == fact.container_id
            && self.instance == fact.instance
    }

    fn new(fact: &ResourceFact<'_>, service_number: u32) -> Resource {
        Resource {
            service: fact.service.to_owned(),
            pod_uid: fact.pod_uid.to_owned(),
            namespace: fact.namespace.to_owned(),
            pod: fact.pod.to_owned(),
            container: fact.container.to_owned(),
            container_id: fact.container_id.to_owned(),
            host: fact.host.to_owned(),
            instance: fact.instance.to_owned(),
            pid: fact.pid,
            service_number,
            identity: identity(fact),
        }
    }
}

fn identity(fact: &ResourceFact<'_>) -> u64 {
    let ResourceFact { service, pod_uid, namespace, pod, container, container_id, host, instance, .. } = *fact;
    let texts = [service, pod_uid, namespace, pod, container, container_id, host, instance];
    texts.iter().fold(fact.pid, |all, text| mix(all, fold(0, text.as_bytes())))
}

/// Resource ↔ number.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    list: Vec<Resource>,
    numbers: HashMap<u64, Vec<u32>>,
    services: HashMap<String, u32>,
    /// Spans come in runs of one resource.
    last: usize,
    last_run: u64,
}

impl Resources {
    /// The number of a resource, a new one if need be. Beyond the limit all share the last.
    pub(crate) fn number(&mut self, fact: &ResourceFact<'_>, hash: impl FnOnce() -> u64) -> u32 {
        if fact.run != 0 && fact.run == self.last_run {
            return self.last as u32;
        }
        self.last_run = fact.run;
        if self.list.get(self.last).is_some_and(|resource| resource.is(fact)) {
            return self.last as u32;
        }
        let numbers = self.numbers.entry(hash()).or_default();
        let known = numbers.iter().find(|number| self.list[**number as usize].is(fact));
        self.last = match known {
            Some(number) => *number as usize,
            None if self.list.len() >= RESOURCES_MAX => self.list.len() - 1,
            None => {
                numbers.push(self.list.len() as u32);
                let next = self.services.len() as u32;
                let service = *self.services.entry(fact.service.to_owned()).or_insert(next);
                self.list.push(Resource::new(fact, service));
                self.list.len() - 1
            }
        };
        self.last as u32
    }

    /// The names of services, by their numbers.
    pub(crate) fn services(&self) -> Vec<String> {
        let mut names: Vec<(&u32, &String)> = self.services.iter().map(|(name, number)| (number, name)).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name.clone()).collect()
    }

    /// Services have the numbers that they had before.
    pub(crate) fn number_services(&mut self, names: Vec<String>) {
        self.services = names.into_iter().zip(0..).collect();
    }

    pub(crate) fn list(&self) -> &[Resource] {
        &self.list
    }
}
