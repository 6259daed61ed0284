//! Envelopes: the content is always the end of the line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spanline_parsers::cri;

fuzz_target!(|data: &[u8]| {
    if let Some(line) = cri::line(data) {
        assert!(data.ends_with(line.content) && line.digits <= 9);
    }
});
