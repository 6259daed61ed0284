//! Cases by name, on the file system in memory.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use super::memory::Memory;
use super::recorder::{Follower, Recorder, config};
use crate::input::tail::config::Start;
use crate::input::tail::file_system::FsEvent;

const LOG: &str = "/l/a.log";

fn lines(from: usize, to: usize) -> String {
    (from..to).map(|number| format!("line {number} of the log, {}\n", "x".repeat(number % 50))).collect()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As kubelet does it: from a copy beside it, which gets its name when it is whole.
fn compress(memory: &Memory, path: &str) {
    let packed = gzip(&memory.read(path).unwrap());
    memory.writer(&format!("{path}.tmp")).append(&packed);
    memory.rename(&format!("{path}.tmp"), &format!("{path}.gz"));
    memory.remove(path);
}

#[test]
fn where_no_files_are_followed_there_is_nothing_to_look_at() {
    use crate::input::tail::config::TailConfig;
    use crate::input::tail::follower::Tail;
    use std::time::Instant;
    let (config, now) = (TailConfig { inputs: Vec::new(), ..config(Start::End) }, Instant::now());
    let (mut tail, mut sink) = (Tail::new(&config, Memory::default(), Vec::new(), now), Recorder::default());
    for second in 1..10 {
        let later = now + Duration::from_secs(second);
        tail.look(later, &mut sink);
        assert!(tail.next_look() > later + Duration::from_secs(1_000));
    }
}

fn begun(text: &str) -> (Memory, Follower<Memory>) {
    let memory = Memory::default();
    memory.append(LOG, text);
    let mut follower = Follower::on(&memory, Start::Beginning);
    follower.pass(100);
    assert_eq!(follower.sink.text(LOG), text);
    (memory, follower)
}

/// A follower that keeps one file open and reads little at a time.
fn narrow(memory: &Memory) -> Follower<Memory> {
    let mut config = config(Start::Beginning);
    (config.limits.open_files_max, config.limits.turn_bytes) = (1, 1);
    Follower::new(memory.clone(), config)
}

fn copy(memory: &Memory, from: &str, to: &str) {
    let bytes = memory.read(from).unwrap();
    memory.writer(to).append(&bytes);
}

fn head() -> String {
    "head of every file\n".repeat(20)
}

#[test]
fn lines_come_as_they_are_finished() {
    let (memory, mut follower) = begun(&lines(0, 100));
    memory.append(LOG, "half a ");
    follower.pass(60_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 100));
    memory.append(LOG, "line\n");
    follower.pass(1);
    assert_eq!(follower.sink.text(LOG), lines(0, 100) + "half a line\n");
    assert_eq!(follower.tail.open_files(), 1);
    follower.pass(60_000);
    assert_eq!(follower.tail.open_files(), 0, "an idle file holds no descriptor");
}

#[test]
fn what_existed_at_the_first_start_is_passed_over() {
    let memory = Memory::default();
    memory.append(LOG, "old\nhalf ");
    memory.append("/l/a.log.1", "older\n");
    let mut follower = Follower::on(&memory, Start::End);
    follower.pass(20_000);
    memory.append(LOG, "a line\nnew\n");
    memory.append("/l/b.log", "all of it\n");
    follower.pass(20_000);
    assert_eq!(follower.sink.text(LOG), "half a line\nnew\n");
    assert_eq!(follower.sink.text("/l/b.log"), "all of it\n");
    let ledger = follower.sink.ledger.clone();
    assert_eq!(ledger.len(), 3);
    follower.restart(ledger);
    follower.pass(20_000);
    assert_eq!(follower.sink.text(LOG), "half a line\nnew\n");
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_next_one() {
    let (memory, mut follower) = begun(&lines(0, 10));
    let old = memory.writer(LOG);
    memory.rename(LOG, "/l/a.log.1");
    memory.append(LOG, &lines(20, 30));
    follower.pass(1_000);
    old.append(lines(10, 20).as_bytes());
    follower.pass(1_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 20));
    follower.pass(5_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 30));
    assert_eq!(follower.sink.continued, 1);
    // Later still: as soon as it is seen.
    old.append(lines(30, 31).as_bytes());
    follower.pass(61_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 31));
    assert_eq!(follower.sink.lost(), 0);
}

