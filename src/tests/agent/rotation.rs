//! Files that are rotated: renamed, copied and cut, compressed, deleted.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::agent::Agent;
use crate::harness::run::gzip;
use crate::harness::sink::Script;
use crate::harness::written::{Written, append, appending};

/// What kubelet renames a log to.
fn rotated(path: &Path, number: usize) -> PathBuf {
    path.with_file_name(format!("0.log.20261130-1000{number:02}"))
}

/// Renames as kubelet does, and makes the new file as a runtime does.
fn rotate(path: &Path, number: usize) {
    fs::rename(path, rotated(path, number)).unwrap();
    File::create(path).unwrap();
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[test]
fn r1_what_is_written_to_the_old_descriptor_after_a_rotation_comes_too() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    let mut old = appending(&path);
    old.write_all(lines.cri_lines(100).as_bytes()).unwrap();
    agent.until_stored(&[&lines]);
    rotate(&path, 0);
    for delay in [0, 300, 1500] {
        pause(delay);
        old.write_all(lines.cri_lines(20).as_bytes()).unwrap();
    }
    drop(old);
    append(&path, lines.cri_lines(50));
    agent.expect_once(&[&lines]);
}

#[test]
fn r2_many_rotations_between_two_looks() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(10));
    agent.until_stored(&[&lines]);
    agent.blindly(|| {
        for number in 0..6 {
            append(&path, lines.cri_lines(100));
            rotate(&path, number);
        }
        append(&path, lines.cri_lines(5));
    });
    agent.expect_once(&[&lines]);
}

#[test]
fn r3_what_rotation_deletes_while_nothing_is_taken_is_counted_as_lost() {
    let mut agent = Agent::new(Script { unauthorized: true, ..Script::default() });
    agent.start();
    let (path, mut kept) = (agent.pod("web"), Written::new("web"));
    // More than the agent may keep open, all of it unread.
    append(&path, kept.cri_lines(10));
    agent.running().until(|| agent.sink.sink.requests() > 0);
    for number in 0..3 {
        append(&path, kept.cri_lines(300));
        rotate(&path, number);
        pause(50);
    }
    // Compressed from a copy and deleted, as kubelet does it.
    let plain = fs::read(rotated(&path, 0)).unwrap();
    fs::write(rotated(&path, 0).with_extension("20261130-100000.tmp"), gzip(&plain)).unwrap();
    fs::rename(rotated(&path, 0).with_extension("20261130-100000.tmp"), format!("{}.gz", rotated(&path, 0).display()))
        .unwrap();
    fs::remove_file(rotated(&path, 0)).unwrap();
    agent.sink.sink.follow(Script::default());
    agent.expect_once(&[&kept]);
}

#[test]
fn r4_rotation_while_the_output_is_blocked() {
    let mut agent = Agent::new(Script { hang: 1, ..Script::default() });
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for number in 0..8 {
        append(&path, lines.cri_lines(3000));
        pause(60);
        rotate(&path, number);
    }
    append(&path, lines.cri_lines(10));
    agent.until_stored(&[&lines]);
    assert_eq!(agent.fate(&[&lines]).odd, Vec::<String>::new());
}

#[test]
fn r5_a_file_that_is_copied_and_cut_and_grows_again() {
    for count in [3, 400] {
        let agent = Agent::started();
        let (path, mut lines) = (agent.pod("web"), Written::new("web"));
        append(&path, lines.cri_lines(100));
        agent.until_stored(&[&lines]);
        agent.blindly(|| {
            append(&path, lines.cri_lines(20));
            fs::copy(&path, rotated(&path, 0)).unwrap();
            File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
            // Shorter than before, and longer.
            append(&path, lines.cri_lines(count));
        });
        agent.expect_once(&[&lines]);
    }
}

