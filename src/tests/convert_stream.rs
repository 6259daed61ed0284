//! `spanline convert` in a pipe: constant memory, nothing held back, quiet ends.

use std::io::{BufRead, BufReader, Read, Write};

use crate::harness::run::{Place, signal};

/// Peak resident memory in KiB, while the process lives.
fn peak_kib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_does_not_grow_with_the_pipe() {
    let place = Place::new();
    let text = "I1123 09:14:51.123456    1 a.go:12] \"Something happened to it\" pod=\"kube-system/coredns\" id=17\n";
    let endless = "x".repeat(1 << 20);
    let partial = format!("2026-11-23T09:14:51.1Z stdout P {}\n", "y".repeat(16 << 10));
    // Common lines, one line of 48 MiB, and one logical line of 32 MiB in parts.
    for (piece, count) in [(text.repeat(1000), 300), (endless, 48), (partial.repeat(64), 32)] {
        let mut child = place.spawn(&["convert"]);
        let mut output = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()).unwrap());
        let mut input = child.stdin.take().unwrap();
        for _ in 0..count {
            input.write_all(piece.as_bytes()).unwrap();
        }
        let peak = peak_kib(child.id());
        drop(input);
        assert!(child.wait().unwrap().success());
        // Envelopes are taken off, so a little less may come out than went in.
        assert!(reader.join().unwrap() > piece.len() as u64 * count / 10 * 9);
        assert!(peak < 30 << 10, "{peak} KiB for {:?}", &piece[..40]);
    }
}

#[test]
fn a_record_comes_out_while_the_pipe_is_still_open() {
    let place = Place::new();
    let mut child = place.spawn(&["convert"]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for line in ["I1123 09:14:51.123456    1 a.go:12] one", "two"] {
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut record = String::new();
        // Waits for ever if it is held back.
        output.read_line(&mut record).unwrap();
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        assert_eq!(record["body"], line.rsplit("] ").next().unwrap());
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_closed_output_ends_it_quietly() {
    let place = Place::new();
    place.write("many.log", "some line that is repeated\n".repeat(200_000));
    let mut child = place.spawn(&["convert", "many.log"]);
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut [0; 100]).unwrap();
    drop(output);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn ctrl_c_ends_it_with_all_that_was_read_written() {
    let place = Place::new();
    let mut child = place.spawn(&["convert"]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    input.write_all(b"one\n").unwrap();
    // Once a record has come, the signal is listened for.
    output.read_line(&mut String::new()).unwrap();
    input.write_all(b"two\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    signal(&child, "INT");
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("\"body\":\"two\""), "{rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_named_pipe_is_read_like_a_file() {
    let place = Place::new();
    assert!(std::process::Command::new("mkfifo").arg(place.path("fifo")).status().unwrap().success());
    let path = place.path("fifo");
    let writer = std::thread::spawn(move || std::fs::write(path, "ab\ncd\n").unwrap());
    let records = place.run(&["convert", "fifo"]).json(0);
    writer.join().unwrap();
    assert_eq!(records.iter().map(|record| record["body"].as_str().unwrap()).collect::<Vec<_>>(), ["ab", "cd"]);
    // The backfill reads twice: it says so instead of waiting.
    place.run(&["backfill", "fifo"]).says("fifo: is no regular file").text(1);
}