#[test]
fn many_rotations_between_two_looks_are_read_in_their_order() {
    let (memory, mut follower) = begun(&lines(0, 10));
    for rotation in 1..4 {
        for older in (1..rotation).rev() {
            memory.rename(&format!("{LOG}.{older}"), &format!("{LOG}.{}", older + 1));
        }
        memory.rename(LOG, &format!("{LOG}.1"));
        memory.append(LOG, &lines(rotation * 10, rotation * 10 + 10));
    }
    follower.pass_blind(90_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 40));
}

#[test]
fn a_copied_and_truncated_file_is_drained_from_its_copy() {
    let (memory, mut follower) = begun(&lines(0, 100));
    memory.append(LOG, &lines(100, 200));
    let copy = memory.read(LOG).unwrap();
    memory.writer("/l/a.log.1").append(&copy);
    memory.truncate(LOG);
    memory.append(LOG, &lines(200, 500));
    follower.pass(10_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 500));
    assert_eq!(follower.sink.lost(), 0);
}

#[test]
fn a_truncated_file_without_a_copy_is_lost_as_far_as_it_was_seen() {
    let (memory, mut follower) = begun(&lines(0, 100));
    memory.append(LOG, &lines(100, 200));
    follower.only_look(Duration::from_millis(2_000), &mut || memory.events());
    memory.truncate(LOG);
    memory.append(LOG, "anew\n");
    follower.pass(2_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 100) + "anew\n");
    assert_eq!(follower.sink.lost(), lines(100, 200).len() as u64);
}

#[test]
fn a_deleted_file_is_drained_and_another_one_may_have_its_inode() {
    let (memory, mut follower) = begun(&lines(0, 10));
    memory.append(LOG, &lines(10, 20));
    follower.only_look(Duration::from_millis(100), &mut || memory.events());
    memory.remove(LOG);
    memory.append(LOG, &lines(20, 30));
    follower.pass(10_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 30));
    follower.pass(10_000);
    memory.remove(LOG);
    memory.append(LOG, &lines(30, 40));
    follower.pass(10_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 40));
    assert_eq!(follower.sink.lost(), 0);
}

#[test]
fn a_file_that_was_read_is_not_read_again_when_it_is_compressed() {
    let (memory, mut follower) = begun(&lines(0, 100));
    memory.rename(LOG, "/l/a.log.1");
    memory.append(LOG, &lines(100, 110));
    follower.pass(10_000);
    compress(&memory, "/l/a.log.1");
    follower.pass(10_000);
    memory.rename("/l/a.log.1.gz", "/l/a.log.2.gz");
    follower.pass(10_000);
    let ledger = follower.sink.ledger.clone();
    follower.restart(ledger);
    follower.pass(100_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 110));
    memory.remove("/l/a.log.2.gz");
    follower.pass(100_000);
    assert_eq!((follower.sink.lost(), follower.sink.ledger.len()), (0, 1));
}

#[test]
fn unread_lines_of_a_file_that_was_compressed_meanwhile_are_read_from_there() {
    for is_open in [false, true] {
        let (memory, mut follower) = begun(&lines(0, 100));
        let ledger = follower.sink.ledger.clone();
        memory.append(LOG, &lines(100, 200));
        if is_open {
            follower.only_look(Duration::from_millis(100), &mut || memory.events());
        }
        memory.rename(LOG, "/l/a.log.1");
        memory.append(LOG, &lines(200, 300));
        compress(&memory, "/l/a.log.1");
        if !is_open {
            follower.restart(ledger);
        }
        follower.pass(100_000);
        assert_eq!(follower.sink.text(LOG), lines(0, 300), "{is_open}");
        assert_eq!(follower.sink.lost(), 0);
    }
}

#[test]
fn compressed_files_that_were_not_known_come_first() {
    let memory = Memory::default();
    memory.writer("/l/a.log.2.gz").append(&gzip(lines(0, 5_000).as_bytes()));
    memory.append("/l/a.log.1", &lines(5_000, 5_100));
    memory.append(LOG, &lines(5_100, 5_200));
    let mut follower = Follower::on(&memory, Start::Beginning);
    follower.pass(10_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 5_200));
    assert_eq!(follower.sink.continued, 2);
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let (memory, mut follower) = begun(&lines(0, 100));
    let ledger = follower.sink.ledger.clone();
    memory.append(LOG, &lines(100, 200));
    memory.rename(LOG, "/l/a.log.1");
    memory.append(LOG, &lines(200, 300));
    follower.restart(ledger);
    // What was rotated away before is not waited for.
    follower.pass(10);
    assert_eq!(follower.sink.text(LOG), lines(0, 300));
}

