//! Grouping of lines: the first record is never empty, and a header at the margin always begins one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spanline_parsers::continuation::Open;

fuzz_target!(|data: &[u8]| {
    let mut open = Open::default();
    for line in data.split(|byte| *byte == b'\n') {
        if !open.takes(line) {
            open = Open::start(line);
        }
    }
    assert!(!open.takes(b"I0102 15:04:05.067890       1 a.go:12] x"));
});
