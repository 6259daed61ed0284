//! Journals that are left out since they are in systemd's own format, in words.

use std::path::PathBuf;

use super::content;
use super::discover::Found;
use crate::notify::counted;

/// Says how to read them, if there are any: lines of a node that nothing else holds must not be missing in silence. (One that
/// was named is a failure.) `paths`: those that were given.
pub fn unread_journals(found: &Found, paths: &[PathBuf]) -> Option<String> {
    let is_given = |name: &&String| paths.iter().any(|path| path.as_os_str() == name.as_str());
    let names = found.left_out.get(content::BINARY_JOURNAL).into_iter().flatten();
    let missing: Vec<&String> = names.filter(|name| !is_given(name)).collect();
    let first = missing.first()?;
    let folder = first.rsplit_once('/').map_or(".", |(folder, _)| folder);
    Some(format!(
        "{} in the systemd journal's own format, which is not read (the first: {first}): lines of kubelet, CRI-O and others \
         that stand only there are MISSING. To read them: journalctl --directory {folder} -o export > node.export, and give \
         node.export in addition to the other paths",
        counted(missing.len() as u64, "file")
    ))
}