#[test]
fn another_file_with_the_same_inode_and_size_is_another_file() {
    for is_down in [false, true] {
        let (memory, mut follower) = begun("line 1\nline 2\n");
        follower.pass(10_000);
        let ledger = follower.sink.ledger.clone();
        memory.remove(LOG);
        memory.append(LOG, "line 3\nline 4\n");
        if is_down {
            follower.restart(ledger);
        }
        follower.pass(100_000);
        assert_eq!(follower.sink.text(LOG), "line 1\nline 2\nline 3\nline 4\n", "{is_down}");
    }
}

#[test]
fn two_files_that_begin_alike_are_two_files() {
    let head = "the same head of every file that this program writes, line after line\n".repeat(20);
    let memory = Memory::default();
    let text = |number| head.clone() + &lines(number, number + 10);
    for (number, path) in ["/l/a.log.2", "/l/a.log.1", LOG].into_iter().enumerate() {
        memory.append(path, &text(number * 10));
    }
    memory.append("/l/b.log", &head);
    let mut follower = Follower::on(&memory, Start::Beginning);
    follower.pass(20_000);
    memory.rename(LOG, "/l/a.log.0");
    memory.append(LOG, &text(30));
    follower.pass(20_000);
    assert_eq!(follower.sink.text(LOG), text(0) + &text(10) + &text(20) + &text(30));
    assert_eq!(follower.sink.text("/l/b.log"), head);
}

#[test]
fn a_file_that_cannot_be_read_is_said_once_and_others_go_on() {
    let (memory, mut follower) = begun(&lines(0, 10));
    memory.append("/l/b.log", "one\n");
    memory.fail("/l/b.log", Some(ErrorKind::PermissionDenied));
    memory.append(LOG, &lines(10, 20));
    follower.pass(200_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 20));
    assert_eq!(follower.sink.notices.len(), 1, "{:?}", follower.sink.notices);
    memory.fail("/l/b.log", None);
    follower.pass(61_000);
    assert_eq!(follower.sink.text("/l/b.log"), "one\n");
}

#[test]
fn links_lead_to_files_that_are_read_once_where_they_lie() {
    let memory = Memory::default();
    memory.append("/data/one", "one\n");
    memory.append("/data/two", "two\n");
    memory.folder("/l");
    memory.link(LOG, "/data/one");
    memory.link("/l/b.log", "a.log");
    memory.link("/l/gone.log", "nowhere");
    memory.link("/l/loop.log", "loop.log");
    let mut follower = Follower::on(&memory, Start::Beginning);
    follower.pass(1_000);
    assert_eq!((follower.sink.text("/data/one").as_str(), follower.tail.source_count()), ("one\n", 1));
    memory.remove("/l/b.log");
    memory.remove(LOG);
    memory.link(LOG, "/data/two");
    follower.pass(10_000);
    assert_eq!(follower.sink.text("/data/two"), "two\n");
    assert_eq!(follower.tail.source_count(), 1, "what no link leads to is not followed any more");
    assert!(memory.exists("/data/one"));
}

#[test]
fn a_line_beyond_the_limit_comes_in_pieces_and_one_that_grows_by_bytes_is_read_once() {
    let memory = Memory::default();
    let mut config = config(Start::Beginning);
    config.limits.line_bytes_max = 100;
    config.limits.turn_bytes = 64;
    let mut follower = Follower::new(memory.clone(), config);
    let log = memory.writer(LOG);
    let text = "x".repeat(250) + "\nshort\n" + &"y".repeat(100) + "\n";
    for byte in text.bytes() {
        log.append(&[byte]);
        follower.pass(50);
    }
    assert_eq!(follower.sink.text(LOG), text);
    let pieces: Vec<usize> = follower.sink.pieces.clone();
    assert_eq!(pieces, [100, 100, 51, 6, 101]);
}

#[test]
fn nothing_depends_on_events() {
    let (memory, mut follower) = begun(&lines(0, 10));
    follower.pass_blind(600_000);
    memory.append(LOG, &lines(10, 20));
    memory.append("/pods/shop_web_6a8f6021-1d43-4f44-a2a2-8818a01320fe/app/0.log", "pod\n");
    follower.pass_blind(61_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 20));
    assert_eq!(follower.sink.text("/pods/shop_web_6a8f6021-1d43-4f44-a2a2-8818a01320fe/app/0.log"), "pod\n");
    // Or they are lost, and that is told.
    follower.pass_blind(600_000);
    memory.append(LOG, &lines(20, 30));
    memory.events();
    follower.tail.event(&FsEvent::Overflow, follower.now);
    follower.pass_blind(1);
    assert_eq!(follower.sink.text(LOG), lines(0, 30));
}

