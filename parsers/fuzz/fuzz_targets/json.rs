//! JSON: any bytes as a value, and as a line of each kind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spanline_parsers::{Entry, epoch, json, json_line};

fuzz_target!(|data: &[u8]| {
    let end = json::value_end(data);
    assert!(end.is_none_or(|end| (1..=data.len()).contains(&end)));
    if let Some(mut members) = json::object(data) {
        members.by_ref().for_each(drop);
        if data.starts_with(b"{") {
            assert_eq!(members.end(), end);
        }
    }
    let _ = (json::value(data), json::string(data), json::array(data).map(Iterator::count), epoch::guess(data));
    for head in [&b""[..], b"{\"ts\":1661145496123.4,\"caller\":\"x.go:1\",\"msg\":\"m\",", b"{\"t\":1661145496,\"s\":"]
    {
        let line = [head, data].concat();
        let mut entry = Entry::default();
        if !json_line::line(&line, &mut entry) {
            assert_eq!(entry, Entry::default());
        }
    }
});
