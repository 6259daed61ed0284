use std::path::Path;

use super::*;

const ONE: &str = "11111111111111111111111111111111";
const TWO: &str = "22222222222222222222222222222222";

fn truth_row(file: &str, line: u64, ids: Option<(&str, &str)>, class: &str) -> String {
    let id = |id: Option<&str>| id.map_or("null".to_owned(), |id| format!("\"{id}\""));
    let (trace, span) = (id(ids.map(|ids| ids.0)), id(ids.map(|ids| ids.1)));
    format!(r#"{{"file":"{file}","line":{line},"offset":0,"trace_id":{trace},"span_id":{span},"class":"{class}"}}"#)
}

fn link_row(file: &str, line: u64, lines: u64, ids: Option<(&str, &str)>, confidence: f64) -> String {
    match ids {
        Some((trace, span)) => format!(
            r#"{{"file":"{file}","line":{line},"lines":{lines},"offset":0,"trace_id":"{trace}","span_id":"{span}","method":"inferred","confidence":{confidence},"relation":"within","verified":true}}"#
        ),
        None => format!(
            r#"{{"file":"{file}","line":{line},"lines":{lines},"offset":0,"trace_id":null,"span_id":null,"method":null,"confidence":null,"relation":null,"verified":null}}"#
        ),
    }
}

fn config(folder: &Path, truth: &[String], links: &[String]) -> ScoreConfig {
    let config = ScoreConfig {
        truth: folder.join("truth.jsonl"),
        links: folder.join("links.jsonl"),
        json: false,
        by_kind: false,
        min_precision: None,
        min_recall: None,
    };
    std::fs::write(&config.truth, truth.join("\n")).unwrap();
    std::fs::write(&config.links, links.join("\n")).unwrap();
    config
}

#[test]
fn files_in_the_places_of_one_another_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let truth = [truth_row("a.log", 1, None, "none")];
    let links = [link_row("a.log", 1, 1, None, 0.0)];
    assert!(score(&config(folder.path(), &truth, &links)).is_ok());
    for (truth, links) in [(&links, &links), (&truth, &truth), (&links, &truth)] {
        let message = score(&config(folder.path(), truth, links)).unwrap_err().to_string();
        assert!(message.contains("the order is: score TRUTH LINKS"), "{message}");
    }
}

fn scene(folder: &Path) -> ScoreConfig {
    let (a, b) = ("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb");
    let kubelet = "logs/kubelet.log";
    let truth = [
        truth_row(kubelet, 1, Some((ONE, a)), "goroutine"),
        truth_row(kubelet, 2, Some((ONE, a)), "goroutine"),
        truth_row(kubelet, 3, Some((ONE, b)), "goroutine"),
        truth_row(kubelet, 4, None, "none"),
        truth_row(kubelet, 5, Some((TWO, a)), "async"),
        truth_row(kubelet, 6, Some((TWO, a)), "unknown-span"),
        truth_row(kubelet, 7, Some((TWO, a)), "goroutine").replace('}', r#","quirk":"x"}"#),
        truth_row("logs/pods/n_p_u/c/0.log", 1, Some((TWO, b)), "app"),
        truth_row("logs/pods/n_q_v/c/0.log", 1, None, "app"),
        truth_row("logs/pods/n_q_v/c/0.log", 2, None, "app"),
        truth_row("logs/pods/n_q_v/c/0.log", 3, Some((ONE, a)), "app"),
    ];
    let kubelet = "/var/log/kubelet.log";
    let links = [
        link_row(kubelet, 1, 2, Some((ONE, a)), 0.99),
        link_row(kubelet, 3, 1, Some((ONE, a)), 0.97),
        link_row(kubelet, 4, 1, Some((ONE, a)), 0.91),
        link_row(kubelet, 5, 1, Some((ONE, a)), 1.0),
        link_row(kubelet, 6, 1, Some((ONE, a)), 1.0),
        link_row(kubelet, 7, 1, Some((ONE, a)), 1.0),
        link_row("./pods/n_p_u/c/0.log", 1, 1, Some((TWO, b)), 0.9).replace("within", "about"),
        link_row("./pods/n_q_v/c/0.log", 1, 1, None, 0.0),
        link_row("./pods/n_q_v/c/0.log", 2, 1, Some((ONE, a)), 0.5).replace("true", "false"),
        link_row("elsewhere.log", 1, 1, None, 0.0),
    ];
    config(folder, &truth, &links)
}

#[test]
fn counts_records_once_and_tells_wrong_false_and_missed_apart() {
    let folder = tempfile::tempdir().unwrap();
    let score = score(&scene(folder.path())).unwrap();
    let kubelet = Tally {
        lines: 4,
        labelled: 3,
        linked: 4,
        right_trace: 2,
        right_span: 1,
        wrong: 1,
        false_links: 1,
        ..Tally::default()
    };
    assert_eq!(score.producers["kubelet"], kubelet);
    let pods = Tally { lines: 4, labelled: 2, missed: 2, unverified: 1, ..Tally::default() };
    assert_eq!(score.producers["pods"], pods);
    assert_eq!((score.left_out, score.not_in_truth, score.not_in_links), (2, 1, 1));
    assert_eq!(score.total.lines, 8);
    assert_eq!(score.total.trace_precision(), Some(0.5));
    assert_eq!(score.total.trace_recall(), Some(0.4));
    assert_eq!(score.methods[&("kubelet".into(), "inferred".into())].linked, 4);
    assert_eq!(score.classes[&("kubelet".into(), "async".into())].wrong, 1);
    let bucket = |from: f64| score.calibration.iter().find(|bucket| bucket.from == from).unwrap();
    assert_eq!((bucket(0.9).links, bucket(0.9).right), (1, 0));
    assert_eq!((bucket(0.95).links, bucket(0.95).right), (1, 1));
    assert_eq!((bucket(0.99).links, bucket(0.99).right), (2, 1));
}

#[test]
fn tables_and_json_say_the_same_and_thresholds_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = scene(folder.path());
    let mut text = Vec::new();
    assert!(run(&config, &mut text).unwrap().is_empty());
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("kubelet/inferred") && text.contains("[0.99, 1.00]"), "{text}");
    config.json = true;
    config.min_precision = Some(0.6);
    config.min_recall = Some(0.39);
    let mut json = Vec::new();
    let below = run(&config, &mut json).unwrap();
    assert_eq!(below, ["trace precision 0.5000 is below 0.6"]);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["total"]["right_trace"], 2);
    assert_eq!(json["producers"][0]["producer"], "kubelet");
    assert_eq!(json["not_in_links"], 1);
}

