//! Whose spans a source's lines can belong to.
//!
//! In go who wrote the lines and the resources of all spans, out come the resources that are the same process. The
//! strongest key that both sides have decides: pod UID, namespace and name, container id, host name that is the pod's
//! name, service. Times play no part.

use super::names::Resource;
use crate::record::{Origin, Pod, Producer};

/// Resources that a source's lines can belong to.
pub(super) fn resources_of(origin: &Origin, resources: &[Resource]) -> Vec<u32> {
    if let Some(pod) = &origin.pod {
        let found = resources_of_pod(pod, resources);
        if !found.is_empty() {
            return found;
        }
    }
    let on_host = |resource: &Resource| match &origin.host {
        Some(host) => resource.host.is_empty() || resource.host == *host,
        None => true,
    };
    let services = services_of(origin.producer);
    for host_matters in [true, false] {
        let here = |resource: &Resource| !host_matters || on_host(resource);
        let mut found = matching(resources, |resource| resource.service == origin.service_name && here(resource));
        if found.is_empty() || origin.service_name.is_empty() {
            found = matching(resources, |resource| services.contains(&resource.service.as_str()) && here(resource));
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn matching(resources: &[Resource], is: impl Fn(&Resource) -> bool) -> Vec<u32> {
    let numbered = resources.iter().enumerate();
    numbered.filter(|(_, resource)| is(resource)).map(|(number, _)| number as u32).collect()
}

fn resources_of_pod(pod: &Pod, resources: &[Resource]) -> Vec<u32> {
    let by_uid = |resource: &Resource| !pod.uid.is_empty() && resource.pod_uid == pod.uid;
    let by_name = |resource: &Resource| {
        !pod.name.is_empty()
            && resource.pod == pod.name
            && (resource.namespace == pod.namespace || resource.namespace.is_empty() || pod.namespace.is_empty())
            && (resource.pod_uid.is_empty() || pod.uid.is_empty())
    };
    let by_container = |resource: &Resource| {
        pod.container_id.as_ref().is_some_and(|id| !id.is_empty() && resource.container_id == *id)
    };
    let by_host = |resource: &Resource| !pod.name.is_empty() && resource.pod.is_empty() && resource.host == pod.name;
    let rules: [&dyn Fn(&Resource) -> bool; 4] = [&by_uid, &by_name, &by_container, &by_host];
    for rule in rules {
        let found = matching(resources, |resource| rule(resource));
        // `kubectl logs --prefix` does not tell the namespace: a name that two have says nothing.
        let namespace = |number: &u32| &resources[*number as usize].namespace;
        if pod.namespace.is_empty() && found.iter().any(|number| namespace(number) != namespace(&found[0])) {
            continue;
        }
        if !found.is_empty() {
            // Containers of a pod share its UID: the one of the same name, else all.
            let own = matching(resources, |resource| rule(resource) && resource.container == pod.container);
            return if own.is_empty() { found } else { own };
        }
    }
    Vec::new()
}

/// What the programs of a node call themselves in their traces.
fn services_of(producer: Producer) -> &'static [&'static str] {
    match producer {
        Producer::Kubelet => &["kubelet"],
        Producer::Crio => &["crio", "cri-o"],
        Producer::Containerd => &["containerd"],
        Producer::ConmonRs => &["conmonrs", "conmon-rs"],
        Producer::ApiServer | Producer::Audit => &["apiserver", "kube-apiserver"],
        Producer::Etcd => &["etcd"],
        _ => &[],
    }
}
