//! Lines that come in parts, are torn, long, or no text.

use std::fs;
use std::time::Duration;

use crate::harness::agent::Agent;
use crate::harness::written::{Written, append, cri, cri_of};

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// A line in so many parts, each as the runtime writes it.
fn in_parts(body: &str, parts: usize) -> Vec<String> {
    let length = body.len().div_ceil(parts);
    let pieces: Vec<&str> =
        (0..parts).map(|at| &body[(at * length).min(body.len())..((at + 1) * length).min(body.len())]).collect();
    pieces.iter().enumerate().map(|(at, piece)| cri(if at + 1 == parts { "F" } else { "P" }, piece)).collect()
}

#[test]
fn p1_parts_with_a_rotation_between_them() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for number in 0..3 {
        let parts = in_parts(&lines.body_of(&"x".repeat(3000)), 3);
        append(&path, format!("{}{}", parts[0], parts[1]));
        pause(150);
        fs::rename(&path, path.with_file_name(format!("0.log.20261130-1000{number:02}"))).unwrap();
        append(&path, &parts[2]);
        append(&path, lines.cri_lines(3));
    }
    agent.expect_once(&[&lines]);
}

#[test]
fn p2_parts_of_two_streams_mixed() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for _ in 0..20 {
        let (out, err) = (lines.body_of(&"o".repeat(500)), lines.body());
        let (first, last) = out.split_at(200);
        append(&path, cri_of("stdout", "P", first));
        append(&path, cri_of("stderr", "F", &err));
        append(&path, cri_of("stdout", "F", last));
    }
    agent.expect_once(&[&lines]);
}

#[test]
fn p3_a_part_whose_rest_never_comes() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(3));
    let body = lines.body();
    append(&path, cri("P", &body));
    agent.expect_once(&[&lines]);
}

#[test]
fn p5_no_half_record_after_a_kill_between_parts() {
    let mut agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for _ in 0..3 {
        append(&path, lines.cri_lines(10));
        agent.until_stored(&[&lines]);
        let parts = in_parts(&lines.body_of(&"y".repeat(500)), 2);
        append(&path, &parts[0]);
        pause(400);
        agent.kill();
        append(&path, &parts[1]);
        agent.start();
        agent.until_stored(&[&lines]);
    }
    assert_eq!(agent.fate(&[&lines]).odd, Vec::<String>::new());
}

#[test]
fn p6_odd_tags_and_ends_of_lines() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    let body = lines.body();
    append(&path, cri("F:tag", &body));
    let body = lines.body();
    append(&path, cri("F", &format!("{body}\r")));
    lines.expect("");
    append(&path, cri("F", ""));
    append(&path, lines.cri_lines(2));
    agent.until_stored(&[&lines].map(|lines| lines));
}

#[test]
fn p7_long_lines_come_whole_up_to_the_limit_and_in_pieces_beyond() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for length in [16_383, 16_384, 16_385, 32_768, 102_400] {
        let body = lines.body_of(&"z".repeat(length));
        in_parts(&body, body.len().div_ceil(16_384)).iter().for_each(|part| append(&path, part));
    }
    agent.expect_once(&[&lines]);
    // As one line of a plain file, beyond the limit: all of its bytes come.
    let path = agent.place.path("logs/long.log");
    append(&path, format!("{}\n", "q".repeat(2_500_000)));
    append(&path, format!("{}\n", lines.body()));
    agent.until_stored(&[&lines]);
    let pieces = |agent: &Agent| -> usize {
        let stored = agent.sink.sink.stored();
        stored.iter().filter(|(body, _)| body.starts_with("qqq")).map(|(body, count)| body.len() * count).sum()
    };
    agent.running().until(|| pieces(&agent) >= 2_500_000);
    assert_eq!(pieces(&agent), 2_500_000);
}

#[test]
fn p8_bytes_that_are_no_text() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, [cri("F", "").trim_end().as_bytes(), b" bad \xff\xfe bytes\n"].concat());
    lines.expect("bad \\xff\\xfe bytes");
    append(&path, lines.cri_lines(3));
    agent.until_stored(&[&lines]);
}

