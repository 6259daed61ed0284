//! What the first bytes of a file tell: that it is no log, and the times of its first lines.
//!
//! In go bytes without their compression, out comes [`Sniffed`]. Nothing is opened or read here, and records are not made.

use std::hash::Hasher;

use spanline_parsers::detect::{self, Expect};
use spanline_parsers::journal_blocks::{self, Detected, Form};
use spanline_parsers::wrapper::loki;
use spanline_parsers::{Entry, Time};
use twox_hash::XxHash64;

use super::content;
use super::journal::stream;
use crate::calendar::fit::SampleTimes;
use crate::decode::{self, Envelopes};
use crate::record::BOM;
use crate::spans::telemetry::Telemetry;
use crate::spans::trace_format::TraceFormat;

/// How much of a file tells what it is.
pub const SNIFF_BYTES: usize = 64 * 1024;
/// Lines of it whose times are looked at.
const SNIFF_LINES: usize = 200;

/// What the first bytes of a file tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sniffed {
    /// Why it is left out.
    pub leave_out: Option<&'static str>,
    /// It is a journal's own file.
    pub is_journal: bool,
    /// It is one that is compressed, so that it must be unpacked first.
    pub is_packed_journal: bool,
    /// Whose numbers a journal's entries have, and the first of them.
    pub numbered: Option<([u8; 16], u64)>,
    /// Its first line is an event of Kubernetes' audit log.
    pub is_kubernetes_audit: bool,
    /// The times of its first lines.
    pub times: SampleTimes,
}

/// What all of a short file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Its bytes, and one more for the line feed that its last line may still lack.
    pub end: u64,
    /// XXH64 of these, with the seed 0.
    pub hash: u64,
}

impl Content {
    /// Of a file with these bytes.
    pub fn of(bytes: &[u8]) -> Content {
        let mut hasher = XxHash64::with_seed(0);
        hasher.write(bytes);
        let is_open = bytes.last().is_some_and(|last| *last != b'\n');
        if is_open {
            hasher.write(b"\n");
        }
        Content { end: bytes.len() as u64 + u64::from(is_open), hash: hasher.finish() }
    }
}

impl Sniffed {
    /// Why it holds no lines.
    pub fn no_lines(&self) -> Option<&'static str> {
        self.leave_out.or(self.is_journal.then_some("a systemd journal, no lines"))
    }
}

/// What a file that begins so is; `named_as_binary`: its name is one of files that are mostly binary; `is_packed`: it was
/// compressed.
pub fn sniff(head: &[u8], named_as_binary: bool, is_packed: bool) -> Sniffed {
    if stream::is_journal(head) {
        let mut times = SampleTimes::default();
        let first = stream::first_usec(head).and_then(|usec| i64::try_from(usec).ok()?.checked_mul(1000));
        first.iter().for_each(|nanos| times.add(*nanos));
        return Sniffed {
            leave_out: None,
            is_journal: true,
            is_packed_journal: is_packed,
            numbered: stream::first_number(head),
            is_kubernetes_audit: false,
            times,
        };
    }
    let head = head.strip_prefix(BOM).unwrap_or(head);
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let times = times(head);
    // Containers may well write what is no text: a line with a time is a line of a log, whatever else it holds.
    let is_binary = || !times.any() && (content::is_binary(head) || named_as_binary && holds_nul(head));
    Sniffed {
        leave_out: leave_out(head, first).or_else(|| is_binary().then_some("binary, no log")),
        is_journal: false,
        is_packed_journal: false,
        numbered: None,
        is_kubernetes_audit: first.starts_with(b"{") && memchr::memmem::find(first, b"audit.k8s.io/").is_some(),
        times,
    }
}

/// Times of the first lines.
pub fn times(head: &[u8]) -> SampleTimes {
    let mut times = SampleTimes::default();
    let whole = memchr::memrchr(b'\n', head).map_or(head, |end| &head[..end]);
    let mut entry = Entry::default();
    for bytes in whole.split(|byte| *byte == b'\n').take(SNIFF_LINES) {
        let line = decode::line(bytes, Envelopes::Auto);
        if let Some((nanos, _)) = line.time {
            times.add(nanos);
            continue;
        }
        detect::payload(bytes, Expect::Auto, &mut entry);
        match entry.time {
            Time::Unix { nanos, .. } => times.add(nanos),
            time @ Time::Local { .. } => times.local.push(time),
            Time::None => {}
        }
    }
    times.seconds.shrink_to_fit();
    times.local.shrink_to_fit();
    times
}

fn holds_nul(head: &[u8]) -> bool {
    memchr::memchr(0, head).is_some()
}

/// What a file is, if that is known and no log.
fn leave_out(head: &[u8], first: &[u8]) -> Option<&'static str> {
    let known = content::magic(head).or_else(|| content::own_output(head));
    let known = known.or_else(|| Telemetry::of(head).map(Telemetry::is_no_log));
    let known = known.or_else(|| TraceFormat::of_json(head).map(|_| "JSON traces, no log"));
    // A manifest or a report over many lines, not one object a line.
    let is_document = || matches!(first.trim_ascii(), b"{" | b"[" | b"[{") && head.contains(&b'\n');
    if journal_blocks::form(head) == Detected::Form(Form::Pretty) || loki::is_streams(head) == Some(true) {
        return None;
    }
    known.or_else(|| is_document().then_some("a JSON document, no log"))
}
