//! What the user wants done with lines, while they are followed: what is dropped is settled as what is delivered is.

use crate::harness::agent::Agent;
use crate::harness::sink::Script;
use crate::harness::written::{Written, append, cri};

const RULES: &str = "
parsers:
  - {name: shop, match: {pods: [web]}, regex: '^\\[(?P<severity>\\w+)\\] (?P<body>.*)$', multiline: {start: '^\\['}}
filter:
  exclude:
    - {name: noise, pods: [noisy]}
    - {below: info}
redact: {builtin: [password]}
";

fn agent() -> Agent {
    let mut agent = Agent::new(Script::default());
    agent.has_rules(RULES);
    agent
}

#[test]
fn lines_are_read_kept_and_blacked_out_by_rules() {
    let mut agent = agent();
    agent.start();
    let mut expected = Written::new("web");
    append(&agent.pod("noisy"), cri("F", "nobody wants this") + &cri("F", "nor this"));
    append(
        &agent.pod("web"),
        ["[WARN] paid late", "  by someone", "[DEBUG] idle", "[INFO] login password=hunter2", "[INFO] end"]
            .map(|line| cri("F", line))
            .concat(),
    );
    ["paid late\n  by someone", "login password=[redacted]", "end"].iter().for_each(|body| expected.expect(body));
    agent.expect_once(&[&expected]);
    assert_eq!(agent.metric("spanline_records_dropped_total{reason=\"noise\"}"), 2);
    assert_eq!(agent.metric("spanline_records_dropped_total{reason=\"excluded\"}"), 1);
    assert_eq!(agent.metric("spanline_redactions_total{rule=\"password\"}"), 1);
    assert_eq!(agent.metric("spanline_parser_matched_total{parser=\"shop\"}"), 4);
}

#[test]
fn what_is_dropped_is_not_read_again() {
    let mut agent = agent();
    agent.start();
    let mut lines = Written::new("web");
    let noise = |count: usize| (0..count).map(|number| cri("F", &format!("noise {number}"))).collect::<String>();
    append(&agent.pod("noisy"), noise(1000));
    append(&agent.pod("web"), cri("F", &lines.body()) + &cri("F", "[DEBUG] idle"));
    agent.until_stored(&[&lines]);
    agent.running().until(|| agent.metric("spanline_records_dropped_total{reason=\"noise\"}") == 1000);
    let end = agent.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    // With other rules all would come that is read.
    agent.has_rules("");
    agent.start();
    append(&agent.pod("noisy"), cri("F", &lines.body()));
    append(&agent.pod("web"), cri("F", &lines.body()));
    agent.expect_once(&[&lines]);
}

#[test]
fn a_kill_between_lines_that_are_dropped_loses_none_that_are_kept() {
    let mut agent = agent();
    agent.start();
    let mut lines = Written::new("web");
    for round in 0..3 {
        let mixed: String =
            (0..300).map(|_| cri("F", "[DEBUG] idle") + &cri("F", &format!("[INFO] {}", lines.body()))).collect();
        append(&agent.pod("web"), mixed);
        if round < 2 {
            agent.kill();
            agent.start();
        }
    }
    agent.until_stored(&[&lines]);
    let end = agent.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    let fate = agent.fate(&[&lines]);
    assert!(fate.lost.is_empty(), "{fate:?}");
}
