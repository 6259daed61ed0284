//! Names of a journal's files.
//!
//! In goes a name, out comes that of the file which journald writes to: what it was called before it was rotated, or set aside
//! as damaged.

/// What is put behind a name by those who compress files.
const PACKED: [&str; 4] = [".gz", ".zst", ".xz", ".bz2"];

/// name = writer [ "@" ( seqnum-id "-" seqnum "-" time / time "-" random ) ] ".journal" [ "~" ] [ packed ]
pub fn family(name: &str) -> String {
    let name = PACKED.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let stem = name.trim_end_matches('~');
    let stem = stem.strip_suffix(".journal").unwrap_or(stem);
    let writer = stem.rsplit_once('@').filter(|(_, stamp)| is_stamp(stamp)).map_or(stem, |(writer, _)| writer);
    format!("{writer}.journal")
}

/// Numbers in hex. An instance of a unit's name may stand behind an `@` as well.
fn is_stamp(text: &str) -> bool {
    text.len() > 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotations_of_a_file_have_its_name() {
        for (name, expected) in [
            ("system.journal", "system.journal"),
            ("system@0123456789abcdef0123456789abcdef-0000000000000001-000660ed38c3687b.journal", "system.journal"),
            ("system@000660ed38c3687b-0123456789abcdef.journal~", "system.journal"),
            (
                "user-1000@0123456789abcdef0123456789abcdef-0000000000000001-000660ed38c3687b.journal",
                "user-1000.journal",
            ),
            ("system.journal.zst", "system.journal"),
            ("system@000660ed38c3687b-0123456789abcdef.journal~.gz", "system.journal"),
            ("remote-node@1.journal", "remote-node@1.journal"),
            ("remote-10.0.0.1.journal", "remote-10.0.0.1.journal"),
            ("copy", "copy.journal"),
        ] {
            assert_eq!(family(name), expected, "{name}");
        }
    }
}
