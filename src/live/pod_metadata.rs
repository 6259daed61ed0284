//! What Kubernetes knows of the pod of one source.
//!
//! In goes the pod as the source's path names it, out come its facts, once they are known. The first time the kubelet is asked for
//! them, and waited for for a moment; after that they are taken when it has told them.

use std::sync::Arc;

use crate::metadata::kubelet::Kubelet;
use crate::metrics::Metrics;
use crate::record::Pod;
use crate::record::pod_facts::PodFacts;

/// Where facts of pods come from.
#[derive(Debug, Clone, Default)]
pub enum PodSource {
    /// Nothing of pods is told.
    None,
    /// From paths alone.
    #[default]
    Path,
    /// From the kubelet.
    Kubelet(Arc<Kubelet>),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PodMetadata {
    /// The pod, once it was looked up.
    pod: Option<Pod>,
    /// Kept as long as the source is followed, whatever becomes of the pod.
    facts: Option<Arc<PodFacts>>,
}

impl PodMetadata {
    /// What is known.
    pub(super) fn facts(&self) -> Option<Arc<PodFacts>> {
        self.facts.clone()
    }

    /// Looks for facts that are not known yet: whether they are now. `pod`: what the source's path tells.
    pub(super) fn look_up(&mut self, from: &PodSource, metrics: &Metrics, pod: impl FnOnce() -> Option<Pod>) -> bool {
        let PodSource::Kubelet(kubelet) = from else { return false };
        if self.facts.is_some() {
            return false;
        }
        self.facts = match &self.pod {
            Some(pod) => kubelet.known(pod),
            None => {
                let Some(pod) = pod() else { return false };
                let found = kubelet.find(&pod);
                metrics.pods_unknown.add(u64::from(found.is_none()));
                self.pod = Some(pod);
                found
            }
        };
        self.facts.is_some()
    }
}
