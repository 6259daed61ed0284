//! What `spanline backfill` finds in the trees that nodes have, in which order, and whose it says it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::run::{Place, Ran, attribute, gzip, otlp_records};

const KLOG: &str = "I1123 09:14:51.123456    1 a.go:12] \"hi\"\n";

fn backfill(place: &Place, path: &str) -> Ran {
    place.run(&["backfill", path, "--to", "file=out", "--links", "links", "--zone", "UTC", "--year", "2026"])
}

/// Files in the order of the links file, each with its rows and the sum of their lines.
fn files(place: &Place) -> Vec<(String, u64, u64)> {
    let mut files: Vec<(String, u64, u64)> = Vec::new();
    for row in place.json_lines("links") {
        let (file, lines) = (row["file"].as_str().unwrap(), row["lines"].as_u64().unwrap());
        match files.iter_mut().find(|(known, ..)| known == file) {
            Some((_, rows, sum)) => (*rows, *sum) = (*rows + 1, *sum + lines),
            None => files.push((file.to_owned(), 1, lines)),
        }
    }
    files
}

/// `service.name` of each file.
fn services(place: &Place) -> BTreeMap<String, String> {
    let records = otlp_records(&place.read("out/logs.jsonl"));
    let pair = |(resource, record): &(Vec<_>, opentelemetry_proto::tonic::logs::v1::LogRecord)| {
        (attribute(&record.attributes, "log.file.path"), attribute(resource, "service.name"))
    };
    records.iter().map(pair).collect()
}

#[test]
fn components_are_known_by_the_names_of_their_files() {
    let place = Place::new();
    let names = [
        ("kubelet.log", "kubelet"),
        ("crio.log", "crio"),
        ("containerd.log", "containerd"),
        ("conmonrs.log", "conmonrs"),
        ("kube-apiserver.log", "apiserver"),
        ("kube-apiserver-audit.log", "apiserver"),
        ("audit.log", "apiserver"),
        ("etcd.log", "etcd"),
        ("kube-scheduler.log", "kube-scheduler"),
        ("kube-controller-manager.log", "kube-controller-manager"),
        ("app.log", "app"),
        ("checkout/0.log", "checkout"),
    ];
    let audit = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"x","verb":"get"}"#;
    for (name, _) in names {
        place.write(&format!("node/{name}"), if name.contains("audit") { format!("{audit}\n") } else { KLOG.into() });
    }
    backfill(&place, "node").text(0);
    let found = services(&place);
    for (name, service) in names {
        assert_eq!(found.get(&format!("node/{name}")).map(String::as_str), Some(service), "{name}");
    }
}

#[test]
fn rotations_and_restarts_are_read_oldest_first() {
    let place = Place::new();
    let pod = "node/pods/shop_web-6d4cf56db6-x7k2p_11111111-2222-3333-4444-555555555555/app";
    let lines = |minute: u32| -> String {
        (0..3).map(|second| format!("2026-11-23T09:{minute:02}:0{second}.1Z stdout F l\n")).collect()
    };
    for (restart, minute) in [(0, 1), (1, 2), (2, 3), (10, 40)] {
        place.write(&format!("{pod}/{restart}.log"), lines(minute));
    }
    place.write(&format!("{pod}/10.log.20261123-092000.gz"), gzip(lines(20).as_bytes()));
    place.write(&format!("{pod}/10.log.20261123-093000"), lines(30));
    backfill(&place, "node").text(0);
    let names: Vec<String> =
        files(&place).into_iter().map(|(file, ..)| file.rsplit('/').next().unwrap().into()).collect();
    let expected = ["0.log", "1.log", "2.log", "10.log.20261123-092000.gz", "10.log.20261123-093000", "10.log"];
    assert_eq!(names, expected);
    let records = otlp_records(&place.read("out/logs.jsonl"));
    let (resource, _) = records.last().unwrap();
    assert_eq!(attribute(resource, "k8s.namespace.name"), "shop");
    assert_eq!(attribute(resource, "k8s.pod.uid"), "11111111-2222-3333-4444-555555555555");
    assert_eq!(attribute(resource, "k8s.container.name"), "app");
    assert_eq!(attribute(resource, "service.name"), "web");
}

#[test]
fn each_file_is_read_once_and_what_is_left_out_is_counted() {
    let place = Place::new();
    let pod = "pods/shop_web-6d4cf56db6-x7k2p_11111111-2222-3333-4444-555555555555/app/0.log";
    place.write(&format!("node/{pod}"), "2026-11-23T09:14:51.1Z stdout F l\n");
    let id = "a".repeat(64);
    place.link(&format!("../{pod}"), &format!("node/containers/web-6d4cf56db6-x7k2p_shop_app-{id}.log"));
    place.link("/nonexistent", "node/containers/gone.log");
    for severity in ["INFO", "WARNING", "ERROR"] {
        let name = format!("kubelet.node.root.log.{severity}.20261123-090000.12");
        place.write(&format!("node/{name}"), KLOG).link(&name, &format!("node/kubelet.{severity}"));
    }
    place.write("node/wtmp", [0; 100]).write("node/dump", "\x7fELF\0").write("node/disguised", "\x7fELF\0\n");
    place.write("node/traces.jsonl", "{\"resourceSpans\":[]}\n").write("node/empty.log", "");
    let run = backfill(&place, "node");
    run.text(0);
    let names: BTreeSet<String> = files(&place).into_iter().map(|(file, ..)| file).collect();
    let info = "node/kubelet.node.root.log.INFO.20261123-090000.12".to_owned();
    assert_eq!(names, BTreeSet::from([format!("node/{pod}"), info]));
    let said = ["2 files: a klog severity file", "1 file: binary by its name", "2 files: a program or core dump"];
    for words in said {
        run.says(words);
    }
    run.says("1 file: OTLP/JSON, no log").says("2 files: link to a file that is left out");
    run.says("1 file: link that leads nowhere");
    let (resource, _) = &otlp_records(&place.read("out/logs.jsonl")).pop().unwrap();
    assert_eq!(attribute(resource, "container.id"), id);
}

