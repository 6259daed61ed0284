//! Who wrote a file when its path does not say.

use std::collections::BTreeMap;

use crate::harness::run::{Place, Ran, attribute, otlp_records, testdata};

const LINE: &str = "I1123 09:14:51.123456    1 a.go:12] \"hi\"\n";

/// A pod's CRI file as `kubectl logs --timestamps` gives it.
fn by_kubectl(cri: &str) -> String {
    let line = |line: &str| {
        let mut parts = line.splitn(4, ' ');
        let (time, _, _, message) = (parts.next().unwrap(), parts.next(), parts.next(), parts.next().unwrap());
        format!("{} {message}\n", time.replace("+00:00", "Z"))
    };
    cri.lines().map(line).collect()
}

/// Line → span.
fn links(place: &Place, file: &str) -> BTreeMap<u64, String> {
    let rows = place.json_lines("links").into_iter();
    let of_file = rows.filter(|row| row["file"].as_str().unwrap().ends_with(file) && row["method"].is_string());
    of_file.map(|row| (row["line"].as_u64().unwrap(), row["span_id"].to_string())).collect()
}

fn backfill(place: &Place, traces: &str, arguments: &[&str]) -> Ran {
    let traces = testdata(traces);
    let ends = ["--traces", traces.to_str().unwrap(), "--links", "links", "--dry-run"];
    place.run(&[&["backfill"], arguments, &ends].concat())
}

#[test]
fn a_pods_log_links_as_well_from_kubectl_as_from_its_file() {
    for (node, file, pod) in [
        ("crio", "pods/shop_flaky-node-1_2fda69975800ea0638248138b0ead8e7/app/0.log", "shop/flaky-node-1/app"),
        ("crio", "pods/shop_mailer-node-1_991174271251429213f58a9e72f93b56/app/0.log", "shop/mailer-node-1"),
        (
            "containerd",
            "pods/shop_storefront-node-1_c94fc3621d8b39f113a6a5a754a0257d/app/0.log",
            "shop/storefront-node-1",
        ),
    ] {
        let place = Place::new();
        let path = testdata(&format!("nodes/{node}/logs/{file}"));
        let traces = format!("nodes/{node}/traces.otlp.jsonl");
        backfill(&place, &traces, &[path.to_str().unwrap()]).text(0);
        let expected = links(&place, "0.log");
        assert!(!expected.is_empty(), "{pod}");
        place.write("saved.txt", by_kubectl(&std::fs::read_to_string(path).unwrap()));
        backfill(&place, &traces, &["--pod", pod, "saved.txt"]).text(0);
        assert_eq!(links(&place, "saved.txt"), expected, "{pod}");
    }
}

#[test]
fn what_is_said_of_a_path_is_the_resource_of_its_lines() {
    let place = Place::new();
    for name in ["a.log", "b.log", "c.log", "logs/web-1.log", "logs/db.log"] {
        place.write(name, LINE);
    }
    place
        .run(&[
            "backfill",
            "a.log",
            "--service",
            "api",
            "--resource",
            "k8s.cluster.name=c1",
            "b.log",
            "--pod",
            "shop/web-0/app",
            "c.log",
            "logs",
            "--for",
            "web*.log",
            "--service",
            "front",
            "--to",
            "file=out",
            "--year",
            "2026",
        ])
        .text(0);
    let records = otlp_records(&place.read("out/logs.jsonl"));
    let of = |file: &str, key: &str| {
        let (resource, _) =
            records.iter().find(|(_, record)| attribute(&record.attributes, "log.file.path") == file).unwrap();
        attribute(resource, key)
    };
    assert_eq!((of("a.log", "service.name"), of("b.log", "service.name")), ("a".to_owned(), "api".to_owned()));
    assert_eq!(of("b.log", "k8s.cluster.name"), "c1");
    assert_eq!((of("c.log", "service.name"), of("c.log", "k8s.pod.name")), ("web".to_owned(), "web-0".to_owned()));
    assert_eq!((of("c.log", "k8s.container.name"), of("c.log", "k8s.cluster.name")), ("app".to_owned(), String::new()));
    assert_eq!(of("logs/web-1.log", "service.name"), "front");
    assert_eq!(
        (of("logs/db.log", "k8s.namespace.name"), of("logs/db.log", "service.name")),
        ("shop".to_owned(), "web".to_owned())
    );
    place.run(&["backfill", "a.log", "--service", "late"]).says("give it before the path").text(2);
}

#[test]
fn convert_says_of_several_files_which_and_whose_each_record_is() {
    let place = Place::new();
    place.write("kubelet.log", LINE).write("web.log", LINE);
    let records = place.run(&["convert", "kubelet.log", "--service", "front", "web.log", "--year", "2026"]).json(0);
    let told: Vec<_> = records.iter().map(|record| (&record["file"], &record["resource"]["service.name"])).collect();
    assert_eq!(told[0], (&"kubelet.log".into(), &"kubelet".into()));
    assert_eq!(told[1], (&"web.log".into(), &"front".into()));
    let one = place.run(&["convert", "kubelet.log", "--year", "2026"]).json(0);
    assert!(one[0].get("file").is_none());
    let both = place.pipe(&["convert", "-", "web.log", "--to", "otlp-json"], LINE.as_bytes());
    let text = both.text(0);
    assert!(text.contains("\"log.file.path\",\"value\":{\"stringValue\":\"web.log\"}"), "{text}");
}
