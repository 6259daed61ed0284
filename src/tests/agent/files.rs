//! Files that are odd, or not what they seem.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::harness::agent::Agent;
use crate::harness::written::{Written, append, appending, cri};

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[test]
fn r8_files_that_begin_alike() {
    let agent = Agent::started();
    let head: String = (0..20).map(|_| cri("F", &"the same banner ".repeat(8))).collect();
    let mut all = Vec::new();
    for name in ["a", "b", "c"] {
        let mut lines = Written::new(name);
        (0..20).for_each(|_| lines.expect(&"the same banner ".repeat(8)));
        append(&agent.pod(name), format!("{head}{}", lines.cri_lines(10)));
        all.push(lines);
    }
    agent.expect_once(&all.iter().collect::<Vec<_>>());
}

#[test]
fn r9_a_line_that_comes_byte_by_byte() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("slow"), Written::new("slow"));
    let mut file = appending(&path);
    for byte in lines.cri_lines(3).bytes() {
        file.write_all(&[byte]).unwrap();
        pause(2);
    }
    agent.expect_once(&[&lines]);
}

#[test]
fn r10_links_lead_nowhere_but_where_they_may() {
    let agent = Agent::started();
    let secret = agent.place.path("secret.txt");
    append(&secret, "a secret\n");
    let folder = agent.pod("evil").parent().unwrap().to_owned();
    fs::create_dir_all(&folder).unwrap();
    symlink(&secret, folder.join("0.log")).unwrap();
    symlink("nowhere", folder.join("1.log")).unwrap();
    symlink("2.log", folder.join("2.log")).unwrap();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(20));
    agent.until_stored(&[&lines]);
    // A file becomes a link, and a folder one.
    fs::remove_file(&path).unwrap();
    symlink(&secret, &path).unwrap();
    let other = agent.pod("other");
    fs::create_dir_all(other.parent().unwrap().parent().unwrap()).unwrap();
    symlink(agent.place.path(""), other.parent().unwrap()).unwrap();
    pause(2500);
    fs::remove_file(&path).unwrap();
    append(&path, lines.cri_lines(20));
    agent.expect_once(&[&lines]);
}

#[test]
fn r14_a_file_that_cannot_be_read_holds_no_other() {
    let agent = Agent::started();
    // A folder in a file's place, a pipe, and a file in a folder's.
    fs::create_dir_all(agent.pod("folder")).unwrap();
    let pipe = agent.pod("pipe");
    fs::create_dir_all(pipe.parent().unwrap()).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_bits_truncate(0o600),
        0,
    )
    .unwrap();
    agent.place.write("pods/default_file_uid", "no folder\n");
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(20));
    agent.expect_once(&[&lines]);
}

#[test]
fn n14_files_that_stay_short() {
    let agent = Agent::started();
    let mut all = Vec::new();
    for number in 0..30 {
        let mut lines = Written::new(&format!("short-{number}"));
        append(&agent.pod(&format!("short-{number}")), lines.cri());
        all.push(lines);
    }
    agent.expect_once(&all.iter().collect::<Vec<_>>());
}

#[test]
fn n16_folders_that_are_made_at_once_with_their_files() {
    let agent = Agent::started();
    let mut all = Vec::new();
    for number in 0..40 {
        let mut lines = Written::new(&format!("pod-{number}"));
        append(&agent.pod(&format!("pod-{number}")), lines.cri_lines(3));
        all.push(lines);
    }
    agent.expect_once(&all.iter().collect::<Vec<_>>());
}

#[test]
fn n18_nul_lines_are_left_out_and_ids_in_the_text_are_taken() {
    let agent = Agent::started();
    let path = agent.place.path("logs/app.log");
    let mut lines = Written::new("app");
    append(&path, format!("{}\n", lines.body()));
    append(&path, b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\n");
    append(&path, format!("{}\n", lines.body()));
    agent.expect_once(&[&lines]);
}

#[test]
fn an_agent_that_starts_at_the_end_reads_what_comes_from_then_on() {
    let mut agent = Agent::new(crate::harness::sink::Script::default());
    let (path, mut before) = (agent.pod("web"), Written::new("before"));
    append(&path, before.cri_lines(50));
    agent.starts_at("end");
    agent.start();
    agent.running().until_said_after("http://", |_| Some(()));
    pause(500);
    let mut after = Written::new("after");
    append(&path, after.cri_lines(50));
    append(&agent.pod("new"), after.cri_lines(50));
    agent.expect_once(&[&after]);
    agent.stop();
    append(&path, after.cri_lines(5));
    agent.start();
    agent.expect_once(&[&after]);
}

#[test]
fn n15_more_changes_than_can_be_told() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").ok();
    let limit: usize = limit.and_then(|limit| limit.trim().parse().ok()).unwrap_or(16_384);
    if limit > 50_000 {
        eprintln!("left out: {limit} changes may be told");
        return;
    }
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(10));
    agent.until_stored(&[&lines]);
    let mut late = Written::new("late");
    agent.blindly(|| {
        let folder = path.parent().unwrap();
        for _ in 0..limit / 2 {
            fs::File::create(folder.join("noise")).unwrap();
            fs::remove_file(folder.join("noise")).unwrap();
        }
        append(&agent.pod("late"), late.cri_lines(10));
        append(&path, lines.cri_lines(10));
    });
    agent.expect_once(&[&lines, &late]);
    agent.running().until_says("more files changed at once than was told");
}
