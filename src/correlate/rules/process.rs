//! Whose spans a source's lines can belong to.
//!
//! In go who wrote the lines and the resources of all spans, out come the resources that are the same process. The
//! strongest key that both sides have decides: pod UID, namespace and name, container id, host name that is the pod's
//! name, service. Times play no part.

use crate::correlate::index::Resource;
use crate::record::{Origin, Pod, Producer};

/// Resources that a source's lines can belong to.
pub(crate) fn resources_of(origin: &Origin, resources: &[Resource]) -> Vec<u32> {
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

/// The one service that a pod's spans have, or those of its container.
pub(crate) fn service_of(pod: &Pod, resources: &[Resource]) -> Option<String> {
    let mut found = resources_of_pod(pod, resources).into_iter().map(|number| &resources[number as usize].service);
    let first = found.next().filter(|service| !service.is_empty())?;
    found.all(|service| service == first).then(|| first.clone())
}

/// The pod of this name, if there is one; its UID and container where only one is known.
pub(crate) fn pod_named(name: &str, resources: &[Resource]) -> Option<Pod> {
    let found: Vec<&Resource> = resources.iter().filter(|resource| !name.is_empty() && resource.pod == name).collect();
    let first = found.first()?;
    let same = |of: fn(&Resource) -> &String| found.iter().all(|resource| of(resource) == of(first));
    let only = |of: fn(&Resource) -> &String| if same(of) { of(first).clone() } else { String::new() };
    same(|resource| &resource.namespace).then(|| Pod {
        namespace: first.namespace.clone(),
        name: name.to_owned(),
        uid: only(|resource| &resource.pod_uid),
        container: only(|resource| &resource.container),
        ..Pod::default()
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(service: &str, uid: &str, container: &str) -> Resource {
        let text = str::to_owned;
        let (namespace, pod) = (text("shop"), text("web-0"));
        Resource {
            service: text(service),
            pod_uid: text(uid),
            namespace,
            pod,
            container: text(container),
            ..Resource::default()
        }
    }

    #[test]
    fn a_pods_service_is_the_one_of_its_spans() {
        let pod = |uid: &str, container: &str| Pod {
            namespace: "shop".into(),
            name: "web-0".into(),
            uid: uid.into(),
            container: container.into(),
            ..Pod::default()
        };
        let one = [resource("api", "u1", "")];
        assert_eq!(service_of(&pod("u1", "app"), &one), Some("api".into()));
        assert_eq!(service_of(&pod("u2", "app"), &one), None, "another pod of the name");
        assert_eq!(service_of(&pod("", "app"), &one), Some("api".into()));
        let two = [resource("api", "u1", "app"), resource("proxy", "u1", "envoy")];
        assert_eq!(service_of(&pod("u1", "envoy"), &two), Some("proxy".into()));
        assert_eq!(service_of(&pod("u1", "other"), &two), None, "it may be either");
        let named = pod_named("web-0", &two).unwrap();
        assert_eq!((named.uid.as_str(), named.container.as_str()), ("u1", ""));
        assert_eq!(pod_named("web", &two), None);
    }
}
