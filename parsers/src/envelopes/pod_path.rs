//! Whose lines a file holds, as its path tells.
//!
//! In goes a path as text, out come namespace, pod, uid, container, restart and container id, borrowed from it. The
//! layouts are kubelet's (`pods/`, `containers/`) and docker's. Nothing is looked up in a file system.

use crate::envelopes::rotation;

/// What a path says of a container's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PodPath<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the pod.
    pub pod: &'a str,
    /// UID of the pod (of a static pod 32 hex digits); empty where the path has none.
    pub uid: &'a str,
    /// Name of the container; empty for a file of the sandbox.
    pub container: &'a str,
    /// How often it had been restarted.
    pub restart: Option<u32>,
    /// Id of the container or sandbox; perhaps its beginning only.
    pub container_id: Option<&'a str>,
}

impl PodPath<'_> {
    /// The service that the pod's name tells: without what controllers add, or the node's name of a static pod (whose uid
    /// is 32 hex digits), where the node is known.
    pub fn service_name(&self, node_name: Option<&str>) -> String {
        let is_static = self.uid.len() == 32 && self.uid.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_static {
            return service_name_of_pod(self.pod);
        }
        node_name.and_then(|node| service_name_of_static_pod(self.pod, node)).unwrap_or(self.pod).to_owned()
    }
}

/// File names of ext4 are no longer, and kubelet cuts at this.
const NAME_BYTES_MAX: usize = 255;

/// Digits of an id that are worth keeping.
const ID_DIGITS_MIN: usize = 6;

/// Reads a path of either of kubelet's layouts.
pub fn pod(path: &str) -> Option<PodPath<'_>> {
    in_pods(path).or_else(|| in_containers(path))
}

/// pods = folder "/" container "/" restart ".log" [ rotation ]
///      / folder "/" container-id ".log" [ rotation ]          ; the sandbox's
pub fn in_pods(path: &str) -> Option<PodPath<'_>> {
    in_folders(path, folder)
}

/// The same below a folder that is known to be kubelet's: any uid is one there.
pub fn below_pods(path: &str) -> Option<PodPath<'_>> {
    in_folders(path, any_folder)
}

fn in_folders<'p>(path: &'p str, folder: impl Fn(&'p str) -> Option<PodPath<'p>>) -> Option<PodPath<'p>> {
    let mut parts = path.rsplit('/');
    let (file, parent) = (parts.next()?, parts.next()?);
    let stem = log_stem(file)?;
    if let Some(folder) = folder(parent) {
        return is_id(stem).then_some(PodPath { container_id: Some(stem), ..folder });
    }
    let folder = folder(parts.next()?)?;
    let restart = stem.bytes().all(|byte| byte.is_ascii_digit()).then(|| stem.parse().ok())??;
    (!parent.is_empty()).then_some(PodPath { container: parent, restart: Some(restart), ..folder })
}

/// folder = namespace "_" pod "_" uid ; none of them has a "_"
pub fn folder(name: &str) -> Option<PodPath<'_>> {
    let is_uid =
        |uid: &str| uid.bytes().any(|byte| byte != b'-') && uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    any_folder(name).filter(|folder| is_uid(folder.uid) && is_name(folder.namespace) && is_name(folder.pod))
}

fn any_folder(name: &str) -> Option<PodPath<'_>> {
    let mut parts = name.split('_');
    let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = parts.next().is_none() && !namespace.is_empty() && !pod.is_empty() && !uid.is_empty();
    is_whole.then_some(PodPath { namespace, pod, uid, ..PodPath::default() })
}

/// containers = pod "_" namespace "_" container "-" container-id ".log" ; without ".log" at most 251 bytes, the id cut
/// <https://github.com/kubernetes/kubernetes/blob/v1.33.0/pkg/kubelet/kuberuntime/legacy.go>
pub fn in_containers(path: &str) -> Option<PodPath<'_>> {
    let file = path.rsplit('/').next()?;
    let stem = log_stem(file)?;
    let mut parts = stem.split('_');
    let (pod, namespace, rest) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !is_name(namespace) || !is_name(pod) {
        return None;
    }
    let is_cut = stem.len() + ".log".len() >= NAME_BYTES_MAX;
    let (container, id) = match rest.rsplit_once('-') {
        Some((container, id)) if is_id(id) => (container, Some(id)),
        Some((container, id)) if is_cut && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            (container, (id.len() >= ID_DIGITS_MIN).then_some(id))
        }
        _ if is_cut => (rest, None),
        // Shorter ids than 64 digits are not written by today's runtimes, but harmless.
        Some((container, id)) if id.len() >= ID_DIGITS_MIN && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            (container, Some(id))
        }
        _ => return None,
    };
    is_name(container).then_some(PodPath { namespace, pod, container, container_id: id, ..PodPath::default() })
}

