//! What names of files tell: their order, and which are no logs.
//!
//! In go names, and those beside them, out comes why a file is left out. Contents are not looked at.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

use super::content::ZIP;

/// Why a severity file of klog is left out: what it holds is read all the same.
pub const REPEATS_INFO: &str = "a klog severity file whose lines stand in the INFO file beside it";

/// The order of names in which runs of digits count as numbers.
pub(super) fn by_number(a: &[u8], b: &[u8]) -> Ordering {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // What they have in common tells nothing, but for the digits of a number that ends differently.
    let common = a.iter().zip(b).take_while(|(one, two)| one == two).count();
    let start = common - digits_at_end(&a[..common]);
    let (mut left, mut right) = (&a[start..], &b[start..]);
    loop {
        let (mine, other) = (digits(left), digits(right));
        let number = |run: &'_ [u8]| run.iter().take_while(|byte| **byte == b'0').count();
        let by = if mine > 0 && other > 0 {
            let (one, two) = (&left[number(&left[..mine])..mine], &right[number(&right[..other])..other]);
            (left, right) = (&left[mine..], &right[other..]);
            one.len().cmp(&two.len()).then_with(|| one.cmp(two))
        } else {
            match (left.split_first(), right.split_first()) {
                (Some((one, rest)), Some((two, other_rest))) => {
                    (left, right) = (rest, other_rest);
                    one.cmp(two)
                }
                (one, two) => return one.is_some().cmp(&two.is_some()).then_with(|| a.cmp(b)),
            }
        };
        if by.is_ne() {
            return by;
        }
    }
}

fn digits_at_end(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count()
}

const BINARY_BY_NAME: &str = "binary by its name";

/// Whether files of this name are mostly binary.
pub fn is_named_as_binary(name: &str) -> bool {
    matches!(reason_to_leave_out(name, &HashSet::new()), Some(BINARY_BY_NAME | ZIP))
}

/// Names of binary files, and of files that are no logs.
pub(super) fn reason_to_leave_out(name: &str, siblings: &HashSet<String>) -> Option<&'static str> {
    let plain = ["gz", "zst", "xz", "bz2"]
        .iter()
        .fold(name, |name, end| name.strip_suffix(end).map_or(name, |n| n.trim_end_matches('.')));
    let lower = plain.to_ascii_lowercase();
    if matches!(lower.as_str(), "wtmp" | "btmp" | "lastlog" | "faillog" | "tallylog" | "utmp") {
        return Some(BINARY_BY_NAME);
    }
    let end = lower.rsplit_once('.').map_or("", |(_, end)| end);
    match end {
        "zip" => return Some(ZIP),
        "db" | "sqlite" | "png" | "jpg" | "gif" | "pdf" | "so" | "bin" | "exe" | "pcap" | "core" | "o" | "a"
        | "wal" | "snap" | "pyc" | "jar" | "class" | "crt" | "der" => {
            return Some(BINARY_BY_NAME);
        }
        "lz4" | "br" | "7z" | "lzma" | "z" => {
            return Some("compressed in a way that is not read (.gz, .zst, .xz and .bz2 are)");
        }
        "yaml" | "yml" | "md" | "html" | "htm" | "css" | "js" | "toml" | "conf" | "cfg" | "ini" | "pem" | "key"
        | "py" | "sh" | "rs" | "go" | "c" | "h" | "csv" | "xml" | "service" | "lock" | "tmp" | "swp" => {
            return Some("no log by its name");
        }
        _ => {}
    }
    repeats_info(name, siblings).then_some(REPEATS_INFO)
}

/// Of the names in a folder those of klog's INFO files, as far as there are files of other severities beside them.
pub(super) fn severities<'n>(names: impl Iterator<Item = Cow<'n, str>> + Clone) -> HashSet<String> {
    let is_other = |name: &str| ["WARNING", "ERROR", "FATAL"].iter().any(|severity| name.contains(severity));
    if !names.clone().any(|name| is_other(&name)) {
        return HashSet::new();
    }
    names.filter(|name| name.contains("INFO")).map(Cow::into_owned).collect()
}

/// klog's WARNING, ERROR and FATAL files hold again what the INFO file of the same process holds.
fn repeats_info(name: &str, siblings: &HashSet<String>) -> bool {
    if siblings.is_empty() {
        return false;
    }
    ["WARNING", "ERROR", "FATAL"].iter().any(|severity| {
        let Some((program, rest)) = name.split_once(&format!(".log.{severity}.")) else {
            return siblings.contains(&name.replace(&format!(".{severity}"), ".INFO"))
                && name.ends_with(&format!(".{severity}"));
        };
        // The files of one process differ in the second they were made; the process id at the end is the same.
        let process = rest.split('.').nth(1).unwrap_or_default();
        siblings.iter().any(|sibling| {
            sibling
                .strip_prefix(program)
                .and_then(|end| end.strip_prefix(".log.INFO."))
                .is_some_and(|end| end.split('.').nth(1).is_some_and(|sibling_process| sibling_process == process))
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_of_digits_count_as_numbers() {
        let mut names = ["10.log", "2.log", "a10b2", "a10b10", "a9", "a", "02.log", "a010b2", "1"];
        names.sort_by(|a, b| by_number(a.as_bytes(), b.as_bytes()));
        assert_eq!(names, ["1", "02.log", "2.log", "10.log", "a", "a9", "a010b2", "a10b2", "a10b10"]);
    }

    proptest! {
        /// A sort may panic where the order is none.
        #[test]
        fn names_are_ordered_totally(names in proptest::collection::vec("[a.019]{0,6}", 3)) {
            let compare = |a: usize, b: usize| by_number(names[a].as_bytes(), names[b].as_bytes());
            prop_assert_eq!(compare(0, 1), compare(1, 0).reverse());
            prop_assert_eq!(compare(0, 1).is_eq(), names[0] == names[1]);
            if compare(0, 1).is_le() && compare(1, 2).is_le() {
                prop_assert!(compare(0, 2).is_le());
            }
        }
    }

    #[test]
    fn severity_files_are_left_out_only_beside_their_info_file() {
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<HashSet<_>>();
        let all = names(&["kubelet.node.root.log.INFO.20261123-091318.26607", "kubelet.INFO"]);
        assert!(repeats_info("kubelet.node.root.log.ERROR.20261123-091320.26607", &all));
        assert!(!repeats_info("kubelet.node.root.log.ERROR.20261123-091320.99", &all));
        assert!(repeats_info("kubelet.WARNING", &all));
        assert!(!repeats_info("app.ERROR", &all));
    }
}
