//! What Kubernetes knows of pods: asked of the kubelet of a node, or read from a file.
//!
//! In go lists of pods ([`pod_list`]), out come the facts of a pod by its UID or its name ([`directory`]); [`kubelet`] asks for
//! lists while the agent runs. What becomes of facts is not decided here.

pub mod directory;
pub mod kubelet;
pub mod pod_list;
