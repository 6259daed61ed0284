//! Which folders are looked into, and which files in them are followed, by their paths only.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use spanline_parsers::rotation::{self, Packing};

use super::config::{TailConfig, TailInput, TailInputKind};
use super::pattern::PathPattern;
use crate::input::names::{reason_to_leave_out, severities};

/// What is followed.
#[derive(Debug)]
pub(super) struct Scope {
    inputs: Vec<TailInput>,
    own_folders: Vec<PathBuf>,
}

/// What the names in a folder tell of one another.
#[derive(Debug)]
pub(super) struct Siblings(HashSet<String>);

impl Siblings {
    pub(super) fn of<'n>(names: impl Iterator<Item = Cow<'n, str>> + Clone) -> Siblings {
        Siblings(severities(names))
    }
}

impl Scope {
    pub(super) fn new(config: &TailConfig) -> Scope {
        Scope { inputs: config.inputs.clone(), own_folders: config.own_folders.clone() }
    }

    pub(super) fn input(&self, input: u32) -> Option<&TailInput> {
        self.inputs.get(input as usize)
    }

    /// The folders at which looking begins.
    pub(super) fn bases(&self) -> Vec<PathBuf> {
        let mut bases = Vec::new();
        for input in &self.inputs {
            match &input.kind {
                TailInputKind::Pods { root } => bases.push(root.clone()),
                TailInputKind::Files { include } => bases.extend(include.iter().map(PathPattern::folder)),
            }
        }
        bases.sort();
        bases.dedup();
        bases
    }

    /// Whether files that are followed may lie in a folder or below.
    pub(super) fn may_be_below(&self, folder: &Path) -> bool {
        let is_own = self.own_folders.iter().any(|own| folder.starts_with(own));
        !is_own && self.inputs.iter().any(|input| input.may_be_below(folder))
    }

    /// The first input that a file belongs to. `base`: the name of its family.
    pub(super) fn input_of(&self, folder: &Path, name: &str, base: &str, siblings: &Siblings) -> Option<u32> {
        if rotation::family(name).packing == Packing::Unfinished {
            return None;
        }
        let (path, family) = (folder.join(name), folder.join(base));
        let is_of = |input: &TailInput| {
            let is_excluded = |pattern: &PathPattern| pattern.is_match(&path) || pattern.is_match(&family);
            input.holds(&path, &family, name, siblings) && !input.exclude.iter().any(is_excluded)
        };
        self.inputs.iter().position(is_of).and_then(|at| u32::try_from(at).ok())
    }

    /// Whether its files are logs by where they lie, whatever they hold.
    pub(super) fn is_for_lines(&self, input: u32) -> bool {
        self.input(input).is_some_and(|input| matches!(input.kind, TailInputKind::Pods { .. }))
    }
}

impl TailInput {
    fn may_be_below(&self, folder: &Path) -> bool {
        match &self.kind {
            TailInputKind::Files { include } => include.iter().any(|pattern| pattern.may_be_below(folder)),
            // root / pod / container
            TailInputKind::Pods { root } => {
                folder.strip_prefix(root).map_or_else(|_| root.starts_with(folder), |below| below.iter().count() <= 2)
            }
        }
    }

    fn holds(&self, path: &Path, family: &Path, name: &str, siblings: &Siblings) -> bool {
        match &self.kind {
            TailInputKind::Pods { root } => {
                // Whatever the pod's folder is called: nothing else lies there.
                path.starts_with(root)
                    && path.parent().is_some_and(|folder| folder != root && self.may_be_below(folder))
                    && family.extension().is_some_and(|extension| extension == "log")
            }
            TailInputKind::Files { include } => include.iter().any(|pattern| {
                // What is named by its whole path is read whatever it is called.
                let may_be_log = || pattern.literal().is_some() || reason_to_leave_out(name, &siblings.0).is_none();
                (pattern.is_match(path) || pattern.is_match(family)) && may_be_log()
            }),
        }
    }
}

