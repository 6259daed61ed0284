//! `spanline backfill --state`: files of which nothing is left to send are not read again, and only those.

use crate::harness::run::{Background, Place, Ran, gzip};
use crate::harness::sink::Script;

fn line(stream: &str, number: usize) -> String {
    format!("2026-11-23T09:{:02}:{:02}.1Z {stream} F number {number}\n", number / 60 % 60, number % 60)
}

fn lines(from: usize, to: usize) -> String {
    (from..to).map(|number| line(["stdout", "stderr"][number % 2], number)).collect()
}

fn backfill(place: &Place, background: &Background, more: &[&str]) -> Ran {
    let run = place.run(&[&["backfill", "node", "--to", &background.url(), "--state", "state"], more].concat());
    run.text(0);
    run
}

fn times(background: &Background, number: usize) -> usize {
    background.sink.stored().get(&format!("number {number}")).copied().unwrap_or_default()
}

fn is_unchanged(run: &Ran, files: &str, records: usize) -> bool {
    run.err.contains(&format!("unchanged {files}, all of whose records were acknowledged"))
        && run.err.contains("read      0 files")
        && run.err.contains(&format!("{records} records acknowledged in an earlier run"))
}

fn is_read(run: &Ran) -> bool {
    !run.err.contains("unchanged ")
}

#[test]
fn what_every_destination_has_is_not_read_again_whatever_it_is_called() {
    let place = Place::new();
    let background = Background::start(Script::default());
    place.write("node/a.log.1", lines(0, 50)).write("node/a.log", lines(50, 80)).write("node/b.log", "one\ntwo");
    assert!(is_read(&backfill(&place, &background, &[])));
    let requests = background.sink.requests();
    assert!(is_unchanged(&backfill(&place, &background, &[]), "3 files", 82));
    // Compressed, with other workers, and a last line that was ended, it is the same.
    std::fs::remove_file(place.path("node/a.log.1")).unwrap();
    place.write("node/a.log.1.gz", gzip(lines(0, 50).as_bytes())).write("node/b.log", "one\ntwo\n");
    assert!(is_unchanged(&backfill(&place, &background, &["--workers", "1"]), "3 files", 82));
    assert_eq!(background.sink.requests(), requests);
    // What is new in one source, or rotates, makes that one be read.
    place.write("node/b.log", "one\ntwo\nthree\n");
    let run = backfill(&place, &background, &[]);
    run.says("unchanged 2 files").says("82 records acknowledged in an earlier run");
    assert_eq!(background.sink.stored()["three"], 1);
    place.write("node/a.log.2.gz", gzip(lines(0, 50).as_bytes()));
    std::fs::remove_file(place.path("node/a.log.1.gz")).unwrap();
    place.write("node/a.log.1", lines(50, 80)).write("node/a.log", lines(80, 90));
    backfill(&place, &background, &[]).says("unchanged 1 file,");
    assert!((0..90).all(|number| times(&background, number) == 1));
    assert!(is_unchanged(&backfill(&place, &background, &[]), "4 files", 93));
    // Without its oldest file the next one follows another: it is read once more.
    std::fs::remove_file(place.path("node/a.log.2.gz")).unwrap();
    backfill(&place, &background, &[]).says("unchanged 1 file,");
    assert!(is_unchanged(&backfill(&place, &background, &[]), "3 files", 43));
    assert!((0..90).all(|number| times(&background, number) == 1));
}

#[test]
fn a_file_that_changed_in_any_place_is_read() {
    let whole = lines(0, 40);
    let changes = [
        ("a line more", lines(0, 41), 41),
        ("half a line more", whole.clone() + "2026-11-23T09:14:51.1Z stdout F hal", 41),
        ("the last byte", whole.replace("number 39\n", "number 3x\n"), 41),
        ("the first line", whole.replacen("number 0\n", "number x\n", 1), 41),
        ("a line less", lines(0, 39), 40),
    ];
    for (what, changed, distinct) in changes {
        let place = Place::new();
        let background = Background::start(Script::default());
        place.write("node/a.log", &whole);
        backfill(&place, &background, &[]);
        place.write("node/a.log", changed);
        let run = backfill(&place, &background, &[]);
        assert!(is_read(&run), "{what}: {}", run.err);
        assert_eq!(background.sink.stored().len(), distinct, "{what}");
    }
}

#[test]
fn what_one_destination_lacks_or_refused_is_read() {
    let place = Place::new();
    place.write("node/a.log", lines(0, 20));
    let (one, two) =
        (Background::start(Script::default()), Background::start(Script { unauthorized: true, ..Script::default() }));
    let run = || place.run(&["backfill", "node", "--to", &one.url(), "--to", &two.url(), "--state", "state"]);
    run().text(1);
    two.sink.follow(Script::default());
    let again = run();
    assert!(is_read(&again), "{}", again.err);
    again.text(0);
    assert!((0..20).all(|number| (times(&one, number), times(&two, number)) == (1, 1)));
    assert!(is_unchanged(&run(), "1 file", 20));
    // Another destination has nothing of it yet.
    let third = Background::start(Script::default());
    let run = place.run(&["backfill", "node", "--to", &one.url(), "--to", &third.url(), "--state", "state"]);
    assert!(is_read(&run) && (0..20).all(|number| times(&third, number) == 1));
    let refusing = Background::start(Script { wrong: Some("number 7"), ..Script::default() });
    let run = || place.run(&["backfill", "node", "--to", &refusing.url(), "--state", "state"]);
    run().text(1);
    let again = run();
    again.text(1);
    again.says("1 record in earlier runs, not sent again");
    assert!(is_read(&again), "{}", again.err);
}

