//! What is no log in the trees of a sosreport and of a must-gather.
//!
//! In go files as they were found, the same without those that are no logs though they lie in the same folders: copies of /etc and /proc, what commands
//! printed, versions. A tree is known by its folders, wherever it was unpacked. What lies in a folder within the tree that
//! the user names is read all the same. Contents are not looked at.

use std::collections::HashSet;
use std::path::PathBuf;

use memchr::memmem;

use super::discover::{Found, FoundFile};

const IN_SOSREPORT: &str = "no log by its place in a sosreport";
const IN_MUST_GATHER: &str = "no log by its place in a must-gather";

/// Of journalctl's outputs these hold no lines of a journal.
const ABOUT_THE_JOURNAL: [&str; 5] = ["disk-usage", "list-boots", "--header", "--verify", "--fields"];

/// Leaves them out. `paths`: those that were given.
pub fn leave_out_others(found: &mut Found, paths: &[PathBuf]) {
    let (sosreports, must_gathers) = roots(&found.files);
    if sosreports.is_empty() && must_gathers.is_empty() {
        return;
    }
    for file in std::mem::take(&mut found.files) {
        let given = paths.get(file.given).map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let within = |roots: &HashSet<String>| below(&file.shown, roots, &given).map(str::to_owned);
        let reason = match (within(&sosreports), within(&must_gathers)) {
            _ if file.named => None,
            (Some(path), _) => (!is_log_of_sosreport(&path)).then_some(IN_SOSREPORT),
            (_, Some(path)) => (!is_log_of_must_gather(&path)).then_some(IN_MUST_GATHER),
            _ => None,
        };
        match reason {
            Some(reason) => found.leave_out(reason, file.shown),
            None => found.files.push(file),
        }
    }
}

/// The folders above `sos_commands`, and those that hold a must-gather, each with a `/` at its end.
fn roots(files: &[FoundFile]) -> (HashSet<String>, HashSet<String>) {
    let (mut sosreports, mut must_gathers) = (HashSet::new(), HashSet::new());
    let [sos_commands, must_gather, host_logs, cluster_wide, namespaces] =
        ["/sos_commands/", "/must-gather", "/host_service_logs/", "/cluster-scoped-resources/", "/namespaces/"]
            .map(memmem::Finder::new);
    let mut shown = String::new();
    for file in files.iter().filter(|file| !file.named) {
        shown.clear();
        shown.extend(["/", &file.shown]);
        let before =
            |folder: &memmem::Finder<'_>| folder.find(shown.as_bytes()).map(|at| shown[1..at.max(1)].to_owned());
        sosreports.extend(before(&sos_commands));
        // The tool's own folder lies above that of each image.
        let named = must_gather.find(shown.as_bytes()).filter(|at| shown[at + 1..].contains('/'));
        let whole = named.and_then(|at| Some(shown[1..at + 1 + shown[at + 1..].find('/')?].to_owned()));
        let by_content = || {
            let host = before(&host_logs).or_else(|| before(&cluster_wide));
            host.or_else(|| shown.ends_with("/logs/current.log").then(|| before(&namespaces))?)
        };
        must_gathers.extend(whole.or_else(by_content));
    }
    let end = |roots: HashSet<String>| -> HashSet<String> {
        roots.into_iter().map(|root| if root.is_empty() { root } else { format!("{root}/") }).collect()
    };
    (end(sosreports), end(must_gathers))
}

/// The path below the root that a file lies under, unless the user named a folder within that.
fn below<'f>(shown: &'f str, roots: &HashSet<String>, given: &str) -> Option<&'f str> {
    let root = roots.iter().filter(|root| shown.starts_with(root.as_str())).min_by_key(|root| root.len())?;
    let is_within = given.trim_end_matches('/').len() > root.trim_end_matches('/').len();
    (!is_within).then(|| &shown[root.len()..])
}

/// log = "var/log/" *any / "sos_commands/logs/" *any / *any "/logs/" *any / *any "journalctl" *any / *any "_logs_" *any
fn is_log_of_sosreport(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.starts_with("journalctl") {
        return !ABOUT_THE_JOURNAL.iter().any(|words| name.contains(words));
    }
    if path.starts_with("sos_commands/") {
        return (path.contains("/logs/") || name.contains("_logs_")) && !name.starts_with("ls_");
    }
    path.starts_with("var/log/") || path.starts_with("run/log/")
}

/// log = *any ( "host_service_logs/" / "audit_logs/" ) *any / *any "/logs/" name ".log" [ rotation ] / *any "_logs_" *any
fn is_log_of_must_gather(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let has_folder = |folder: &str| path.split('/').rev().skip(1).any(|part| part == folder);
    has_folder("host_service_logs")
        || has_folder("audit_logs")
        || has_folder("logs") && (name.ends_with(".log") || name.contains(".log."))
        || name.contains("_logs_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_told_from_what_lies_beside_them() {
        for path in [
            "var/log/pods/a_b_c/d/0.log",
            "var/log/messages",
            "sos_commands/logs/journalctl_--no-pager_--boot",
            "sos_commands/crio/journalctl_-u_crio",
            "sos_commands/kubernetes/pods/x/logs/y",
            "sos_commands/podman/podman_logs_-t_x",
        ] {
            assert!(is_log_of_sosreport(path), "{path}");
        }
        for path in [
            "etc/passwd",
            "proc/meminfo",
            "uname",
            "sos_commands/crio/crictl_ps_-a",
            "sos_commands/logs/journalctl_--disk-usage",
            "sos_commands/logs/ls_-alhR_.var.log",
            "sos_reports/sos.txt",
        ] {
            assert!(!is_log_of_sosreport(path), "{path}");
        }
        for path in [
            "quay/host_service_logs/masters/kubelet_service.log",
            "quay/audit_logs/kube-apiserver/node-audit.log.gz",
            "quay/namespaces/a/pods/b/c/c/logs/previous.log",
            "quay/nodes/n/n_logs_kubelet.gz",
        ] {
            assert!(is_log_of_must_gather(path), "{path}");
        }
        for path in ["timestamp", "quay/version", "quay/monitoring/prometheus/rules.json", "must-gather.logs"] {
            assert!(!is_log_of_must_gather(path), "{path}");
        }
    }
}