#[test]
fn r6_a_file_that_is_cut_and_begins_with_the_same_line() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    let first = lines.cri();
    append(&path, format!("{first}{}", lines.cri_lines(50)));
    agent.until_stored(&[&lines]);
    let again = first.trim_end().split_once(" F ").unwrap().1.to_owned();
    agent.blindly(|| {
        fs::write(&path, "").unwrap();
        append(&path, format!("{first}{}", lines.cri_lines(80)));
    });
    lines.expect(&again);
    agent.expect_once(&[&lines]);
}

#[test]
fn r7_a_file_that_is_deleted_and_made_anew() {
    let mut agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for is_up in [true, false, true] {
        append(&path, lines.cri_lines(30));
        agent.until_stored(&[&lines]);
        let anew = |lines: &mut Written| {
            fs::remove_file(&path).unwrap();
            append(&path, lines.cri_lines(40));
        };
        if is_up {
            agent.blindly(|| anew(&mut lines));
        } else {
            pause(400);
            agent.stop();
            anew(&mut lines);
            agent.start();
        }
        agent.until_stored(&[&lines]);
    }
    agent.expect_once(&[&lines]);
}

#[test]
fn r11_a_file_that_is_deleted_at_once_and_one_of_its_name_that_follows() {
    let agent = Agent::started();
    let path = agent.pod("web");
    let mut lines = Written::new("web");
    append(&path, lines.cri_lines(10));
    agent.until_stored(&[&lines]);
    for _ in 0..5 {
        append(&path, lines.cri_lines(200));
        // What nobody had the time to open is gone.
        agent.until_stored(&[&lines]);
        fs::remove_file(&path).unwrap();
        append(&path, lines.cri_lines(10));
        agent.until_stored(&[&lines]);
    }
    agent.expect_once(&[&lines]);
}

#[test]
fn r12_a_file_that_is_replaced_in_one_step() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(50));
    agent.until_stored(&[&lines]);
    for count in [80, 5] {
        let fresh = path.with_file_name("fresh");
        agent.blindly(|| {
            fs::write(&fresh, lines.cri_lines(count)).unwrap();
            fs::rename(&fresh, &path).unwrap();
        });
        agent.until_stored(&[&lines]);
    }
    agent.expect_once(&[&lines]);
}

#[test]
fn r13_a_pod_that_is_deleted_and_made_anew_while_nothing_is_taken() {
    let mut agent = Agent::new(Script { unauthorized: true, ..Script::default() });
    agent.start();
    let path = agent.pod("web");
    let mut lines = Written::new("web");
    append(&path, lines.cri_lines(500));
    agent.running().until(|| agent.sink.sink.requests() > 0);
    append(&path, lines.cri_lines(500));
    pause(6000);
    fs::remove_dir_all(path.parent().unwrap().parent().unwrap()).unwrap();
    append(&path, lines.cri_lines(500));
    pause(300);
    agent.sink.sink.follow(Script::default());
    agent.expect_once(&[&lines]);
}

#[test]
fn r18_files_that_live_for_a_moment() {
    let agent = Agent::started();
    let mut all = Vec::new();
    for number in 0..10 {
        let path = agent.pod(&format!("job-{number}"));
        let mut lines = Written::new(&format!("job-{number}"));
        append(&path, lines.cri_lines(100));
        agent.until_stored(&[&lines]);
        fs::remove_dir_all(path.parent().unwrap().parent().unwrap()).unwrap();
        all.push(lines);
    }
    agent.expect_once(&all.iter().collect::<Vec<_>>());
}

#[test]
fn n9_a_plain_file_that_is_replaced_by_its_gz_between_two_looks() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(50));
    agent.until_stored(&[&lines]);
    agent.blindly(|| {
        append(&path, lines.cri_lines(50));
        rotate(&path, 0);
        append(&path, lines.cri_lines(7));
        let packed = gzip(&fs::read(rotated(&path, 0)).unwrap());
        fs::write(format!("{}.gz", rotated(&path, 0).display()), packed).unwrap();
        fs::remove_file(rotated(&path, 0)).unwrap();
    });
    agent.expect_once(&[&lines]);
}

