//! What files, flags and variables make of the agent's configuration.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use proptest::prelude::*;

use super::fields::Problems;
use super::keys::KEYS;
use super::*;
use crate::cli::AgentArgs;
use crate::cli::{Cli, Command};
use crate::config::error::Surroundings;
use crate::input::journal::start::{JournalStart, StartTime};
use crate::input::tail::config::Start;
use crate::otlp::Compression;
use crate::run::agent::{AgentConfig, LogLevel, MetadataConfig};

/// The configuration of a file and flags, with these variables.
fn read(yaml: &str, flags: &[&str], variables: &[(&str, &str)]) -> Result<AgentConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.yaml");
    std::fs::write(&path, yaml).unwrap();
    let config = format!("--config={}", path.display());
    let arguments = ["spanline", "agent", &config].into_iter().chain(flags.iter().copied());
    let Command::Agent(args) = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?.command else {
        unreachable!()
    };
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let around = Surroundings { variable: &variable, now_nanos: 0, columns: None };
    let place = format!("{}/", folder.path().display());
    agent(&args, &around).map_err(|error| error.to_string().replace(&place, ""))
}

const TO: &str = "logs: {to: [otlp=http://c:4317]}\n";

/// The file's problems; what is not in question is as it should be.
fn refused(yaml: &str) -> String {
    let is_whole = yaml.contains("logs:") || !yaml.contains(':');
    read(&format!("{yaml}\n{}", if is_whole { "" } else { TO }), &[], &[]).expect_err(yaml)
}

#[test]
fn the_printed_file_is_the_defaults() {
    let printed = read(DEFAULT_FILE, &[], &[]).unwrap();
    let default = read("", &["--logs-to", "otlp=http://collector:4317"], &[]).unwrap();
    assert_eq!(printed, default);
    assert_eq!(default.state, Path::new("/var/lib/spanline"));
    assert_eq!((default.memory_bytes, default.grace), (128 << 20, Duration::from_secs(10)));
    assert_eq!(default.telemetry.listen.unwrap().to_string(), "127.0.0.1:9464");
    assert_eq!(default.destinations[0].endpoint().unwrap().compression, Some(Compression::Zstd));
    assert_eq!(default.notices, [""; 0]);
}

