//! A few cases on the file system of the machine, with its clock and its watches.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::recorder::{Follower, config};
use crate::input::tail::config::{Start, TailInputKind};
use crate::input::tail::disk::Disk;
use crate::input::tail::file_system::FsEvent;
use crate::input::tail::pattern::PathPattern;

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A follower of `*.log` and of `pods` in a folder, and the events of its watches.
fn follower(folder: &Path) -> (Follower<Disk>, Receiver<FsEvent>) {
    let mut config = config(Start::Beginning);
    let pattern = PathPattern::new(&format!("{}/*.log", folder.display())).unwrap();
    config.inputs[0].kind = TailInputKind::Files { include: vec![pattern] };
    config.inputs[1].kind = TailInputKind::Pods { root: folder.join("pods") };
    config.limits.late_writes = Duration::from_millis(300);
    let (disk, events) = Disk::new(&config.inputs);
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        events.unwrap().run(|event| match sender.send(event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    });
    (Follower::new(disk, config), receiver)
}

/// As the agent's loop does it, until what is awaited is there.
fn until(follower: &mut Follower<Disk>, events: &Receiver<FsEvent>, is_there: impl Fn(&Follower<Disk>) -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_there(follower) {
        assert!(Instant::now() < end, "{:?} {:?}", follower.sink, follower.tail.sources().collect::<Vec<_>>());
        follower.tail.look(Instant::now(), &mut follower.sink);
        while follower.tail.turn(Instant::now(), &mut follower.sink) {}
        let wait = follower.tail.next_look().saturating_duration_since(Instant::now());
        if let Ok(event) = events.recv_timeout(wait) {
            follower.tail.event(&event, Instant::now());
        }
        while let Ok(event) = events.try_recv() {
            follower.tail.event(&event, Instant::now());
        }
    }
}

#[test]
fn a_log_is_followed_over_rotation_and_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    let shown = log.to_string_lossy().into_owned();
    append(&log, "one\n");
    let (mut follower, events) = follower(folder.path());
    until(&mut follower, &events, |follower| follower.sink.text(&shown) == "one\n");
    append(&log, "two\n");
    until(&mut follower, &events, |follower| follower.sink.text(&shown) == "one\ntwo\n");
    let mut old = OpenOptions::new().append(true).open(&log).unwrap();
    fs::rename(&log, folder.path().join("a.log.1")).unwrap();
    append(&log, "four\n");
    old.write_all(b"three\n").unwrap();
    until(&mut follower, &events, |follower| follower.sink.text(&shown) == "one\ntwo\nthree\nfour\n");
    fs::remove_file(&log).unwrap();
    append(&log, "five\n");
    until(&mut follower, &events, |follower| follower.sink.text(&shown).ends_with("four\nfive\n"));
    fs::remove_file(&log).unwrap();
    fs::remove_file(folder.path().join("a.log.1")).unwrap();
    until(&mut follower, &events, |follower| follower.tail.source_count() == 0);
    assert_eq!((follower.sink.lost(), follower.tail.open_files(), follower.sink.ledger.len()), (0, 0, 0));
    assert!(follower.sink.notices.is_empty(), "{:?}", follower.sink.notices);
}

#[test]
fn folders_made_at_once_with_files_in_them_are_found_and_short_lives_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (mut follower, events) = follower(folder.path());
    follower.tail.look(Instant::now(), &mut follower.sink);
    let container = folder.path().join("pods/shop_web_6a8f6021-1d43-4f44-a2a2-8818a01320fe/app");
    fs::create_dir_all(&container).unwrap();
    let log = container.join("0.log");
    let shown = log.to_string_lossy().into_owned();
    append(&log, "one\n");
    until(&mut follower, &events, |follower| follower.sink.text(&shown) == "one\n");
    let restarted = container.join("1.log");
    let restarted_shown = restarted.to_string_lossy().into_owned();
    append(&restarted, "");
    follower.tail.look(Instant::now(), &mut follower.sink);
    append(&restarted, &"a line\n".repeat(100));
    until(&mut follower, &events, |follower| !follower.sink.text(&restarted_shown).is_empty());
    fs::remove_dir_all(folder.path().join("pods")).unwrap();
    until(&mut follower, &events, |follower| follower.tail.source_count() == 0);
    assert_eq!(follower.sink.text(&restarted_shown), "a line\n".repeat(100));
    assert_eq!((follower.sink.lost(), follower.tail.open_files()), (0, 0));
}

#[test]
fn a_link_is_followed_only_to_where_it_may_lead() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    append(&elsewhere.path().join("secret"), "secret\n");
    append(&folder.path().join("real.txt"), "one\n");
    symlink(elsewhere.path().join("secret"), folder.path().join("out.log")).unwrap();
    symlink("real.txt", folder.path().join("in.log")).unwrap();
    let (mut follower, events) = follower(folder.path());
    let shown = folder.path().canonicalize().unwrap().join("real.txt").to_string_lossy().into_owned();
    until(&mut follower, &events, |follower| follower.sink.text(&shown) == "one\n");
    // In the place of a file that is followed.
    append(&folder.path().join("real.txt"), "two\n");
    fs::rename(folder.path().join("real.txt"), folder.path().join("real.txt.1")).unwrap();
    symlink(elsewhere.path().join("secret"), folder.path().join("real.txt")).unwrap();
    until(&mut follower, &events, |follower| follower.sink.text(&shown) == "one\ntwo\n");
    for _ in 0..20 {
        follower.tail.look(Instant::now(), &mut follower.sink);
        while follower.tail.turn(Instant::now(), &mut follower.sink) {}
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!follower.sink.given.values().any(|bytes| bytes.starts_with(b"secret")), "{:?}", follower.sink);
}
