//! Any bytes as a payload under every expectation: nothing panics, and the body of a plain line is the line.
#![cfg_attr(fuzzing, no_main)]

use spanline_parsers::detect::{Expect, payload};
use spanline_parsers::{Entry, conmon_rs};

spanline_parsers_fuzz::target!(|data: &[u8]| {
    let mut entry = Entry::default();
    for expect in [
        Expect::Auto,
        Expect::Klog,
        Expect::Logrus,
        Expect::Logfmt,
        Expect::Json,
        Expect::ConmonRs,
        Expect::Conmon,
        Expect::Syslog,
    ] {
        payload(data, expect, &mut entry);
        let _ = conmon_rs::message(&entry.body);
    }
    payload(data, Expect::Text, &mut entry);
    assert_eq!(&*entry.body, data);
});
