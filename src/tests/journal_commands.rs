//! The commands over a journal's own files: what they read of which files, and what is remembered of it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::run::{Background, Place, attribute, gzip, otlp_records, testdata};
use crate::harness::sink::Script;

/// What the samples have in common: entries of three boots, from 08:17:16 UTC on.
const ENTRIES: usize = 400;
const MACHINE: &str = "log/journal/3d1219c7c4c5404aaa1f6d2a48adfda4";

/// A sample under a name.
fn put(place: &Place, sample: &str, name: &str) {
    let packed = std::fs::read(testdata(&format!("journal/{sample}.zst"))).unwrap();
    place.write(name, zstd::decode_all(&packed[..]).unwrap());
}

/// Records without what tells where they were read.
fn without_place(mut records: Vec<Value>) -> Vec<Value> {
    for record in &mut records {
        let fields = record.as_object_mut().unwrap();
        ["offset", "lines", "file"].iter().for_each(|name| drop(fields.remove(*name)));
    }
    records
}

/// Each record's id and body, of what a backfill wrote.
fn sent(place: &Place, arguments: &[&str]) -> BTreeMap<String, String> {
    let run = place.run(&[&["backfill"], arguments, &["--to", "file=out"]].concat());
    run.text(0);
    let records = otlp_records(&place.read("out/logs.jsonl"));
    let pair = |record: &opentelemetry_proto::tonic::logs::v1::LogRecord| {
        (attribute(&record.attributes, "log.record.uid"), format!("{:?}", record.body))
    };
    let pairs: BTreeMap<_, _> = records.iter().map(|(_, record)| pair(record)).collect();
    assert_eq!(pairs.len(), records.len());
    pairs
}

#[test]
fn a_file_is_converted_to_what_its_export_is() {
    let place = Place::new();
    for sample in ["compact-keyed", "regular-unkeyed"] {
        put(&place, &format!("{sample}.journal"), "j.journal");
        put(&place, &format!("{sample}.export"), "j.export");
        let of = |file: &str| place.run(&["convert", file]).json(0);
        let (journal, export) = (without_place(of("j.journal")), without_place(of("j.export")));
        assert!(export.len() > ENTRIES * 9 / 10, "{}", export.len());
        assert_eq!(journal, export);
        let chosen = place.run(&["convert", "j.journal", "-j", "unit=kubelet", "-j", "boot=0"]).json(0);
        let is_chosen = |record: &&Value| {
            let boot = record["attributes"]["journald._BOOT_ID"].as_str().unwrap();
            record["resource"]["service.name"] == "kubelet" && boot.ends_with("abc002")
        };
        let expected: Vec<Value> = export.into_iter().filter(|record| is_chosen(&record)).collect();
        assert!(expected.len() > 10);
        assert_eq!(without_place(chosen), expected);
    }
}

#[test]
fn journals_anywhere_in_a_folder_are_read_under_all_of_their_names() {
    let place = Place::new();
    let rotated = "system@9d1d5bc1cc734e96b5ec2c0bdf595399-0000000000000001-000660ed38c3687b.journal";
    for name in [
        &format!("{MACHINE}/{rotated}"),
        &format!("{MACHINE}/system@000660ed38c3687b-9d1d5bc1cc734e96.journal~"),
        &format!("{MACHINE}.space/system.journal"),
        "log/journal/remote/remote-10.0.0.1.journal",
        "log/saved/copy",
    ] {
        put(&place, "compact-keyed.journal", name);
    }
    place.write("log/a.log", "2026-11-23T09:14:51Z a line\n");
    let run = place.run(&["backfill", "log", "--to", "file=out", "--links", "links"]);
    run.says("6 files in 5 sources").text(0);
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for row in place.json_lines("links") {
        *rows.entry(row["file"].as_str().unwrap().to_owned()).or_default() += row["lines"].as_u64().unwrap();
    }
    assert_eq!(rows.len(), 6);
    assert_eq!(rows.values().sum::<u64>(), 5 * ENTRIES as u64 + 1);
    // A file by itself, an archive, and what only looks like a journal.
    put(&place, "compact-keyed.journal", "j.journal");
    place.run(&["backfill", "j.journal"]).says("1 file in 1 source").text(0);
    place.write("cut.journal", b"LPKSHHRH\0\0").run(&["backfill", "cut.journal"]).says("header is damaged").text(1);
}

#[test]
fn compressed_journals_are_unpacked_where_they_lie_in_archives_and_after_a_cut() {
    let place = Place::new();
    put(&place, "compact-keyed.journal", "whole/system.journal");
    let whole = sent(&place, &["whole"]);
    let packed = std::fs::read(testdata("journal/compact-keyed.journal.zst")).unwrap();
    let bytes = zstd::decode_all(&packed[..]).unwrap();
    place.write("zst/system@1234567890abcdef1234-1-1.journal.zst", &packed);
    assert_eq!(sent(&place, &["zst"]), whole);
    place.write("gz/system.journal.gz", gzip(&bytes));
    assert_eq!(sent(&place, &["gz"]), whole);
    assert_eq!(sent(&place, &["gz", "--journal", "unit=kubelet"]), sent(&place, &["whole", "-j", "unit=kubelet"]));
    let convert = |path: &str| without_place(place.run(&["convert", path]).json(0));
    assert_eq!(convert("gz/system.journal.gz"), convert("whole/system.journal"));
    // As a must-gather or a sosreport holds it.
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all("host/var/log/journal", place.path("gz")).unwrap();
    place.write("gather.tar.gz", gzip(&archive.into_inner().unwrap()));
    assert_eq!(sent(&place, &["gather.tar.gz"]), whole);
    // Rotations of a file are one source, compressed or not.
    place.write("both/system@1234567890abcdef1234-1-1.journal.zst", &packed);
    put(&place, "regular-unkeyed.journal", "both/system.journal");
    place.run(&["backfill", "both"]).says("2 files in 1 source").text(0);
    // Of one that is cut, what stands before the cut.
    let cut = gzip(&bytes);
    place.write("cut/system.journal.gz", &cut[..cut.len() / 2]);
    let run = place.run(&["backfill", "cut", "--to", "file=out"]);
    run.says("the rest was not read").says("of a journal damaged, passed over").text(1);
    assert!(otlp_records(&place.read("out/logs.jsonl")).len() > 50);
    // No more room is taken than is allowed.
    let small = place.run(&["backfill", "gz", "--max-temporary-bytes", "100KiB"]);
    small.says("does not fit into").says("it was left out").text(1);
}

