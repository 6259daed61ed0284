//! One physical line to its envelope and content, and one whole record to what it says.
//!
//! In go bytes of a line, out comes a [`Line`]: what the runtime wrote around it (CRI, docker, a journal's entry) and the
//! content. Later the joined content goes through [`when`] and the parsers. Nothing is joined, linked or sent here.

use std::borrow::Cow;

use spanline_parsers::{Entry, Field, Severity, Text, Time, Value, cri, docker_json, journal, journal_json, kubectl};

use crate::calendar::Calendar;
use crate::record::{Envelope, Origin, Producer, Stream};

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
    /// The journal's entry.
    pub journal: Option<Box<journal::Entry<'c>>>,
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
    fn allows(self, envelope: Envelope) -> bool {
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
                    content: Cow::Borrowed(line.content),
                    journal: None,
                };
            }
            if envelopes.allows(Envelope::Kubectl)
                && let Some(line) = kubectl::line(bytes)
                && (envelopes != Envelopes::Auto || kubectl::stands_alone(line.content))
            {
                return Line { envelope: Envelope::Kubectl, time: Some((line.nanos, 9)), ..Line::bare(line.content) };
            }
        }
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
        journal: None,
    })
}

/// A journal's entry as a line: its MESSAGE, cut where journald cut it.
pub fn from_journal(entry: journal::Entry<'_>) -> Line<'_> {
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
        journal: Some(Box::new(entry)),
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

/// Takes a journal's PRIORITY in where the text says nothing, and only from transports whose writers set it.
pub fn take_priority(entry: &mut Entry, journal: &journal::Entry) {
    if entry.severity == Severity::UNKNOWN {
        entry.severity = journal.severity();
    }
}

/// The fields of a journal's entry that are attributes: all but those that became time, body, severity or resource.
pub fn journal_fields<'r>(entry: &'r journal::Entry<'_>, fields: &mut Vec<Field<'r>>) {
    let mut push = |key: &'static str, value: &'r [u8]| {
        fields.push(Field { key: Cow::Borrowed(key.as_bytes()), value: Value::Text(Cow::Borrowed(value)) });
    };
    for (key, value) in [
        ("SYSLOG_IDENTIFIER", &entry.identifier),
        ("_COMM", &entry.comm),
        ("_BOOT_ID", &entry.boot_id),
        ("__CURSOR", &entry.cursor),
        ("_STREAM_ID", &entry.stream_id),
        ("CONTAINER_ID_FULL", &entry.container_id_full),
    ] {
        if let Some(value) = value {
            push(key, value);
        }
    }
    for (key, value) in &entry.fields {
        fields.push(Field { key: Cow::Borrowed(key), value: Value::Text(Cow::Borrowed(value)) });
    }
}

/// Who wrote a journal's entry: the program by its identifier, command or unit.
pub fn journal_origin(entry: &journal::Entry<'_>, around: &Origin) -> Origin {
    let text = |field: &Option<Text<'_>>| field.as_ref().map(|text| String::from_utf8_lossy(text).into_owned());
    let unit = text(&entry.unit);
    let comm = text(&entry.comm);
    let name = text(&entry.identifier).or_else(|| comm.clone());
    let by_unit = || unit.as_deref().map(|unit| unit.trim_end_matches(".service").to_owned());
    // The kernel cuts a command's name at 15 bytes, so identifiers come first.
    let program = name.or_else(by_unit).unwrap_or_default();
    let (producer, service) = producer_named(&program);
    Origin {
        service_name: service.map_or(program.clone(), str::to_owned),
        producer,
        pod: None,
        host: text(&entry.hostname).or_else(|| around.host.clone()),
        unit,
        resource: around.resource.clone(),
    }
}

/// The component behind a program's name, with the name that its own tracing uses.
pub fn producer_named(program: &str) -> (Producer, Option<&'static str>) {
    match program {
        // OpenShift, microshift and microk8s run the kubelet under these names.
        "kubelet" | "hyperkube" | "kubenswrapper" | "microk8s.daemon-kubelite" => (Producer::Kubelet, Some("kubelet")),
        "crio" | "cri-o" => (Producer::Crio, Some("crio")),
        "containerd" | "dockerd" | "containerd-shim" | "containerd-shim-runc-v2" => {
            (Producer::Containerd, Some("containerd"))
        }
        "conmonrs" | "conmon-rs" => (Producer::ConmonRs, Some("conmonrs")),
        "conmon" => (Producer::Conmon, None),
        "kube-apiserver" => (Producer::ApiServer, Some("apiserver")),
        "etcd" => (Producer::Etcd, Some("etcd")),
        "kube-scheduler" => (Producer::Scheduler, None),
        "kube-controller-manager" => (Producer::ControllerManager, None),
        _ => (Producer::Other, None),
    }
}

/// What tells an entry from all others of its journal: __SEQNUM, or the `i=` of its cursor, which is the same number (older
/// versions export only that); of a cursor of another form, a hash.
pub fn journal_seqnum(entry: &journal::Entry<'_>) -> Option<u64> {
    let field = entry.fields.iter().find(|(name, _)| &**name == b"__SEQNUM").map(|(_, value)| &**value);
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
    let seed = entry.pid.unwrap_or_default();
    twox_hash::XxHash64::oneshot(if stream.is_empty() { seed } else { 0 }, stream)
}
