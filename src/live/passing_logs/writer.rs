//! Who wrote log records that came by OTLP.
//!
//! In go the attributes of a resource and of a record, out comes the origin by which lines of files are told apart too. What of it
//! the resource does not say is as the path of the file tells, where there is one. Whose spans these are is decided elsewhere.

use std::borrow::Cow;

use spanline_parsers::Text;
use spanline_parsers::wrapper;

use crate::decode::origin::wrapped_origin;
use crate::input::sources;
use crate::otlp::wire::spans::{attribute, text_bytes, within};
use crate::record::{Origin, Pod, Producer};

/// What names a writer.
#[derive(Debug, Clone, Default)]
pub(super) struct Names<'r> {
    writer: wrapper::Writer<'r>,
    /// The file that it was read from.
    path: &'r [u8],
    /// The attributes of the resource, hashed.
    resource: u64,
    /// An SDK sent them, which knows of each record whether it is of a span.
    is_sdk: bool,
}

impl<'r> Names<'r> {
    /// Those of a `ResourceLogs`.
    pub(super) fn of_group(group: &'r [u8]) -> Names<'r> {
        let mut names = Names::default();
        for resource in within(group, 1) {
            names.resource = twox_hash::XxHash64::oneshot(names.resource, resource);
            within(resource, 1).for_each(|pair| names.take(pair));
        }
        names
    }

    /// Takes an attribute in; those of a record follow those of its resource, as what reads files may leave the path there.
    #[inline]
    pub(super) fn take(&mut self, pair: &'r [u8]) {
        let (key, any) = attribute(pair);
        let Some(value) = text_bytes(any).filter(|value| !value.is_empty()) else { return };
        let writer = &mut self.writer;
        let place = match key {
            b"k8s.namespace.name" => &mut writer.namespace,
            b"k8s.pod.name" => &mut writer.pod,
            b"k8s.pod.uid" => &mut writer.uid,
            b"k8s.container.name" => &mut writer.container,
            b"container.id" => &mut writer.container_id,
            b"service.name" => &mut writer.service,
            b"host.name" => &mut writer.node,
            b"log.file.path" => return self.path = value,
            b"telemetry.sdk.name" => return self.is_sdk = true,
            _ => return,
        };
        *place = Cow::Borrowed(value);
    }

    /// Takes fields of a journal's entry in, which say who wrote it where its resource does not.
    #[inline]
    pub(super) fn take_journal(&mut self, key: &[u8], value: &'r [u8]) {
        let place = match key {
            b"SYSLOG_IDENTIFIER" => &mut self.writer.service,
            b"_SYSTEMD_UNIT" => &mut self.writer.unit,
            b"_HOSTNAME" => &mut self.writer.node,
            _ => return,
        };
        if place.is_empty() {
            *place = Cow::Borrowed(value);
        }
    }

    /// An SDK sent them: once it names traces, what it sends without one is of none.
    pub(super) fn is_sdk(&self) -> bool {
        self.is_sdk
    }

    /// The file that it was read from; empty where that is not told.
    pub(super) fn path(&self) -> Cow<'r, str> {
        String::from_utf8_lossy(self.path)
    }

