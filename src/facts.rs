//! The vocabulary of linking: what is needed of a span (data only).
//!
//! `spans` fills these from its messages and hands them over borrowed; the index of `correlate` keeps what it needs. OTLP,
//! JSON and Jaeger stay outside.

/// A span as it is handed to the index.
#[derive(Debug, Clone, Default)]
pub struct SpanFact<'a> {
    /// Trace id, not all zero.
    pub trace_id: [u8; 16],
    /// Span id, not all zero.
    pub span_id: [u8; 8],
    /// Parent's span id, all zero for a root.
    pub parent_id: [u8; 8],
    /// Span name.
    pub name: &'a str,
    /// Name of the instrumentation scope.
    pub scope: &'a str,
    /// Its kind.
    pub kind: Kind,
    /// Start, ns since the epoch.
    pub start: i64,
    /// End, ns since the epoch; never before the start.
    pub end: i64,
    /// Its status message, may be empty; `None` unless its status is an error.
    pub failure: Option<&'a str>,
    /// Attributes with a text value: the bytes of key and text, since their words are looked for, and not shown.
    pub attributes: Vec<(&'a [u8], &'a [u8])>,
    /// Its events.
    pub events: Vec<EventFact<'a>>,
}

/// An event of a span, as far as it may be a log line.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventFact<'a> {
    /// ns since the epoch.
    pub time: i64,
    /// Name: containerd and conmon-rs put the message here.
    pub name: &'a str,
    /// Attribute `log.message`: CRI-O's hook puts the message here.
    pub message: Option<&'a str>,
    /// Attribute `id`: the request id of CRI-O's hook.
    pub request_id: Option<&'a str>,
    /// Has an attribute `level`, as the hooks of containerd and conmon-rs give it.
    pub leveled: bool,
    /// Attribute `target` (conmon-rs).
    pub target: Option<&'a str>,
    /// Attribute `code.line.number`, else 0.
    pub line: u32,
}

/// Whose spans these are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ResourceFact<'a> {
    /// Spans that come with the same number, other than 0, have the same resource.
    pub run: u64,
    /// The content of its message in OTLP, where it came in one.
    pub message: &'a [u8],
    /// `service.name`
    pub service: &'a str,
    /// `k8s.pod.uid`
    pub pod_uid: &'a str,
    /// `k8s.namespace.name`
    pub namespace: &'a str,
    /// `k8s.pod.name`
    pub pod: &'a str,
    /// `k8s.container.name`
    pub container: &'a str,
    /// `container.id`
    pub container_id: &'a str,
    /// `host.name`
    pub host: &'a str,
    /// `service.instance.id`
    pub instance: &'a str,
    /// `process.pid`
    pub pid: u64,
}

/// Span kind, numbered as in OTLP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Not told.
    #[default]
    Unspecified,
    /// Internal.
    Internal,
    /// Server.
    Server,
    /// Client.
    Client,
    /// Producer.
    Producer,
    /// Consumer.
    Consumer,
}

impl Kind {
    /// The kind of an OTLP number; unknown ones are not told.
    pub fn from_number(number: i32) -> Kind {
        match number {
            1 => Kind::Internal,
            2 => Kind::Server,
            3 => Kind::Client,
            4 => Kind::Producer,
            5 => Kind::Consumer,
            _ => Kind::Unspecified,
        }
    }
}
