//! The agent's own messages, which it must not follow: each line that it sent would make another one.
//!
//! In goes what the system tells of this process, out come patterns of files to leave out: the log of its own container, and the
//! file that its messages are redirected to.

use std::path::Path;

use crate::input::tail::pattern::PathPattern;
use crate::run::agent::literal;

/// The files that this process writes its messages to, as far as it can tell. `pods`: the folder of all pods.
pub(super) fn patterns(pods: &Path) -> Vec<PathPattern> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let of_container = container(&mounts).map(|own| own.pattern(pods));
    let redirected = ["/proc/self/fd/1", "/proc/self/fd/2"].into_iter().filter_map(|link| {
        let path = std::fs::read_link(link).ok().filter(|path| path.is_absolute() && path.is_file())?;
        // With what it may be rotated to.
        Some([literal(&path), format!("{}.*", literal(&path))])
    });
    let texts = of_container.into_iter().chain(redirected.flatten());
    let mut patterns: Vec<PathPattern> = texts.filter_map(|text| PathPattern::new(&text).ok()).collect();
    patterns.dedup();
    patterns
}

/// The container that this process runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Container {
    pod_uid: String,
    /// `None`: it is only known which pod it is of.
    name: Option<String>,
}

impl Container {
    /// `NAMESPACE_POD_UID/CONTAINER/` below the folder of all pods.
    fn pattern(&self, pods: &Path) -> String {
        let name = self.name.as_deref().unwrap_or("*");
        format!("{}/*_{}/{name}/**", literal(pods), self.pod_uid)
    }
}

/// Kubelet mounts `…/pods/UID/containers/NAME/ID` as the termination log and `…/pods/UID/etc-hosts` as `/etc/hosts`
/// ([makeMounts](https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/kubelet/kubelet_pods.go)).
///
/// line = id parent device root mount-point …   ; proc_pid_mountinfo(5)
fn container(mounts: &str) -> Option<Container> {
    let mut of_pod = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(3);
        let (Some(root), Some(_mount_point)) = (fields.next(), fields.next()) else { continue };
        let parts: Vec<&str> = root.split('/').collect();
        match parts[..] {
            [.., "pods", uid, "containers", name, _] if is_uid(uid) && is_name(name) => {
                return Some(Container { pod_uid: uid.to_owned(), name: Some(name.to_owned()) });
            }
            [.., "pods", uid, "etc-hosts"] if is_uid(uid) => {
                of_pod = Some(Container { pod_uid: uid.to_owned(), name: None });
            }
            _ => {}
        }
    }
    of_pod
}

/// Hex digits and dashes; of static pods without dashes.
fn is_uid(text: &str) -> bool {
    (32..=36).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// A label as Kubernetes has them.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_container_is_known_by_its_mounts() {
        let root = "1 0 8:1 / / rw - overlay overlay rw\n2 1 0:5 /proc /proc rw - proc proc rw\n";
        let hosts = "3 1 8:1 /var/lib/kubelet/pods/7f5c3c0a-9e55-4a53-8f0f-6b1f3f0a5c11/etc-hosts /etc/hosts rw - ext4 /dev/a rw\n";
        let log = "4 1 8:1 /pods/0f7a1c1b2d3e4f506172839405162738/containers/spanline/1a2b3c4d /dev/termination-log rw - ext4 /dev/a rw\n";
        assert_eq!(container(root), None);
        assert_eq!(container(""), None);
        let pattern = |mounts: &str| container(mounts).unwrap().pattern(Path::new("/var/log/pods"));
        assert_eq!(pattern(&format!("{root}{hosts}")), "/var/log/pods/*_7f5c3c0a-9e55-4a53-8f0f-6b1f3f0a5c11/*/**");
        let expected = "/var/log/pods/*_0f7a1c1b2d3e4f506172839405162738/spanline/**";
        assert_eq!(pattern(&format!("{root}{hosts}{log}")), expected);
        let matched = PathPattern::new(expected).unwrap();
        assert!(matched.is_match(Path::new("/var/log/pods/ns_a_0f7a1c1b2d3e4f506172839405162738/spanline/0.log")));
        assert!(!matched.is_match(Path::new("/var/log/pods/ns_a_0f7a1c1b2d3e4f506172839405162738/other/0.log")));
        for odd in
            ["/pods/*/etc-hosts", "/pods/x/containers/a/b", "/pods/0f7a1c1b2d3e4f506172839405162738/containers/*/b"]
        {
            assert_eq!(container(&format!("1 0 8:1 {odd} /x rw")), None, "{odd}");
        }
    }
}