#[test]
fn a_journal_begins_at_a_time_and_is_matched_as_journalctl_does() {
    let of = |yaml: &str, flags: &[&str]| {
        let flags = [&["--logs-to=otlp=http://c:4317"], flags].concat();
        read(yaml, &flags, &[]).unwrap().inputs.journal.unwrap()
    };
    let since = |text: &str, usec| JournalStart::Since(StartTime { text: text.to_owned(), usec });
    let journal =
        of("inputs: {journal: {start: 2026-11-23T09:15:00Z, match: [priority=info, \"!_PID=1\"], fields: all}}", &[]);
    let JournalStart::Since(start) = &journal.start else { panic!("{:?}", journal.start) };
    assert_eq!((start.text.as_str(), start.usec), ("2026-11-23T09:15:00Z", 1_795_425_300_000_000));
    assert!(journal.all_fields);
    let mut query = of("", &[]).query;
    assert_ne!(query, journal.query);
    query.add("priority=info").unwrap();
    query.add("!_PID=1").unwrap();
    assert_eq!((query, journal.matches), (journal.query, vec!["priority=info".to_owned(), "!_PID=1".to_owned()]));
    assert_eq!(of("", &[]).start, JournalStart::End);
    assert_eq!(of("inputs: {journal: {start: end}}", &["--journal-start=@7"]).start, since("@7", 7_000_000));
    let again = |text: &str| since(text, 9);
    assert_eq!(
        (again("2h") == since("2h", 1), again("3h") == since("2h", 9)),
        (true, false),
        "2h stays 2h over a reload"
    );
    for (yaml, expected) in [
        (
            "inputs: {journal: {start: soon}}",
            "agent.yaml:1: inputs.journal.start: end, beginning, or a time: \"soon\" is no time",
        ),
        ("inputs: {journal: {match: [kubelet]}}", "agent.yaml:1: inputs.journal.match: needs KEY=VALUE"),
        ("inputs: {journal: {match: [boot=0]}}", "agent.yaml:1: inputs.journal.match: a boot is told by its id here"),
        ("inputs: {journal: {fields: none}}", "one of some, all is expected"),
    ] {
        let text = refused(yaml);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn the_printed_file_has_every_key() {
    let mut problems = Problems::default();
    // What is off unless it is given stands there as a comment.
    let given: String = DEFAULT_FILE.lines().map(|line| uncommented(line).to_owned() + "\n").collect();
    let node = crate::config::yaml::parse(&given).unwrap();
    let mut keys = BTreeSet::new();
    collect(&node, "", &mut keys);
    let known = KEYS.iter().map(|key| (*key).to_owned());
    assert!(known.clone().all(|key| keys.contains(&key)), "{keys:?}");
    file::written(DEFAULT_FILE, &mut problems);
    assert!(problems.0.is_empty(), "{problems:?}");
    let tap = |flags: &[&str], yaml: &str| {
        let flags = [&["--logs-to=otlp=http://c:4317"], flags].concat();
        read(yaml, &flags, &[]).unwrap().tap.unwrap()
    };
    assert_eq!(tap(&[], &given), tap(&["--forward=otlp=http://collector:4317"], ""), "they are the defaults");
}

/// The line, as it is once the mark before a setting is taken away: `#tap:`, `#  grpc: …`.
fn uncommented(line: &str) -> &str {
    let begins = ["tap:", "parsers:", "  "];
    let setting = line.strip_prefix('#').filter(|rest| begins.iter().any(|begin| rest.starts_with(begin)));
    setting.unwrap_or(line)
}

fn collect(node: &crate::config::yaml::Node, path: &str, keys: &mut BTreeSet<String>) {
    use crate::config::yaml::Value;
    match &node.value {
        Value::Map(entries) => {
            for (key, node) in entries {
                let path = if path.is_empty() { key.name.clone() } else { format!("{path}.{}", key.name) };
                collect(node, &path, keys);
                keys.insert(path);
            }
        }
        Value::List(entries) => entries.iter().for_each(|node| collect(node, &format!("{path}[]"), keys)),
        Value::Scalar { .. } => {}
    }
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_environment() {
    let yaml = "state: /file\nmemory: 64MiB\ngrace: 5s\ninputs: {pods: {path: /p, start: beginning}}\n\
                logs: {to: otlp=http://file:4317, compression: gzip}\ntelemetry: {listen: 127.0.0.1:1, log: debug}";
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://variable:4317"), ("OTEL_EXPORTER_OTLP_COMPRESSION", "none")];
    let of_file = read(yaml, &[], &variables).unwrap();
    let endpoint = |config: &AgentConfig| config.destinations[0].endpoint().cloned().unwrap();
    assert_eq!((of_file.state.as_path(), of_file.memory_bytes), (Path::new("/file"), 64 << 20));
    assert_eq!(of_file.inputs.pods.as_ref().unwrap().start, Start::Beginning);
    assert_eq!((of_file.telemetry.log, of_file.grace.as_secs()), (LogLevel::Debug, 5));
    assert_eq!(endpoint(&of_file).name(), "otlp=http://file:4317");
    assert_eq!(endpoint(&of_file).compression, Some(Compression::Gzip));
    let flags = [
        "--state=/flag",
        "--memory=32MiB",
        "--grace=1m",
        "--pods-path=/q",
        "--pods-start=end",
        "--logs-to=otlp=http://flag:4318",
        "--logs-compression=zstd",
        "--telemetry-listen=127.0.0.1:2",
        "--telemetry-log=error",
    ];
    let of_flags = read(yaml, &flags, &variables).unwrap();
    assert_eq!((of_flags.state.as_path(), of_flags.memory_bytes), (Path::new("/flag"), 32 << 20));
    let pods = of_flags.inputs.pods.clone().unwrap();
    assert_eq!((pods.path.as_path(), pods.start), (Path::new("/q"), Start::End));
    assert_eq!((of_flags.telemetry.log, of_flags.grace.as_secs()), (LogLevel::Error, 60));
    assert_eq!(of_flags.telemetry.listen.unwrap().port(), 2);
    assert_eq!(endpoint(&of_flags).name(), "otlp=http://flag:4318");
    assert_eq!(endpoint(&of_flags).compression, Some(Compression::Zstd));
    let of_variables = read("state: /file", &[], &variables).unwrap();
    assert_eq!(endpoint(&of_variables).name(), "otlp=http://variable:4317");
    assert_eq!(endpoint(&of_variables).compression, Some(Compression::None));
}

#[test]
fn null_turns_inputs_off_and_flags_turn_them_on_again() {
    let off = "inputs: {pods: null, files: [{include: /a/*.log, service: web}]}\ntelemetry: null\n";
    let config = read(&format!("{off}{TO}"), &[], &[]).unwrap();
    assert!(config.inputs.pods.is_none() && config.telemetry.listen.is_none());
    let files = &config.inputs.files[0];
    assert_eq!((files.include[0].as_str(), files.service.as_deref()), ("/a/*.log", Some("web")));
    let on = read(&format!("{off}{TO}"), &["--pods-path=/p", "--files-include=/b", "--files-service=db"], &[]).unwrap();
    assert_eq!(on.inputs.pods.unwrap().path, Path::new("/p"));
    assert_eq!((on.inputs.files.len(), on.inputs.files[0].service.as_deref()), (1, Some("db")));
    let off = read(TO, &["--pods-path=none", "--telemetry-listen=none"], &[]).unwrap();
    assert!(off.inputs.pods.is_none() && off.telemetry.listen.is_none());
    let nothing = read(&format!("inputs: null\n{TO}"), &[], &[]).unwrap_err();
    assert!(nothing.contains("nothing is followed"), "{nothing}");
}

#[test]
fn unknown_keys_are_told_with_what_was_meant() {
    for (yaml, expected) in [
        ("stat: /x", "agent.yaml:1: stat: unknown key; did you mean state?"),
        ("inputs:\n  pods:\n    strt: end", "agent.yaml:3: inputs.pods.strt: unknown key; did you mean start?"),
        (
            "inputs:\n  files:\n    - inclde: /x\n      include: /x",
            "agent.yaml:3: inputs.files[0].inclde: unknown key; did you mean include?",
        ),
        ("listen: 127.0.0.1:1", "agent.yaml:1: listen: unknown key here; did you mean telemetry.listen?"),
        (
            "output: x",
            "agent.yaml:1: output: unknown key; the keys are state, memory, inputs, tap, logs, link, metadata, parsers, filter, redact, telemetry, grace",
        ),
        (
            "logs: {to: otlp=http://c:4317, place: x}",
            "agent.yaml:1: logs.place: unknown key; the keys here are to, compression, headers",
        ),
        ("logs: {to: otlp=http://c:4317, <<: x}", "agent.yaml:1: logs.<<: unknown key"),
    ] {
        let told = refused(yaml);
        assert!(told.starts_with("--config: ") && told.contains(expected), "{yaml}: {told}");
    }
}

#[test]
fn what_is_not_built_is_said_and_null_is_taken() {
    let told = refused("link: {call_sites: sites.txt}");
    assert!(told.contains("link.call_sites: not available yet"), "{told}");
    assert!(refused("logs: null").contains("agent.yaml:1: logs: without logs lines go onto spans only: give tap"));
    let nulls = "tap: null\ntelemetry: {otlp: null}\n";
    assert_eq!(read(&format!("{nulls}{TO}"), &[], &[]), read(TO, &[], &[]));
}

#[test]
fn the_kubelet_is_that_of_the_node_unless_another_is_given() {
    let kubelet = |yaml: &str, flags: &[&str], variables: &[(&str, &str)]| {
        let config = read(&format!("{yaml}\n{TO}"), flags, variables).unwrap();
        match config.metadata {
            MetadataConfig::Kubelet(kubelet) => *kubelet,
            other => panic!("{yaml}: {other:?}"),
        }
    };
    let of_pod = kubelet("metadata: {from: kubelet}", &[], &[("NODE_IP", "10.0.0.7")]);
    assert_eq!(of_pod.endpoint.address(), "https://10.0.0.7:10250/");
    let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    assert_eq!(of_pod.token_file, Some(format!("{account}/token").into()));
    assert_eq!(of_pod.endpoint.tls.authority, Some(format!("{account}/ca.crt").into()));
    assert!(of_pod.sent.labels && of_pod.sent.annotations.is_empty());
    let of_node = kubelet("", &["--metadata=kubelet"], &[("NODE_IP", "fd00::7")]);
    assert_eq!(of_node.endpoint.address(), "https://[fd00::7]:10250/");
    let given = kubelet(
        "metadata: {from: path, url: 'http://localhost:10255', token: null, ca: /x, labels: false, annotations: team}",
        &["--metadata=kubelet", "--metadata-insecure-skip-verify"],
        &[],
    );
    assert_eq!((given.endpoint.address().as_str(), &given.token_file), ("http://localhost:10255/", &None));
    assert!(given.endpoint.tls.skip_verify && given.endpoint.tls.authority.is_none());
    assert_eq!((given.sent.labels, given.sent.annotations.as_slice()), (false, &["team".to_owned()][..]));
    assert_eq!(read(TO, &[], &[]).unwrap().metadata, MetadataConfig::Path);
    assert_eq!(read(&format!("metadata: null\n{TO}"), &[], &[]).unwrap().metadata, MetadataConfig::None);
    let told = refused("metadata: {from: kubelet,\n url: ftp://x}");
    assert!(told.contains("agent.yaml:2: metadata.url: "), "{told}");
}

#[test]
fn wrong_values_are_told_with_their_path_and_what_is_possible() {
    for (yaml, expected) in [
        ("link: {wait: 10m}", "link.wait: must be from 1s to 5m"),
        ("link: {wait: soon}", "link.wait: found \"soon\"; a duration such as 500ms"),
        ("link: {min_confidence: 90}", "link.min_confidence: found \"90\"; a number from 0 to 1 is expected"),
        ("inputs: {pods: {start: now}}", "inputs.pods.start: found \"now\"; one of end, beginning is expected"),
        ("inputs: {pods: {start: [end]}}", "inputs.pods.start: found a list; one of end, beginning"),
        (
            "inputs: {pods: /var/log/pods}",
            "inputs.pods: found \"/var/log/pods\"; a map is expected, of path, start, exclude",
        ),
        ("inputs: {pods: {path: logs}}", "inputs.pods.path: found \"logs\"; an absolute path is expected"),
        ("inputs: {files: [{service: web}]}", "inputs.files[0]: give include"),
        ("inputs: {files: [{include: []}]}", "inputs.files[0]: give include"),
        ("inputs: {files: [/var/log/x.log]}", "inputs.files[0]: found \"/var/log/x.log\"; a map is expected"),
        ("inputs: {files: [{include: ['/a/[b']}]}", "inputs.files[0].include[0]: /a/[b has a [ without its ]"),
        ("inputs: {files: [{include: x.log}]}", "inputs.files[0].include: x.log is no absolute path"),
        (
            "inputs: {files: [{include: /x, service: no}]}",
            "inputs.files[0].service: found \"no\"; text is expected: if it is meant as text, put it in quotes",
        ),
        ("inputs: {files: [{include: /x, service: 010}]}", "service: found \"010\"; text is expected"),
        ("memory: 1e3", "memory: found \"1e3\"; a size such as 128MiB or 1GiB is expected"),
        ("memory: 0100MiB", "memory: found \"0100MiB\""),
        ("memory: -1", "memory: found \"-1\""),
        ("memory: 99999999999999999999G", "memory: found"),
        ("memory:", "memory: found nothing (null); a size"),
        ("grace: 10", "grace: found \"10\"; a duration such as 500ms, 10s or 5m is expected"),
        ("state: {}", "state: found a map; text is expected"),
        ("state: ''", "state: found \"\"; text is expected"),
        (
            "telemetry: {listen: localhost:9464}",
            "telemetry.listen: found \"localhost:9464\"; an IP address with a port",
        ),
        ("telemetry: {listen: 9464}", "telemetry.listen: found \"9464\""),
        ("telemetry: {log: verbose}", "telemetry.log: found \"verbose\"; one of error, warn, info, debug is expected"),
        ("logs: {to: otlp=http://c:4317, compression: br}", "logs.compression: found \"br\"; one of none, gzip, zstd"),
        ("logs: {to: [otlp=ftp://c]}", "logs.to: OTLP endpoint `ftp://c`: scheme ftp is not spoken"),
        ("logs: {to: [http://c:4317]}", "logs.to: \"http://c:4317\" is neither otlp=URL nor otlp"),
        ("logs: {to: [jaeger=http://c:4317]}", "is neither otlp=URL nor otlp"),
        ("logs: {to: [otlp=http://c:4317, otlp=http://c:4317]}", "logs.to: otlp=http://c:4317 is given twice"),
        ("logs: {to: otlp=http://c:4317, headers: {x: 1}}", "logs.headers.x: text is expected, in quotes"),
        ("logs: {to: otlp=http://c:4317, headers: {content-type: x}}", "logs.headers: `content-type` follows from"),
        ("logs: {to: otlp=http://c:4317, headers: x}", "logs.headers: a map of names to text is expected"),
        ("telemetry: {otlp: 5}", "telemetry.otlp: found \"5\"; text is expected"),
        ("telemetry: {otlp: http://c}", "telemetry.otlp: \"http://c\" is neither otlp=URL nor otlp"),
        ("- a", "a map is expected"),
        ("just text", "a map is expected"),
    ] {
        let told = refused(yaml);
        assert!(told.contains(expected), "{yaml}: {told}");
    }
}

#[test]
fn traps_of_yaml_have_an_outcome() {
    for (yaml, expected) in [
        ("state: /a\nstate: /b", "agent.yaml:2: \"state\" stands on line 1 too"),
        ("memory: &m 64MiB\ngrace: *m", "agent.yaml:2: aliases (*name) are not taken"),
        ("memory: !!int 5", "agent.yaml:1: tags (!name) are not taken"),
        ("state: /a\n---\nstate: /b", "agent.yaml:2: a second document begins here"),
        ("inputs:\n\tpods: null", "a tab in the indentation"),
        ("inputs: {pods: null", "not YAML"),
    ] {
        let told = refused(yaml);
        assert!(told.contains(expected), "{yaml}: {told}");
    }
    assert_eq!(read("", &["--logs-to=otlp=http://c:4317"], &[]), read(TO, &[], &[]));
    assert_eq!(read(&format!("\u{feff}{TO}"), &[], &[]), read(TO, &[], &[]));
    assert_eq!(read(&TO.replace('\n', "\r\n"), &[], &[]), read(TO, &[], &[]));
}

#[test]
fn files_that_are_no_text_or_huge_or_missing_are_refused() {
    let mut problems = Problems::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.yaml");
    std::fs::write(&path, b"state: /a\nmemory: \xff\n").unwrap();
    file::read(&path, &mut problems).unwrap();
    assert_eq!((problems.0[0].line, problems.0[0].text.as_str()), (2, "not UTF-8 text"));
    std::fs::write(&path, "#".repeat(2 << 20)).unwrap();
    assert!(file::read(&path, &mut problems).unwrap_err().to_string().contains("larger than 1048576 bytes"));
    assert!(file::read(folder.path(), &mut problems).unwrap_err().to_string().contains("directory"));
    assert!(file::read(&folder.path().join("x"), &mut problems).unwrap_err().to_string().contains("No such file"));
}

#[test]
fn all_problems_of_a_file_are_told_at_once_by_line() {
    let told = refused("grace: 10\nmemry: 1\ninputs:\n  pods: {start: x}\nlogs: {to: [otlp=ftp://c, x]}");
    let lines: Vec<&str> = told.lines().map(str::trim).collect();
    assert_eq!(lines[0], "--config: 5 problems");
    let starts = [
        "agent.yaml:1: grace",
        "agent.yaml:2: memry",
        "agent.yaml:4: inputs.pods.start",
        "agent.yaml:5: logs.to",
        "agent.yaml:5: logs.to",
    ];
    assert!(lines[1..].iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{told}");
    assert_eq!(lines.len(), 6);
    let many: String = (0..1000).map(|number| format!("key{number}: x\n")).collect();
    assert!(refused(&many).lines().count() <= 51);
}

#[test]
fn secrets_are_not_repeated() {
    for yaml in [
        "logs: {to: 'otlp=http://me:SECRET@c:4317'}",
        "logs: {to: otlp=http://c:4317, headers: {'a b': SECRET}}",
        "logs: {to: otlp=http://c:4317, headers: {a: [SECRET]}}",
        "logs: {to: otlp=http://c:4317, headers: [SECRET]}",
        "logs: {to: 'oltp=http://me:SECRET@c:4317'}",
    ] {
        let told = read(yaml, &[], &[]).expect_err(yaml);
        assert!(!told.contains("SECRET"), "{told}");
    }
    let config =
        read("logs: {to: otlp=http://c:4317, headers: {authorization: Bearer x, x-scope-orgid: '1'}}", &[], &[]);
    assert_eq!(config.unwrap().destinations[0].endpoint().unwrap().headers.len(), 2);
}

#[test]
fn wrong_flags_are_told_by_their_name() {
    for (flags, words) in [
        (&["--memory=1MiB"][..], "--memory: must be 16MiB or more"),
        (&["--telemetry-listen=x"], "--telemetry-listen: \"x\" is no IP address"),
        (&["--logs-to=x"], "--logs-to: \"x\" is neither"),
        (&["--files-include=/a/[x"], "--files-include: /a/[x has a ["),
        (&["--files-service=web"], "--files-include"),
        (&["--telemetry-otlp=x"], "--telemetry-otlp: \"x\" is neither"),
        (&["--pods-exclude=/a/../b"], "--pods-exclude"),
    ] {
        let told = read(TO, flags, &[]).unwrap_err();
        assert!(told.contains(words), "{told}");
    }
    let told = read("", &[], &[]).unwrap_err();
    assert!(told.contains("there is no destination"), "{told}");
    // Whoever types a path means it from where they are.
    let config = read(TO, &["--state=here", "--files-include=x*.log"], &[]).unwrap();
    assert!(config.state.is_absolute() && config.inputs.files[0].include[0].as_str().starts_with('/'));
}

#[test]
fn own_metrics_go_where_they_are_sent_to() {
    let yaml = format!("telemetry: {{otlp: otlp=http://m:4318}}\n{TO}");
    let push = read(&yaml, &[], &[]).unwrap().telemetry.otlp.unwrap();
    assert_eq!(push.endpoint.address(), "http://m:4318/v1/metrics");
    assert!(read(&yaml, &["--telemetry-otlp=none"], &[]).unwrap().telemetry.otlp.is_none());
    let variables = [("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://v:4318/x")];
    let push = read(TO, &["--telemetry-otlp=otlp"], &variables).unwrap().telemetry.otlp.unwrap();
    assert_eq!(push.endpoint.address(), "http://v:4318/x");
}

#[test]
fn an_address_that_others_reach_is_noticed() {
    let config = read(&format!("telemetry: {{listen: '0.0.0.0:9464'}}\n{TO}"), &[], &[]).unwrap();
    assert!(config.notices[0].contains("0.0.0.0:9464 can be read by whoever reaches"), "{:?}", config.notices);
}

#[test]
fn a_reload_tells_what_changed_and_what_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.yaml");
    let args = AgentArgs { config: Some(path.clone()), ..AgentArgs::default() };
    let around = Surroundings { variable: &|_| None, now_nanos: 0, columns: None };
    std::fs::write(&path, TO).unwrap();
    let running = agent(&args, &around).unwrap();
    let same = reload(&args, &around, &running).unwrap();
    assert_eq!(same, Reload { config: running.clone(), changed: vec![], needs_restart: vec![] });
    std::fs::write(
        &path,
        "state: /other\ntelemetry: {log: debug, listen: null}\ngrace: 1s\nlogs: {to: otlp=http://d:4317}",
    )
    .unwrap();
    let new = reload(&args, &around, &running).unwrap();
    assert_eq!(new.changed, ["logs", "telemetry.log", "grace"]);
    assert_eq!(new.needs_restart, ["state", "telemetry.listen"]);
    assert_eq!((&new.config.state, new.config.telemetry.listen), (&running.state, running.telemetry.listen));
    assert_eq!(new.config.telemetry.log, LogLevel::Debug);
    std::fs::write(&path, "stat: x").unwrap();
    assert!(reload(&args, &around, &running).unwrap_err().to_string().contains("did you mean state?"));
}

proptest! {
    #[test]
    fn no_file_panics(text in "(state|memory|inputs|pods|files|logs|to|headers|include|[ \\n:\\-\\[\\]{}'\"&*/a0~,#]){0,40}") {
        let mut problems = Problems::default();
        file::written(&text, &mut problems);
        prop_assert!(problems.0.len() <= 50);
    }
}
