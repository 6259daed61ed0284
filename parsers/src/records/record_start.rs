//! Lines that begin a record by themselves, by their first bytes.
//!
//! In goes one line, out comes whether a header, a date or an object stands at its start as only records have it. What the
//! line says is read elsewhere.

use crate::formats::klog;
use crate::time::timestamp;

/// Does this line begin a record by itself, whatever stands open before it (but for the trace of a crash)?
#[inline]
pub(crate) fn begins_record(line: &[u8]) -> bool {
    match line[0] {
        b'I' | b'W' | b'E' => klog::is_header(line),
        b'F' => klog::is_header(line) || is_syslog_dated(line),
        b'{' => line.starts_with(b"{\"") && line.trim_ascii_end().ends_with(b"}"),
        b't' => line.starts_with(b"time=\"") || line.starts_with(b"time=2"),
        b'l' => line.starts_with(b"level=") || line.starts_with(b"log_level="),
        b'0'..=b'9' => is_dated(line),
        b'[' => line.get(1).is_some_and(u8::is_ascii_digit) && is_dated(&line[1..]),
        b'L' | b'R' | b'B' => klog::preamble(line).is_some(),
        b'A'..=b'Z' => is_syslog_dated(line),
        _ => false,
    }
}

/// `Nov 10 14:17:44`
fn is_syslog_dated(line: &[u8]) -> bool {
    line.get(3) == Some(&b' ') && line.get(6) == Some(&b' ') && timestamp::time_of_day(line, 7).is_some()
}

/// `2026-01-02T03:04:05`, `2026-01-02 03:04:05`, `2026/01/02 03:04:05`, `2026-01-02 03:04:05,123`
fn is_dated(line: &[u8]) -> bool {
    let Some(head) = line.first_chunk::<19>() else { return false };
    if !matches!((head[4], head[7], head[10]), (b'-' | b'/', b'-' | b'/', b'T' | b' ')) {
        return false;
    }
    let &[y0, y1, y2, y3, _, m0, m1, _, d0, d1, _, ref clock @ ..] = head;
    let digit = |byte: u8| byte.is_ascii_digit();
    timestamp::is_clock(clock) && [y0, y1, y2, y3, m0, m1, d0, d1].into_iter().all(digit)
}
