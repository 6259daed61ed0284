//! Where programs of a node write their lines: inside a request, or in a loop of their own.
//!
//! Data: source file and how the message begins, not line numbers, since those change with each release. The first row
//! that matches decides; what no row matches is left to learning. From kubelet's and CRI-O's sources.
//! <https://github.com/kubernetes/kubernetes/tree/master/pkg/kubelet>, <https://github.com/cri-o/cri-o/tree/main/server>

/// How a call site stands to the spans open at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) enum Site {
    /// On the goroutine that holds the pod's (or the request's) span.
    Inside,
    /// About a pod, on another goroutine.
    Elsewhere,
    /// Now here, now there.
    Unknown,
}

type Rows = [(&'static str, &'static str, Site)];

/// kubelet: file, start of the message (empty: any), where.
const KUBELET: &Rows = &[
    // The loop that receives changes, and pod workers before and after the sync itself.
    ("kubelet.go", "SyncLoop", Site::Elsewhere),
    ("kubelet.go", "SyncTerminatingPod enter", Site::Elsewhere),
    ("kubelet.go", "SyncTerminatingPod exit", Site::Elsewhere),
    ("kubelet.go", "SyncPod", Site::Inside),
    ("kubelet.go", "SyncTerminatedPod", Site::Inside),
    ("kubelet.go", "SyncTerminatingRuntimePod", Site::Elsewhere),
    ("kubelet.go", "Pod termina", Site::Inside),
    ("kubelet.go", "Pod is terminated and will need", Site::Inside),
    ("kubelet.go", "Post-termination container state", Site::Inside),
    ("kubelet.go", "Creating a mirror pod", Site::Inside),
    ("kubelet.go", "Trying to delete pod", Site::Inside),
    ("kubelet.go", "OnPodSandboxReady", Site::Inside),
    ("kubelet.go", "Successfully updated PodReadyToStartContainers", Site::Elsewhere),
    ("kubelet.go", "Pod is not runnable", Site::Inside),
    ("kubelet.go", "Failed to update QoS cgroups", Site::Inside),
    ("kubelet.go", "Unable to make pod data directories", Site::Inside),
    ("kubelet.go", "Failed creating a mirror pod", Site::Inside),
    ("kubelet.go", "Pod has been deleted and must be killed", Site::Elsewhere),
    ("kubelet.go", "Skipping pod synchronization", Site::Elsewhere),
    ("kubelet.go", "Container garbage collection", Site::Elsewhere),
    ("kubelet.go", "Image garbage collection", Site::Elsewhere),
    ("kubelet.go", "Starting", Site::Elsewhere),
    ("kubelet.go", "Container runtime status", Site::Elsewhere),
    ("kubelet.go", "Warning: cgroup check", Site::Elsewhere),
    ("pod_workers.go", "", Site::Elsewhere),
    ("config.go", "", Site::Elsewhere),
    ("file.go", "", Site::Elsewhere),
    ("file_linux.go", "", Site::Elsewhere),
    ("topology_manager.go", "", Site::Elsewhere),
    // Housekeeping shares its file with the status of a pod.
    ("kubelet_pods.go", "Clean up", Site::Elsewhere),
    ("kubelet_pods.go", "Orphaned", Site::Elsewhere),
    ("kubelet_pods.go", "Pod status", Site::Elsewhere),
    ("kubelet_pods.go", "Generating pod status", Site::Inside),
    ("kubelet_pods.go", "Got phase for pod", Site::Inside),
    ("kubelet_pods.go", "Creating hosts mount", Site::Inside),
    ("kubelet_pods.go", "failed to read memory cgroup", Site::Inside),
    ("kubelet_pods.go", "Mount cannot be satisfied", Site::Inside),
    ("kubelet_volumes.go", "", Site::Elsewhere),
    // The runtime manager works for the sync, and lists pods for anybody.
    ("kuberuntime_manager.go", "Retrieved pods from runtime", Site::Elsewhere),
    ("kuberuntime_manager.go", "Container runtime initialized", Site::Elsewhere),
    ("kuberuntime_manager.go", "", Site::Inside),
    ("kuberuntime_container.go", "Removing container", Site::Elsewhere),
    ("scope.go", "RemoveContainer", Site::Unknown),
    ("kuberuntime_container.go", "", Site::Inside),
    ("kuberuntime_sandbox.go", "", Site::Inside),
    ("kuberuntime_image.go", "", Site::Inside),
    ("kuberuntime_gc.go", "", Site::Unknown),
    ("util.go", "No sandbox for pod", Site::Inside),
    ("util.go", "No ready sandbox for pod", Site::Inside),
    ("util.go", "Multiple sandboxes are ready", Site::Inside),
    ("util.go", "Tearing down volume", Site::Elsewhere),
    ("image_manager.go", "", Site::Inside),
    ("pod_container_manager_linux.go", "", Site::Inside),
    ("container_manager.go", "Pod contains no container with pinned", Site::Inside),
    ("cpu_manager.go", "Added Container", Site::Inside),
    ("cpu_manager.go", "", Site::Elsewhere),
    ("memory_manager.go", "Added Container", Site::Inside),
    ("memory_manager.go", "RemoveStaleState", Site::Elsewhere),
    ("state_mem.go", "Updated container resource information", Site::Inside),
    ("state_mem.go", "", Site::Elsewhere),
    ("volume_manager.go", "Waiting for volumes", Site::Inside),
    ("volume_manager.go", "All volumes are", Site::Inside),
    ("volume_manager.go", "", Site::Elsewhere),
    // Volumes are mounted by a reconciler while the sync waits.
    ("reconciler.go", "", Site::Elsewhere),
    ("reconciler_common.go", "", Site::Elsewhere),
    ("reconstruct.go", "", Site::Elsewhere),
    ("operation_generator.go", "", Site::Elsewhere),
    ("desired_state_of_world.go", "", Site::Elsewhere),
    ("desired_state_of_world_populator.go", "", Site::Elsewhere),
    ("actual_state_of_world.go", "", Site::Elsewhere),
    ("atomic_writer.go", "", Site::Elsewhere),
    ("projected.go", "", Site::Elsewhere),
    ("configmap.go", "", Site::Elsewhere),
    ("secret.go", "", Site::Elsewhere),
    ("empty_dir.go", "", Site::Elsewhere),
    ("empty_dir_linux.go", "", Site::Elsewhere),
    ("subpath_linux.go", "", Site::Elsewhere),
    ("mount_linux.go", "", Site::Elsewhere),
    ("mount_helper_common.go", "", Site::Elsewhere),
    ("quota_linux.go", "", Site::Elsewhere),
    ("reflector.go", "", Site::Elsewhere),
    // Probes, events of containers, status: goroutines of their own.
    ("generic.go", "", Site::Elsewhere),
    ("evented.go", "", Site::Elsewhere),
    ("prober.go", "", Site::Elsewhere),
    ("exec.go", "", Site::Elsewhere),
    ("http.go", "", Site::Elsewhere),
    ("tcp.go", "", Site::Elsewhere),
    ("worker.go", "Triggered", Site::Elsewhere),
    ("worker.go", "Probe target container not found", Site::Unknown),
    ("prober_manager.go", "Failed to trigger", Site::Unknown),
    ("status_manager.go", "Ignoring same status", Site::Inside),
    ("status_manager.go", "Marking terminal pod as failed", Site::Inside),
    ("status_manager.go", "Status for pod updated", Site::Elsewhere),
    ("status_manager.go", "Patch status", Site::Elsewhere),
    ("status_manager.go", "", Site::Elsewhere),
    ("pod_startup_latency_tracker.go", "", Site::Elsewhere),
    ("pod_container_deletor.go", "", Site::Elsewhere),
    ("container_log_manager.go", "", Site::Elsewhere),
    ("event.go", "", Site::Elsewhere),
    ("eviction_manager.go", "", Site::Elsewhere),
    ("factory.go", "", Site::Elsewhere),
    ("manager.go", "", Site::Elsewhere),
    ("container.go", "", Site::Elsewhere),
    ("handler.go", "", Site::Elsewhere),
    ("watcher.go", "", Site::Elsewhere),
    ("labels.go", "", Site::Unknown),
    ("kubelet_node_status.go", "", Site::Elsewhere),
    ("kubelet_nodecache.go", "", Site::Elsewhere),
    ("setters.go", "", Site::Elsewhere),
    ("flags.go", "", Site::Elsewhere),
    ("server.go", "", Site::Elsewhere),
    ("remote_runtime.go", "ContainerStatus from runtime service failed", Site::Elsewhere),
    ("remote_runtime.go", "ExecSync", Site::Elsewhere),
];