#[test]
fn n13_rotation_under_load() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for number in 0..60 {
        let mut file = appending(&path);
        for _ in 0..5 {
            file.write_all(lines.cri_lines(40).as_bytes()).unwrap();
            pause(3);
        }
        fs::rename(&path, rotated(&path, number)).unwrap();
        file.write_all(lines.cri_lines(3).as_bytes()).unwrap();
        if number >= 5 {
            let _ = fs::remove_file(rotated(&path, number - 5));
        }
    }
    agent.expect_once(&[&lines]);
}

#[test]
fn n17_a_file_that_is_renamed_back() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(50));
    agent.until_stored(&[&lines]);
    for _ in 0..3 {
        fs::rename(&path, rotated(&path, 0)).unwrap();
        pause(100);
        fs::rename(rotated(&path, 0), &path).unwrap();
        append(&path, lines.cri_lines(20));
        pause(200);
    }
    agent.expect_once(&[&lines]);
}

#[test]
fn r3_what_is_cut_while_nothing_is_taken_is_lost_and_counted_to_the_byte() {
    let mut agent = Agent::new(Script { unauthorized: true, ..Script::default() });
    agent.may_take("16MiB");
    agent.start();
    let path = agent.pod("web");
    let mut written = Written::new("web");
    // More than it may hold.
    let text = written.cri_lines(150_000);
    append(&path, &text);
    agent.running().until(|| agent.sink.sink.requests() > 0);
    // It has seen all of the file, and reads no more of it.
    let behind = || agent.metric("spanline_lag_bytes{input=\"pods\"}");
    let before = std::cell::Cell::new(0);
    agent.running().until(|| {
        pause(500);
        let now = behind();
        now > 0 && before.replace(now) == now
    });
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    let mut after = Written::new("after");
    append(&path, after.cri_lines(10));
    agent.running().until(|| agent.metric("spanline_bytes_lost_total{reason=\"truncated\"}") > 0);
    agent.sink.sink.follow(Script::default());
    agent.until_stored(&[&after]);
    let lost = agent.metric("spanline_bytes_lost_total{reason=\"truncated\"}");
    let missing = agent.fate(&[&written, &after]).lost;
    assert!(!missing.is_empty() && missing.len() < 150_000, "{}", missing.len());
    let is_missing: std::collections::HashSet<&str> = missing.iter().map(String::as_str).collect();
    let bytes = text.lines().filter(|line| is_missing.contains(line.split_once(" F ").unwrap().1));
    assert_eq!(lost, bytes.map(|line| line.len() as u64 + 1).sum::<u64>());
}

#[test]
fn n4_a_file_that_begins_like_one_that_vanished_is_another() {
    let agent = Agent::started();
    let path = agent.place.path("logs/app.log");
    let (mut lines, head) = (Written::new("app"), "the same banner\n".repeat(80));
    append(&path, format!("{head}{}\n", lines.body()));
    agent.until_stored(&[&lines]);
    agent.blindly(|| {
        fs::remove_file(&path).unwrap();
        append(&path, format!("{head}{}\n{}\n", lines.body(), lines.body()));
    });
    (0..160).for_each(|_| lines.expect("the same banner"));
    agent.expect_once(&[&lines]);
}

#[test]
fn n10_a_file_that_is_copied_and_cut_and_begins_with_the_same_kibibyte() {
    let agent = Agent::started();
    let path = agent.place.path("logs/app.log");
    let (mut lines, head) = (Written::new("app"), "the same banner\n".repeat(80));
    append(&path, format!("{head}{}\n", lines.body()));
    agent.until_stored(&[&lines]);
    for number in 1..4 {
        agent.blindly(|| {
            append(&path, format!("{}\n", lines.body()));
            fs::copy(&path, path.with_file_name(format!("app.log.{number}"))).unwrap();
            File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
            append(&path, format!("{head}{}\n{}\n", lines.body(), lines.body()));
        });
        agent.until_stored(&[&lines]);
    }
    (0..4 * 80).for_each(|_| lines.expect("the same banner"));
    agent.until_stored(&[&lines]);
    assert_eq!(agent.fate(&[&lines]).odd, Vec::<String>::new());
}
