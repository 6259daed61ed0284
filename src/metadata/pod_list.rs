//! Lists of pods, as the kubelet and `kubectl get pods -o json` give them.
//!
//! In goes JSON, out come [`PodFacts`] with the attributes that are sent. What is missing stays empty; an entry that is no pod is
//! left out.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>,
//! <https://opentelemetry.io/docs/specs/semconv/resource/k8s/>

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::record::pod_facts::{ContainerFacts, Owner, PodFacts};

/// Which labels and annotations are sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// All labels.
    pub labels: bool,
    /// Annotations of these names.
    pub annotations: Vec<String>,
}

/// Longer annotations, such as the last applied configuration, are not kept.
const ANNOTATION_BYTES_MAX: usize = 1024;
/// Labels and annotations of a pod that are kept: the API server bounds their bytes only.
const PAIRS_MAX: usize = 256;

/// `List`, `PodList`, or one pod.
#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default)]
    items: Option<Vec<serde_json::Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Pod {
    kind: Option<String>,
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OwnerReference {
    kind: String,
    name: String,
    controller: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: String,
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
    ephemeral_containers: Option<Vec<Container>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Container {
    name: String,
    image: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    container_statuses: Option<Vec<ContainerStatus>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    #[serde(rename = "imageID")]
    image_id: String,
}

/// Reads a list; an error if it is no JSON object. At most so many pods: how many there are more is told.
pub fn pods(json: &[u8], sent: &Sent, pods_max: usize) -> Result<(Vec<PodFacts>, usize), serde_json::Error> {
    let document: Document = serde_json::from_slice(json)?;
    let items = match document.items {
        Some(items) => items,
        None => vec![serde_json::from_slice(json)?],
    };
    let left_out = items.len().saturating_sub(pods_max);
    let of_item = |item: serde_json::Value| serde_json::from_value::<Pod>(item).ok().and_then(|pod| facts(pod, sent));
    Ok((items.into_iter().take(pods_max).filter_map(of_item).collect(), left_out))
}

/// `None` for what is no pod.
fn facts(pod: Pod, sent: &Sent) -> Option<PodFacts> {
    let Pod { kind, metadata, spec, status } = pod;
    let is_pod = kind.is_none_or(|kind| kind == "Pod") && !metadata.name.is_empty();
    is_pod.then_some(())?;
    let pairs = |pairs: Option<BTreeMap<String, String>>, bytes_max: usize| -> BTreeMap<String, String> {
        let kept = pairs.unwrap_or_default().into_iter().filter(|(_, value)| value.len() <= bytes_max);
        kept.take(PAIRS_MAX).collect()
    };
    let labels = pairs(metadata.labels, usize::MAX);
    let annotations = pairs(metadata.annotations, ANNOTATION_BYTES_MAX);
    let owners = metadata.owner_references.unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller == Some(true)).or_else(|| owners.first());
    // https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-config-hash
    let static_uid = ["kubernetes.io/config.hash", "kubernetes.io/config.mirror"];
    let static_uid = static_uid.into_iter().find_map(|key| annotations.get(key).cloned());
    let mut facts = PodFacts {
        namespace: metadata.namespace,
        name: metadata.name,
        static_uid: static_uid.filter(|uid| *uid != metadata.uid),
        uid: metadata.uid,
        node: spec.node_name.clone(),
        owner: owner.map(|owner| owner_of(owner, &labels)),
        labels,
        annotations,
        containers: containers(spec, status),
        attributes: Vec::new(),
    };
    facts.attributes = attributes(&facts, sent);
    Some(facts)
}

fn owner_of(owner: &OwnerReference, labels: &BTreeMap<String, String>) -> Owner {
    let (kind, name) = (owner.kind.clone(), owner.name.clone());
    let above = match kind.as_str() {
        "ReplicaSet" => {
            let hash = labels.get("pod-template-hash").map(|hash| format!("-{hash}"));
            hash.and_then(|hash| name.strip_suffix(&hash).map(str::to_owned))
        }
        // The minutes since the epoch for which it was made.
        "Job" => name.rsplit_once('-').and_then(|(above, minutes)| {
            let is_time = minutes.len() >= 8 && minutes.bytes().all(|digit| digit.is_ascii_digit());
            is_time.then(|| above.to_owned())
        }),
        _ => None,
    };
    Owner { kind, name, above: above.filter(|above| !above.is_empty()) }
}

fn containers(spec: Spec, status: Status) -> BTreeMap<String, ContainerFacts> {
    let Status { container_statuses, init_container_statuses, ephemeral_container_statuses } = status;
    let statuses = [container_statuses, init_container_statuses, ephemeral_container_statuses].into_iter().flatten();
    let ids: BTreeMap<String, String> = statuses.flatten().map(|status| (status.name, status.image_id)).collect();
    let all = [spec.containers, spec.init_containers, spec.ephemeral_containers].into_iter().flatten().flatten();
    let container = |container: Container| {
        let (name, tag) = image_parts(&container.image);
        let mut attributes = Vec::new();
        let mut push = |key: &str, value: &str| {
            if !value.is_empty() {
                attributes.push((key.to_owned(), value.to_owned()));
            }
        };
        push("container.image.name", name);
        push("container.image.tag", tag);
        push("container.image.id", ids.get(&container.name).map_or("", String::as_str));
        (container.name, ContainerFacts { image: container.image, attributes })
    };
    all.map(container).collect()
}

/// image = name [ ":" tag ] [ "@" digest ]   ; a name may have a port: only what stands behind its last "/" has a tag
fn image_parts(image: &str) -> (&str, &str) {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    let at = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[at..].split_once(':') {
        Some((last, tag)) => (&image[..at + last.len()], tag),
        None => (image, ""),
    }
}

fn attributes(facts: &PodFacts, sent: &Sent) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    let mut push = |key: String, value: &str| {
        if !value.is_empty() {
            attributes.push((key, value.to_owned()));
        }
    };
    push("k8s.node.name".to_owned(), &facts.node);
    if let Some(Owner { kind, name, above }) = &facts.owner {
        let (key, above_key) = match kind.as_str() {
            "ReplicaSet" => ("k8s.replicaset.name", "k8s.deployment.name"),
            "StatefulSet" => ("k8s.statefulset.name", ""),
            "DaemonSet" => ("k8s.daemonset.name", ""),
            "ReplicationController" => ("k8s.replicationcontroller.name", ""),
            "Job" => ("k8s.job.name", "k8s.cronjob.name"),
            _ => ("", ""),
        };
        for (key, value) in [(above_key, above.as_deref().unwrap_or_default()), (key, name)] {
            if !key.is_empty() {
                push(key.to_owned(), value);
            }
        }
    }
    if sent.labels {
        facts.labels.iter().for_each(|(key, value)| push(format!("k8s.pod.label.{key}"), value));
    }
    for key in &sent.annotations {
        push(format!("k8s.pod.annotation.{key}"), facts.annotations.get(key).map_or("", String::as_str));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pod() -> serde_json::Value {
        json!({
            "metadata": {
                "name": "web-7d9f8b6c5-x2x4z", "namespace": "shop", "uid": "u-1",
                "labels": {"app": "web", "pod-template-hash": "7d9f8b6c5"},
                "annotations": {"team": "blue", "kubernetes.io/config.hash": "h-1", "long": "x".repeat(2000)},
                "ownerReferences": [
                    {"kind": "Other", "name": "y"},
                    {"kind": "ReplicaSet", "name": "web-7d9f8b6c5", "controller": true},
                ],
            },
            "spec": {
                "nodeName": "n-1",
                "containers": [{"name": "app", "image": "registry:5000/shop/web:1.2@sha256:ab"}],
                "initContainers": [{"name": "init", "image": "busybox"}],
            },
            "status": {"containerStatuses": [{"name": "app", "imageID": "sha256:ff"}]},
        })
    }

    fn read(json: &serde_json::Value, sent: &Sent) -> Vec<PodFacts> {
        pods(json.to_string().as_bytes(), sent, 100).unwrap().0
    }

    #[test]
    fn a_pod_has_the_attributes_of_the_conventions() {
        let sent = Sent { labels: true, annotations: vec!["team".into(), "none".into()] };
        let facts = &read(&json!({"kind": "PodList", "items": [pod()]}), &sent)[0];
        let of = |container: &str| -> Vec<String> {
            facts.attributes_of(container).map(|(key, value)| format!("{key}={value}")).collect()
        };
        assert_eq!(
            of("app"),
            [
                "k8s.node.name=n-1",
                "k8s.deployment.name=web",
                "k8s.replicaset.name=web-7d9f8b6c5",
                "k8s.pod.label.app=web",
                "k8s.pod.label.pod-template-hash=7d9f8b6c5",
                "k8s.pod.annotation.team=blue",
                "container.image.name=registry:5000/shop/web",
                "container.image.tag=1.2",
                "container.image.id=sha256:ff",
            ]
        );
        assert_eq!(of("init").last().map(String::as_str), Some("container.image.name=busybox"));
        assert_eq!((facts.static_uid.as_deref(), facts.annotations.contains_key("long")), (Some("h-1"), false));
    }

    #[test]
    fn owners_above_are_those_that_names_tell() {
        for (kind, name, hash, expected) in [
            ("ReplicaSet", "web-7d9f", "7d9f", Some("web")),
            ("ReplicaSet", "web-7d9f", "other", None),
            ("ReplicaSet", "web", "", None),
            ("Job", "backup-28391234", "", Some("backup")),
            ("Job", "backup-1", "", None),
            ("Job", "backup", "", None),
            ("DaemonSet", "agent-12345678", "", None),
        ] {
            let reference = OwnerReference { kind: kind.into(), name: name.into(), controller: Some(true) };
            let labels = BTreeMap::from([("pod-template-hash".to_owned(), hash.to_owned())]);
            assert_eq!(owner_of(&reference, &labels).above.as_deref(), expected, "{kind} {name}");
        }
    }

    #[test]
    fn lists_single_pods_and_what_is_none() {
        let sent = Sent::default();
        assert_eq!(read(&pod(), &sent).len(), 1);
        let odd = json!({"items": [pod(), {"kind": "Service", "metadata": {"name": "x"}}, {"metadata": {}}, 5, {"metadata": {"name": 5}}]});
        assert_eq!(read(&odd, &sent).len(), 1);
        assert_eq!(read(&json!({"items": null}), &sent).len(), 0);
        assert!(pods(b"[", &sent, 1).is_err() && pods(b"Unauthorized", &sent, 1).is_err());
        let (kept, left_out) = pods(json!({"items": [pod(), pod(), pod()]}).to_string().as_bytes(), &sent, 2).unwrap();
        assert_eq!((kept.len(), left_out), (2, 1));
    }

    #[test]
    fn an_image_is_taken_apart() {
        for (image, expected) in [
            ("busybox", ("busybox", "")),
            ("busybox:1.36", ("busybox", "1.36")),
            ("localhost:5000/x", ("localhost:5000/x", "")),
            ("a/b@sha256:ab", ("a/b", "")),
            ("", ("", "")),
        ] {
            assert_eq!(image_parts(image), expected, "{image}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), image in "\\PC{0,20}") {
            let _ = pods(&bytes, &Sent::default(), 10);
            image_parts(&image);
        }
    }
}
