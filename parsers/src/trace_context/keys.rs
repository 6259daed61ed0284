//! Which keys name a trace or a span, and by which grammar their values are read.

/// What a key's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// The trace of the line.
    Trace,
    /// The trace by ECS' or an Elastic agent's name, beside which a transaction is a span.
    ElasticTrace,
    /// `trace` alone, which may also be a stack or a switch: only a whole id is one.
    BareTrace,
    /// The line's own span.
    Span,
    /// `span` alone, likewise.
    BareSpan,
    /// The local root span (Elastic APM).
    Transaction,
    /// Application Insights' operation, a trace only beside its parent.
    Operation,
    /// The parent of such an operation.
    OperationParent,
    /// W3C flags.
    Flags,
    /// Datadog's trace id.
    DatadogTrace,
    /// Datadog's span id.
    DatadogSpan,
    /// The trace of the caller (X-B3-TraceId, ot-tracer-traceid).
    HeaderTrace,
    /// The span of the caller.
    HeaderSpan,
    /// W3C traceparent.
    Traceparent,
    /// b3, single header.
    B3,
    /// Jaeger's uber-trace-id.
    Uber,
    /// X-Amzn-Trace-Id and AWS-XRAY-TRACE-ID.
    Xray,
    /// X-Cloud-Trace-Context.
    CloudHeader,
    /// Request-Id, of which only the hierarchical form counts.
    Request,
    /// grpc-trace-bin.
    GrpcBin,
}

/// The kind of a key, by its last word. Case and `_ - .` do not count.
#[inline(always)]
pub(super) fn classify(key: &[u8]) -> Option<Key> {
    if may_name(key) { classify_end(key) } else { None }
}

/// All ends that [`may_name`] looks at, each at its place: most keys are told by one comparison.
const END_PLACES: [[u8; 2]; 64] = {
    let ends = [*b"id", *b"nt", *b"xt", *b"gs", *b"ce", *b"an", *b"in", *b"b3", *b"tr", *b"sp"];
    let mut places = [[0; 2]; 64];
    let mut at = 0;
    while at < ends.len() {
        let place = end_place(ends[at]);
        assert!(places[place][0] == 0, "two ends have one place: another factor is needed");
        places[place] = ends[at];
        at += 1;
    }
    places
};

#[inline(always)]
const fn end_place(end: [u8; 2]) -> usize {
    (u16::from_le_bytes(end).wrapping_mul(END_FACTOR) >> 10) as usize
}

const END_FACTOR: u16 = 0x23;

/// Its last bytes and its length tell most keys to name nothing of a trace.
#[inline(always)]
pub(super) fn may_name(key: &[u8]) -> bool {
    let &[.., third, second, last] = key else { return key.eq_ignore_ascii_case(b"b3") };
    let end = [second | 0x20, last | 0x20];
    if END_PLACES[end_place(end)] != end {
        return false;
    }
    match (end[0], end[1]) {
        // `traceId`, `span_id`, `request-id`; a mark has the bit set.
        (b'i', b'd') => matches!(third | 0x20, b'e' | b'n' | b't' | b'-' | b'.' | 0x7f),
        // `traceparent` and longer ones
        (b'n' | b'x', b't') => key.len() >= 11,
        (b'g', b's') | (b'c', b'e') | (b'a' | b'i', b'n') | (b'b', b'3') | (b't', b'r') | (b's', b'p') => true,
        _ => false,
    }
}

fn classify_end(key: &[u8]) -> Option<Key> {
    match key.last()? | 0x20 {
        b'd' if key.len() > 3 && key[key.len() - 2] | 0x20 == b'i' => id_key(&key[..key.len() - 2]),
        b't' if ends_with(key, b"traceparent") => Some(Key::Traceparent),
        b't' if ends_with(key, b"cloud-trace-context") || ends_with(key, b"cloud_trace_context") => {
            Some(Key::CloudHeader)
        }
        b't' if key.eq_ignore_ascii_case(b"trace_parent") || key.eq_ignore_ascii_case(b"trace-parent") => {
            Some(Key::Traceparent)
        }
        b's' => stem(key, b"flags").filter(|stem| ends_with(stem, b"trace")).map(|_| Key::Flags),
        b'e' => word(key, b"trace").map(|_| Key::BareTrace),
        b'n' if ends_with(key, b"grpc-trace-bin") => Some(Key::GrpcBin),
        b'n' => word(key, b"span").map(|_| Key::BareSpan),
        b'3' if ends_with(key, b"b3") => {
            (key.len() == 2 || !key[key.len() - 3].is_ascii_alphanumeric()).then_some(Key::B3)
        }
        b'r' if key.eq_ignore_ascii_case(b"@tr") => Some(Key::Trace),
        b'p' if key.eq_ignore_ascii_case(b"@sp") => Some(Key::Span),
        _ => None,
    }
}

