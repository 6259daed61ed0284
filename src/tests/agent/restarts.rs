//! Agents that are killed, stopped and started again, and states that are damaged.

use std::fs;
use std::time::{Duration, Instant};

use crate::harness::agent::Agent;
use crate::harness::run::gzip;
use crate::harness::sink::Script;
use crate::harness::written::{Written, append};

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// What came of a run that was killed again and again.
#[derive(Debug)]
struct Killed {
    lines: usize,
    copies: usize,
    /// For how long what came again had been stored when the agent was killed that sent it: the longest.
    stored_before_kill: Duration,
    /// Copies of what had been stored for longer than 100 ms then.
    late_copies: usize,
}

impl std::fmt::Display for Killed {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Killed { lines, copies, stored_before_kill, late_copies } = self;
        write!(
            to,
            "{lines} lines, 0 lost, {copies} copies, of what had been stored for at most {} ms before a kill; \
             {late_copies} of these for over 100 ms",
            stored_before_kill.as_millis()
        )
    }
}

/// Each cycle writes, rotates now and then, and kills the agent at some moment.
fn killed(cycles: usize) -> Killed {
    let mut agent = Agent::new(Script::default());
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut kills = Vec::new();
    for cycle in 0..cycles {
        agent.start();
        let until = Instant::now() + Duration::from_millis(50 + next(450));
        while Instant::now() < until {
            append(&path, lines.cri_lines(1 + next(60) as usize));
            pause(next(8));
        }
        if next(3) == 0 {
            fs::rename(&path, path.with_file_name(format!("0.log.20261130-{cycle:06}"))).unwrap();
        }
        kills.push(Instant::now());
        agent.kill();
        append(&path, lines.cri_lines(next(20) as usize));
    }
    agent.start();
    // Of so many lines it takes long to see which are missing.
    let start = Instant::now();
    while agent.sink.sink.stored_count() < lines.len() && start.elapsed() < Duration::from_secs(120) {
        pause(20);
    }
    pause(500);
    let fate = agent.fate(&[&lines]);
    assert_eq!((fate.lost.len(), fate.odd.len()), (0, 0), "{fate:?}");
    let last_kill = |again: Instant| kills[..kills.partition_point(|kill| *kill < again)].last().copied();
    let stored_for: Vec<Duration> = agent
        .sink
        .sink
        .again()
        .into_iter()
        .map(|(first, again)| {
            let kill = last_kill(again).expect("nothing comes again before a kill");
            kill.saturating_duration_since(first)
        })
        .collect();
    Killed {
        lines: lines.len(),
        copies: fate.copies,
        stored_before_kill: stored_for.iter().max().copied().unwrap_or_default(),
        late_copies: stored_for.iter().filter(|stored| **stored > Duration::from_millis(100)).count(),
    }
}

#[test]
fn c1_killed_again_and_again_under_rotation_nothing_is_lost() {
    // How many copies there are depends on how busy the machine is.
    println!("{}", killed(12));
}

#[test]
fn c1_what_was_acknowledged_and_written_down_never_comes_again() {
    let mut agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for cycle in 0..8 {
        append(&path, lines.cri_lines(200));
        if cycle % 3 == 1 {
            fs::rename(&path, path.with_file_name(format!("0.log.20261130-{cycle:06}"))).unwrap();
            append(&path, lines.cri_lines(200));
        }
        agent.until_stored(&[&lines]);
        pause(300);
        agent.kill();
        append(&path, lines.cri_lines(100));
        if cycle % 3 == 2 {
            fs::rename(&path, path.with_file_name(format!("0.log.20261130-{cycle:06}"))).unwrap();
        }
        agent.start();
    }
    agent.expect_once(&[&lines]);
    // Nor is it read again: files that were rotated away are finished.
    let read = agent.metric("spanline_lines_read_total{input=\"pods\"}");
    assert!(read < 200, "{read} lines read");
}

/// `cargo test --release --test tests -- --ignored a_thousand_kills --nocapture`
#[test]
#[ignore = "takes ten minutes"]
fn c1_a_thousand_kills() {
    let cycles = std::env::var("SPANLINE_KILLS").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(1000);
    println!("{cycles} kills: {}", killed(cycles));
}