#[test]
fn what_was_left_out_before_is_read_and_sent() {
    for narrow in
        [&["--since", "2026-11-23T09:00:10Z"][..], &["--until", "2026-11-23T09:00:10Z"], &["--only", "grep=7"]]
    {
        let place = Place::new();
        let background = Background::start(Script::default());
        place.write("node/a.log", lines(0, 20));
        backfill(&place, &background, narrow);
        let before = background.sink.stored().len();
        assert!(before > 0 && before < 20, "{before}");
        let run = backfill(&place, &background, &[]);
        assert!(is_read(&run), "{}", run.err);
        assert!((0..20).all(|number| times(&background, number) == 1));
        assert!(is_unchanged(&backfill(&place, &background, &[]), "1 file", 20));
        // With a choice the summary tells how many are not chosen.
        assert!(is_read(&backfill(&place, &background, narrow)));
    }
}

#[test]
fn whatever_else_wants_the_records_has_them_read() {
    let place = Place::new();
    let background = Background::start(Script::default());
    place.write("node/a.log", lines(0, 20));
    backfill(&place, &background, &[]);
    for more in [&["--to", "text"][..], &["--to", "file=out"], &["--links", "links"], &["--resend"]] {
        let run = backfill(&place, &background, more);
        assert!(is_read(&run), "{more:?}: {}", run.err);
    }
    assert_eq!(place.read("out/logs.jsonl").matches("log.record.uid").count(), 20);
    assert_eq!(place.read("links").lines().count(), 20);
    let cut = backfill(&place, &background, &["--max-line-bytes", "4096"]);
    assert!(is_read(&cut), "{}", cut.err);
}

#[test]
fn a_record_that_goes_on_in_the_next_file_has_both_read() {
    let place = Place::new();
    let background = Background::start(Script::default());
    place.write("node/a.log.1", lines(0, 5) + "2026-11-23T09:14:51.1Z stdout P half \n");
    place.write("node/a.log", "2026-11-23T09:14:51.1Z stdout F line\n".to_owned() + &lines(5, 9));
    backfill(&place, &background, &[]);
    let again = backfill(&place, &background, &[]);
    assert!(is_read(&again), "{}", again.err);
    again.says("10 records acknowledged in an earlier run");
    place.write("node/a.log", "2026-11-23T09:14:51.1Z stdout F sentence\n".to_owned() + &lines(5, 9));
    backfill(&place, &background, &[]);
    let stored = background.sink.stored();
    assert_eq!((stored.get("half line"), stored.get("half sentence")), (Some(&1), Some(&1)));
}

#[test]
fn a_file_that_many_write_to_is_read() {
    let place = Place::new();
    let background = Background::start(Script::default());
    let entry = |number: usize| {
        format!(
            "__CURSOR=s=1;i={number:x}\n__REALTIME_TIMESTAMP=1795425291000000\n_HOSTNAME=h\n_SYSTEMD_UNIT=u{}.service\n\
             MESSAGE=number {number}\n\n",
            number % 3
        )
    };
    place.write("node/j.export", (0..30).map(entry).collect::<String>());
    backfill(&place, &background, &[]);
    let again = backfill(&place, &background, &[]);
    assert!(is_read(&again), "{}", again.err);
    again.says("30 records acknowledged in an earlier run");
}

#[test]
fn the_records_of_the_files_that_are_left_are_counted() {
    let place = Place::new();
    let background = Background::start(Script::default());
    place.write("node/a.log.2", lines(0, 5)).write("node/a.log.1", lines(5, 12)).write("node/a.log", lines(12, 30));
    backfill(&place, &background, &[]);
    assert!(is_unchanged(&backfill(&place, &background, &[]), "3 files", 30));
    let newest = std::fs::read_to_string(place.path("node/a.log")).unwrap();
    // Whatever was left out meanwhile, the records told are those of the files that are there.
    for (left_out, records) in [("node/a.log", 12), ("node/a.log.2", 7), ("node/a.log.1", 0)] {
        std::fs::remove_file(place.path(left_out)).unwrap();
        if records > 0 {
            backfill(&place, &background, &[]).says(&format!("{records} records acknowledged in an earlier run"));
        }
    }
    place.write("node/a.log.1", lines(5, 12)).write("node/a.log", newest);
    backfill(&place, &background, &[]).says("25 records acknowledged in an earlier run");
    assert!(is_unchanged(&backfill(&place, &background, &[]), "2 files", 25));
    assert!((0..30).all(|number| times(&background, number) == 1));
}
