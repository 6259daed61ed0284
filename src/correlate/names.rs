//! Names kept once.
//!
//! Span names, scopes and resources repeat by the thousand; the index holds numbers for them. Bounded: names beyond the
//! limit all share number 0, the empty name, and are counted by whoever asks.

use std::collections::HashMap;
use std::sync::Arc;

use super::engine::hash::{NumberMap, Seed};
use super::facts::ResourceFact;

/// Distinct names kept; a program with more has put ids into its span names.
const NAMES_MAX: usize = 1 << 18;
/// Bytes of names kept.
const NAME_BYTES_MAX: usize = 32 << 20;
/// Distinct resources kept.
const RESOURCES_MAX: usize = 1 << 16;

/// Text ↔ number.
#[derive(Debug)]
pub(super) struct Names {
    numbers: NumberMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
    bytes: usize,
}

impl Default for Names {
    fn default() -> Names {
        let empty: Arc<str> = Arc::from("");
        let mut numbers = NumberMap::with_hasher(Seed::random());
        numbers.insert(empty.clone(), 0);
        Names { numbers, names: vec![empty], bytes: 0 }
    }
}

impl Names {
    /// The number of a name, a new one if need be.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        if self.names.len() >= NAMES_MAX || self.bytes + name.len() > NAME_BYTES_MAX {
            return 0;
        }
        let number = self.names.len() as u32;
        let name: Arc<str> = Arc::from(name);
        self.bytes += name.len();
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    /// The number of a name that is known.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name of a number.
    pub(super) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", |name| name)
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// More than half of the room is taken.
    pub(super) fn is_half_full(&self) -> bool {
        self.names.len() > NAMES_MAX / 2 || self.bytes > NAME_BYTES_MAX / 2
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.names.len() * 80
    }
}

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

    fn new(fact: &ResourceFact<'_>) -> Resource {
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
        }
    }
}

/// Resource ↔ number.
#[derive(Debug, Default)]
pub(super) struct Resources {
    list: Vec<Resource>,
    numbers: HashMap<u64, Vec<u32>>,
    /// Spans come in runs of one resource.
    last: usize,
    last_run: u64,
}

impl Resources {
    /// The number of a resource, a new one if need be. Beyond the limit all share the last.
    pub(super) fn number(&mut self, fact: &ResourceFact<'_>, hash: impl FnOnce() -> u64) -> u32 {
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
                self.list.push(Resource::new(fact));
                self.list.len() - 1
            }
        };
        self.last as u32
    }

    pub(super) fn list(&self) -> &[Resource] {
        &self.list
    }
}
