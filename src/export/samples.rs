//! Records for the tests of the writers.

use std::borrow::Cow;

use spanline_parsers::{CodeSite, Entry, Field, Format, Severity, TraceContext, Value};

use crate::record::{Envelope, Origin, Pod, Position, Record, Stream};

pub(super) fn record<'r>(entry: &'r Entry<'r>, origin: &'r Origin, around: &'r [Field<'r>]) -> Record<'r> {
    Record {
        source: 0,
        origin,
        position: Position {
            file: 0,
            line: 3,
            lines: 2,
            offset: 120,
            end: 160,
            strand: 0,
            seqnum: None,
            is_left_out: false,
        },
        envelope: Envelope::Cri,
        stream: Stream::Stderr,
        time: Some(1_795_425_291_322_215_577),
        time_digits: 9,
        envelope_time: Some(1_795_425_291_400_000_000),
        entry,
        envelope_fields: around,
        payload: b"",
        piece: 0,
    }
}

pub(super) fn odd_entry() -> Entry<'static> {
    let mut entry = Entry {
        format: Format::Klog,
        severity: Severity::INFO,
        severity_text: Cow::Borrowed(b"I"),
        body: Cow::Borrowed(b"a \"b\"\0\nc\xf0\x9f"),
        pid: Some(42),
        code: Some(CodeSite { file: b"kubelet.go", line: 2451 }),
        trace: TraceContext {
            trace_id: Some([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
            span_id: Some([0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]),
            flags: Some(1),
            ..TraceContext::default()
        },
        ..Entry::default()
    };
    for (key, value) in [
        ("dup", Value::Text(Cow::Borrowed(b"first"))),
        ("", Value::Text(Cow::Borrowed(b"empty key"))),
        ("big", Value::Number(b"18446744073709551616")),
        ("half", Value::Number(b"0.5")),
        ("max", Value::Number(b"18446744073709551615")),
        ("yes", Value::Bool(true)),
        ("none", Value::Null),
        ("nest", Value::Json(Cow::Borrowed(br#"{"a":[1,{"b":null}],"a":2,"":"x"}"#))),
        ("raw", Value::Text(Cow::Borrowed(b"\xff"))),
        ("dup", Value::Text(Cow::Borrowed(b"last"))),
    ] {
        entry.push(key.as_bytes(), value);
    }
    entry
}

pub(super) fn pod_origin() -> Origin {
    Origin {
        service_name: "web".into(),
        pod: Some(Pod {
            namespace: "default".into(),
            name: "web-0".into(),
            uid: "u-1".into(),
            container: "main".into(),
            restart: Some(1),
            container_id: Some("c0ffee".into()),
        }),
        host: Some("node-1".into()),
        ..Origin::default()
    }
}
