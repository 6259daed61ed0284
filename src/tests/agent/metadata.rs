//! What the kubelet tells of pods gets onto their lines, and a kubelet that is slow, away or refuses holds no line back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::agent::Agent;
use crate::harness::kubelet::{Kubelet, TOKEN};
use crate::harness::run::testdata;
use crate::harness::sink::Script;
use crate::harness::written::{Written, append, cri};

/// An agent that asks this kubelet.
fn agent(kubelet: &Kubelet, more: &str, rules: &str) -> Agent {
    let mut agent = Agent::new(Script::default());
    agent.place.write("token", format!("{TOKEN}\n"));
    let (token, ca) = (agent.place.path("token").display().to_string(), testdata("tls/ca.pem").display().to_string());
    let metadata =
        format!("metadata: {{from: kubelet, url: '{}', token: {token}, ca: {ca}{more}}}\n{rules}", kubelet.url());
    agent.has_rules(&metadata);
    agent
}

/// A pod as the agent's place names it, of a deployment.
fn pod(agent: &Agent, name: &str) -> Value {
    let path = agent.pod(name);
    let folder = path.ancestors().nth(2).unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let uid = folder.rsplit('_').next().unwrap();
    json!({
        "metadata": {
            "name": name, "namespace": "default", "uid": uid,
            "labels": {"app": name, "pod-template-hash": "5d"}, "annotations": {"team": "blue"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": format!("{name}-5d"), "controller": true}],
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "registry/app:1.2"}]},
    })
}

fn resource(agent: &Agent, body: &str) -> BTreeMap<String, String> {
    agent.sink.sink.resource_of(body)
}

#[test]
fn lines_have_what_the_kubelet_tells_of_their_pod_from_the_first_on() {
    let kubelet = Kubelet::start("server");
    let mut agent = agent(&kubelet, ", annotations: [team]", "");
    kubelet.add(pod(&agent, "early"));
    agent.start();
    let mut lines = Written::new("a");
    append(&agent.pod("early"), lines.cri());
    agent.until_stored(&[&lines]);
    // A pod that was not there when it asked.
    kubelet.add(pod(&agent, "late"));
    std::thread::sleep(Duration::from_millis(1100));
    append(&agent.pod("late"), lines.cri());
    agent.until_stored(&[&lines]);
    for (body, name) in lines.bodies().iter().zip(["early", "late"]) {
        let resource = resource(&agent, body);
        let of = |key: &str| resource.get(key).map(String::as_str);
        assert_eq!(of("k8s.deployment.name"), Some(name), "{resource:?}");
        assert_eq!(of("k8s.replicaset.name"), Some(&*format!("{name}-5d")));
        assert_eq!((of("k8s.pod.label.app"), of("k8s.pod.annotation.team")), (Some(name), Some("blue")));
        assert_eq!((of("container.image.name"), of("container.image.tag")), (Some("registry/app"), Some("1.2")));
        assert_eq!((of("k8s.pod.name"), of("k8s.container.name")), (Some(name), Some("app")));
    }
    assert_eq!(agent.metric("spanline_pods_unknown_total"), 0);
    assert_eq!(agent.metric("spanline_kubelet_failures_total"), 0);
}

#[test]
fn a_kubelet_that_is_away_holds_no_line_back_and_is_asked_again() {
    let kubelet = Kubelet::start("server");
    kubelet.refuses(Some(403));
    let mut agent = agent(&kubelet, "", "");
    kubelet.add(pod(&agent, "web"));
    agent.start();
    agent.running().until_says("it may not be asked (403)");
    let mut lines = Written::new("web");
    append(&agent.pod("web"), lines.cri());
    let start = Instant::now();
    agent.until_stored(&[&lines]);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let first = resource(&agent, &lines.bodies()[0]);
    assert_eq!((first.get("k8s.pod.name").map(String::as_str), first.get("k8s.deployment.name")), (Some("web"), None));
    assert_eq!(agent.metric("spanline_pods_unknown_total"), 1);
    assert!(agent.metric("spanline_kubelet_failures_total") >= 1);
    kubelet.refuses(None);
    agent.running().until_says("the kubelet answers again");
    append(&agent.pod("web"), lines.cri());
    agent.until_stored(&[&lines]);
    assert_eq!(resource(&agent, &lines.bodies()[1]).get("k8s.deployment.name").map(String::as_str), Some("web"));
    agent.expect_once(&[&lines]);
}

