//! What `deploy` ships is held against the binary: each configuration and each command line there must pass `agent --check`, and
//! the numbers that belong together must agree. No cluster, no network, no other program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::harness::run::Place;

/// Where the manifests and the chart mount the state, and the unit has it.
const STATE: &str = "/var/lib/spanline";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// A configuration of the agent that is shipped.
struct Shipped {
    /// Of the file that it stands in, below `deploy`.
    name: String,
    text: String,
}

#[test]
fn every_configuration_passes_the_agents_own_check() {
    let all = configurations();
    let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
    let expected = [
        "examples/beside-a-collector/agent.yaml",
        "examples/grafana/agent.yaml",
        "helm/spanline/values.yaml",
        "kubernetes/base/agent.yaml",
        "kubernetes/components/tap/agent.yaml",
        "systemd/agent.yaml",
    ];
    assert_eq!(names, expected);
    for one in &all {
        let text = checked(one, &[]);
        assert!(text.contains("pods      /var/log/pods: "), "{}: {text}", one.name);
        assert!(text.contains("/var/log/journal"), "{}: {text}", one.name);
        let is_received = text.contains("spans     received on 127.0.0.1:4317, 127.0.0.1:4318\n");
        let is_own = !one.name.starts_with("examples/");
        assert_eq!(
            is_received,
            one.name != "kubernetes/base/agent.yaml" && !one.name.contains("beside"),
            "{}",
            one.name
        );
        let asks = text.contains("metadata  of the kubelet at https://127.0.0.1:10250\n");
        assert_eq!(asks, !one.name.starts_with("systemd"), "{}: {text}", one.name);
        // Spans go where the lines go.
        if is_received && is_own {
            let to = |part: &str| text.lines().find(|line| line.starts_with(part)).unwrap()[10..].split(": ").next();
            assert_eq!(to("forward"), to("logs"), "{}", one.name);
        }
    }
}

#[test]
fn every_command_line_passes_it_too() {
    let base = configuration("kubernetes/base/agent.yaml");
    let daemon_set = read("kubernetes/base/daemon-set.yaml");
    let arguments = list(&value(&daemon_set, "args"));
    let added: Vec<String> = files()
        .iter()
        .filter(|path| path.starts_with("kubernetes/components"))
        .flat_map(|path| read(path.to_str().unwrap()).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| line.trim().strip_prefix("value: --").map(|flag| format!("--{flag}")))
        .collect();
    assert_eq!(added, ["--journal-path=/run/log/journal", "--pods-start=beginning"]);
    let all: Vec<&str> = arguments.iter().chain(&added).map(String::as_str).collect();
    let ["agent", "--config", "/etc/spanline/agent.yaml", flags @ ..] = all.as_slice() else { panic!("{all:?}") };
    // A folder that is there: where it is begun is said of nothing else.
    let text = checked(&base, &[flags, &["--pods-path", "."]].concat());
    assert!(text.contains(": 0 files now, from the beginning at the first start\n"), "{text}");
    assert!(text.contains("/run/log/journal"), "{text}");

    let unit = read("systemd/spanline.service");
    let start = "/usr/bin/spanline agent --config /etc/spanline/agent.yaml";
    assert_eq!(values(&unit, "ExecStart"), [start]);
    assert_eq!(values(&unit, "ExecReload"), [&format!("{start} --check"), "/bin/kill -HUP $MAINPID"]);
    let of_chart = read("helm/spanline/templates/daemon-set.yaml");
    assert!(of_chart.contains("            - agent\n            - --config\n            - /etc/spanline/agent.yaml\n"));
}