#[test]
fn docker_cri_and_plain_files_stand_in_one_tree() {
    let place = Place::new();
    place.write("node/a.log", "2026-11-23T09:14:51.1Z stdout P half \n2026-11-23T09:14:51.2Z stdout F whole\n");
    place.write("node/b.log", "{\"log\":\"half \",\"time\":\"2026-11-23T09:14:51Z\"}\n{\"log\":\"whole\\n\",\"time\":\"2026-11-23T09:14:51Z\"}\n");
    place.write("node/c.log", "half whole\n\nlast without a line feed");
    place.write("must/namespaces/shop/pods/web/app/app/logs/current.log", "2026-11-23T09:14:51.1Z half whole\n");
    place.run(&["backfill", "node", "must", "--to", "file=out", "--links", "links"]).text(0);
    let records = otlp_records(&place.read("out/logs.jsonl"));
    let body = |body: &str| {
        let is = |record: &opentelemetry_proto::tonic::logs::v1::LogRecord| format!("{:?}", record.body).contains(body);
        records.iter().filter(|(_, record)| is(record)).count()
    };
    assert_eq!((records.len(), body("half whole"), body("last without a line feed")), (6, 4, 1));
    let sums: Vec<u64> = files(&place).into_iter().map(|(.., lines)| lines).collect();
    assert_eq!(sums, [2, 2, 3, 1]);
    assert!(records.iter().any(|(resource, _)| attribute(resource, "k8s.pod.name") == "web"));
}

#[test]
fn ids_are_distinct_and_survive_rotation_compression_and_another_mount() {
    let place = Place::new();
    let pod = "pods/shop_web-6d4cf56db6-x7k2p_11111111-2222-3333-4444-555555555555/app";
    let line = |number: u32| format!("2026-11-23T09:14:51.{:03}Z stdout F l\n", number / 7);
    let lines = |from: u32, to: u32| (from..to).map(line).collect::<String>();
    place.write(&format!("one/{pod}/0.log.20261123-091452"), lines(0, 3000));
    place.write(&format!("one/{pod}/0.log"), lines(3000, 5000));
    place.write("one/kubelet.log.1", KLOG.repeat(2)).write("one/kubelet.log", "one more line\n");
    place.write("one/a/app.log", "same\nsame\n").write("one/b/app.log", "same\nsame\n");
    place.write(&format!("two/mnt/{pod}/0.log.20261123-091452.gz"), gzip(lines(0, 3000).as_bytes()));
    place.write(&format!("two/mnt/{pod}/0.log.20261123-091502"), lines(3000, 5000));
    place.write("two/mnt/kubelet.log.2.gz", gzip(KLOG.repeat(2).as_bytes()));
    place.write("two/mnt/kubelet.log.1", "one more line\n").write("two/mnt/kubelet.log", "");
    place.write("two/mnt/a/app.log", "same\nsame\n").write("two/mnt/b/app.log", "same\nsame\n");
    let uids = |path: &str| -> BTreeSet<String> {
        backfill(&place, path).text(0);
        let records = otlp_records(&place.read("out/logs.jsonl"));
        assert_eq!(records.len(), 5007);
        records.iter().map(|(_, record)| attribute(&record.attributes, "log.record.uid")).collect()
    };
    let (first, again, moved) = (uids("one"), uids("one"), uids("two"));
    assert_eq!((first.len(), first == again, first == moved), (5007, true, true));
}

#[test]
fn shards_are_disjoint_and_hold_everything_together() {
    let place = Place::new();
    for number in 0..12 {
        place.write(&format!("node/app{number}.log"), format!("only line of {number}\n"));
    }
    let mut all = Vec::new();
    for shard in ["0/3", "1/3", "2/3"] {
        place.run(&["backfill", "node", "--to", "file=out", "--shard", shard]).text(0);
        all.extend(
            otlp_records(&place.read("out/logs.jsonl")).into_iter().map(|(_, record)| format!("{:?}", record.body)),
        );
    }
    assert_eq!((all.len(), all.into_iter().collect::<BTreeSet<_>>().len()), (12, 12));
}

#[test]
fn only_records_of_the_asked_time_are_taken() {
    let place = Place::new();
    let lines: String = (0..60).map(|s| format!("2026-11-23T09:14:{s:02}.000Z stdout F second {s}\n")).collect();
    place.write("a.log", lines);
    let window = ["--since", "2026-11-23T09:14:10Z", "--until", "2026-11-23T10:14:20+01:00"];
    let run = place.run(&[&["backfill", "a.log", "--to", "file=out"][..], &window].concat());
    run.says("50 records outside --since and --until").text(0);
    assert_eq!(otlp_records(&place.read("out/logs.jsonl")).len(), 10);
}

#[test]
fn the_text_shows_the_fields_that_convert_shows() {
    let place = Place::new();
    place.write(
        "kubelet.log",
        "E1123 09:14:51.123456    1 a.go:12] \"Error syncing pod, skipping\" err=\"no net\" n=1\n",
    );
    let shown = |command: &[&str]| {
        let run = place.run(command);
        let text = run.text(0);
        text[text.find("Error syncing").unwrap()..].lines().next().unwrap().to_owned()
    };
    let expected = "Error syncing pod, skipping err=\"no net\" n=1";
    let text = shown(&["backfill", "kubelet.log"]);
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(text, shown(&["convert", "--to", "text", "kubelet.log"]));
}
