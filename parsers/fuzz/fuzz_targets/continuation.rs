//! Grouping of lines: the first record is never empty, and a header at the margin always begins one.
#![cfg_attr(fuzzing, no_main)]

use spanline_parsers::continuation::Open;

spanline_parsers_fuzz::target!(|data: &[u8]| {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut first = lines.next().unwrap_or_default();
    let mut open = Open::start(first);
    for line in lines {
        if !open.takes(first, line) {
            (first, open) = (line, Open::start(line));
        }
    }
    assert!(!open.takes(first, b"I0102 15:04:05.067890       1 a.go:12] x"));
});
