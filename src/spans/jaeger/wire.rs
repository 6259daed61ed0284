//! The few messages of `jaeger.api_v3` that are asked with.
//!
//! In goes a question, out come its bytes; and of an answer the names of services.

use super::Search;
use crate::otlp::wire::spans::within;
use crate::otlp::wire::write::Buffer;

/// `FindTracesRequest`: a query with service (1), first and last start (4 and 5), depth (8), and raw traces (9).
pub(super) fn find_traces(search: &Search, depth: u32) -> Vec<u8> {
    let mut out = Buffer::default();
    let query = out.open(0x0a, 1);
    if !search.service.is_empty() {
        out.bytes(0x0a, search.service.as_bytes(), b"");
    }
    timestamp(&mut out, 0x22, search.from);
    timestamp(&mut out, 0x2a, search.to);
    number(&mut out, 0x40, u64::from(depth.min(i32::MAX as u32)));
    number(&mut out, 0x48, 1);
    out.close(query);
    out.into_written()
}

/// `google.protobuf.Timestamp`: seconds (1), and nanoseconds (2), which are never negative.
fn timestamp(out: &mut Buffer, tag: u8, nanos: i64) {
    let timestamp = out.open(tag, 1);
    number(out, 0x08, nanos.div_euclid(1_000_000_000) as u64);
    number(out, 0x10, nanos.rem_euclid(1_000_000_000) as u64);
    out.close(timestamp);
}

fn number(out: &mut Buffer, tag: u8, number: u64) {
    if number != 0 {
        out.array(&[tag]);
        out.varint(number);
    }
}

/// `GetServicesResponse`: names (1); `None` if one of them is no text.
pub(super) fn services(message: &[u8]) -> Option<Vec<String>> {
    within(message, 1).map(|name| String::from_utf8(name.to_vec()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_in_the_bytes_of_its_message() {
        let search = Search { service: "web".into(), from: 1_500_000_000, to: -1 };
        let expected: &[u8] = b"\x0a\x20\x0a\x03web\x22\x08\x08\x01\x10\x80\xca\xb5\xee\x01\
            \x2a\x11\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\xff\x93\xeb\xdc\x03";
        let written = find_traces(&search, 7);
        assert_eq!(written[2..expected.len()], expected[2..]);
        assert_eq!(written[expected.len()..], *b"\x40\x07\x48\x01");
        assert_eq!((written[0], usize::from(written[1])), (0x0a, written.len() - 2));
        assert_eq!(services(b"\x0a\x03web\x0a\x00\x10\x01"), Some(vec!["web".to_owned(), String::new()]));
        assert_eq!(services(b"\x0a\x01\xff"), None);
    }
}