#[test]
fn what_is_no_row_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let good = truth_row("a.log", 1, None, "none");
    let cases = [
        (vec![good.clone(), "{".into()], vec![], "truth.jsonl, line 2"),
        (vec![good.replace("null", "\"12\"")], vec![], "truth.jsonl, line 1: \"12\" is not an id"),
        (vec![good.clone()], vec![r#"{"file":"a.log"}"#.to_owned()], "links.jsonl, line 1: missing field `line`"),
    ];
    for (truth, links, words) in cases {
        let error = score(&config(folder.path(), &truth, &links)).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    std::fs::remove_file(folder.path().join("links.jsonl")).unwrap();
    let mut config = config(folder.path(), &[good], &[]);
    config.links = "missing".into();
    assert!(score(&config).unwrap_err().to_string().starts_with("missing: "));
}

#[test]
fn files_match_by_their_last_parts_if_they_are_the_only_ones() {
    let folder = tempfile::tempdir().unwrap();
    let truth: Vec<String> = ["logs/a/0.log", "logs/b/0.log"].map(|file| truth_row(file, 1, None, "none")).into();
    let links = ["/x/a/0.log", "0.log", "logs/b/0.log"].map(|file| link_row(file, 1, 1, None, 0.0));
    let score = score(&config(folder.path(), &truth, &links)).unwrap();
    assert_eq!((score.total.lines, score.not_in_truth, score.not_in_links), (2, 1, 0));
}

#[test]
fn kinds_of_lines_with_most_faults_come_first_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = ("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb");
    let (orders, kubelet) = ("logs/orders.log", "logs/kubelet.log");
    let said = "order 1 placed\norder 2 placed\nstock of 3 reserved\n at once\norder 4 placed\norder 5 paid\n";
    std::fs::create_dir(folder.path().join("logs")).unwrap();
    std::fs::write(folder.path().join(orders), said).unwrap();
    let of = |name: &str| folder.path().join(name).display().to_string();
    let truth = [
        truth_row(orders, 1, Some((ONE, a)), "app"),
        truth_row(orders, 2, Some((ONE, a)), "app"),
        truth_row(orders, 3, Some((ONE, b)), "app"),
        truth_row(orders, 5, Some((TWO, b)), "app"),
        truth_row(orders, 6, None, "app"),
        truth_row(kubelet, 1, None, "none"),
    ];
    let links = [
        link_row(&of(orders), 1, 1, Some((ONE, a)), 0.99),
        link_row(&of(orders), 2, 1, None, 0.0),
        link_row(&of(orders), 3, 2, Some((ONE, a)), 0.99),
        link_row(&of(orders), 5, 1, Some((ONE, b)), 0.99),
        link_row(&of(orders), 6, 1, Some((ONE, b)), 0.99),
        link_row(&of(kubelet), 1, 1, None, 0.0),
    ];
    let mut config = config(folder.path(), &truth, &links);
    assert_eq!(score(&config).unwrap().kinds, None);
    config.by_kind = true;
    let Kinds { kinds, not_read } = score(&config).unwrap().kinds.unwrap();
    let shown: Vec<_> = kinds.iter().map(|kind| (kind.text.as_str(), kind.tally.lines, kind.faults())).collect();
    assert_eq!(shown, [("order * placed", 3, 2), ("order * paid", 1, 1), ("stock of * reserved", 1, 1)]);
    let line = |at: &Option<LineAt>| at.as_ref().map(|at| at.line);
    assert_eq!((line(&kinds[0].missed), line(&kinds[0].wrong)), (Some(2), Some(5)));
    assert_eq!((line(&kinds[1].false_link), line(&kinds[2].inexact)), (Some(6), Some(3)));
    assert!(kinds.iter().all(|kind| kind.writer == "orders"));
    // A file that is not there any more.
    assert_eq!((not_read.len(), not_read[0].lines, &*not_read[0].file), (1, 1, &*of(kubelet)));
    let mut text = Vec::new();
    run(&config, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("orders: order * placed\n") && text.contains(&format!("{}:2\n", of(orders))), "{text}");
    assert!(text.contains("1 records without their kind"), "{text}");
    config.json = true;
    let mut json = Vec::new();
    run(&config, &mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["kinds"][0]["kind"], "order * placed");
    assert_eq!((&json["kinds"][0]["missed"], &json["kinds"][0]["wrong"]), (&1.into(), &1.into()));
    assert_eq!(json["kinds"][2]["examples"]["inexact"]["line"], 3);
    assert_eq!(json["kinds_not_read"][0]["lines"], 1);
}
