//! The journal's two forms: any bytes; the splitter always moves and never waits beyond its limit.
#![cfg_attr(fuzzing, no_main)]

use spanline_parsers::journal_export::{self, Split};
use spanline_parsers::journal_json;

spanline_parsers_fuzz::target!(|data: &[u8]| {
    let _ = journal_json::line(data);
    let limit = 4096;
    let mut rest = data;
    loop {
        match journal_export::entry_end(rest, limit) {
            Split::Entry(length) => {
                assert!(length > 0 && length <= limit);
                journal_export::entry(&rest[..length]);
                rest = &rest[length..];
            }
            Split::Damaged(length) => {
                assert!(length > 0);
                rest = &rest[length..];
            }
            Split::More(at) => {
                assert!(at <= rest.len() && rest.len() <= limit);
                assert_eq!(journal_export::resume(rest, at, limit), Split::More(at));
                break;
            }
        }
    }
});