/// `…id` without its `id`.
fn id_key(stem: &[u8]) -> Option<Key> {
    // ECS puts a dot between the words; `transaction_id` is some business's own.
    let is_elastic = stem.last() == Some(&b'.') || ends_with(&stem[..stem.len().min(10)], b"elasticapm");
    let stem = match stem.last() {
        Some(b'_' | b'-' | b'.') => &stem[..stem.len() - 1],
        _ => stem,
    };
    match stem.last()? | 0x20 {
        b'e' if is_elastic
            && [&b"trace"[..], b"elasticapm_trace", b"elasticapmtrace"]
                .iter()
                .any(|name| stem.eq_ignore_ascii_case(name)) =>
        {
            Some(Key::ElasticTrace)
        }
        b'e' => trace_key(stem),
        b'n' => {
            if let Some(prefix) = word(stem, b"span") {
                return match Owner::of(prefix) {
                    Owner::Line => Some(Key::Span),
                    Owner::Datadog => Some(Key::DatadogSpan),
                    Owner::Header => Some(Key::HeaderSpan),
                    _ => None,
                };
            }
            let names = [&b"transaction"[..], b"elasticapm_transaction", b"elasticapmtransaction"];
            if is_elastic && names.iter().any(|name| stem.eq_ignore_ascii_case(name)) {
                return Some(Key::Transaction);
            }
            (stem.eq_ignore_ascii_case(b"operation") || ends_with(stem, b".operation")).then_some(Key::Operation)
        }
        b't' if stem.eq_ignore_ascii_case(b"request") => Some(Key::Request),
        b't' if stem.eq_ignore_ascii_case(b"operation_parent") || stem.eq_ignore_ascii_case(b"operationparent") => {
            Some(Key::OperationParent)
        }
        _ => None,
    }
}

fn trace_key(stem: &[u8]) -> Option<Key> {
    match Owner::of(word(stem, b"trace")?) {
        Owner::Line => Some(Key::Trace),
        Owner::Datadog => Some(Key::DatadogTrace),
        Owner::Header => Some(Key::HeaderTrace),
        Owner::Uber => Some(Key::Uber),
        Owner::Xray => Some(Key::Xray),
        Owner::Other => None,
    }
}

/// What stands before `trace` or `span` in a key.
enum Owner {
    Line,
    Datadog,
    Header,
    Uber,
    Xray,
    Other,
}

impl Owner {
    fn of(prefix: &[u8]) -> Owner {
        let prefix = match prefix.last() {
            None => return Owner::Line,
            Some(b'_' | b'-' | b'.') => &prefix[..prefix.len() - 1],
            _ => prefix,
        };
        if ends_with(prefix, b"dd") && (prefix.len() == 2 || !prefix[prefix.len() - 3].is_ascii_alphanumeric()) {
            return Owner::Datadog;
        }
        if ends_with(prefix, b"b3") || ends_with(prefix, b"tracer") {
            return Owner::Header;
        }
        if ends_with(prefix, b"uber") {
            return Owner::Uber;
        }
        if ends_with(prefix, b"amzn") || ends_with(prefix, b"xray") {
            return Owner::Xray;
        }
        if [&b"parent"[..], b"stack", b"back", b"link", b"linked"].iter().any(|word| ends_with(prefix, word)) {
            return Owner::Other;
        }
        Owner::Line
    }
}

/// The key without its last word, if it ends with it as a word of its own: at the start, after a mark, in camel case
/// (`otelTraceID`), or after `x`.
fn word<'k>(key: &'k [u8], word: &[u8]) -> Option<&'k [u8]> {
    let prefix = stem(key, word)?;
    let is_word = match prefix.last() {
        None => true,
        Some(before) => {
            !before.is_ascii_alphabetic() || before.is_ascii_lowercase() && key[prefix.len()].is_ascii_uppercase()
        }
    };
    (is_word || prefix.eq_ignore_ascii_case(b"otel") || prefix.eq_ignore_ascii_case(b"x")).then_some(prefix)
}

/// The key without a suffix, any case, and without a mark before the suffix.
fn stem<'k>(key: &'k [u8], suffix: &[u8]) -> Option<&'k [u8]> {
    if !ends_with(key, suffix) {
        return None;
    }
    let stem = &key[..key.len() - suffix.len()];
    if suffix == b"flags" && matches!(stem.last(), Some(b'_' | b'-' | b'.')) {
        return Some(&stem[..stem.len() - 1]);
    }
    Some(stem)
}

#[inline]
fn ends_with(key: &[u8], suffix: &[u8]) -> bool {
    key.len() >= suffix.len() && key[key.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
}

/// May an object under this key hold ids?
pub(super) fn is_nest(key: &[u8]) -> bool {
    // By their first letters, as this is asked of every object.
    let nests: &[&[u8]] = match key.first().map_or(0, |first| first | 0x20) {
        b't' => &[b"trace", b"tracing", b"transaction", b"trace_id", b"traceId"],
        b's' => &[b"span", b"spans", b"Scopes"],
        b'o' => &[b"otel", b"opentelemetry"],
        b'c' => &[b"context", b"ctx", b"contextMap"],
        b'm' => &[b"mdc", b"message", b"msg"],
        b'l' => &[b"labels", b"log"],
        b'r' => &[b"resource", b"request"],
        b'h' => &[b"headers", b"http"],
        b'd' => &[b"dd"],
        b'e' => &[b"extra"],
        b'f' => &[b"fields"],
        b'a' => &[b"attributes"],
        b'p' => &[b"properties"],
        // The at sign, as the bit makes it.
        b'`' => &[b"@fields"],
        _ => return false,
    };
    nests.iter().any(|nest| nest.eq_ignore_ascii_case(key))
}
