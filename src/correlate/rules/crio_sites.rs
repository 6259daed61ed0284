//! Which function of CRI-O writes a message, for lines whose time does not tell it.
//!
//! In go the span of a call and the message of a line of that request, out comes the span below the call that the
//! line's function has, else the call's own. Data: how messages begin, and functions that have spans of their own; the
//! first row that matches decides, and of its functions the first that has a span. From CRI-O's source.
//! <https://github.com/cri-o/cri-o/tree/main/server>, <https://github.com/cri-o/cri-o/tree/main/internal/oci>

use crate::correlate::index::{Slot, SpanIndex};

/// Spans below a call that are looked at.
const SPANS_MAX: usize = 4096;

/// How the message begins, and the functions that write it; none: the call itself, before or after they run.
const SITES: &[(&str, &[&str])] = &[
    ("Request: ", &[]),
    ("Response", &[]),
    ("No filters were applied", &["filterContainerList", "filterSandboxList"]),
    ("Setting stage for resource", &["createSandboxContainer", "runPodSandbox"]),
    ("Initializing stage for resource", &["runPodSandbox"]),
    ("Creating container: ", &[]),
    ("Created container ", &[]),
    ("createCtr: ", &[]),
    ("Skipping relabel for ", &["addOCIBindMounts"]),
    ("Created storageRef = ", &["createSandboxContainer"]),
    ("Using masked paths", &["createSandboxContainer"]),
    ("Is allowed to run config image", &["createSandboxContainer"]),
    ("Container user: ", &["setupContainerUser"]),
    ("Setup seccomp from profile field", &["Setup"]),
    ("Evaluating seccomp annotations", &["Setup"]),
    ("running conmon: ", &["(*runtimeOCI).CreateContainer"]),
    ("Received container pid: ", &["(*runtimeOCI).CreateContainer"]),
    ("Container creation error: ", &["(*runtimeOCI).CreateContainer"]),
    ("Using conmonrs version: ", &["(*Runtime).CreateContainer"]),
    ("Received container exit code: ", &["(*runtimeOCI).ExecSyncContainer"]),
    ("Skipping status update for: ", &["(*runtimeOCI).UpdateContainerStatus"]),
    ("Found exit code for ", &["(*runtimeOCI).UpdateContainerStatus"]),
    ("Unmounted container ", &["(*runtimeService).StopContainer"]),
    ("Stopping container ", &["StopLoopForContainer"]),
    ("Container is no longer alive", &["StopLoopForContainer"]),
    ("Error while killing container ", &["StopLoopForContainer"]),
    ("Killing failed for some reasons", &["StopLoopForContainer"]),
    ("Using stop timeout: ", &["stopPodSandbox", "removeContainerInPod"]),
    ("Stopped pod sandbox", &["stopPodSandbox"]),
    ("Removed pod sandbox: ", &["removePodSandbox"]),
    ("CNI setup result: ", &["networkStart"]),
    ("Found POD IPs: ", &["networkStart"]),
    ("Running pod sandbox: ", &["runPodSandbox"]),
    ("Ran pod sandbox ", &["runPodSandbox"]),
    ("Dropping infra container", &["runPodSandbox"]),
    ("Keeping infra container", &["runPodSandbox"]),
    ("Looking for namespaced auth", &["pullImage"]),
    ("Using pull policy path for image ", &["pullImage"]),
    ("Error pulling image ", &["pullImage"]),
    ("Falling back to pull ", &["pullImage"]),
    ("Event: ", &["(*runtimeOCI).ReopenContainerLog"]),
    ("File created ", &["(*runtimeOCI).ReopenContainerLog"]),
    ("Expected log file created", &["(*runtimeOCI).ReopenContainerLog"]),
];

/// Which row a message is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Site(u8);

/// The row of a message.
pub(crate) fn site_of(message: &[u8]) -> Site {
    let row = SITES.iter().position(|(start, _)| message.starts_with(start.as_bytes()));
    Site(row.map_or(u8::MAX, |row| row as u8))
}

/// The span of a line of this site, at or below its call.
pub(crate) fn span_of(index: &SpanIndex, call: Slot, site: Site) -> Slot {
    match SITES.get(usize::from(site.0)) {
        Some((_, functions)) => {
            functions.iter().find_map(|function| below(index, call, Function(&[function]))).unwrap_or(call)
        }
        // Most of the others are written by the server's own function of the call's name.
        None => {
            let name = index.name(index.span(call).name);
            let method = name.rsplit('/').next().unwrap_or(name);
            below(index, call, Function(&["(*Server).", method])).unwrap_or(call)
        }
    }
}

/// The end of a function's name, in pieces.
struct Function<'n>(&'n [&'n str]);

impl Function<'_> {
    /// `CreateContainer` of `github.com/cri-o/cri-o/internal/oci.(*runtimeOCI).CreateContainer`.
    fn is_named(&self, name: &str) -> bool {
        let rest = self.0.iter().rev().try_fold(name, |rest, piece| rest.strip_suffix(piece));
        rest.is_some_and(|rest| rest.contains('/') && rest.ends_with('.'))
    }
}

/// The first span of a function below another, nearest levels first.
fn below(index: &SpanIndex, top: Slot, function: Function<'_>) -> Option<Slot> {
    let resource = index.span(top).resource;
    let mut level = vec![top];
    let mut seen = 0;
    while !level.is_empty() && seen < SPANS_MAX {
        let children = level.iter().flat_map(|slot| index.children(*slot)).copied();
        let own = children.filter(|slot| index.span(*slot).resource == resource && *slot != top);
        let next: Vec<Slot> = own.take(SPANS_MAX - seen).collect();
        seen += next.len();
        if let Some(found) = next.iter().find(|slot| function.is_named(index.name(index.span(**slot).name))) {
            return Some(*found);
        }
        level = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_told_by_the_end_of_its_name() {
        let oci = "github.com/cri-o/cri-o/internal/oci.(*runtimeOCI).CreateContainer";
        assert!(Function(&["CreateContainer"]).is_named(oci));
        assert!(
            Function(&["(*Server).", "ImageStatus"]).is_named("github.com/cri-o/cri-o/server.(*Server).ImageStatus")
        );
        assert!(!Function(&["(*Server).", "CreateContainer"]).is_named(oci));
        assert!(!Function(&["Container"]).is_named(oci));
        assert!(!Function(&["CreateContainer"]).is_named("/runtime.v1.RuntimeService/CreateContainer"));
        assert!(Function(&["setupContainerUser"]).is_named("github.com/cri-o/cri-o/server.setupContainerUser"));
    }
}
