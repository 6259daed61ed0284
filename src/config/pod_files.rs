//! `--metadata` of commands that read finished logs: files with lists of pods.
//!
//! In go files, and folders such as a must-gather's, out come all pods of them, or an error that names the file.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ConfigError;
use super::yaml::{self, Node, Value};
use crate::metadata::directory::{PODS_MAX, PodDirectory};
use crate::metadata::pod_list::{self, Sent};

const FLAG: &str = "--metadata";

/// Bytes of a list: some 10 kB for each of tens of thousands of pods.
const FILE_BYTES_MAX: u64 = 512 << 20;
/// Files of pods in folders.
const FILES_MAX: usize = 10_000;
/// Folders within one another.
const DEPTH_MAX: usize = 12;
/// What lists of pods are called in a must-gather.
const NAMES: [&str; 2] = ["pods.yaml", "pods.json"];

/// All pods of these files; `None` where none is named. All of their labels are sent.
pub(super) fn pods(paths: &[PathBuf]) -> Result<Option<Arc<PodDirectory>>, ConfigError> {
    if paths.is_empty() {
        return Ok(None);
    }
    let sent = Sent { labels: true, annotations: Vec::new() };
    let mut directory = PodDirectory::default();
    for path in paths {
        let bad = |error: &dyn std::fmt::Display| ConfigError::new(FLAG, format!("{}: {error}", path.display()));
        let mut files = Vec::new();
        if path.is_dir() {
            find(path, DEPTH_MAX, &mut files);
            if files.is_empty() {
                return Err(bad(&format!("holds no {}", NAMES.join(" or "))));
            }
        } else {
            files.push(path.clone());
        }
        for file in files {
            read(&file, &sent, &mut directory)?;
        }
        if directory.is_empty() {
            return Err(bad(&"holds no pod: give what kubectl get pods -A -o json prints, or a must-gather"));
        }
    }
    Ok(Some(Arc::new(directory)))
}

/// Lists of pods in a folder, and in those below it.
fn find(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let is_named = NAMES.iter().any(|name| entry.file_name() == *name);
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => find(&entry.path(), depth - 1, files),
            Ok(kind) if kind.is_file() && is_named && files.len() < FILES_MAX => files.push(entry.path()),
            _ => {}
        }
    }
}

fn read(path: &Path, sent: &Sent, directory: &mut PodDirectory) -> Result<(), ConfigError> {
    let bad = |error: &dyn std::fmt::Display| ConfigError::new(FLAG, format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| bad(&error))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| bad(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(bad(&format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        let text = std::str::from_utf8(&bytes).map_err(|_| bad(&"neither JSON nor YAML"))?;
        let node = yaml::parse(text).map_err(|error| bad(&format!("line {}: {}", error.line, error.reason)))?;
        bytes = json(node).to_string().into_bytes();
    }
    let (pods, left_out) = pod_list::pods(&bytes, sent, PODS_MAX).map_err(|error| bad(&error))?;
    if left_out > 0 {
        return Err(bad(&format!("more than {PODS_MAX} pods")));
    }
    directory.add(pods);
    Ok(())
}

/// As JSON: of scalars only booleans and null count, which is all that is asked of a pod beside text.
fn json(node: Node) -> serde_json::Value {
    if node.is_null() {
        return serde_json::Value::Null;
    }
    match node.value {
        Value::Scalar { text, is_plain: true } if text == "true" || text == "false" => (text == "true").into(),
        Value::Scalar { text, .. } => text.into(),
        Value::List(entries) => entries.into_iter().map(json).collect(),
        Value::Map(entries) => entries.into_iter().map(|(key, node)| (key.name, json(node))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Pod;

    #[test]
    fn pods_are_read_from_json_yaml_and_folders() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let list = write("x.json", r#"{"kind":"List","items":[{"metadata":{"name":"a","namespace":"n","uid":"u1"}}]}"#);
        let yaml = "---\nkind: PodList\nitems:\n- metadata:\n    name: b\n    namespace: n\n    uid: u2\n    labels: {app: 'true', n: \"5\"}\n    \
                    ownerReferences:\n    - {kind: Node, name: x, controller: true}\n  spec: {containers: null}\n";
        write("must/q/namespaces/n/core/pods.yaml", yaml);
        write("must/q/namespaces/n/core/services.yaml", "no: pods");
        let found = pods(&[list, folder.path().join("must")]).unwrap().unwrap();
        let pod = |uid: &str| found.find(&Pod { uid: uid.into(), ..Pod::default() });
        assert_eq!(found.len(), 2);
        assert!(pod("u1").is_some());
        let attributes: Vec<_> = pod("u2").unwrap().attributes.clone();
        assert_eq!(
            attributes,
            [("k8s.pod.label.app", "true"), ("k8s.pod.label.n", "5")].map(|(k, v)| (k.into(), v.into()))
        );
    }

    #[test]
    fn what_holds_no_pods_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for (text, words) in
            [("{}", "holds no pod"), ("{", "EOF"), ("[1", "not YAML"), ("a: *b", "not YAML"), ("\u{0}", "not YAML")]
        {
            std::fs::write(&path, text).unwrap();
            let error = pods(std::slice::from_ref(&path)).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        std::fs::remove_file(&path).unwrap();
        let error = pods(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains("holds no pods.yaml or pods.json"), "{error}");
    }
}