#[test]
fn limits_and_folders_fit_the_configurations() {
    let daemon_set = read("kubernetes/base/daemon-set.yaml");
    let of_chart = read("helm/spanline/templates/daemon-set.yaml");
    let unit = read("systemd/spanline.service");
    let values_of_chart = read("helm/spanline/values.yaml");
    // Twice the agent's own memory, everywhere.
    let memory = |text: &str, unit: &str| number(&value(text, "memory"), unit);
    for one in configurations() {
        let limit = match one.name.split('/').next() {
            Some("systemd") => number(&values(&unit, "MemoryMax")[0], "M"),
            Some("helm") => memory(after(&values_of_chart, "  limits:\n"), "Mi"),
            _ => memory(after(&daemon_set, "limits:\n"), "Mi"),
        };
        assert_eq!(limit, 2 * memory(&one.text, "MiB"), "{}", one.name);
        let grace = number(&value(&one.text, "grace"), "s");
        // Examples are laid over the manifests.
        let patience = match one.name.split('/').next() {
            Some("systemd") => number(&values(&unit, "TimeoutStopSec")[0], "s"),
            Some("helm") => number(&value(&of_chart, "terminationGracePeriodSeconds"), ""),
            _ => number(&value(&daemon_set, "terminationGracePeriodSeconds"), ""),
        };
        assert!(grace < patience, "{}: {grace} s", one.name);
    }
    for text in [&daemon_set, &of_chart] {
        assert!(text.contains(&format!("mountPath: {STATE}\n")));
    }
    assert_eq!(values(&unit, "StateDirectory"), ["spanline"]);
    // Probes ask where the agent listens.
    for name in ["kubernetes/base/agent.yaml", "kubernetes/components/tap/agent.yaml"] {
        let listen = value(&configuration(name).text, "listen");
        let port = listen.rsplit(':').next().unwrap().to_owned();
        assert_eq!(value(&daemon_set, "containerPort"), port, "{name}");
    }
    let patch = read("kubernetes/components/tap/host-network.yaml");
    let of_tap = value(&configuration("kubernetes/components/tap/agent.yaml").text, "listen");
    assert_eq!(of_tap.split(':').next(), Some(value(&patch, "host").as_str()));
}

#[test]
fn the_examples_send_where_they_have_something() {
    let to = |name: &str| {
        let text = checked(&configuration(&format!("examples/{name}/agent.yaml")), &[]);
        let of = |part: &str| text.lines().find(|line| line.starts_with(part)).map(|line| line[10..].to_owned());
        (of("logs").unwrap(), of("forward").unwrap())
    };
    let (logs, spans) = to("grafana");
    assert_eq!(logs, "otlp=http://loki.spanline.svc:3100/otlp: HTTP, zstd, 0 headers");
    assert_eq!(spans, "otlp=http://tempo.spanline.svc:4317: gRPC");
    for (file, port) in [("loki", "http, port: 3100"), ("tempo", "otlp, port: 4317")] {
        let service = read(&format!("examples/grafana/{file}.yaml"));
        assert!(
            service.contains(&format!("kind: Service\nmetadata:\n  name: {file}\n")) && service.contains(port),
            "{file}"
        );
    }
    // The copy of the collector comes to where the tap listens.
    let (_, spans) = to("beside-a-collector");
    assert_eq!(spans, "nowhere: nothing is kept of what is received");
    let tap = value(&configuration("examples/beside-a-collector/agent.yaml").text, "grpc");
    assert!(read("examples/beside-a-collector/collector.yaml").contains(&format!("endpoint: {tap}\n")), "{tap}");
}