/// docker = id "/" id "-json.log" [ rotation ] ; the container's id
pub fn in_docker(path: &str) -> Option<&str> {
    let mut parts = path.rsplit('/');
    let (file, folder) = (parts.next()?, parts.next()?);
    let id = log_stem(file)?.strip_suffix("-json")?;
    (is_id(id) && id == folder).then_some(id)
}

/// A file's name without its rotation and `.log`.
fn log_stem(file: &str) -> Option<&str> {
    rotation::base(file).strip_suffix(".log").filter(|stem| !stem.is_empty())
}

/// 64 hex digits
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Names of Kubernetes: small letters, digits, "-", "."
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
}

/// A pod's name without what its controller has added: `web-5d4f8c7b9-x2v7k`, `agent-8gk2q`, `db-0`,
/// `report-29389412-k6x5p` are `web`, `agent`, `db`, `report`.
///
/// generated = "-" hash "-" random / "-" random / "-" ordinal
/// hash = 8*10( safe / DIGIT ) ; a ReplicaSet's, or the minute of a CronJob
/// random = 5safe
pub fn service_name_of_pod(pod_name: &str) -> String {
    let without_random = pod_name.rsplit_once('-').filter(|(_, random)| random.len() == 5 && all(random, is_safe));
    let name = match without_random {
        Some((rest, _)) => rest.rsplit_once('-').filter(|(_, hash)| is_hash(hash)).map_or(rest, |(name, _)| name),
        None => pod_name.rsplit_once('-').filter(|(_, ordinal)| is_ordinal(ordinal)).map_or(pod_name, |(name, _)| name),
    };
    if name.is_empty() { pod_name } else { name }.to_owned()
}

/// The name of a static pod without the node's (`etcd-node-1` on `node-1`); `None` if the node's is not its end.
pub fn service_name_of_static_pod<'a>(pod_name: &'a str, node_name: &str) -> Option<&'a str> {
    let name = pod_name.strip_suffix(node_name)?.strip_suffix('-')?;
    (!name.is_empty() && !node_name.is_empty()).then_some(name)
}

fn all(text: &str, is: fn(u8) -> bool) -> bool {
    text.bytes().all(is)
}

/// The letters and digits that Kubernetes generates names of, so that they spell no words.
/// <https://github.com/kubernetes/apimachinery/blob/v0.33.0/pkg/util/rand/rand.go>
fn is_safe(byte: u8) -> bool {
    b"bcdfghjklmnpqrstvwxz2456789".contains(&byte)
}

/// A ReplicaSet's hash has ten characters, seldom fewer; below eight it must have a digit, or it could be a word.
/// Hashes of old were decimal.
fn is_hash(text: &str) -> bool {
    all(text, |byte| is_safe(byte) || byte.is_ascii_digit())
        && match text.len() {
            8..=10 => true,
            6 | 7 => text.bytes().any(|byte| byte.is_ascii_digit()),
            _ => false,
        }
}

