//! What is said to wrong arguments, and with which exit code.

use crate::harness::run::Place;

#[test]
fn wrong_arguments_end_with_2_and_say_why() {
    let place = Place::new();
    place.write("one.log", "one\n");
    let cases: [(&[&str], &str); 24] = [
        (&[], "Usage"),
        (&["unknown"], "unknown"),
        (&["convert", "--from", "x"], "'x'"),
        (&["convert", "--to", "x"], "'x'"),
        (&["convert", "--zone", "Nowhere/City"], "--zone"),
        (&["convert", "--year", "1"], "--year"),
        (&["convert", "--max-line-bytes", "10"], "--max-line-bytes"),
        (&["backfill"], "<PATH>"),
        (&["backfill", "one.log", "--to", "x"], "--to"),
        (&["backfill", "one.log", "--to", "otlp=ftp://x"], "--to"),
        (&["backfill", "one.log", "--shard", "2/2"], "--shard"),
        (&["backfill", "one.log", "--since", "yesterday"], "--since"),
        (&["backfill", "one.log", "--min-confidence", "2"], "--min-confidence"),
        (&["backfill", "one.log", "--call-sites", "missing"], "--call-sites"),
        (&["backfill", "one.log", "--compression", "br"], "--compression"),
        (&["backfill", "one.log", "--retry-for", "x"], "--retry-for"),
        (&["backfill", "one.log", "--to", "otlp=http://127.0.0.1:1", "--header", "x"], "--header"),
        (&["backfill", "one.log", "--to", "jaeger=http://127.0.0.1:1"], "--traces"),
        (&["explain", "one.log", "--traces", "t"], "--at"),
        (&["explain", "one.log", "--at", "one.log:1"], "--traces"),
        (&["explain", "one.log", "--traces", "t", "--at", "one.log"], "--at"),
        (&["explain", "one.log", "--traces", "t", "--trace", "12"], "--trace"),
        (&["score", "truth"], "<LINKS>"),
        (&["score", "truth", "links", "--min-recall", "2"], "--min-recall"),
    ];
    for (arguments, words) in cases {
        let run = place.run(arguments);
        assert_eq!((run.code, run.out.as_slice()), (Some(2), &b""[..]), "{arguments:?}");
        run.says(words);
    }
}

#[test]
fn what_cannot_be_written_is_said_once_with_1() {
    let place = Place::new();
    place.write("one.log", "one\n").write("file", "");
    for arguments in [["--links", "missing/links"], ["--to", "file=file"], ["--state", "file"]] {
        let run = place.run(&["backfill", "one.log", arguments[0], arguments[1]]);
        assert_eq!(run.code, Some(1), "{arguments:?}: {}", run.err);
        assert_eq!(run.err.matches("os error").count(), 1, "{}", run.err);
    }
    place.run(&["backfill", "missing.log"]).says("missing.log: No such file").text(1);
}

#[test]
fn help_version_and_completions_go_to_stdout() {
    let place = Place::new();
    assert!(place.run(&["--version"]).text(0).starts_with("spanline "));
    assert!(place.run(&["backfill", "--help"]).text(0).contains("--min-confidence"));
    assert!(place.run(&["completions", "bash"]).text(0).contains("spanline"));
}
