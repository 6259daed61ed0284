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
    if let Some(pod) = &origin.pod {
        text("k8s.namespace.name", &pod.namespace);
        text("k8s.pod.name", &pod.name);
        text("k8s.pod.uid", &pod.uid);
        text("k8s.container.name", &pod.container);
        text("container.id", pod.container_id.as_deref().unwrap_or_default());
    }
    text("host.name", origin.host.as_deref().unwrap_or_default());
    text("systemd.unit", origin.unit.as_deref().unwrap_or_default());
    origin.resource.iter().for_each(|(key, value)| text(key, value));
    if let Some(restart) = origin.pod.as_ref().and_then(|pod| pod.restart) {
        give("k8s.container.restart_count", ResourceValue::Integer(restart));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Pod;

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
