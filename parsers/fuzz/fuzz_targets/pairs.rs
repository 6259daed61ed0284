//! logrus and logfmt: any bytes, and any bytes behind a beginning that counts.
#![cfg_attr(fuzzing, no_main)]

use spanline_parsers::{Entry, logfmt, logrus};

spanline_parsers_fuzz::target!(|data: &[u8]| {
    logrus::text(data, &mut Entry::default());
    logfmt::line(data, &mut Entry::default());
    let record = [b"time=\"2026-01-02T03:04:05Z\" level=info ", data].concat();
    assert!(logrus::text(&record, &mut Entry::default()));
    logfmt::line(&record, &mut Entry::default());
});