#[test]
fn an_entry_has_the_id_that_it_has_in_an_export() {
    let place = Place::new();
    put(&place, "compact-keyed.journal", "one/system.journal");
    put(&place, "compact-keyed.export", "two/node.export");
    let journal = sent(&place, &["one"]);
    assert!(journal.len() > ENTRIES * 9 / 10);
    assert_eq!(journal, sent(&place, &["two"]));
    let window = ["--since", "2026-11-23T08:17:16.2Z", "--until", "2026-11-23T08:17:16.3Z"];
    let within = sent(&place, &[&["one"][..], &window].concat());
    assert!((10..200).contains(&within.len()), "{}", within.len());
    assert_eq!(within, sent(&place, &[&["two"][..], &window].concat()));
    let urgent = sent(&place, &["one", "--journal", "priority=err"]);
    assert!(urgent.len() > 50 && urgent.len() < journal.len());
    assert!(urgent.iter().all(|(id, body)| journal.get(id) == Some(body)));
}

#[test]
fn what_was_sent_of_a_journal_is_not_sent_again_once_it_was_rotated() {
    let (place, background) = (Place::new(), Background::start(Script::default()));
    let url = background.url();
    let run = |path: &str| {
        let run = place.run(&["backfill", path, "--to", &url, "--state", "state"]);
        run.text(0);
        background.sink.stored().values().sum::<usize>()
    };
    put(&place, "compact-keyed.journal", "log/system.journal");
    let first = run("log");
    assert!(first > ENTRIES * 9 / 10);
    assert_eq!(run("log"), first);
    let rotated = "log/system@9d1d5bc1cc734e96b5ec2c0bdf595399-0000000000000001-000660ed38c3687b.journal";
    std::fs::rename(place.path("log/system.journal"), place.path(rotated)).unwrap();
    put(&place, "regular-unkeyed.journal", "log/system.journal");
    assert_eq!(run("log"), 2 * first);
}

#[test]
fn what_was_sent_of_a_journal_is_not_sent_again_where_more_of_it_is_wanted() {
    let (place, background) = (Place::new(), Background::start(Script::default()));
    let url = background.url();
    let run = |matches: &[&str]| {
        let arguments = ["backfill", "system.journal", "--to", &url, "--state", "state"];
        let matches: Vec<&str> = matches.iter().flat_map(|one| ["-j", one]).collect();
        place.run(&[&arguments[..], &matches].concat()).text(0);
        background.sink.stored().values().sum::<usize>()
    };
    put(&place, "compact-keyed.journal", "system.journal");
    let lines = |matches: &[&str]| {
        let matches: Vec<&str> = matches.iter().flat_map(|one| ["-j", one]).collect();
        place.run(&[&["convert", "system.journal"][..], &matches].concat()).json(0).len()
    };
    let (kubelet, urgent) = (lines(&["unit=kubelet"]), lines(&["priority=err"]));
    let both = lines(&["unit=kubelet", "priority=err"]);
    assert!(both > 0 && both < kubelet.min(urgent), "{both} of {kubelet} and {urgent}");
    assert_eq!(run(&["unit=kubelet"]), kubelet);
    assert_eq!(run(&["unit=kubelet"]), kubelet);
    // What lies between two that were sent, and was not wanted, was not sent.
    assert_eq!(run(&["priority=err"]), kubelet + urgent - both);
    let all = lines(&[]);
    assert_eq!(run(&[]), all);
    assert_eq!(run(&[]), all);
    assert_eq!(run(&["unit=crio"]), all);
    let stored = background.sink.stored();
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for record in place.run(&["convert", "system.journal"]).json(0) {
        *expected.entry(record["body"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert!(expected.iter().all(|(body, times)| stored.get(body) == Some(times)));
}

#[test]
fn what_cannot_be_read_of_a_journal_is_told() {
    let place = Place::new();
    let packed = std::fs::read(testdata("journal/compact-keyed.journal.zst")).unwrap();
    let bytes = zstd::decode_all(&packed[..]).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    place.write("j.journal", &bytes[..used - 40_000]);
    place.run(&["backfill", "j.journal"]).says("of a journal damaged, passed over").text(0);
    let wrong = place.run(&["backfill", "j.journal", "--journal", "kubelet"]);
    wrong.says("--journal: kubelet: needs KEY=VALUE").text(2);
}

#[test]
fn a_line_of_a_journal_is_explained_by_its_number() {
    let place = Place::new();
    put(&place, "compact-keyed.journal", "j.journal");
    let records = place.run(&["convert", "j.journal"]).json(0);
    let body = records[4]["body"].as_str().unwrap();
    let traces = testdata("nodes/crio/traces.otlp.jsonl");
    let run = place.run(&["explain", "j.journal", "--at", "j.journal:5", "--traces", traces.to_str().unwrap()]);
    assert!(run.text(0).contains(&body[..body.len().min(20)]), "{}", run.text(0));
}
