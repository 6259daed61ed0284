//! Logs in archives, compressed in every way, and on standard input: read as the files themselves are.

use std::collections::BTreeMap;
use std::io::Read;

use tar::{Builder, EntryType, Header};

use crate::harness::run::{Place, Ran, gzip, testdata};

const LINE: &str = "I1123 09:14:51.123456    1 a.go:12] \"hi\"\n";

fn run(place: &Place, paths: &[&str], more: &[&str]) -> Ran {
    let traces = testdata("nodes/containerd/traces.otlp.jsonl");
    let ends =
        ["--traces", traces.to_str().unwrap(), "--links", "links", "--dry-run", "--zone", "UTC", "--year", "2026"];
    place.run(&[&["backfill"], paths, &ends, more].concat())
}

/// The row of each line by the file's path below `root`, its links among them.
fn rows(place: &Place, root: &str) -> BTreeMap<(String, u64), String> {
    let row = |row: serde_json::Value| {
        let file = row["file"].as_str().unwrap();
        let below = file.split_once(root).unwrap_or_else(|| panic!("{file} is not below {root}")).1;
        ((below.to_owned(), row["line"].as_u64().unwrap()), format!("{} {}", row["span_id"], row["method"]))
    };
    place.json_lines("links").into_iter().map(row).collect()
}

/// A tar archive of files, and of what else is appended.
fn archive(files: &[(&str, &str)], more: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, text) in files {
        member(&mut builder, name, text.as_bytes(), EntryType::Regular);
    }
    more(&mut builder);
    builder.into_inner().unwrap()
}

