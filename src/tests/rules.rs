//! What the user wants done with lines: formats of their own, which lines are kept, and what is blacked out.

use crate::harness::run::{Place, attribute, otlp_records, testdata};

const SHOP: &str = "parsers:
  - name: shop
    match: {files: ['shop*.log']}
    regex: '^(?P<time>\\d+-\\d+-\\d+ \\S+) \\[(?P<severity>\\w+)\\] (?:order=(?P<order>\\S+) )?(?P<body>.*)$'
    time: '%Y-%m-%d %H:%M:%S,%3f'
    zone: Europe/Berlin
    multiline: {start: '^\\d{4}-'}
";

const LINES: &str = "2026-11-30 10:20:30,123 [WARN] order=17 paid late
by someone
  password=hunter2
2026-07-30 10:20:31,5 [INFO] fine
2026-11-30 25:20:31,500 [INFO] late
I1130 09:20:32.000000       1 a.go:12] \"klog\" a=1
";

#[test]
fn lines_in_a_format_of_ones_own_are_read_by_it_and_others_as_they_are() {
    let place = Place::new();
    place.write("rules.yaml", SHOP).write("shop.log", LINES).write("other.log", LINES);
    let run = place.run(&["convert", "--parser", "rules.yaml", "--year", "2026", "shop.log"]);
    let records = run.json(0);
    let shown: Vec<_> = records
        .iter()
        .map(|record| {
            let text = |key: &str| record[key].as_str().unwrap_or("-").to_owned();
            (
                text("format"),
                text("time"),
                record["severity_number"].as_u64().unwrap(),
                text("body"),
                record["lines"].as_u64().unwrap(),
            )
        })
        .collect();
    let custom = "custom".to_owned();
    assert_eq!(
        shown[0],
        (
            custom.clone(),
            "2026-11-30T09:20:30.123000000Z".into(),
            13,
            "paid late\nby someone\n  password=hunter2".into(),
            3
        )
    );
    assert_eq!(records[0]["attributes"]["order"], 17);
    // Three digits are asked for: what has one is in the format, but its time is none.
    assert_eq!(shown[1], (custom.clone(), "-".into(), 9, "fine".into(), 1));
    assert_eq!(records[1]["attributes"]["time"], "2026-07-30 10:20:31,5");
    assert_eq!(
        (records.len(), shown[2].0.as_str(), shown[2].3.as_str()),
        (3, "custom", "late\nI1130 09:20:32.000000       1 a.go:12] \"klog\" a=1")
    );
    run.says("parser shop: 3 records in it, 2 of these with another time than it says\n");
    // It is not for this file.
    let other = place.run(&["convert", "--rules", "rules.yaml", "--year", "2026", "other.log"]);
    assert!(other.json(0).iter().all(|record| record["format"] != "custom"));
    assert_eq!(other.err, "");
    // Without rules for the first line, each is held against the expression by itself.
    let single =
        SHOP.replace("    multiline: {start: '^\\d{4}-'}\n", "").replace("    match: {files: ['shop*.log']}\n", "");
    place.write("single.yaml", single);
    let run = place.run(&["convert", "--parser", "single.yaml", "--year", "2026", "other.log"]);
    let last = run.json(0).pop().unwrap();
    assert_eq!((last["format"].as_str(), last["attributes"]["a"].as_u64()), (Some("klog"), Some(1)));
    run.says("not in it, read as every other");
}

