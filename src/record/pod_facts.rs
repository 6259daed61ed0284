//! What Kubernetes knows of a pod, beyond what the path of its logs tells: plain data.

use std::collections::BTreeMap;

/// A pod as Kubernetes knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PodFacts {
    /// `k8s.namespace.name`.
    pub namespace: String,
    /// `k8s.pod.name`.
    pub name: String,
    /// `k8s.pod.uid`.
    pub uid: String,
    /// The UID that paths have in place of it: of static pods, that of their manifest.
    pub static_uid: Option<String>,
    /// `k8s.node.name`; empty before it is bound to one.
    pub node: String,
    /// All labels, whether they are sent or not.
    pub labels: BTreeMap<String, String>,
    /// All annotations, likewise; those that are longer than a kilobyte aside.
    pub annotations: BTreeMap<String, String>,
    /// What controls it.
    pub owner: Option<Owner>,
    /// Its containers, by name: those for initialisation and debugging included.
    pub containers: BTreeMap<String, ContainerFacts>,
    /// Keys and values that are sent with its lines.
    pub attributes: Vec<(String, String)>,
}

/// What controls a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `ReplicaSet`, `DaemonSet`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What controls that in turn, as far as its name tells: the deployment of a replica set, the cron job of a job.
    pub above: Option<String>,
}

/// A container of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ContainerFacts {
    /// The image as it was asked for.
    pub image: String,
    /// Keys and values that are sent with its lines.
    pub attributes: Vec<(String, String)>,
}

/// The annotation that says what service a pod is.
///
/// <https://opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes/>
const SERVICE_ANNOTATION: &str = "resource.opentelemetry.io/service.name";
/// Labels that do, where that is missing.
const SERVICE_LABELS: [&str; 2] = ["app.kubernetes.io/instance", "app.kubernetes.io/name"];

impl PodFacts {
    /// The service that its annotations and labels say it is, which need not be that of its spans.
    pub fn service_hint(&self) -> Option<&str> {
        let label = || SERVICE_LABELS.iter().find_map(|label| self.labels.get(*label));
        self.annotations.get(SERVICE_ANNOTATION).or_else(label).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Keys and values that are sent with the lines of one of its containers.
    pub fn attributes_of(&self, container: &str) -> impl Iterator<Item = (&str, &str)> {
        let of_container = self.containers.get(container).into_iter().flat_map(|container| &container.attributes);
        self.attributes.iter().chain(of_container).map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_that_of_the_annotation_before_those_of_labels() {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let labels = of(&[("app.kubernetes.io/name", "web"), ("app.kubernetes.io/instance", "shop-web"), ("app", "x")]);
        let facts = PodFacts { labels, ..PodFacts::default() };
        assert_eq!(facts.service_hint(), Some("shop-web"));
        let annotations = of(&[("resource.opentelemetry.io/service.name", "checkout")]);
        assert_eq!(PodFacts { annotations, ..facts }.service_hint(), Some("checkout"));
        assert_eq!(PodFacts::default().service_hint(), None);
    }
}
