//! `spanline backfill --state`: what is acknowledged for one text is not taken for another.

use crate::harness::run::{Background, Place};
use crate::harness::sink::Script;

/// Backfills with a state folder; how many requests it took.
fn run(place: &Place, background: &Background, what: &str, more: &[&str]) -> usize {
    let (before, url) = (background.sink.requests(), background.url());
    place.run(&[&["backfill", what, "--to", &url, "--state", "state"], more].concat()).text(0);
    background.sink.requests() - before
}

fn times(background: &Background, body: &str) -> usize {
    background.sink.stored().get(body).copied().unwrap_or_default()
}

#[test]
fn a_short_file_that_begins_like_an_earlier_one_is_sent() {
    let place = Place::new();
    let background = Background::start(Script::default());
    let long = "half of a very long second line that is not finished";
    place.write("app.log", format!("banner of the program\n{long}"));
    run(&place, &background, "app.log", &[]);
    assert_eq!(run(&place, &background, "app.log", &[]), 0);
    place.write("app.log", "banner of the program\nERROR one\nERROR two\n");
    run(&place, &background, "app.log", &[]);
    assert_eq!((times(&background, "ERROR one"), times(&background, "ERROR two")), (1, 1));
    assert_eq!((times(&background, "banner of the program"), times(&background, long)), (1, 1));
}

#[test]
fn one_file_alone_goes_on_an_earlier_one() {
    let place = Place::new();
    let background = Background::start(Script::default());
    place.write("node/app.log", "banner\n");
    run(&place, &background, "node", &[]);
    place.write("node/app.log.1", "banner\nsome line\n").write("node/app.log", "banner\nother line\n");
    run(&place, &background, "node", &[]);
    assert_eq!(times(&background, "banner"), 2);
    assert_eq!((times(&background, "some line"), times(&background, "other line")), (1, 1));
    assert_eq!(run(&place, &background, "node", &[]), 0);
    // Both grow, and a third begins.
    place.write("node/app.log.2", "banner\nsome line\n").write("node/app.log.1", "banner\nother line\nlast\n");
    place.write("node/app.log", "banner\n");
    run(&place, &background, "node", &[]);
    assert_eq!((times(&background, "banner"), times(&background, "last")), (3, 1));
    assert_eq!((times(&background, "some line"), times(&background, "other line")), (1, 1));
    assert_eq!(run(&place, &background, "node", &[]), 0);
}
