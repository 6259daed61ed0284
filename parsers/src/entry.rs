//! The vocabulary: what one log line says, borrowed from its bytes.
//!
//! Every parser fills an [`Entry`]; the encoder reads it. Bytes need not be UTF-8. Nothing is decided here: marks
//! (no year, no zone) are kept for those who know the file and its neighbours.

use std::borrow::Cow;

/// Text as it stood, or as it reads once its escapes are undone.
pub type Text<'a> = Cow<'a, [u8]>;

/// One logical log entry as the program wrote it, without its envelope.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry<'a> {
    /// What was recognised.
    pub format: Format,
    /// The time in the text.
    pub time: Time,
    /// Severity number by the OpenTelemetry tables, [`Severity::UNKNOWN`] where the line has none.
    pub severity: Severity,
    /// The severity as written (`I`, `warning`, `ERROR`), empty where there is none.
    pub severity_text: Text<'a>,
    /// The message, unquoted and unescaped.
    pub body: Text<'a>,
    /// The line's own keys with their values, in order; of equal keys the last one wins (see [`Entry::field`]).
    pub fields: Vec<Field<'a>>,
    /// Process id in the header (`process.pid`), not one among the fields.
    pub pid: Option<u64>,
    /// Where in the source the line was written, as the header says.
    pub code: Option<CodeSite<'a>>,
    /// Ids written in the line.
    pub trace: TraceContext,
    /// Where the time was written as a bare number, which may count something else: the field that it would be.
    pub number_time: Option<NumberTime<'a>>,
}

/// A field that was taken for the time since it is a number of the right size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberTime<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value, with its quotes if it has any.
    pub raw: &'a [u8],
    /// Where it would stand among the fields.
    pub place: usize,
}

/// A key of the line and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Field<'a> {
    /// The key as written.
    pub key: Text<'a>,
    /// Its value.
    pub value: Value<'a>,
}

/// A value as the line means it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Quoted text, or an unquoted token that is no JSON value.
    Text(Text<'a>),
    /// A number as it stood (ASCII): any of JSON's, or an unquoted token of a text format that prints back exactly.
    Number(&'a [u8]),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// A JSON object or array: valid JSON, as it stood.
    Json(Text<'a>),
}

/// Source file and line of a header or a `caller`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeSite<'a> {
    /// `kubelet.go`, `dir/file.go`, or a Rust target.
    pub file: &'a [u8],
    /// From 1; 0 where it is not known.
    pub line: u32,
}

/// The time that a line carries, as complete as it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Time {
    /// No time in the line.
    #[default]
    None,
    /// Nanoseconds since the epoch, and how many digits of the second were written (0–9).
    Unix {
        /// Nanoseconds since 1970-01-01T00:00:00Z.
        nanos: i64,
        /// Digits of the fraction: 0 means whole seconds, 3 milliseconds, …
        digits: u8,
    },
    /// Date and time of day without a zone; `year` is `None` for klog and syslog.
    Local {
        /// The year, where it is written.
        year: Option<i32>,
        /// 1–12; 0 where only the time of day is written.
        month: u8,
        /// 1–31; 0 where only the time of day is written.
        day: u8,
        /// Nanoseconds since midnight (second 60 counts as the next second).
        nanos_of_day: i64,
        /// Digits of the fraction.
        digits: u8,
    },
}

/// Severity number of the OpenTelemetry log data model: 1–24, 0 where unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Severity(pub u8);

impl Severity {
    /// The line does not say.
    pub const UNKNOWN: Severity = Severity(0);
    /// Finest.
    pub const TRACE: Severity = Severity(1);
    /// Debugging.
    pub const DEBUG: Severity = Severity(5);
    /// Informational.
    pub const INFO: Severity = Severity(9);
    /// syslog's notice.
    pub const INFO2: Severity = Severity(10);
    /// Warning.
    pub const WARN: Severity = Severity(13);
    /// Error.
    pub const ERROR: Severity = Severity(17);
    /// syslog's critical.
    pub const ERROR2: Severity = Severity(18);
    /// syslog's alert.
    pub const ERROR3: Severity = Severity(19);
    /// The program ends, or the system is unusable.
    pub const FATAL: Severity = Severity(21);

    /// The number for a level's name in any case (`warn`, `WARNING`, `Err`, `notice`, `panic`, …); unknown names give
    /// [`Severity::UNKNOWN`].
    #[inline]
    pub fn from_name(name: &[u8]) -> Severity {
        // As most programs write them.
        match name {
            b"info" | b"INFO" => Severity::INFO,
            b"debug" | b"DEBUG" => Severity::DEBUG,
            b"warn" | b"WARN" | b"warning" => Severity::WARN,
            b"error" | b"ERROR" => Severity::ERROR,
            _ => Severity::from_rare_name(name),
        }
    }