#[test]
fn idle_files_cost_little() {
    let memory = Memory::default();
    for number in 0..100 {
        memory.append(&format!("/l/{number}.log"), "one\n");
    }
    let mut follower = Follower::on(&memory, Start::Beginning);
    follower.pass(600_000);
    assert_eq!((follower.tail.open_files(), memory.names().len()), (0, 100));
    let before = memory.looks();
    follower.pass(600_000);
    // One for each in a minute, and for the folder of pods, which is not there, every two seconds.
    assert!(memory.looks() - before < 1_320, "{}", memory.looks() - before);
}

#[test]
fn what_is_no_log_is_left_out_and_said() {
    let memory = Memory::default();
    memory.append("/l/b.log", "SQLite format 3\0 and what follows\n");
    let mut follower = Follower::on(&memory, Start::Beginning);
    follower.pass(10_000);
    assert_eq!(follower.sink.text("/l/b.log"), "");
    assert!(follower.sink.notices[0].contains("an SQLite database"), "{:?}", follower.sink.notices);
}

#[test]
fn what_has_the_inode_and_the_name_of_a_finished_file_may_be_a_copy_of_another_one() {
    for head in [String::new(), head()] {
        let memory = Memory::default();
        memory.append(LOG, &(head.clone() + "one\n"));
        memory.rename(LOG, "/l/a.log.1");
        memory.append(LOG, &(head.clone() + "two, and longer\n"));
        let mut follower = narrow(&memory);
        follower.pass(7_000);
        memory.remove("/l/a.log.1");
        copy(&memory, LOG, "/l/a.log.1");
        memory.truncate(LOG);
        follower.pass(60_000);
        assert_eq!(follower.sink.text(LOG), head.clone() + "one\n" + &head + "two, and longer\n");
        assert_eq!(follower.sink.lost(), 0);
    }
}

#[test]
fn a_finished_file_that_seems_to_have_grown_may_be_a_copy_of_one_that_is_there_or_was() {
    for is_truncated in [false, true] {
        let memory = Memory::default();
        memory.append(LOG, &head());
        let mut follower = narrow(&memory);
        follower.pass(100);
        memory.rename(LOG, "/l/a.log.1");
        memory.append(LOG, &(head() + "one\n"));
        follower.pass(7_000);
        memory.remove("/l/a.log.1");
        copy(&memory, LOG, "/l/a.log.1");
        if is_truncated {
            memory.truncate(LOG);
        }
        follower.pass(60_000);
        assert_eq!(follower.sink.text(LOG), head() + &head() + "one\n", "{is_truncated}");
    }
}

#[test]
fn no_more_is_counted_as_lost_of_a_file_that_was_written_anew_than_it_had() {
    let memory = Memory::default();
    // It takes more than one turn, and keeps the one descriptor.
    memory.append(LOG, &lines(0, 20));
    memory.rename(LOG, "/l/a.log.1");
    memory.append(LOG, "two\n");
    let mut follower = narrow(&memory);
    follower.pass(40);
    memory.truncate(LOG);
    memory.append(LOG, &lines(20, 30));
    follower.pass(10);
    memory.rename("/l/a.log.1", "/l/a.log.2");
    memory.rename(LOG, "/l/a.log.1");
    follower.pass(60_000);
    assert_eq!(follower.sink.text(LOG), lines(0, 30));
    assert_eq!(follower.sink.lost(), 4);
}

#[test]
fn a_copied_file_that_was_written_anew_with_the_same_head_is_drained_from_its_copy() {
    for anew in [String::new(), "anew\n".to_owned(), lines(100, 200)] {
        let memory = Memory::default();
        memory.append(LOG, &head());
        let mut follower = narrow(&memory);
        follower.pass(100);
        memory.append(LOG, &lines(0, 3));
        copy(&memory, LOG, "/l/a.log.1");
        follower.only_look(Duration::from_millis(100), &mut || memory.events());
        memory.truncate(LOG);
        memory.append(LOG, &(head() + &anew));
        follower.pass(60_000);
        assert_eq!(follower.sink.text(LOG), head() + &lines(0, 3) + &head() + &anew);
        assert_eq!(follower.sink.lost(), 0);
    }
}

