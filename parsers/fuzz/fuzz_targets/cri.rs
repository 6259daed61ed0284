//! Envelopes: the content is always the end of the line.
#![cfg_attr(fuzzing, no_main)]

use spanline_parsers::cri;

spanline_parsers_fuzz::target!(|data: &[u8]| {
    if let Some(line) = cri::line(data) {
        assert!(data.ends_with(line.content) && line.digits <= 9);
    }
});