    fn from_rare_name(name: &[u8]) -> Severity {
        let mut lower = [0u8; 13];
        let Some(lower) = lower.get_mut(..name.len()) else { return Severity::UNKNOWN };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"trace" | b"trc" | b"trce" | b"trac" | b"verbose" | b"verb" | b"vrb" | b"finest" | b"finer" | b"all"
            | b"silly" => Severity::TRACE,
            b"debug" | b"dbg" | b"dbug" | b"debu" | b"debg" | b"fine" | b"config" => Severity::DEBUG,
            b"info" | b"inf" | b"information" | b"informational" | b"log" => Severity::INFO,
            b"notice" => Severity::INFO2,
            b"warn" | b"warning" | b"wrn" => Severity::WARN,
            b"error" | b"err" | b"eror" | b"erro" | b"fail" | b"failure" | b"severe" => Severity::ERROR,
            b"crit" | b"critical" | b"dpanic" => Severity::ERROR2,
            b"alert" => Severity::ERROR3,
            b"fatal" | b"ftl" | b"fatl" | b"fata" | b"panic" | b"pani" | b"emerg" | b"emergency" => Severity::FATAL,
            _ => Severity::UNKNOWN,
        }
    }

    /// The number for a syslog or journal PRIORITY (0–7).
    pub fn from_priority(priority: u8) -> Severity {
        match priority {
            0 => Severity::FATAL,
            1 => Severity::ERROR3,
            2 => Severity::ERROR2,
            3 => Severity::ERROR,
            4 => Severity::WARN,
            5 => Severity::INFO2,
            6 => Severity::INFO,
            7 => Severity::DEBUG,
            _ => Severity::UNKNOWN,
        }
    }
}

/// Ids written in a line, validated: never all zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// 16 bytes; a 64-bit id is padded on the left with zeros.
    pub trace_id: Option<[u8; 16]>,
    /// 8 bytes.
    pub span_id: Option<[u8; 8]>,
    /// W3C flags, where written.
    pub flags: Option<u8>,
    /// The span is the caller's (a traceparent, b3, uber-trace-id or X-Ray header): the line's own span is a child of it.
    pub remote_parent: bool,
    /// Only the low 64 bits of the trace id were written (Datadog decimals, B3's short form).
    pub low64: bool,
}

/// What a payload was recognised as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// klog text.
    Klog,
    /// Kubernetes component-base JSON.
    KlogJson,
    /// logrus text.
    Logrus,
    /// logrus JSON.
    LogrusJson,
    /// Any other `key=value` line.
    Logfmt,
    /// Any other JSON object.
    Json,
    /// conmon-rs (tracing-subscriber's text).
    ConmonRs,
    /// conmon.
    Conmon,
    /// RFC 3164 or RFC 5424.
    Syslog,
    /// Spring Boot's console pattern.
    Spring,
    /// log4j / logback pattern.
    Log4j,
    /// Python's logging.
    Python,
    /// nginx, Apache, Envoy access lines.
    Access,
    /// glog that is not klog.
    Glog,
    /// One that the user describes; no parser here makes it.
    Custom,
    /// Nothing of the above.
    #[default]
    Text,
}

impl Format {
    /// All of them, in the order of their numbers.
    pub const ALL: [Format; 16] = [
        Format::Klog,
        Format::KlogJson,
        Format::Logrus,
        Format::LogrusJson,
        Format::Logfmt,
        Format::Json,
        Format::ConmonRs,
        Format::Conmon,
        Format::Syslog,
        Format::Spring,
        Format::Log4j,
        Format::Python,
        Format::Access,
        Format::Glog,
        Format::Custom,
        Format::Text,
    ];

    /// The name in the `format` field.
    pub fn name(self) -> &'static str {
        match self {
            Format::Klog => "klog",
            Format::KlogJson => "klog-json",
            Format::Logrus => "logrus",
            Format::LogrusJson => "logrus-json",
            Format::Logfmt => "logfmt",
            Format::Json => "json",
            Format::ConmonRs => "conmonrs",
            Format::Conmon => "conmon",
            Format::Syslog => "syslog",
            Format::Spring => "spring",
            Format::Log4j => "log4j",
            Format::Python => "python",
            Format::Access => "access",
            Format::Glog => "glog",
            Format::Custom => "custom",
            Format::Text => "text",
        }
    }
}

/// A number of a key's length and its first and last bytes, by which most different keys are told apart. Multiplied by an
/// odd factor, its high bits make a place in a table.
#[inline(always)]
pub const fn key_mix(key: &[u8]) -> u32 {
    let (head, tail) = match (key.first_chunk(), key.last_chunk()) {
        (Some(head), Some(tail)) => (u32::from_le_bytes(*head), u32::from_le_bytes(*tail)),
        _ => match *key {
            [] => (0, 0),
            [first] => (first as u32, 0),
            [first, .., last] => (first as u32, last as u32),
        },
    };
    (head ^ tail.rotate_left(13)).wrapping_add(key.len() as u32)
}

impl<'a> Entry<'a> {
    /// Empties the entry, keeping the room of its fields.
    pub fn clear(&mut self) {
        // One by one: a whole new entry would be built and moved for each line.
        self.fields.clear();
        self.format = Format::default();
        self.time = Time::None;
        self.severity = Severity::UNKNOWN;
        self.severity_text = Text::Borrowed(b"");
        self.body = Text::Borrowed(b"");
        self.pid = None;
        self.code = None;
        self.trace = TraceContext::default();
        self.number_time = None;
    }

    /// Adds a field.
    #[inline]
    pub fn push(&mut self, key: impl Into<Text<'a>>, value: Value<'a>) {
        self.fields.push(Field { key: key.into(), value });
    }

    /// The value of a key: the last of equal ones.
    pub fn field(&self, key: &[u8]) -> Option<&Value<'a>> {
        self.fields.iter().rev().find(|field| *field.key == *key).map(|field| &field.value)
    }

    /// The value of a key, where it is text.
    pub fn text(&self, key: &[u8]) -> Option<&[u8]> {
        match self.field(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}