/// CRI-O's lines without a request: what watches exits and files.
const CRIO: &Rows = &[
    ("server/server.go", "", Site::Elsewhere),
    ("hooks/monitor.go", "", Site::Elsewhere),
    ("watchdog/", "", Site::Elsewhere),
    ("signals/", "", Site::Elsewhere),
    ("metrics/", "", Site::Elsewhere),
    ("", "Found exit code for", Site::Elsewhere),
    // What follows the exit of a container.
    ("storage/runtime.go", "Unmounted container", Site::Elsewhere),
    ("oci/runtime_oci.go", "Skipping status update", Site::Elsewhere),
    // Layers of an image are copied and unpacked by goroutines of their own.
    ("copy/single.go", "Checking if we can reuse blob", Site::Elsewhere),
    ("copy/single.go", "Skipping blob", Site::Elsewhere),
    ("copy/single.go", "Failed to retrieve partial blob", Site::Elsewhere),
    ("compression/compression.go", "Detected compression format", Site::Elsewhere),
    ("overlay/overlay.go", "Applying tar in", Site::Elsewhere),
];

/// containerd: what follows events of shims and images, by its message alone.
const CONTAINERD: &[&str] = &[
    "shim disconnected",
    "cleaning up",
    "warnings while cleaning up",
    "failed to clean up",
    "received sandbox",
    "received container exit event",
    "received exit event",
    "TaskExit event",
    "TaskOOM event",
    "Container exits event",
    "Failed to pipe std",
    "ImageCreate event",
    "ImageUpdate event",
    "ImageDelete event",
    "collecting metrics",
    "starting plugin",
    "loading plugin",
    "skip loading plugin",
    "Failed to handle backOff event",
    "Failed to handle event",
    "failed sending message on channel",
    // The reporter of progress.
    "stop pulling image",
];