#[test]
fn a_copy_is_known_under_its_next_name() {
    let memory = Memory::default();
    memory.append(LOG, &(head() + &lines(0, 3)));
    let mut follower = narrow(&memory);
    follower.only_look(Duration::from_millis(10), &mut || memory.events());
    copy(&memory, LOG, "/l/a.log.1");
    follower.only_look(Duration::from_millis(100), &mut || memory.events());
    memory.truncate(LOG);
    memory.append(LOG, &(head() + "anew\n"));
    memory.rename("/l/a.log.1", "/l/a.log.2");
    memory.rename(LOG, "/l/a.log.1");
    memory.append(LOG, &(head() + "next\n"));
    follower.pass_blind(60_000);
    assert_eq!(follower.sink.text(LOG), head() + &lines(0, 3) + &head() + "anew\n" + &head() + "next\n");
    assert_eq!(follower.sink.lost(), 0);
}

#[test]
fn a_copy_tells_more_of_an_unread_file_than_another_one_with_its_head() {
    let memory = Memory::default();
    memory.append(LOG, &(head() + "one\n"));
    memory.append("/l/0.log", "keeps the one descriptor\n");
    let mut follower = narrow(&memory);
    follower.only_look(Duration::from_millis(10), &mut || memory.events());
    copy(&memory, LOG, "/l/a.log.20261130-000001");
    follower.only_look(Duration::from_millis(100), &mut || memory.events());
    memory.append("/l/a.log.tmp", &(head() + "two, and longer\n"));
    memory.rename("/l/a.log.tmp", LOG);
    memory.rename(LOG, "/l/a.log.20261130-000002");
    follower.pass(60_000);
    assert_eq!(follower.sink.text(LOG), head() + "one\n" + &head() + "two, and longer\n");
    assert_eq!(follower.sink.lost(), 0);
}

#[test]
fn the_copy_that_has_all_of_a_file_takes_its_place() {
    let memory = Memory::default();
    let name = |number| format!("{LOG}.20261130-00000{number}");
    memory.append(&name(1), &(head() + "one\n"));
    memory.append(&name(2), &head());
    memory.append(&name(3), &head());
    memory.append("/l/0.log", "keeps the one descriptor\n");
    let mut follower = narrow(&memory);
    follower.only_look(Duration::from_millis(100), &mut || memory.events());
    compress(&memory, &name(1));
    follower.pass(60_000);
    assert_eq!(follower.sink.text(LOG).matches("one\n").count(), 1);
    assert_eq!(follower.sink.lost(), 0);
}

#[test]
fn what_an_event_tells_of_is_opened_before_anything_else_is_looked_at() {
    let memory = Memory::default();
    for number in 0..3_000 {
        memory.append(&format!("/l/{number}.log"), "one\n");
    }
    memory.folder("/pods");
    let mut follower = Follower::on(&memory, Start::Beginning);
    follower.pass(250_000);
    memory.append("/pods/nothing.txt", "");
    follower.pass(2_000);
    let pod = "/pods/shop_web_6a8f6021-1d43-4f44-a2a2-8818a01320fe/app/0.log";
    memory.append(pod, &lines(0, 100));
    // All is due, and more than is looked at in one go.
    follower.now += Duration::from_secs(70);
    memory.events().iter().for_each(|event| follower.tail.event(event, follower.now));
    follower.tail.look(follower.now, &mut follower.sink);
    assert_eq!(follower.tail.open_files(), 1);
    memory.remove(pod);
    follower.pass(10_000);
    assert_eq!(follower.sink.text(pod), lines(0, 100));
}

#[test]
fn a_start_does_not_wait_for_files_that_were_finished_before() {
    for is_renamed in [false, true] {
        let (memory, mut follower) = begun(&lines(0, 100));
        memory.rename(LOG, "/l/a.log.2");
        compress(&memory, "/l/a.log.2");
        memory.append("/l/a.log.1", &lines(100, 200));
        memory.append(LOG, &lines(200, 300));
        follower.pass(20_000);
        let ledger = follower.sink.ledger.clone();
        assert_eq!(ledger.values().filter(|file| file.is_finished).count(), 2);
        memory.append(LOG, &lines(300, 400));
        if is_renamed {
            memory.rename("/l/a.log.2.gz", "/l/a.log.3.gz");
            memory.rename("/l/a.log.1", "/l/a.log.2");
            memory.rename(LOG, "/l/a.log.1");
        }
        follower.sink.given.clear();
        follower.restart(ledger);
        follower.pass(0);
        assert_eq!(follower.sink.text(LOG), lines(300, 400), "{is_renamed}");
        follower.pass(60_000);
        assert_eq!((follower.sink.text(LOG), follower.sink.lost()), (lines(300, 400), 0));
    }
}
