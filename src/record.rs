//! The vocabulary that flows: where lines come from, one record of them, and the span it belongs to.
//!
//! A [`Record`] borrows from the chunk it was read in; only origins, positions and links are owned. Nothing here reads,
//! parses or sends.

pub mod pod_facts;
pub mod sink;
mod unlinked;

use std::sync::Arc;

use pod_facts::PodFacts;
use spanline_parsers::{Entry, Field};
pub use unlinked::Unlinked;

/// What some editors and Windows programs put before the first line of a file; it is no part of the line.
pub const BOM: &[u8] = b"\xef\xbb\xbf";

/// Who wrote lines: the resource they are shipped under, and what correlation knows of their writer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Origin {
    /// `service.name` as names of files, pods and programs tell it; may be empty where nothing is known. The state of
    /// earlier runs goes by it, so that it must not depend on the spans given.
    pub service_name: String,
    /// `service.name` of the pod's spans, where that is another one.
    pub service_of_spans: Option<String>,
    /// The service is only what the file is called.
    pub is_guessed: bool,
    /// Which program's habits the lines follow.
    pub producer: Producer,
    /// The pod and container, for container logs.
    pub pod: Option<Pod>,
    /// What Kubernetes knows of the pod beside, where it was asked.
    pub pod_facts: Option<Arc<PodFacts>>,
    /// What is known of the pod is not sent.
    pub hides_pod: bool,
    /// `host.name`, where known.
    pub host: Option<String>,
    /// systemd unit or syslog identifier of a journal's entry.
    pub unit: Option<String>,
    /// Further attributes of the resource, as the user says them.
    pub resource: Vec<(String, String)>,
}

impl Origin {
    /// The `service.name` that lines are shown and sent under.
    pub fn service(&self) -> &str {
        self.service_of_spans.as_deref().unwrap_or(&self.service_name)
    }

    /// Whether another one differs at most by the service of its spans.
    pub fn is_same_but_for_spans(&self, other: &Origin) -> bool {
        let alike = Origin { service_of_spans: self.service_of_spans.clone(), ..other.clone() };
        *self == alike
    }
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pod {
    /// `k8s.namespace.name`.
    pub namespace: String,
    /// `k8s.pod.name`.
    pub name: String,
    /// `k8s.pod.uid`, empty where only a `containers/` name is known.
    pub uid: String,
    /// `k8s.container.name`.
    pub container: String,
    /// `k8s.container.restart_count`.
    pub restart: Option<u32>,
    /// `container.id`, where a name tells it.
    pub container_id: Option<String>,
}

/// The program whose lines these are, as far as rules need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Producer {
    /// kubelet
    Kubelet,
    /// CRI-O
    Crio,
    /// containerd, its shims included
    Containerd,
    /// conmon-rs
    ConmonRs,
    /// conmon
    Conmon,
    /// kube-apiserver's own log
    ApiServer,
    /// kube-apiserver's audit log
    Audit,
    /// etcd
    Etcd,
    /// kube-scheduler
    Scheduler,
    /// kube-controller-manager
    ControllerManager,
    /// a container of a pod
    Pod,
    /// anything else
    #[default]
    Other,
}

impl Producer {
    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Producer::Kubelet => "kubelet",
            Producer::Crio => "crio",
            Producer::Containerd => "containerd",
            Producer::ConmonRs => "conmonrs",
            Producer::Conmon => "conmon",
            Producer::ApiServer => "apiserver",
            Producer::Audit => "audit",
            Producer::Etcd => "etcd",
            Producer::Scheduler => "scheduler",
            Producer::ControllerManager => "controller-manager",
            Producer::Pod => "pod",
            Producer::Other => "other",
        }
    }
}

/// Where a record stands in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Index of the file among those of its source, oldest first.
    pub file: u32,
    /// Number of the first physical line in its file, from 1.
    pub line: u64,
    /// Physical lines that it took.
    pub lines: u32,
    /// Byte offset of the first physical line (in the decompressed stream).
    pub offset: u64,
    /// Byte offset after the last physical line and its line feed, which may still be to come.
    pub end: u64,
    /// For a record of several entries of a journal, between which others' may stand: tells its stream or process from
    /// others. Else 0.
    pub strand: u64,
    /// The number that the journal gave its (first) entry, which stays the same wherever the entry is exported to.
    pub seqnum: Option<u64>,
    /// It is not wanted, and goes nowhere: it is told so that nobody takes those around it for all of their stream.
    pub is_left_out: bool,
}

/// The records of one source that a batch holds, in reading order: those of logs by their bytes `from..to`, spans by ordinals.
///
/// It comes back once a destination has taken them, or they were given up on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Receipt {
    /// Index of the source.
    pub source: u32,
    /// The first one.
    pub from: u64,
    /// The offset after the last.
    pub to: u64,
}

