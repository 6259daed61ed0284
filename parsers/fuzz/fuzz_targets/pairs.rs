//! logrus and logfmt: any bytes, and any bytes behind a beginning that counts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spanline_parsers::{Entry, logfmt, logrus};

fuzz_target!(|data: &[u8]| {
    logrus::text(data, &mut Entry::default());
    logfmt::line(data, &mut Entry::default());
    let record = [b"time=\"2026-01-02T03:04:05Z\" level=info ", data].concat();
    assert!(logrus::text(&record, &mut Entry::default()));
    logfmt::line(&record, &mut Entry::default());
});
