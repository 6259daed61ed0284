//! JSON: any bytes as a value, and as a line of each kind.
#![cfg_attr(fuzzing, no_main)]

use spanline_parsers::{Entry, epoch, json, json_line};

spanline_parsers_fuzz::target!(|data: &[u8]| {
    let end = json::value_end(data);
    assert!(end.is_none_or(|end| (1..=data.len()).contains(&end)));
    if let Some(mut members) = json::object(data) {
        members.by_ref().for_each(drop);
        // Members are read more leniently than a value: `NaN` and what is too deep do not end them.
        if data.starts_with(b"{") && end.is_some() {
            assert_eq!(members.end(), end);
        }
        assert!(members.end().is_none_or(|end| end <= data.len()));
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