#[test]
fn a_multiline_rule_alone_joins_lines_that_stay_what_they_are() {
    let place = Place::new();
    place.write("rules.yaml", "parsers: [{name: blocks, multiline: {start: '^--'}}]");
    let lines = "before\n-- one\nI1123 09:14:51.123456    1 a.go:12] x\n\n-- two\n";
    let records = place.pipe(&["convert", "--parser", "rules.yaml"], lines.as_bytes()).json(0);
    let bodies: Vec<_> = records.iter().map(|record| record["body"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["before", "-- one\nI1123 09:14:51.123456    1 a.go:12] x\n", "-- two"]);
}

#[test]
fn what_is_wrong_in_a_file_is_told_by_line_and_key() {
    let place = Place::new();
    place.write("x.log", "x\n");
    for (rules, expected) in [
        ("parsers:\n- {name: x, regex: '('}", "rules.yaml:2: parsers[0].regex: error: unclosed group"),
        ("parsers:\n- {name: x}", "rules.yaml:2: parsers[0]: give regex, multiline, or both"),
        ("parsers:\n- regex: '(?P<body>x)'", "rules.yaml:2: parsers[0]: give name"),
        ("parsers:\n- {name: x, regex: x}", "rules.yaml:2: parsers[0].regex: no group has a name"),
        ("parsers:\n- {name: x, regex: '(?P<body>x)', time: '%H'}", "parsers[0].time: \"%H\" does not tell a time"),
        (
            "parsers:\n- {name: x, regex: '(?P<body>x)', time: '%H:%M:%S'}",
            "time: has no effect: regex has no group (?P<time>…)",
        ),
        ("parsers:\n- {name: x, regex: '(?P<time>x)', zone: Mars}", "parsers[0].zone: unknown time zone \"Mars\""),
        (
            "parsers:\n- {name: x, regex: '(?P<body>x)'}\n- {name: x, regex: '(?P<body>x)'}",
            "rules.yaml:3: parsers[1].name: \"x\" is given twice",
        ),
        ("parsers:\n- {name: x, regx: y}", "parsers[0].regx: unknown key; did you mean regex?"),
        (
            "parsers:\n- {name: x, match: {pod: web}, regex: '(?P<body>x)'}",
            "parsers[0].match.pod: unknown key; did you mean pods?",
        ),
        ("parsers:\n- {name: x, match: {pods: []}, regex: '(?P<body>x)'}", "parsers[0].match.pods: give a pattern"),
        ("filter: {exclude: [{name: x}]}", "rules.yaml:1: filter.exclude[0]: it holds for everything"),
        ("filter: {exclude: [{below: loud}]}", "filter.exclude[0].below: found \"loud\"; one of debug, info"),
        ("filter: {exclude: [{regex: '['}]}", "filter.exclude[0].regex: error: unclosed character class"),
        ("filter: {sample: {keep: 2, below: info}}", "filter.sample.keep: found \"2\"; a number from 0 to 1"),
        ("filter: {sample: {keep: 0.5}}", "filter.sample: give below"),
        ("redact: {builtin: [jwd]}", "redact.builtin[0]: found \"jwd\"; all, or of authorization, jwt"),
        ("redact: {patterns: [{regex: x}]}", "redact.patterns[0]: give name"),
        ("redct: {}", "redct: unknown key; did you mean redact?"),
        ("parsers: [", "rules.yaml:2: not YAML"),
    ] {
        place.write("rules.yaml", rules);
        for arguments in
            [&["convert", "--parser", "rules.yaml", "x.log"][..], &["backfill", "x.log", "--rules", "rules.yaml"]]
        {
            let run = place.run(arguments);
            assert_eq!(run.code, Some(2), "{rules}");
            run.says("spanline: --rules: ").says(expected);
        }
    }
    let missing = place.run(&["convert", "--parser", "missing.yaml", "x.log"]);
    assert_eq!(missing.code, Some(2));
    missing.says("--rules: missing.yaml: No such file");
    // Whatever the agent's file says of itself, its rules can be tried.
    let printed = place.run(&["config", "default"]).text(0).to_owned();
    place.write("agent.yaml", printed);
    place.run(&["convert", "--parser", "agent.yaml", "x.log"]).text(0);
}

#[test]
fn what_is_blacked_out_goes_nowhere() {
    let place = Place::new();
    let line = "{\"level\":\"info\",\"msg\":\"login password=hunter2\",\"token\":\"hunter2\",\"user\":{\"apiKey\":\"hunter2\"},\"card\":\"1234\"}\n";
    place.write("app.log", line);
    place.write(
        "rules.yaml",
        "redact: {builtin: all, keys: ['CARD*'], patterns: [{name: level, regex: 'lo(gin)', replace: xx}]}",
    );
    for to in ["json", "otlp-json", "logfmt", "text"] {
        let run = place.run(&["convert", "--to", to, "--rules", "rules.yaml", "app.log"]);
        assert!(!run.text(0).contains("hunter2") && !run.text(0).contains("1234"), "{}", run.text(0));
        assert!(run.text(0).contains("loxx password=[redacted]"), "{}", run.text(0));
        run.says("redacted 5: keys 1, level 1, password 3\n");
    }
    let text = place.run(&["backfill", "app.log", "--rules", "rules.yaml", "--to", "file=out", "--to", "text"]);
    assert!(!text.text(0).contains("hunter2") && !place.read("out/logs.jsonl").contains("hunter2"));
    text.says("redacted  5: keys 1, level 1, password 3\n");
}

#[test]
fn links_are_those_of_the_lines_as_they_were_written() {
    let place = Place::new();
    let (logs, traces) = (testdata("nodes/crio/logs"), testdata("nodes/crio/traces.otlp.jsonl"));
    let (logs, traces) = (logs.to_str().unwrap(), traces.to_str().unwrap());
    // Ids of containers and pods, which lines are linked by.
    place.write("rules.yaml", "redact: {patterns: [{name: id, regex: '[0-9a-f]{8}[0-9a-f-]{4,}'}]}");
    let links = |name: &str, more: &[&str]| {
        let arguments = ["backfill", logs, "--traces", traces, "--links", name, "--to", "file=out"];
        let run = place.run(&[&arguments, more].concat());
        assert_eq!(run.code, Some(0), "{}", run.err);
        (place.read(name), run)
    };
    let (plain, _) = links("plain.jsonl", &[]);
    let sent = place.read("out/logs.jsonl");
    let (redacted, run) = links("redacted.jsonl", &["--rules", "rules.yaml"]);
    run.says("redacted  ");
    assert!(plain == redacted && place.read("out/logs.jsonl") != sent);
}

#[test]
fn lines_are_kept_as_rules_say_and_what_is_dropped_is_counted() {
    let place = Place::new();
    place.write("web.log", "level=info msg=\"GET /healthz\"\nlevel=debug msg=idle\nlevel=warn msg=late\nplain\n");
    place.write("db.log", "level=info msg=open\n");
    place.write(
        "rules.yaml",
        "filter:\n  include: [{services: [web]}]\n  exclude: [{name: health, regex: '/healthz$'}]\n  sample: {keep: 0, below: info}\n",
    );
    let run = place.run(&["backfill", ".", "--rules", "rules.yaml", "--to", "file=out", "--links", "links.jsonl"]);
    let sent = place.read("out/logs.jsonl");
    assert_eq!((run.code, otlp_records(&sent).len()), (Some(0), 2), "{}", run.err);
    assert!(sent.contains("late") && sent.contains("plain"));
    run.says("dropped   3: health 1, not_included 1, sampled 1 (rules)\n");
    assert_eq!(place.read("links.jsonl").lines().count(), 5);
}

#[test]
fn pods_of_a_list_give_their_lines_labels_and_owners() {
    let place = Place::new();
    let line = "2026-11-23T09:14:51.1Z stdout F hello\n";
    place
        .write("pods/shop_web-7d9f-x2x4z_6f1c7a52-3f6e-4c5e-9d3b-0f4b1d2a9c11/app/0.log", line)
        .write("pods/shop_other_7f1c7a52-3f6e-4c5e-9d3b-0f4b1d2a9c11/app/0.log", line);
    place.write("must/namespaces/shop/pods/web-7d9f-x2x4z/app/app/logs/current.log", line);
    let list = serde_json::json!({"kind": "List", "items": [{
        "kind": "Pod",
        "metadata": {
            "name": "web-7d9f-x2x4z", "namespace": "shop", "uid": "6f1c7a52-3f6e-4c5e-9d3b-0f4b1d2a9c11",
            "labels": {"app": "web", "pod-template-hash": "7d9f"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-7d9f", "controller": true}],
        },
        "spec": {"nodeName": "n-1", "containers": [{"name": "app", "image": "shop/web:1"}]},
    }]});
    place.write("list.json", list.to_string()).write("rules.yaml", "filter: {include: [{labels: {app: web}}]}");
    for paths in [&["pods"][..], &["must"]] {
        let more = ["--metadata", "list.json", "--rules", "rules.yaml", "--to", "file=out"];
        let run = place.run(&[&["backfill"], paths, &more].concat());
        let records = otlp_records(&place.read("out/logs.jsonl"));
        assert_eq!((run.code, records.len()), (Some(0), 1), "{}", run.err);
        let of = |key: &str| attribute(&records[0].0, key);
        assert_eq!(
            (&*of("k8s.deployment.name"), &*of("k8s.pod.label.app"), &*of("k8s.node.name")),
            ("web", "web", "n-1")
        );
        assert_eq!(
            (&*of("k8s.pod.uid"), &*of("container.image.name")),
            ("6f1c7a52-3f6e-4c5e-9d3b-0f4b1d2a9c11", "shop/web")
        );
    }
    let run = place.run(&["backfill", "pods", "--metadata", "rules.yaml"]);
    assert_eq!(run.code, Some(2));
    run.says("--metadata: rules.yaml: holds no pod");
}