/// `log.iostream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Stream {
    /// The envelope does not say.
    #[default]
    Unknown,
    /// stdout
    Stdout,
    /// stderr
    Stderr,
}

impl Stream {
    /// All of them, in the order of their numbers.
    pub const ALL: [Stream; 3] = [Stream::Unknown, Stream::Stdout, Stream::Stderr];
}

/// What the runtime wrote around a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Envelope {
    /// Nothing.
    #[default]
    None,
    /// CRI
    Cri,
    /// docker json-file
    Docker,
    /// a journal's entry
    Journal,
    /// `kubectl logs` with prefixes or times
    Kubectl,
    /// stern
    Stern,
    /// `docker compose logs`
    Compose,
    /// a log shipper's JSON
    Shipper,
    /// Loki's answer
    Loki,
}

impl Envelope {
    /// All of them, in the order of their numbers.
    pub const ALL: [Envelope; 9] = [
        Envelope::None,
        Envelope::Cri,
        Envelope::Docker,
        Envelope::Journal,
        Envelope::Kubectl,
        Envelope::Stern,
        Envelope::Compose,
        Envelope::Shipper,
        Envelope::Loki,
    ];

    /// Do lines of many writers stand in one file?
    pub fn is_shared(self) -> bool {
        !matches!(self, Envelope::None | Envelope::Cri | Envelope::Docker)
    }
}

/// One logical log entry: joined parts, continuation lines included.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// Index of its source in reading order.
    pub source: u32,
    /// Who wrote it.
    pub origin: &'r Origin,
    /// Where it stands.
    pub position: Position,
    /// What was around it.
    pub envelope: Envelope,
    /// The stream it went to.
    pub stream: Stream,
    /// When it was written: the payload's time, else the envelope's; ns since the epoch.
    pub time: Option<i64>,
    /// Digits of the second that `time` was written with (0: whole seconds, 9: nanoseconds).
    pub time_digits: u8,
    /// The envelope's time, ns since the epoch.
    pub envelope_time: Option<i64>,
    /// What the line says. Severity is final here (a journal's PRIORITY is taken in where the text has none).
    pub entry: &'r Entry<'r>,
    /// Fields of the envelope (a journal entry's), to be attributes.
    pub envelope_fields: &'r [Field<'r>],
    /// The payload's bytes, parts joined by nothing and continuation lines by LF.
    pub payload: &'r [u8],
    /// Number of the piece, from 1, of a line or record that was longer than the limit; 0 for a whole one.
    pub piece: u32,
}

/// How a link was found, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// The ids stand in the record.
    Written,
    /// The same line is an event of the span.
    Event,
    /// An id names the request.
    Request,
    /// Shared keys (pod, container, image) and time.
    Entity,
    /// Learned from content, structure and time.
    Inferred,
}

impl Method {
    /// The name in `spanline.link.method`.
    pub fn name(self) -> &'static str {
        match self {
            Method::Written => "written",
            Method::Event => "event",
            Method::Request => "request",
            Method::Entity => "entity",
            Method::Inferred => "inferred",
        }
    }
}

/// How the record stands to the span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Relation {
    /// The span encloses the record.
    #[default]
    Within,
    /// It concerns the same thing while the span is open, but was written elsewhere.
    About,
}

impl Relation {
    /// The name in `spanline.link.relation`.
    pub fn name(self) -> &'static str {
        match self {
            Relation::Within => "within",
            Relation::About => "about",
        }
    }
}

/// The span a record belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Trace id.
    pub trace_id: [u8; 16],
    /// Span id; all zero where only the trace is known.
    pub span_id: [u8; 8],
    /// How it was found.
    pub method: Method,
    /// 0–1; `None` for written ids whose span was not seen.
    pub confidence: Option<f32>,
    /// Within or about.
    pub relation: Relation,
    /// The span was seen.
    pub verified: bool,
    /// The span already holds this record as an event: none is added.
    pub has_event: bool,
}

impl Link {
    /// It is sure enough to be made where links need this confidence, 0–1. Written ids are.
    pub fn is_made_at(&self, min_confidence: f32) -> bool {
        self.confidence.is_none_or(|confidence| confidence >= min_confidence)
    }
}

impl Record<'_> {
    /// The link to the ids that stand in the record, where no traces are known.
    pub fn written_link(&self) -> Option<Link> {
        Some(Link {
            trace_id: self.entry.trace.trace_id?,
            span_id: self.entry.trace.span_id.unwrap_or_default(),
            method: Method::Written,
            confidence: None,
            relation: Relation::Within,
            verified: false,
            has_event: false,
        })
    }
}
