//! What is said to wrong arguments, and with which exit code.

use crate::harness::run::Place;

#[test]
fn wrong_arguments_end_with_2_and_say_why() {
    let place = Place::new();
    place.write("one.log", "one\n");
    let cases: [(&[&str], &str); 34] = [
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
        (&["backfill", "one.log", "--since", "someday"], "--since"),
        (&["backfill", "one.log", "--since", "10:00", "--until", "09:00"], "--since: \"10:00\" does not lie before"),
        (&["backfill", "one.log", "--until", "2026-02-30"], "--until"),
        (&["backfill", "one.log", "--only", "colour=red"], "the keys are trace=ID, errors,"),
        (&["explain", "one.log", "--traces", "t", "--only", "errors=1"], "takes no value"),
        (&["explain", "one.log", "--traces", "t", "--at", "one.log:1", "--only", "linked"], "cannot be used with"),
        (&["man", "convrt"], "the commands are convert, backfill,"),
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
        (&["agent"], "--logs-to: there is no destination"),
        (&["agent", "--config", "missing.yaml"], "--config: missing.yaml: No such file"),
        (&["config", "defaults"], "default"),
        (&["status", "--url", "localhost"], "--url: \"localhost\" is no address"),
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
    assert!(place.run(&["completions", "zsh"]).text(0).starts_with("#compdef spanline"));
    for (arguments, words) in [
        (&["man"][..], &[".TH spanline 1", "spanline\\-backfill(1)"][..]),
        (
            &["man", "backfill"],
            &[
                ".TH spanline-backfill 1",
                "\\-\\-only",
                ".SH INPUT",
                "Examples:",
                "The service.name of the paths that follow",
            ],
        ),
        (&["man", "convert"], &[".TH spanline-convert 1", "\\-\\-from"]),
    ] {
        let run = place.run(arguments);
        let page = run.text(0);
        words.iter().for_each(|word| assert!(page.contains(word), "{word} is not in {page}"));
    }
}

/// Lines and columns of a small terminal.
const SCREEN: (usize, usize) = (40, 80);

#[test]
fn short_help_fits_on_a_screen_and_each_command_has_examples() {
    let place = Place::new();
    for command in ["convert", "backfill", "agent", "config", "status", "explain", "score", "completions", "man"] {
        let (short, long) = (place.run(&[command, "-h"]), place.run(&[command, "--help"]));
        let (short, long) = (short.text(0), long.text(0));
        assert!(short.lines().count() <= SCREEN.0, "{short}");
        assert!(short.lines().all(|line| line.chars().count() <= SCREEN.1), "{short}");
        let examples = short.split("Examples:\n").nth(1).unwrap();
        assert!(examples.lines().all(|line| line.starts_with("  ") && line.contains("spanline ")), "{examples}");
        assert!(short.contains("Examples:\n  ") && long.contains("Examples:\n  "), "{long}");
        assert!(long.len() >= short.len());
    }
    let backfill = place.run(&["backfill", "--help"]);
    let groups = ["Input:", "Linking:", "Output:", "Text:", "Sending:", "Limits:", "Messages:"];
    groups.iter().for_each(|group| assert!(backfill.text(0).contains(&format!("\n{group}\n")), "{group}"));
}

#[test]
fn quiet_runs_say_only_what_failed() {
    let place = Place::new();
    place.write("one.log", "2026-11-23T09:14:51.1Z stdout F one\n");
    let run = place.run(&["backfill", "-q", "one.log"]);
    assert!(run.text(0).contains("one") && run.err.is_empty(), "{}", run.err);
    let run = place.run(&["backfill", "-q", "one.log", "missing.log"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.starts_with("failed    missing.log: ") && run.err.lines().count() == 1, "{}", run.err);
}
