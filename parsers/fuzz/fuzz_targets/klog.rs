//! klog: any bytes, and any bytes behind a header and a message.
#![cfg_attr(fuzzing, no_main)]

use spanline_parsers::{Entry, klog, quote};

spanline_parsers_fuzz::target!(|data: &[u8]| {
    let mut entry = Entry::default();
    klog::text(data, &mut entry);
    let _ = (klog::preamble(data), klog::find_header(data), quote::go_unquote(data));
    if let Some((_, length)) = quote::quoted(data) {
        assert!((2..=data.len()).contains(&length));
    }
    let record = [b"I0102 15:04:05.067890       1 a.go:12] \"m\"", data].concat();
    let mut entry = Entry::default();
    assert!(klog::text(&record, &mut entry));
});
