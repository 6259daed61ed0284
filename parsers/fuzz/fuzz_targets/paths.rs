//! Paths and file names: any text.
#![cfg_attr(fuzzing, no_main)]

use spanline_parsers::{pod_path, rotation};

spanline_parsers_fuzz::target!(|path: &str| {
    let _ = (pod_path::pod(path), pod_path::in_docker(path), rotation::klog_file(path), rotation::family(path));
    assert!(path.is_empty() || !pod_path::service_name_of_pod(path).is_empty());
});