#[test]
fn the_job_reads_its_share_of_a_must_gather() {
    let job = read("examples/must-gather/job.yaml");
    let arguments: Vec<&str> = after(&job, "args:\n")
        .lines()
        .take_while(|line| line.starts_with("            "))
        .filter_map(|line| line.trim().strip_prefix("- "))
        .collect();
    let completions = value(&job, "completions");
    assert!(job.contains("completionMode: Indexed\n") && value(&job, "parallelism") == completions);
    assert!(arguments.contains(&&*format!("--shard=$(JOB_COMPLETION_INDEX)/{completions}")), "{arguments:?}");
    let place = Place::new();
    let line = "2026-11-23T09:14:51.1Z hello\n";
    for pod in ["a", "b", "c", "d", "e", "f"] {
        place.write(&format!("volume/must-gather/q/namespaces/n/pods/{pod}/app/app/logs/current.log"), line);
    }
    let pods = "kind: PodList\nitems:\n- metadata: {name: a, namespace: n, uid: u, labels: {app: a}}\n";
    place.write("volume/must-gather/q/namespaces/n/core/pods.yaml", pods);
    place.write(
        "volume/traces.jsonl",
        std::fs::read(crate::harness::run::testdata("nodes/crio/traces.otlp.jsonl")).unwrap(),
    );
    let mut read = 0;
    for index in 0..completions.parse::<u32>().unwrap() {
        let of_pod = |argument: &&str| {
            argument.replace("/volume", "volume").replace("$(JOB_COMPLETION_INDEX)", &index.to_string())
        };
        let of_pod: Vec<String> = arguments.iter().map(of_pod).chain(["--dry-run".to_owned()]).collect();
        let run = place.run(&of_pod.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(run.code, Some(0), "{}", run.err);
        let words = run.err.split_once("read      ").unwrap().1;
        read += words.split_once(' ').unwrap().0.parse::<u32>().unwrap();
    }
    assert_eq!(read, 6);
}

#[test]
fn the_container_has_what_the_guide_says_and_no_more() {
    for text in [read("kubernetes/base/daemon-set.yaml"), read("helm/spanline/templates/daemon-set.yaml")] {
        for words in [
            "runAsUser: 0\n",
            "type: RuntimeDefault\n",
            "allowPrivilegeEscalation: false\n",
            "readOnlyRootFilesystem: true\n",
            "drop: [ALL]\n",
            "add: [DAC_READ_SEARCH]\n",
        ] {
            assert!(text.contains(words), "{words:?} is not in:\n{text}");
        }
        let mounts = text.split_once("volumeMounts:\n").unwrap().1;
        let logs = after(mounts, "mountPath: /var/log\n").lines().next().unwrap().trim();
        assert_eq!(logs, "readOnly: true");
    }
    let kinds: BTreeSet<String> = files()
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml") && !path.starts_with("examples"))
        .flat_map(|path| read(path.to_str().unwrap()).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| line.strip_prefix("kind: ").map(str::to_owned))
        .collect();
    let expected = [
        "ClusterRole",
        "ClusterRoleBinding",
        "Component",
        "ConfigMap",
        "DaemonSet",
        "Kustomization",
        "Namespace",
        "PriorityClass",
        "ServiceAccount",
    ];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    // The one right that is given.
    let role = read("kubernetes/base/cluster-role.yaml");
    assert_eq!((value(&role, "resources"), value(&role, "verbs")), ("[nodes/pods]".to_owned(), "[get]".to_owned()));
    assert_eq!(role.matches("resources:").count(), 1);
    let of_chart = read("helm/spanline/templates/cluster-role.yaml");
    assert_eq!((value(&of_chart, "verbs").as_str(), of_chart.matches("resources:").count()), ("[get]", 1));
    let values = read("helm/spanline/values.yaml");
    assert_eq!(value(after(&values, "\nrbac:\n"), "resource"), "nodes/pods");
}

#[test]
fn the_chart_is_of_this_version_and_its_schema_and_guide_know_every_value() {
    let chart = read("helm/spanline/Chart.yaml");
    assert_eq!(value(&chart, "appVersion"), env!("CARGO_PKG_VERSION"));
    let schema: serde_json::Value = serde_json::from_str(&read("helm/spanline/values.schema.json")).unwrap();
    let known: BTreeSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let values = read("helm/spanline/values.yaml");
    let given: BTreeSet<&str> =
        values.lines().filter(|line| line.starts_with(char::is_alphabetic)).filter_map(|line| key(line)).collect();
    // Helm adds `global` itself.
    assert_eq!(known.iter().copied().filter(|name| *name != "global").collect::<BTreeSet<_>>(), given);
    let readme = read("helm/spanline/README.md");
    let missing: Vec<&str> = given.iter().copied().filter(|name| !readme.contains(&format!("`{name}"))).collect();
    assert!(missing.is_empty(), "the chart's README does not tell of {missing:?}");
}

#[test]
fn the_charts_schema_knows_the_agents_own_keys() {
    let schema: serde_json::Value = serde_json::from_str(&read("helm/spanline/values.schema.json")).unwrap();
    let mut of_schema = BTreeSet::new();
    keys_of_schema(&schema["properties"]["config"], "", &mut of_schema);
    let of_agent = keys_of_default(Place::new().run(&["config", "default"]).text(0));
    assert!(of_agent.contains("inputs.files[].include") && of_agent.contains("tap.forward"), "{of_agent:?}");
    // Of these the default has none, or on one line.
    let below =
        ["tap.tls", "parsers[].match", "parsers[].multiline", "filter.include[]", "filter.exclude[]", "filter.sample"];
    let below = below.into_iter().chain(["redact.patterns[]"]).map(|above| format!("{above}.")).collect::<Vec<_>>();
    of_schema.retain(|key| !below.iter().any(|above| key.starts_with(above)));
    assert_eq!(of_schema, of_agent);
}

/// The keys that a schema allows, as paths.
fn keys_of_schema(schema: &serde_json::Value, path: &str, keys: &mut BTreeSet<String>) {
    let items = &schema["items"];
    if items.is_object() {
        keys_of_schema(items, &format!("{path}[]"), keys);
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        keys_of_schema(below, &path, keys);
        keys.insert(path);
    }
}

/// The keys of the configuration that is printed, as paths, those of the tap in its comment included.
fn keys_of_default(text: &str) -> BTreeSet<String> {
    let (mut keys, mut above) = (BTreeSet::new(), Vec::<(usize, String)>::new());
    for line in text.lines() {
        // `#tap:` and `#  grpc: …`; a comment has one blank.
        let line =
            line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') || rest.starts_with("  ")).unwrap_or(line);
        let key = line.trim_start();
        let is_first_of_item = key.starts_with("- ");
        let key = key.strip_prefix("- ").unwrap_or(key);
        let Some((name, _)) = key.split_once(':').filter(|_| !key.starts_with('#')) else { continue };
        let indent = line.len() - key.len();
        above.retain(|(of, _)| *of < indent);
        if is_first_of_item && let Some((_, list)) = above.last_mut() {
            list.push_str("[]");
        }
        let path = above.last().map_or_else(|| name.to_owned(), |(_, parent)| format!("{parent}.{name}"));
        keys.insert(path.clone());
        above.push((indent, path));
    }
    keys
}

/// What `agent --check` says of a configuration, which must be right.
fn checked(one: &Shipped, flags: &[&str]) -> String {
    let place = Place::new();
    place.write("agent.yaml", &one.text);
    let arguments = [&["agent", "--config", "agent.yaml", "--check", "--state", "state"], flags].concat();
    let output = place.command(&arguments).env(ENDPOINT, "http://collector:4317").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{}", one.name);
    String::from_utf8(output.stdout).unwrap()
}

/// All configurations, by name: the files `agent.yaml`, and what the chart has under `config`.
fn configurations() -> Vec<Shipped> {
    let is_one = |path: &&PathBuf| path.ends_with("agent.yaml");
    let mut all: Vec<Shipped> = files()
        .iter()
        .filter(is_one)
        .map(|path| path.to_str().unwrap().to_owned())
        .map(|name| Shipped { text: read(&name), name })
        .collect();
    let values = read("helm/spanline/values.yaml");
    let lines = after(&values, "\nconfig:\n").lines();
    let text: String =
        lines.take_while(|line| line.starts_with("  ")).map(|line| format!("{}\n", &line[2..])).collect();
    all.push(Shipped { name: "helm/spanline/values.yaml".to_owned(), text });
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

fn configuration(name: &str) -> Shipped {
    configurations().into_iter().find(|one| one.name == name).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// All files below `deploy`, in order.
fn files() -> BTreeSet<PathBuf> {
    let (mut files, mut folders) = (BTreeSet::new(), vec![folder()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder()).unwrap().to_owned());
            }
        }
    }
    files
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn after<'t>(text: &'t str, words: &str) -> &'t str {
    text.split_once(words).unwrap_or_else(|| panic!("{words:?} is not in:\n{text}")).1
}

/// line = key ":" …
fn key(line: &str) -> Option<&str> {
    line.split_once(':').map(|(key, _)| key)
}

/// The first value of a key of YAML that stands on its line.
fn value(text: &str, key: &str) -> String {
    let of_line = |line: &str| {
        let line = line.trim_start();
        line.strip_prefix("- ").unwrap_or(line).strip_prefix(key)?.strip_prefix(": ").map(str::to_owned)
    };
    text.lines().find_map(of_line).unwrap_or_else(|| panic!("{key} is not in:\n{text}"))
}

/// The values of a key of a unit.
fn values(unit: &str, key: &str) -> Vec<String> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned).collect()
}

/// list = "[" text { ", " text } "]"
fn list(text: &str) -> Vec<String> {
    text.trim_matches(['[', ']']).split(", ").map(str::to_owned).collect()
}

fn number(text: &str, unit: &str) -> u64 {
    text.strip_suffix(unit)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_else(|| panic!("{text:?} is not in {unit:?}"))
}