fn member(builder: &mut Builder<Vec<u8>>, name: &str, bytes: &[u8], kind: EntryType) {
    let mut header = Header::new_gnu();
    // As it is: the setter refuses what a hostile archive may hold.
    let place = &mut header.as_old_mut().name;
    place[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_entry_type(kind);
    header.set_cksum();
    builder.append(&header, bytes).unwrap();
}

fn files_of_links(place: &Place) -> Vec<String> {
    let mut files: Vec<String> =
        place.json_lines("links").iter().map(|row| row["file"].as_str().unwrap().to_owned()).collect();
    files.dedup();
    files
}

#[test]
fn an_archive_is_read_as_the_tree_in_it() {
    let place = Place::new();
    let logs = testdata("nodes/containerd/logs");
    run(&place, &[logs.to_str().unwrap()], &[]).text(0);
    let expected = rows(&place, "containerd/logs/");
    assert!(expected.values().filter(|row| !row.starts_with("null")).count() > 50);
    let packed = testdata("archives/sosreport.tar.xz");
    let mut plain = Vec::new();
    spanline::unpack::unpacked(std::fs::File::open(&packed).unwrap()).unwrap().read_to_end(&mut plain).unwrap();
    let forms = [
        ("xz", std::fs::read(&packed).unwrap()),
        ("gz", gzip(&plain)),
        ("zst", zstd::encode_all(plain.as_slice(), 1).unwrap()),
        ("plain", plain),
    ];
    for (name, bytes) in forms {
        // A name that tells nothing, on the command line and in a folder one that does.
        place.write("node", &bytes);
        run(&place, &["node"], &[]).text(0);
        assert_eq!(rows(&place, "node/sosreport-node-1/var/log/"), expected, "{name}");
        place.write("folder/sosreport.tar.any", &bytes);
        let ran = run(&place, &["folder"], &[]);
        ran.text(0);
        ran.says("link to a file that is read under its own name").says("binary by its name");
        assert_eq!(rows(&place, "folder/sosreport.tar.any/sosreport-node-1/var/log/"), expected, "{name}");
    }
}

#[test]
fn a_must_gather_names_its_pods() {
    let place = Place::new();
    let packed = testdata("archives/must-gather.tar.bz2");
    place.run(&["backfill", packed.to_str().unwrap(), "--to", "file=out"]).text(0);
    let text = place.read("out/logs.jsonl");
    for expected in
        ["storefront-node-1", "\"k8s.namespace.name\"", "/must-gather.tar.bz2/must-gather.local.4242/", "current.log"]
    {
        assert!(text.contains(expected), "{expected}");
    }
    // kubelet's times stand before the lines; the level is the line's.
    assert!(text.contains("\"severityText\":\"DEBUG\""), "{text}");
}

#[test]
fn rotations_within_an_archive_are_one_source_in_order() {
    let place = Place::new();
    let old = LINE.replace("09:14", "09:13");
    place.write(
        "a.tar",
        archive(&[("log/kubelet.log", LINE), ("log/kubelet.log.1", &old)], |builder| {
            member(
                builder,
                "log/kubelet.log.2.gz",
                &gzip(LINE.replace("09:14", "09:12").as_bytes()),
                EntryType::Regular,
            );
        }),
    );
    run(&place, &["a.tar"], &[]).says("3 files in 1 source");
    let names = ["a.tar/log/kubelet.log.2.gz", "a.tar/log/kubelet.log.1", "a.tar/log/kubelet.log"];
    assert_eq!(files_of_links(&place), names);
}

#[test]
fn a_hostile_archive_costs_itself_and_is_told() {
    let place = Place::new();
    let inner = archive(&[("x.log", LINE)], |_| {});
    let bytes = archive(
        &[("./fine.log", LINE), ("/root.log", LINE), ("../out.log", LINE), ("a/../../b.log", LINE)],
        |builder| {
            for (name, kind) in [("null", EntryType::Char), ("pipe", EntryType::Fifo), ("block", EntryType::Block)] {
                member(builder, name, b"", kind);
            }
            for (kind, name, to) in [
                (EntryType::Symlink, "a.log", "/etc/shadow"),
                (EntryType::Symlink, "b.log", "../../etc/shadow"),
                (EntryType::Link, "c.log", "nowhere"),
            ] {
                let mut header = Header::new_gnu();
                header.set_size(0);
                header.set_entry_type(kind);
                builder.append_link(&mut header, name, to).unwrap();
            }
            member(builder, "inner.tar", &inner, EntryType::Regular);
            member(builder, "twice.log", b"old\n", EntryType::Regular);
            member(builder, "twice.log", LINE.as_bytes(), EntryType::Regular);
            member(builder, "odd\x1bname.log", LINE.as_bytes(), EntryType::Regular);
        },
    );
    for (name, bytes) in [("plain.tar", bytes.clone()), ("packed.tar.gz", gzip(&bytes))] {
        place.write(name, &bytes);
        let ran = run(&place, &[name], &["--to", "text"]);
        ran.text(0);
        for reason in [
            "a name that leads out of its archive",
            "not a regular file",
            "link that leads out of its archive",
            "link that leads nowhere",
            "an archive within an archive",
            "replaced by a later member of the same name",
        ] {
            ran.says(reason);
        }
        let mut files = files_of_links(&place);
        files.sort();
        let expected =
            ["fine.log", "odd\u{fffd}name.log", "root.log", "twice.log"].map(|file| format!("{name}/{file}"));
        assert_eq!(files, expected);
    }
    assert!(!place.path("../out.log").exists());
    // Cut in the middle of a member, and a name of a gigabyte.
    place.write("cut.tar.gz", gzip(&bytes[..700]));
    run(&place, &["cut.tar.gz"], &[]).text(1);
    let long = archive(&[("first.log", LINE)], |builder| {
        member(builder, "././@LongLink", &vec![b'x'; 2 << 20], EntryType::GNULongName);
        member(builder, "y", b"", EntryType::Regular);
    });
    place.write("long.tar.gz", gzip(&long));
    run(&place, &["long.tar.gz"], &[]).says("larger than").text(1);
    assert_eq!(files_of_links(&place), ["long.tar.gz/first.log"]);
}

#[test]
fn what_does_not_fit_into_temporary_files_is_told() {
    let place = Place::new();
    let large = LINE.repeat(1000);
    place.write("a.tar.gz", gzip(&archive(&[("a.log", LINE), ("b.log", &large)], |_| {})));
    let ran = run(&place, &["a.tar.gz"], &["--max-temporary-bytes", "8KiB"]);
    ran.says("raise --max-temporary-bytes").text(1);
    assert_eq!(files_of_links(&place), ["a.tar.gz/a.log"]);
    run(&place, &["a.tar.gz"], &[]).text(0);
    assert_eq!(files_of_links(&place), ["a.tar.gz/a.log", "a.tar.gz/b.log"]);
}

#[test]
fn nothing_remains_of_temporary_files() {
    let place = Place::new();
    place.write("tmp/.keep", "").write("a.tar.gz", gzip(&archive(&[("a.log", LINE)], |_| {})));
    let mut command = place.command(&["backfill", "a.tar.gz", "--dry-run"]);
    assert!(command.env("TMPDIR", place.path("tmp")).output().unwrap().status.success());
    assert_eq!(std::fs::read_dir(place.path("tmp")).unwrap().count(), 1);
    let mut command = place.command(&["backfill", "a.tar.gz", "--dry-run"]);
    let output = command.env("TMPDIR", place.path("gone")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("TMPDIR"));
}

#[test]
fn standard_input_is_read_as_a_file_or_an_archive() {
    let place = Place::new();
    let arguments = ["backfill", "-", "--links", "links", "--dry-run"];
    place.pipe(&arguments, &gzip(LINE.as_bytes())).text(0);
    assert_eq!(files_of_links(&place), ["-"]);
    let packed = gzip(&archive(&[("a.log", LINE), ("b.log", LINE)], |_| {}));
    place.pipe(&arguments, &packed).text(0);
    assert_eq!(files_of_links(&place), ["-/a.log", "-/b.log"]);
    place.pipe(&["backfill", "-", "--to", "text"], b"hello\n").text(0);
}

#[test]
fn a_line_of_an_archive_is_explained() {
    let packed = testdata("archives/sosreport.tar.xz");
    let traces = testdata("nodes/containerd/traces.otlp.jsonl");
    let at = "var/log/kubelet.log:2";
    let ran =
        Place::new().run(&["explain", packed.to_str().unwrap(), "--traces", traces.to_str().unwrap(), "--at", at]);
    assert!(ran.text(0).contains("sosreport.tar.xz/sosreport-node-1/var/log/kubelet.log"), "{}", ran.text(0));
}

#[test]
fn files_are_unpacked_by_their_first_bytes() {
    let place = Place::new();
    let xz = std::fs::read(testdata("archives/line.xz")).unwrap();
    let bzip2 = std::fs::read(testdata("archives/line.bz2")).unwrap();
    place.write("logs/a.log.xz", &xz).write("logs/b.log.bz2", &bzip2).write("logs/c.log", &xz).write("logs/d", &bzip2);
    run(&place, &["logs"], &[]).text(0);
    assert_eq!(place.json_lines("links").len(), 4);
    for packed in [xz, bzip2] {
        let records = place.pipe(&["convert"], &packed).json(0);
        assert_eq!(records[0]["body"], "hi");
    }
}