#[test]
fn c2_a_state_that_is_damaged_is_set_aside_and_holds_nobody_from_starting() {
    for damage in [&b""[..], b"garbage", b"spanline positions 999\n"] {
        let mut agent = Agent::started();
        let (path, mut lines) = (agent.pod("web"), Written::new("web"));
        append(&path, lines.cri_lines(20));
        agent.until_stored(&[&lines]);
        agent.stop();
        let state = agent.place.path("state");
        let folders = fs::read_dir(&state).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
        for folder in folders {
            fs::write(folder.join("positions"), damage).unwrap();
            fs::write(folder.join("positions.new"), "left over").unwrap();
        }
        append(&path, lines.cri_lines(20));
        agent.start();
        agent.until_stored(&[&lines]);
        agent.stop().says("set aside");
    }
}

#[test]
fn c5_a_state_that_cannot_be_written_stops_no_line_and_is_written_again_once_it_can_be() {
    let mut agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(10));
    agent.until_stored(&[&lines]);
    agent.stop();
    // A folder in the place of the file that is written before it takes the place of the one that there is.
    let state = agent.place.path("state");
    let folders = fs::read_dir(&state).unwrap().flatten().map(|entry| entry.path());
    let folder = folders.filter(|path| path.is_dir()).last().unwrap();
    fs::remove_file(folder.join("positions")).unwrap();
    fs::create_dir(folder.join("positions.new")).unwrap();
    agent.start();
    agent.running().until_says("the state cannot be written");
    append(&path, lines.cri_lines(20));
    agent.until_stored(&[&lines]);
    assert!(agent.asked("/readyz").contains("state"), "{}", agent.asked("/readyz"));
    fs::remove_dir(folder.join("positions.new")).unwrap();
    agent.running().until_says("the state can be written again");
    pause(300);
    agent.kill();
    let copies = agent.fate(&[&lines]).copies;
    append(&path, lines.cri_lines(20));
    agent.start();
    agent.until_stored(&[&lines]);
    pause(300);
    assert_eq!(agent.fate(&[&lines]).copies, copies);
}

#[test]
fn two_agents_never_share_a_state() {
    let mut agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(3));
    agent.until_stored(&[&lines]);
    let ran = agent.place.run(&["agent", "--config", "agent.yaml"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    ran.says("in use");
    agent.stop();
}

#[test]
fn n5_a_file_that_is_copied_and_cut_while_the_agent_is_down() {
    for count in [2, 300] {
        let mut agent = Agent::started();
        let (path, mut lines) = (agent.pod("web"), Written::new("web"));
        append(&path, lines.cri_lines(100));
        agent.until_stored(&[&lines]);
        pause(300);
        agent.kill();
        append(&path, lines.cri_lines(50));
        fs::copy(&path, path.with_file_name("0.log.1")).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        append(&path, lines.cri_lines(count));
        agent.start();
        agent.until_stored(&[&lines]);
        pause(300);
        assert_eq!(agent.fate(&[&lines]).odd, Vec::<String>::new());
    }
}

#[test]
fn n6_half_a_line_at_a_stop_and_a_gz_that_was_read_to_its_end() {
    let mut agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(40));
    agent.until_stored(&[&lines]);
    let line = lines.cri();
    let (first, last) = line.split_at(line.len() / 2);
    append(&path, first);
    pause(300);
    assert_eq!(agent.stop().code, Some(0));
    append(&path, last);
    append(&path, lines.cri_lines(5));
    let plain = fs::read(&path).unwrap();
    fs::write(path.with_file_name("0.log.20261130-100000.gz"), gzip(&plain)).unwrap();
    fs::remove_file(&path).unwrap();
    append(&path, lines.cri_lines(5));
    agent.start();
    agent.expect_once(&[&lines]);
    pause(400);
    assert_eq!(agent.stop().code, Some(0));
    agent.start();
    append(&path, lines.cri_lines(5));
    agent.expect_once(&[&lines]);
}

#[test]
fn n7_a_place_beyond_the_end_of_the_same_file() {
    let mut agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(100));
    agent.until_stored(&[&lines]);
    pause(300);
    agent.kill();
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    append(&path, lines.cri_lines(5));
    agent.start();
    agent.expect_once(&[&lines]);
}

#[test]
fn a_line_that_waits_does_not_make_its_neighbours_come_twice() {
    let mut agent = Agent::new(Script { poison: Some("poison"), ..Script::default() });
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(500));
    append(&path, crate::harness::written::cri("F", "poison"));
    append(&path, lines.cri_lines(500));
    agent.until_stored(&[&lines]);
    pause(400);
    agent.kill();
    let before = agent.fate(&[&lines]).copies;
    agent.start();
    append(&path, lines.cri_lines(5));
    agent.until_stored(&[&lines]);
    pause(500);
    assert!(agent.fate(&[&lines]).copies - before < 50, "{:?}", agent.fate(&[&lines]).copies);
}