fn is_ordinal(text: &str) -> bool {
    matches!(text.len(), 1..=4) && all(text, |byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "f73d11fe897d736587e1292c6bd08310dc8a22b3ded3e45c90e0f0275a53c836";
    const UID: &str = "6a8f6021-1d43-4f44-a2a2-8818a01320fe";

    #[test]
    fn reads_the_pods_layout() {
        let expected = PodPath {
            namespace: "shop",
            pod: "web.a",
            uid: UID,
            container: "main",
            restart: Some(12),
            container_id: None,
        };
        for end in ["12.log", "12.log.20261123-091549", "12.log.20261123-091549.gz", "12.log.20261123-091549.tmp"] {
            for root in ["/var/log/pods/", "", "x/"] {
                let path = format!("{root}shop_web.a_{UID}/main/{end}");
                assert_eq!(pod(&path), Some(expected), "{path}");
            }
        }
        let path = format!("pods/shop_web.a_{UID}/{ID}.log");
        let sandbox = PodPath { container: "", restart: None, container_id: Some(ID), ..expected };
        assert_eq!(pod(&path), Some(sandbox));
        let path = "kube-system_etcd-node-1_0123456789abcdef0123456789abcdef/etcd/0.log";
        let fixed = pod(path).unwrap();
        assert_eq!(fixed.uid, "0123456789abcdef0123456789abcdef");
        assert_eq!(fixed.service_name(Some("node-1")), "etcd");
        assert_eq!(fixed.service_name(None), "etcd-node-1");
        assert_eq!(sandbox.service_name(Some("a")), "web.a");
        for bad in
            ["a_b/main/0.log", "a_b_c_d/main/0.log", "a_b_0f/main/x.log", "a_b_0f/main/0.txt", "a_b_zz/m/0.log", ""]
        {
            assert_eq!(pod(bad), None, "{bad}");
        }
    }

    #[test]
    fn reads_the_containers_layout() {
        let path = format!("/var/log/containers/web-0_shop_side-car-{ID}.log");
        let expected = PodPath {
            namespace: "shop",
            pod: "web-0",
            container: "side-car",
            container_id: Some(ID),
            ..PodPath::default()
        };
        assert_eq!(pod(&path), Some(expected));
        // The name is cut at 255 bytes, and the id with it, wholly at last.
        for (length, id) in
            [(170, Some(&ID[..64])), (200, Some(&ID[..41])), (235, Some(&ID[..6])), (238, None), (241, None)]
        {
            let pod_name = "p".repeat(length);
            let mut name = format!("{pod_name}_shop_app-{ID}");
            name.truncate(251);
            let path = format!("{name}.log");
            let read = pod(&path).unwrap();
            assert_eq!((read.pod, read.container_id), (&*pod_name, id), "{length}");
        }
        assert_eq!(pod("a_b_c.log"), None);
    }

    #[test]
    fn reads_dockers_layout() {
        for end in ["", ".1", ".2.gz"] {
            assert_eq!(in_docker(&format!("/var/lib/docker/containers/{ID}/{ID}-json.log{end}")), Some(ID));
        }
        assert_eq!(in_docker(&format!("{ID}-json.log")), None);
    }

    #[test]
    fn names_the_service_of_a_pod() {
        for (pod, service) in [
            ("productcatalogservice-668d5f85fb-wckp8", "productcatalogservice"),
            ("shippingservice-7b598fc7d-lmggd", "shippingservice"),
            ("ts-station-food-service-dc4d75dd-fw6ft", "ts-station-food-service"),
            ("nginx-4217019353-k2x8z", "nginx"),
            ("kube-proxy-8gk2q", "kube-proxy"),
            ("report-29389412-k6x5p", "report"),
            ("db-0", "db"),
            ("db-11", "db"),
            ("etcd-node", "etcd-node"),
            ("web", "web"),
            ("web-frontend", "web-frontend"),
            ("my-server-x2v7k", "my-server"),
            ("-k2x8z", "-k2x8z"),
            ("", ""),
            ("-", "-"),
        ] {
            assert_eq!(service_name_of_pod(pod), service, "{pod}");
        }
        assert_eq!(service_name_of_static_pod("etcd-node-1", "node-1"), Some("etcd"));
        assert_eq!(service_name_of_static_pod("etcd-node-1", "node-2"), None);
        assert_eq!(service_name_of_static_pod("node-1", "node-1"), None);
    }

    proptest! {
        #[test]
        fn never_panics(path in any::<String>(), name in "[a-z0-9_./-]{0,80}") {
            for path in [path, name] {
                let _ = (pod(&path), in_docker(&path), folder(&path), service_name_of_pod(&path));
            }
        }

        #[test]
        fn what_is_printed_is_read(
            namespace in "[a-z0-9]{1,9}", name in "[a-z0-9.-]{1,20}", container in "[a-z0-9-]{1,9}", restart: u32,
        ) {
            let path = format!("{namespace}_{name}_{UID}/{container}/{restart}.log");
            let (namespace, name, container) = (&*namespace, &*name, &*container);
            let expected =
                PodPath { namespace, pod: name, uid: UID, container, restart: Some(restart), container_id: None };
            prop_assert_eq!(pod(&path), Some(expected));
        }
    }
}