/// Where files may be followed to, links included: where the inputs look, and where kubelet's links lead.
pub(super) fn roots(inputs: &[TailInput]) -> Vec<PathBuf> {
    const KUBELET_ROOTS: [&str; 3] = ["/var/log/pods", "/var/log/containers", "/var/lib/docker/containers"];
    let mut roots: Vec<PathBuf> = KUBELET_ROOTS.map(PathBuf::from).into();
    for input in inputs {
        match &input.kind {
            TailInputKind::Pods { root } => roots.push(root.clone()),
            TailInputKind::Files { include } => {
                roots.extend(include.iter().map(PathPattern::folder));
                // A file that is named as such may be a link, to where it leads when the agent starts.
                let targets = include.iter().filter_map(|pattern| pattern.literal()?.canonicalize().ok());
                roots.extend(targets.filter_map(|target| target.parent().map(Path::to_owned)));
            }
        }
    }
    let canonical: Vec<PathBuf> = roots.iter().filter_map(|root| root.canonicalize().ok()).collect();
    roots.extend(canonical);
    roots.sort();
    roots.dedup();
    roots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::tail::config::{Start, TailLimits};

    fn scope() -> Scope {
        let pattern = |text: &str| PathPattern::new(text).unwrap();
        let input = |kind, exclude: &[&str]| TailInput {
            kind,
            exclude: exclude.iter().map(|text| pattern(text)).collect(),
            start: Start::End,
        };
        let include = ["/var/log/kubelet.log", "/var/log/crio/*"].map(pattern).into();
        Scope::new(&TailConfig {
            inputs: vec![
                input(TailInputKind::Pods { root: "/var/log/pods".into() }, &["/var/log/pods/kube-system_*/**"]),
                input(TailInputKind::Files { include }, &["/var/log/crio/debug*"]),
            ],
            is_first_start: false,
            own_folders: vec!["/var/log/crio/state".into()],
            limits: TailLimits::default(),
        })
    }

    #[test]
    fn files_belong_to_the_input_whose_names_they_or_their_family_have() {
        let scope = scope();
        let none = Siblings::of(std::iter::empty());
        let of = |folder: &str, name: &str| {
            let base = rotation::family(name).base;
            scope.input_of(Path::new(folder), name, &base, &none)
        };
        let app = "/var/log/pods/shop_web_6a8f6021-1d43-4f44-a2a2-8818a01320fe/app";
        assert_eq!(of(app, "0.log"), Some(0));
        assert_eq!(of(app, "0.log.20261130-101010.gz"), Some(0));
        assert_eq!(of(app, "0.log.20261130-101010.tmp"), None);
        assert_eq!(of(app, "notes.txt"), None);
        assert_eq!(of("/var/log/pods/kube-system_p_6a8f6021-1d43-4f44-a2a2-8818a01320fe/app", "0.log"), None);
        assert_eq!(of("/var/log", "kubelet.log"), Some(1));
        assert_eq!(of("/var/log", "kubelet.log.2.gz"), Some(1));
        assert_eq!(of("/var/log", "syslog"), None);
        assert_eq!(of("/var/log/crio", "crio.log"), Some(1));
        assert_eq!((of("/var/log/crio", "debug.log.1"), of("/var/log/crio", "a.db")), (None, None));
    }

    #[test]
    fn only_folders_that_may_hold_logs_are_looked_into() {
        let scope = scope();
        assert_eq!(scope.bases(), ["/var/log", "/var/log/crio", "/var/log/pods"].map(PathBuf::from));
        let app = "/var/log/pods/shop_web_6a8f6021-1d43-4f44-a2a2-8818a01320fe/app";
        for folder in ["/var/log", "/var/log/pods", "/var/log/pods/x", app, "/var/log/crio"] {
            assert!(scope.may_be_below(Path::new(folder)), "{folder}");
        }
        for folder in ["/var/log/journal", &format!("{app}/deeper"), "/var/log/crio/state/x"] {
            assert!(!scope.may_be_below(Path::new(folder)), "{folder}");
        }
    }
}