#[test]
fn n1_a_line_that_was_torn() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(3));
    let torn = cri("F", "this line was torn in its midd");
    append(&path, torn.trim_end());
    pause(300);
    append(&path, lines.cri_lines(3));
    // What was torn and what came behind it are one line, of which nothing is lost.
    let is_there = |agent: &Agent, text: &str| agent.sink.sink.stored().keys().any(|body| body.contains(text));
    agent.running().until(|| {
        is_there(&agent, "torn in its midd") && is_there(&agent, "line 3 of") && is_there(&agent, "line 5 of")
    });
}

#[test]
fn p4_a_line_without_an_end_takes_no_more_memory_than_any_other() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    let part = cri("P", &"m".repeat(16_000));
    let (parts, rounds) = (64, 40);
    for _ in 0..rounds {
        append(&path, part.repeat(parts));
    }
    append(&path, cri("F", "end"));
    append(&path, lines.cri_lines(3));
    agent.until_stored(&[&lines]);
    let bytes = |agent: &Agent| -> usize {
        let stored = agent.sink.sink.stored();
        stored.iter().filter(|(body, _)| body.starts_with("mmm")).map(|(body, count)| body.len() * count).sum()
    };
    let expected = 16_000 * parts * rounds;
    agent.running().until(|| bytes(&agent) >= expected);
    assert_eq!(bytes(&agent), expected + "end".len());
    // The whole line is 41 MB.
    let status = fs::read_to_string(format!("/proc/{}/status", agent.running().child.id())).unwrap();
    let most =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    assert!(most.unwrap() < 41_000, "{most:?} kB");
}

#[test]
fn n2_parts_of_both_streams_of_which_neither_is_finished() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    let (out, err) = (lines.body_of(&"o".repeat(300)), lines.body_of(&"e".repeat(300)));
    for (stream, body) in [("stdout", &out), ("stderr", &err)] {
        append(&path, cri_of(stream, "P", &body[..100]));
    }
    for (stream, body) in [("stderr", &err), ("stdout", &out)] {
        append(&path, cri_of(stream, "P", &body[100..200]));
    }
    pause(400);
    for (stream, body) in [("stdout", &out), ("stderr", &err)] {
        append(&path, cri_of(stream, "F", &body[200..]));
    }
    append(&path, lines.cri_lines(3));
    agent.expect_once(&[&lines]);
}

#[test]
fn p10_lines_of_docker_and_of_the_cri_in_one_tree() {
    let agent = Agent::started();
    let (cri_lines, docker_lines) = (&mut Written::new("cri"), &mut Written::new("docker"));
    append(&agent.pod("cri"), cri_lines.cri_lines(20));
    for _ in 0..20 {
        let body = docker_lines.body();
        let line = format!(r#"{{"log":"{body}\n","stream":"stdout","time":"2026-11-30T10:00:00.123456789Z"}}"#);
        append(&agent.pod("docker"), line + "\n");
    }
    agent.expect_once(&[cri_lines, docker_lines]);
}

#[test]
fn many_lines_without_an_end_take_no_more_memory_than_they_may() {
    let mut agent = Agent::new(crate::harness::sink::Script::default());
    agent.may_take("16MiB");
    agent.start();
    let (pods, parts) = (12, 60);
    for number in 0..pods {
        append(&agent.pod(&format!("web-{number}")), cri("P", &"m".repeat(15_000)).repeat(parts));
    }
    let limit = "spanline_limits_reached_total{limit=\"held_lines\"}";
    agent.running().until(|| agent.metric(limit) > 0);
    (0..pods).for_each(|number| append(&agent.pod(&format!("web-{number}")), cri("F", "end")));
    let bytes =
        |agent: &Agent| -> usize { agent.sink.sink.stored().iter().map(|(body, count)| body.len() * count).sum() };
    let expected = pods * (15_000 * parts + "end".len());
    agent.running().until(|| bytes(&agent) >= expected);
    assert_eq!(bytes(&agent), expected);
    assert!(agent.metric("spanline_memory_bytes{part=\"lines\"}") < 4 << 20);
}
