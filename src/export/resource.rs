//! Who wrote a record, as resource attributes by OpenTelemetry's semantic conventions.
//!
//! In goes an origin, out come keys with values; what is not known has no key. A writer that sends many records of one
//! origin writes them once.

use crate::record::Origin;

/// The value of a resource attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceValue<'o> {
    /// Text.
    Text(&'o str),
    /// A whole number.
    Integer(u32),
}

/// The attributes of an origin.
pub fn attributes(origin: &Origin) -> Vec<(&str, ResourceValue<'_>)> {
    let mut list = Vec::with_capacity(11);
    each(origin, |key, value| list.push((key, value)));
    list
}

/// Gives every attribute of an origin.
pub fn each<'o>(origin: &'o Origin, mut give: impl FnMut(&'o str, ResourceValue<'o>)) {
    let mut text = |key: &'o str, value: &'o str| {
        if !value.is_empty() {
            give(key, ResourceValue::Text(value));
        }
    };
    text("service.name", origin.service());
    let pod = origin.pod.as_ref().filter(|_| !origin.hides_pod);
    if let Some(pod) = pod {
        text("k8s.namespace.name", &pod.namespace);
        text("k8s.pod.name", &pod.name);
        let facts = origin.pod_facts.as_deref();
        let uid = if pod.uid.is_empty() { facts.map_or("", |facts| &facts.uid) } else { &pod.uid };
        text("k8s.pod.uid", uid);
        text("k8s.container.name", &pod.container);
        text("container.id", pod.container_id.as_deref().unwrap_or_default());
    }
    text("host.name", origin.host.as_deref().unwrap_or_default());
    text("systemd.unit", origin.unit.as_deref().unwrap_or_default());
    origin.resource.iter().for_each(|(key, value)| text(key, value));
    if let (Some(pod), Some(facts)) = (pod, &origin.pod_facts) {
        // What the user says comes before.
        let is_said = |key: &str| origin.resource.iter().any(|(said, _)| said == key);
        facts.attributes_of(&pod.container).filter(|(key, _)| !is_said(key)).for_each(|(key, value)| text(key, value));
    }
    if let Some(restart) = pod.and_then(|pod| pod.restart) {
        give("k8s.container.restart_count", ResourceValue::Integer(restart));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Pod;
    use crate::record::pod_facts::{ContainerFacts, PodFacts};

    #[test]
    fn what_kubernetes_knows_comes_behind_what_is_said_and_nothing_is_told_of_a_pod_that_is_hidden() {
        let attribute = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let container = ContainerFacts {
            attributes: vec![attribute("container.image.name", "shop/web")],
            ..ContainerFacts::default()
        };
        let facts = PodFacts {
            uid: "u-1".into(),
            attributes: vec![attribute("k8s.node.name", "n-1"), attribute("k8s.deployment.name", "web")],
            containers: [("app".to_owned(), container)].into(),
            ..PodFacts::default()
        };
        let origin = Origin {
            service_name: "web".into(),
            pod: Some(Pod { name: "web-0".into(), container: "app".into(), restart: Some(2), ..Pod::default() }),
            pod_facts: Some(facts.into()),
            resource: vec![attribute("k8s.node.name", "said")],
            ..Origin::default()
        };
        let text = ResourceValue::Text;
        assert_eq!(
            attributes(&origin),
            [
                ("service.name", text("web")),
                ("k8s.pod.name", text("web-0")),
                ("k8s.pod.uid", text("u-1")),
                ("k8s.container.name", text("app")),
                ("k8s.node.name", text("said")),
                ("k8s.deployment.name", text("web")),
                ("container.image.name", text("shop/web")),
                ("k8s.container.restart_count", ResourceValue::Integer(2)),
            ]
        );
        let hidden = Origin { hides_pod: true, ..origin };
        assert_eq!(attributes(&hidden), [("service.name", text("web")), ("k8s.node.name", text("said"))]);
    }

    #[test]
    fn only_what_is_known_has_a_key() {
        assert_eq!(attributes(&Origin::default()), []);
        let origin = Origin {
            service_name: "web".into(),
            pod: Some(Pod { name: "web-0".into(), restart: Some(0), ..Pod::default() }),
            ..Origin::default()
        };
        assert_eq!(
            attributes(&origin),
            [
                ("service.name", ResourceValue::Text("web")),
                ("k8s.pod.name", ResourceValue::Text("web-0")),
                ("k8s.container.restart_count", ResourceValue::Integer(0)),
            ]
        );
    }
}