/// Spans that only wait for a process to end, on a goroutine of their own: containerd writes no line in them.
const WAITING: &[&str] = &["task.Wait", "process.Wait", "Task/Wait"];

/// A span that holds no line of its program.
pub(in super::super) fn only_waits(name: &str) -> bool {
    let last = name.rsplit_once(".v3.").or_else(|| name.rsplit_once(".v2.")).map_or(name, |(_, last)| last);
    WAITING.contains(&last)
}

fn find(rows: &Rows, message: &[u8], is_file: impl Fn(&str) -> bool) -> Site {
    let matches = |row: &&(&str, &str, Site)| is_file(row.0) && message.starts_with(row.1.as_bytes());
    rows.iter().find(matches).map_or(Site::Unknown, |row| row.2)
}

/// Of a line of kubelet. Without a file (JSON logs may have none) the message alone decides.
pub(in super::super) fn kubelet(file: Option<&[u8]>, message: &[u8]) -> Site {
    let Some(file) = file.filter(|file| !file.is_empty()) else {
        let rows = KUBELET.iter().filter(|row| !row.1.is_empty() && message.starts_with(row.1.as_bytes()));
        return rows.max_by_key(|row| row.1.len()).map_or(Site::Unknown, |row| row.2);
    };
    let name = memchr::memrchr(b'/', file).map_or(file, |at| &file[at + 1..]);
    find(KUBELET, message, |row| row.as_bytes() == name)
}

/// Of a line of CRI-O that names no request.
pub(in super::super) fn crio(file: Option<&[u8]>, message: &[u8]) -> Site {
    let file = file.unwrap_or_default();
    find(CRIO, message, |row| file.starts_with(row.as_bytes()))
}

/// Of a line of containerd.
pub(in super::super) fn containerd(message: &[u8]) -> Site {
    let is_loop = CONTAINERD.iter().any(|start| message.starts_with(start.as_bytes()));
    if is_loop { Site::Elsewhere } else { Site::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_decides_before_the_file() {
        assert_eq!(kubelet(Some(b"kubelet.go"), b"SyncLoop ADD"), Site::Elsewhere);
        assert_eq!(kubelet(Some(b"kubelet/kubelet.go"), b"SyncPod enter"), Site::Inside);
        assert_eq!(kubelet(Some(b"kubelet.go"), b"never seen"), Site::Unknown);
        assert_eq!(kubelet(None, b"SyncTerminatingPod enter"), Site::Elsewhere);
        assert_eq!(kubelet(None, b"Generating pod status"), Site::Inside);
        assert_eq!(crio(Some(b"server/server.go:871"), b"Event: CREATE"), Site::Elsewhere);
        assert_eq!(crio(Some(b"storage/image.go:1"), b"x"), Site::Unknown);
    }
}
