//! Who wrote the lines of a source: the source's own origin, and those of the writers that its envelopes name.
//!
//! In go origins, out come their numbers, which stay as long as the source is read. Bounded: a node starts new scopes and
//! sessions for ever, each a unit of its own. Beyond the limit writers are told apart by service and host only, and counted.

use std::collections::HashMap;
use std::sync::Arc;

use crate::record::Origin;

/// Origins of a source: a node has hundreds of units at a time. About 1 MiB of them.
const ORIGINS_MAX: usize = 4096;
/// Further origins without a unit: programs and hosts.
const WITHOUT_UNIT_MAX: usize = 1024;
/// Writers whose origins are found by a hash; beyond that all are looked for anew.
const WRITERS_MAX: usize = 4 * ORIGINS_MAX;

/// See the module.
#[derive(Debug)]
pub(super) struct Origins {
    /// The source's own first. Their addresses stay: whoever takes records knows writers by them.
    list: Vec<Arc<Origin>>,
    /// What was the source's own before: whoever knows a writer by its address must not meet another one there.
    former: Vec<Arc<Origin>>,
    /// Numbers of origins, and keys of streams, by the hash of a writer.
    writers: HashMap<u64, (u32, u64)>,
    /// Writers that have no origin of their own, as the limit was reached.
    over_limit: u64,
}

impl Origins {
    pub(super) fn new(own: Arc<Origin>) -> Origins {
        Origins { list: vec![own], former: Vec::new(), writers: HashMap::new(), over_limit: 0 }
    }

    /// More is known of who writes the source.
    pub(super) fn set_own(&mut self, own: Arc<Origin>) {
        self.former.push(std::mem::replace(&mut self.list[0], own));
    }

    /// The source's own.
    pub(super) fn own(&self) -> &Origin {
        &self.list[0]
    }

    pub(super) fn get(&self, number: u32) -> &Origin {
        &self.list[number as usize]
    }

    /// The number of a writer's origin and the key of its stream, if it was met before.
    pub(super) fn writer(&self, hash: u64) -> Option<(u32, u64)> {
        self.writers.get(&hash).copied()
    }

    /// Keeps a writer for [`Origins::writer`], and gives it back.
    pub(super) fn met(&mut self, hash: u64, writer: (u32, u64)) -> (u32, u64) {
        if self.writers.len() >= WRITERS_MAX {
            self.writers.clear();
        }
        self.writers.insert(hash, writer);
        writer
    }

    /// The number of an origin.
    pub(super) fn number(&mut self, mut origin: Origin) -> u32 {
        if let Some(number) = self.known(&origin) {
            return number;
        }
        if self.list.len() >= ORIGINS_MAX {
            self.over_limit += 1;
            origin.unit = None;
            if let Some(number) = self.known(&origin) {
                return number;
            }
            if self.list.len() >= ORIGINS_MAX + WITHOUT_UNIT_MAX {
                return 0;
            }
        }
        self.list.push(Arc::new(origin));
        (self.list.len() - 1) as u32
    }

    fn known(&self, origin: &Origin) -> Option<u32> {
        self.list.iter().skip(1).position(|known| **known == *origin).map(|at| at as u32 + 1)
    }

    /// How often a writer was met that has no origin of its own, as the limit was reached.
    pub(super) fn over_limit(&self) -> u64 {
        self.over_limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_writers_are_told_apart_by_service_and_host() {
        let mut origins = Origins::new(Arc::new(Origin { service_name: "journal".into(), ..Origin::default() }));
        let scope = |number: usize, service: &str| Origin {
            service_name: service.into(),
            unit: Some(format!("session-{number}.scope")),
            ..Origin::default()
        };
        let numbers: Vec<u32> = (0..10_000).map(|number| origins.number(scope(number, "sshd"))).collect();
        assert_eq!(numbers[0], 1);
        assert_eq!(origins.number(scope(0, "sshd")), 1, "those that are known keep their unit");
        let first_over = ORIGINS_MAX - 1;
        assert_eq!(origins.get(numbers[first_over - 1]).unit.as_deref(), Some("session-4094.scope"));
        for number in &numbers[first_over..] {
            let origin = origins.get(*number);
            assert_eq!((&*origin.service_name, &origin.unit), ("sshd", &None));
        }
        assert_eq!(origins.over_limit(), (10_000 - first_over) as u64);
        let shared: Vec<u32> = (0..5_000).map(|number| origins.number(scope(number, &format!("p{number}")))).collect();
        assert_eq!(origins.list.len(), ORIGINS_MAX + WITHOUT_UNIT_MAX);
        assert_eq!(shared.last(), Some(&0));
        for hash in 0..3 * WRITERS_MAX as u64 {
            origins.met(hash, (1, hash));
            assert!(origins.writers.len() <= WRITERS_MAX);
            assert_eq!(origins.writer(hash), Some((1, hash)));
        }
    }
}