#[test]
fn a_slow_kubelet_costs_lines_a_moment_and_new_pods_have_it_asked_once_a_second_at_most() {
    let kubelet = Kubelet::start("server");
    let mut agent = agent(&kubelet, "", "");
    agent.start();
    kubelet.takes(3_000);
    let mut lines = Written::new("x");
    let start = Instant::now();
    for number in 0..5 {
        append(&agent.pod(&format!("p{number}")), lines.cri());
    }
    agent.until_stored(&[&lines]);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    kubelet.takes(0);
    for number in 5..10 {
        append(&agent.pod(&format!("p{number}")), lines.cri());
        std::thread::sleep(Duration::from_millis(300));
    }
    agent.until_stored(&[&lines]);
    let asked = kubelet.asked();
    assert!(asked.windows(2).all(|two| two[1] - two[0] >= Duration::from_millis(900)), "{asked:?}");
}

#[test]
fn what_is_known_of_a_pod_outlives_it_until_its_lines_are_delivered() {
    let kubelet = Kubelet::start("server");
    let mut agent = agent(&kubelet, "", "");
    kubelet.add(pod(&agent, "web"));
    kubelet.add(pod(&agent, "other"));
    agent.start();
    let mut lines = Written::new("web");
    append(&agent.pod("web"), lines.cri());
    agent.until_stored(&[&lines]);
    kubelet.clear();
    // It is asked anew, and does not know either of them any more.
    std::thread::sleep(Duration::from_millis(1100));
    let asked = kubelet.asked().len();
    append(&agent.pod("third"), lines.cri());
    agent.running().until(|| kubelet.asked().len() > asked);
    append(&agent.pod("web"), lines.cri());
    append(&agent.pod("other"), lines.cri());
    agent.until_stored(&[&lines]);
    for (at, name) in [(2, "web"), (3, "other")] {
        let resource = resource(&agent, &lines.bodies()[at]);
        assert_eq!(resource.get("k8s.deployment.name").map(String::as_str), Some(name), "{resource:?}");
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_said_with_what_to_set() {
    let kubelet = Kubelet::start("self-signed");
    let mut refused = agent(&kubelet, "", "");
    refused.start();
    refused.running().until_says("metadata.ca");
    drop(refused);
    let mut trusting = agent(&kubelet, ", insecure_skip_verify: true", "");
    kubelet.add(pod(&trusting, "web"));
    trusting.start();
    let mut lines = Written::new("web");
    append(&trusting.pod("web"), lines.cri());
    trusting.until_stored(&[&lines]);
    assert_eq!(resource(&trusting, &lines.bodies()[0]).get("k8s.pod.label.app").map(String::as_str), Some("web"));
}

#[test]
fn rules_hold_by_labels_and_annotations() {
    let kubelet = Kubelet::start("server");
    let rules = "filter: {exclude: [{name: blue, labels: {app: 'noisy*'}, annotations: {team: blue}}]}\n\
                 parsers: [{name: shop, match: {labels: {app: shop}}, regex: '^(?P<severity>\\w+)/(?P<body>.*)'}]";
    let mut agent = agent(&kubelet, "", rules);
    ["noisy-1", "shop", "plain"].iter().for_each(|name| kubelet.add(pod(&agent, name)));
    agent.start();
    let mut lines = Written::new("x");
    append(&agent.pod("noisy-1"), cri("F", "dropped"));
    append(&agent.pod("shop"), cri("F", "WARN/late"));
    append(&agent.pod("plain"), lines.cri());
    lines.expect("late");
    agent.expect_once(&[&lines]);
    assert_eq!(agent.metric("spanline_records_dropped_total{reason=\"blue\"}"), 1);
}

#[test]
fn without_metadata_nothing_is_told_of_pods() {
    let mut agent = Agent::new(Script::default());
    agent.has_rules("metadata: null");
    agent.start();
    let mut lines = Written::new("web");
    append(&agent.pod("web"), lines.cri());
    agent.until_stored(&[&lines]);
    let resource = resource(&agent, &lines.bodies()[0]);
    assert!(!resource.keys().any(|key| key.starts_with("k8s.pod") || key == "k8s.namespace.name"), "{resource:?}");
    assert_eq!(resource.get("service.name").map(String::as_str), Some("web"));
}