    /// Tells it from other writers.
    pub(super) fn key(&self) -> u64 {
        let hash = |seed, text: &[u8]| twox_hash::XxHash64::oneshot(seed, text);
        let texts: [&Text<'_>; 3] = [&self.writer.service, &self.writer.unit, &self.writer.node];
        texts.iter().fold(hash(self.resource, self.path), |seed, text| hash(seed.rotate_left(1), text))
    }

    /// Who it is.
    pub(super) fn origin(&self) -> Origin {
        let path = self.path();
        let around = match &*path {
            "" => Origin { is_guessed: true, ..Origin::default() },
            path => sources::origin_of(path),
        };
        let mut origin = wrapped_origin(&self.writer, &around);
        if let Some(of_path) = &around.pod {
            fill(origin.pod.get_or_insert_default(), of_path);
        }
        if !self.writer.container_id.is_empty() {
            let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
            let pod = origin.pod.get_or_insert_default();
            pod.container_id = Some(text(&self.writer.container_id));
            if pod.container.is_empty() {
                pod.container = text(&self.writer.container);
            }
        }
        if origin.producer == Producer::Other {
            origin.producer = if origin.pod.is_some() { Producer::Pod } else { around.producer };
        }
        origin
    }
}

/// Fills in what is not known of a pod.
fn fill(pod: &mut Pod, of_path: &Pod) {
    // The path of another pod, such as that of whoever reads it, tells nothing.
    let differs = |own: &str, other: &str| !own.is_empty() && !other.is_empty() && own != other;
    if differs(&pod.uid, &of_path.uid) || differs(&pod.name, &of_path.name) {
        return;
    }
    let pairs = [
        (&mut pod.namespace, &of_path.namespace),
        (&mut pod.name, &of_path.name),
        (&mut pod.uid, &of_path.uid),
        (&mut pod.container, &of_path.container),
    ];
    for (own, of_path) in pairs {
        if own.is_empty() {
            own.clone_from(of_path);
        }
    }
    pod.restart = pod.restart.or(of_path.restart);
    if pod.container_id.is_none() {
        pod.container_id.clone_from(&of_path.container_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::wire::write;

    fn pair(key: &str, value: &str) -> Vec<u8> {
        let (mut any, mut pair) = (Vec::new(), Vec::new());
        write::bytes(&mut any, 0x0a, value.as_bytes());
        write::bytes(&mut pair, 0x0a, key.as_bytes());
        write::bytes(&mut pair, 0x12, &any);
        pair
    }

    fn origin(of: &[(&str, &str)]) -> Origin {
        let pairs: Vec<Vec<u8>> = of.iter().map(|(key, value)| pair(key, value)).collect();
        let mut names = Names::default();
        pairs.iter().for_each(|pair| names.take(pair));
        names.origin()
    }

    #[test]
    fn a_writer_is_who_its_resource_and_its_path_say() {
        let path =
            ("log.file.path", "/var/log/pods/shop_web-7d9f8c6b54-zz9p2_38a11b01-f6a2-4ac4-ac90-302af838bb1a/app/2.log");
        let by_path = origin(&[path]);
        let pod = by_path.pod.clone().unwrap();
        assert_eq!(
            (&*pod.namespace, &*pod.name, &*pod.uid, &*pod.container),
            ("shop", "web-7d9f8c6b54-zz9p2", "38a11b01-f6a2-4ac4-ac90-302af838bb1a", "app")
        );
        assert_eq!((pod.restart, &*by_path.service_name, by_path.producer), (Some(2), "web", Producer::Pod));
        // What the resource says wins, and the path fills the gaps.
        let both = origin(&[("service.name", "cart"), ("k8s.pod.uid", "38a11b01-f6a2-4ac4-ac90-302af838bb1a"), path]);
        assert_eq!((&*both.service_name, both.pod), ("cart", by_path.pod));
        let other = origin(&[("k8s.pod.uid", "48a11b01-f6a2-4ac4-ac90-302af838bb1b"), path]).pod.unwrap();
        assert_eq!((&*other.uid, &*other.name), ("48a11b01-f6a2-4ac4-ac90-302af838bb1b", ""));
        let container = origin(&[("container.id", "c0ffee"), ("service.name", "cart")]);
        assert_eq!(container.pod.unwrap().container_id.as_deref(), Some("c0ffee"));
        let kubelet = origin(&[("log.file.path", "/var/log/kubelet.log"), ("host.name", "n1")]);
        assert_eq!((kubelet.producer, kubelet.host.as_deref()), (Producer::Kubelet, Some("n1")));
        let service = origin(&[("service.name", "cart")]);
        assert_eq!((&*service.service_name, service.is_guessed, service.pod), ("cart", false, None));
        assert!(origin(&[]).is_guessed);
    }

    #[test]
    fn sdks_are_told_from_what_reads_files() {
        let is_sdk = |pairs: &[Vec<u8>]| {
            let mut names = Names::default();
            pairs.iter().for_each(|pair| names.take(pair));
            names.is_sdk()
        };
        let service = pair("service.name", "cart");
        assert!(is_sdk(&[service.clone(), pair("telemetry.sdk.name", "opentelemetry")]) && !is_sdk(&[service]));
    }

    #[test]
    fn writers_are_told_apart_by_what_names_them() {
        let (one, two) = (pair("log.file.path", "/a.log"), pair("log.file.path", "/b.log"));
        let key = |pair: &[u8]| {
            let mut names = Names { resource: 7, ..Names::default() };
            names.take(pair);
            names.key()
        };
        assert!(key(&one) == key(&one) && key(&one) != key(&two));
    }
}
