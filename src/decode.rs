//! One physical line to its envelope and content, and one whole record to what it says.
//!
//! In go bytes of a line, out comes a [`Line`]: what the runtime wrote around it (CRI, docker, a journal's entry) and the
//! content. Later the joined content goes through [`when`] and the parsers. Nothing is joined, linked or sent here.

pub mod journal_attributes;
pub mod origin;

use std::borrow::Cow;

use spanline_parsers::{
    Entry, Field, Severity, Text, Time, Value, cri, docker_json, journal, journal_json, json, kubectl, trace_context,
};

use crate::calendar::Calendar;
use crate::record::{Envelope, Stream};

/// A physical line without its envelope.
#[derive(Debug, Clone)]
pub struct Line<'c> {
    /// What was around it.
    pub envelope: Envelope,
    /// The stream it was written to.
    pub stream: Stream,
    /// The envelope's time, with its digits.
    pub time: Option<(i64, u8)>,
    /// More of the same line follows in the next one of its stream.
    pub partial: bool,
    /// What the program wrote.
    pub content: Text<'c>,
    /// The journal's entry; of another envelope the fields that it adds.
    pub journal: Option<Box<journal::Entry<'c>>>,
    /// Who wrote it, where its envelope says so: the index of the origin and the key of the stream.
    pub writer: Option<(u32, u64)>,
    /// How it stands to the record before it in its stream.
    pub joins: Joins,
}

/// How the envelope of a line says that it stands to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Joins {
    /// The text decides.
    #[default]
    ByText,
    /// It is a further line of the same message.
    AsLine,
    /// It is what ends the envelope, and no text.
    AsNothing,
}

impl<'c> Line<'c> {
    /// A line without an envelope.
    pub fn bare(content: &'c [u8]) -> Line<'c> {
        Line {
            envelope: Envelope::None,
            stream: Stream::Unknown,
            time: None,
            partial: false,
            content: Cow::Borrowed(content),
            journal: None,
            writer: None,
            joins: Joins::ByText,
        }
    }

    /// The line on its own.
    pub fn into_owned(self) -> Line<'static> {
        Line {
            envelope: self.envelope,
            stream: self.stream,
            time: self.time,
            partial: self.partial,
            content: Cow::Owned(self.content.into_owned()),
            journal: self.journal.map(|entry| Box::new(entry.into_owned())),
            writer: self.writer,
            joins: self.joins,
        }
    }
}

/// Which envelopes are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Envelopes {
    /// Each line is looked at.
    #[default]
    Auto,
    /// Each line is looked at; they are a container's, so that a time with nine digits before one is not its own.
    OfContainer,
    /// Only this one.
    Only(Envelope),
}

impl Envelopes {
    /// Is this one looked for?
    pub fn allows(self, envelope: Envelope) -> bool {
        matches!(self, Envelopes::Auto | Envelopes::OfContainer) || self == Envelopes::Only(envelope)
    }
}

/// Takes the envelope off a line. What has none, or not the one that was asked for, is its own content.
#[inline]
pub fn line(bytes: &[u8], envelopes: Envelopes) -> Line<'_> {
    match bytes.first() {
        Some(b'0'..=b'9') => {
            if envelopes.allows(Envelope::Cri)
                && let Some(line) = cri::line(bytes)
            {
                return Line {
                    envelope: Envelope::Cri,
                    stream: if line.stdout { Stream::Stdout } else { Stream::Stderr },
                    time: Some((line.nanos, line.digits)),
                    partial: line.partial,
                    ..Line::bare(line.content)
                };
            }
            if envelopes.allows(Envelope::Kubectl)
                && let Some(line) = kubectl::line(bytes)
                && (envelopes != Envelopes::Auto || kubectl::stands_alone(line.content))
            {
                return Line { envelope: Envelope::Kubectl, time: Some((line.nanos, 9)), ..Line::bare(line.content) };
            }
        }
        // JSON text sequences (RFC 7464): `journalctl -o json-seq`.
        Some(&RECORD_SEPARATOR) if bytes.get(1) == Some(&b'{') => return line(&bytes[1..], envelopes),
        Some(b'{') => {
            if envelopes.allows(Envelope::Docker)
                && let Some(line) = docker(bytes)
            {
                return line;
            }
            if envelopes.allows(Envelope::Journal)
                && let Some(entry) = journal_json::line(bytes)
            {
                return from_journal(entry);
            }
        }
        _ => {}
    }
    Line::bare(bytes)
}

const RECORD_SEPARATOR: u8 = 0x1e;

/// The stream of a line that a tool passed on.
pub fn stream(stdout: Option<bool>) -> Stream {
    match stdout {
        Some(true) => Stream::Stdout,
        Some(false) => Stream::Stderr,
        None => Stream::Unknown,
    }
}

fn docker(bytes: &[u8]) -> Option<Line<'_>> {
    let line = docker_json::line(bytes)?;
    Some(Line {
        envelope: Envelope::Docker,
        stream: match line.stream {
            docker_json::Stream::Stdout => Stream::Stdout,
            docker_json::Stream::Stderr => Stream::Stderr,
            docker_json::Stream::Unknown => Stream::Unknown,
        },
        time: line.nanos.map(|nanos| (nanos, line.digits)),
        partial: line.partial,
        content: line.log,
        journal: line.attrs.map(|attrs| Box::new(attributes(attrs))),
        ..Line::bare(b"")
    })
}

