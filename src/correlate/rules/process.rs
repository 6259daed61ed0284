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
    resources_of_service(pod, resources)
}

/// Spans of it are taken for those of a pod by the name of their service alone.
pub(crate) fn is_assumed(origin: &Origin, resources: &[Resource], found: &[u32]) -> bool {
    origin.pod.is_some() && found.iter().any(|number| names_no_pod(&resources[*number as usize]))
}

/// Nothing but its service tells whose spans these are.
fn names_no_pod(resource: &Resource) -> bool {
    resource.pod_uid.is_empty() && resource.pod.is_empty() && resource.container_id.is_empty()
}

/// Resources that name no pod, and whose service is called like the pod's container, or else the pod like the service.
fn resources_of_service(pod: &Pod, resources: &[Resource]) -> Vec<u32> {
    let found = matching(resources, |resource| names_no_pod(resource) && is_service_of(resource, pod));
    let service = |number: &u32| resources[*number as usize].service.as_str();
    let called_like = |number: &u32| (service(number) == pod.container, service(number).len());
    // `web-admin-1` is rather of `web-admin` than of `web`.
    let best = found.iter().map(called_like).max();
    found.into_iter().filter(|number| Some(called_like(number)) == best).collect()
}

/// The service is called like the pod's container, or the pod like the service.
fn is_service_of(resource: &Resource, pod: &Pod) -> bool {
    let service = resource.service.as_str();
    let is_named_after = |name: &str| {
        name.strip_prefix(service).is_some_and(|rest| {
            // A workload's pods have one part more, or two.
            rest.is_empty() || rest.starts_with('-') && rest.len() > 1 && rest.matches('-').count() <= 2
        })
    };
    let in_namespace = resource.namespace.is_empty() || pod.namespace.is_empty() || resource.namespace == pod.namespace;
    // A host that is called like the service is another pod.
    let is_other = resource.host != pod.name && resource.host != service && is_named_after(&resource.host);
    !service.is_empty() && in_namespace && !is_other && (service == pod.container || is_named_after(&pod.name))
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

    #[test]
    fn a_service_alone_tells_the_pod_that_is_called_like_it() {
        let service = |service: &str, host: &str| Resource {
            service: service.to_owned(),
            host: host.to_owned(),
            ..Resource::default()
        };
        let origin = |pod: &str, container: &str| Origin {
            pod: Some(Pod {
                namespace: "shop".into(),
                name: pod.into(),
                container: container.into(),
                ..Pod::default()
            }),
            ..Origin::default()
        };
        let resources = [service("web", ""), service("web-admin", ""), service("api", "api-7f9c-x2")];
        // Hashes and numbers of any form.
        for pod in ["web", "web-0", "web-7d9f8c6b54-zz9p2", "web-AAA_1-b"] {
            assert_eq!(resources_of(&origin(pod, "app"), &resources), [0], "{pod}");
        }
        assert_eq!(resources_of(&origin("web-admin-1", "app"), &resources), [1], "the longest name is meant");
        assert_eq!(resources_of(&origin("frontend-1", "web"), &resources), [0], "the container is called so");
        assert!(resources_of(&origin("webshop-0", "app"), &resources).is_empty());
        assert_eq!(resources_of(&origin("api-7f9c-x2", "app"), &resources), [2]);
        assert!(resources_of(&origin("api-7f9c-y3", "app"), &resources).is_empty(), "its host is another pod");
        assert!(is_assumed(&origin("web-0", "app"), &resources, &[0]));
        assert!(!is_assumed(&origin("web-0", "app"), &[resource("web", "u", "")], &[0]));
    }
}