/// Labels and variables of the container that docker was told to add.
#[cold]
fn attributes(attrs: &[u8]) -> journal::Entry<'_> {
    let mut fields = Vec::new();
    let mut members = json::object(attrs);
    while let Some(member) = members.as_mut().and_then(json::Members::member) {
        fields.push((member.key(), member.text().unwrap_or(Cow::Borrowed(member.raw))));
    }
    journal::Entry { fields, ..journal::Entry::default() }
}

/// A journal's entry as a line: its MESSAGE, cut where journald cut it.
pub fn from_journal(entry: journal::Entry<'_>) -> Line<'_> {
    from_entry(Box::new(entry))
}

/// The same of one that is on the heap already.
pub fn from_entry(entry: Box<journal::Entry<'_>>) -> Line<'_> {
    let mut content = entry.message.clone();
    if content.last() == Some(&b'\n') {
        match &mut content {
            Cow::Borrowed(text) => *text = &text[..text.len() - 1],
            Cow::Owned(text) => {
                text.pop();
            }
        }
    }
    Line {
        envelope: Envelope::Journal,
        stream: Stream::Unknown,
        time: entry.nanos().map(|nanos| (nanos, 6)),
        partial: entry.line_break || entry.container_partial,
        content,
        journal: Some(entry),
        ..Line::bare(b"")
    }
}

/// When a record was written: the payload's time, else the envelope's. A payload that says whole seconds is refined by an
/// envelope that lies within that second.
#[inline]
pub fn when(time: Time, envelope: Option<(i64, u8)>, calendar: &mut Calendar) -> Option<(i64, u8)> {
    if time == Time::None {
        return envelope;
    }
    let (nanos, digits) = calendar.resolve(time, envelope.map(|(nanos, _)| nanos)).or(envelope)?;
    match envelope {
        Some((outer, outer_digits)) if digits == 0 && (0..1_000_000_000).contains(&(outer - nanos)) => {
            Some((outer, outer_digits))
        }
        _ => Some((nanos, digits)),
    }
}

/// Takes in what the text does not say: a journal's PRIORITY, from transports whose writers set it, and the process.
pub fn take_in(entry: &mut Entry, journal: &journal::Entry) {
    if entry.severity == Severity::UNKNOWN {
        entry.severity = journal.severity();
    }
    entry.pid = entry.pid.or(journal.pid);
}

/// Takes in what a tool's labels say and the text does not: ids, and the level that Loki found.
pub fn take_in_labels(entry: &mut Entry, envelope: Envelope, labels: &[Field<'_>]) {
    if entry.trace.trace_id.is_none() {
        entry.trace = trace_context::from_fields(labels);
    }
    if entry.severity != Severity::UNKNOWN || envelope != Envelope::Loki {
        return;
    }
    for key in [&b"detected_level"[..], b"level", b"severity"] {
        if let Some(Value::Text(level)) = labels.iter().find(|label| *label.key == *key).map(|label| &label.value) {
            entry.severity = Severity::from_name(level);
            if entry.severity != Severity::UNKNOWN {
                entry.severity_text = Cow::Owned(level.to_vec());
                return;
            }
        }
    }
}

/// A clock without a day, of which no time can be made, becomes a field: the text after it is all that the body has.
#[cold]
pub fn keep_clock(entry: &mut Entry) {
    let Time::Local { nanos_of_day, digits, .. } = entry.time else { return };
    let seconds = nanos_of_day / 1_000_000_000;
    let mut clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if digits > 0 {
        let fraction = format!("{:09}", nanos_of_day % 1_000_000_000);
        clock.push('.');
        clock.push_str(&fraction[..usize::from(digits.min(9))]);
    }
    entry.push(&b"time"[..], Value::Text(Cow::Owned(clock.into_bytes())));
}

/// Takes the name of the service that OpenTelemetry's logging wrote out of the fields.
pub fn own_service(entry: &mut Entry) -> Option<String> {
    let at = entry.fields.iter().position(|field| *field.key == *b"resource.service.name")?;
    match entry.fields.remove(at).value {
        Value::Text(name) => Some(String::from_utf8_lossy(&name).into_owned()),
        _ => None,
    }
}

/// What tells an entry from all others of its journal: __SEQNUM, or the `i=` of its cursor, which is the same number (older
/// versions export only that); of a cursor of another form, a hash.
pub fn journal_seqnum(entry: &journal::Entry<'_>) -> Option<u64> {
    let field = entry.fields.iter().find(|(name, _)| &**name == b"__SEQNUM").map(|(_, value)| &**value);
    if let Some(place) = &entry.place {
        return Some(place.seqnum);
    }
    let number = field.and_then(|value| std::str::from_utf8(value).ok()).and_then(|text| text.parse().ok());
    number.or_else(|| {
        let cursor = entry.cursor.as_deref().filter(|cursor| !cursor.is_empty())?;
        let part = cursor.split(|byte| *byte == b';').find_map(|part| part.strip_prefix(b"i="));
        let number = part.and_then(|hex| u64::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        number.or_else(|| Some(twox_hash::XxHash64::oneshot(0, cursor)))
    })
}

/// The key of the stream that a journal's entry belongs to: lines of one record come from one stream or one process.
pub fn journal_stream(entry: &journal::Entry<'_>) -> u64 {
    let stream: &[u8] = entry.stream_id.as_deref().or(entry.container_id_full.as_deref()).unwrap_or_default();
    // Without either, what calls itself alike is one writer.
    let stream =
        if stream.is_empty() && entry.pid.is_none() { entry.identifier.as_deref().unwrap_or(stream) } else { stream };
    let seed = entry.pid.unwrap_or_default();
    twox_hash::XxHash64::oneshot(if stream.is_empty() { seed } else { 0 }, stream)
}
