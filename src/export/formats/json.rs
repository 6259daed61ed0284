//! A record as one line of JSON.
//!
//! In goes a record, out comes one object and a line feed. Text that is not UTF-8 holds U+FFFD; numbers, objects and
//! arrays stand as the line spelled them. A link, where there is one, is an object of its own: `trace_id` and `span_id`
//! of the record are only ever what was written in it.

use spanline_parsers::Value;

use super::links;
use crate::export::fields::{self, Attribute, Keys, RecordContext};
use crate::export::resource::{self, ResourceValue};
use crate::export::spell;
use crate::record::{Envelope, Link, Record};

/// How every record of a file begins, spelled once.
#[derive(Debug)]
pub struct Head(Vec<u8>);

impl Head {
    /// head = "{" [ DQUOTE "file" DQUOTE ":" string "," ]
    pub fn new(file: Option<&str>) -> Head {
        let mut head = vec![b'{'];
        if let Some(file) = file {
            head.extend_from_slice(b"\"file\":");
            spell::json_string(&mut head, file.as_bytes());
            head.push(b',');
        }
        Head(head)
    }
}

/// record = head … "}" LF ; members in the order below
pub fn write(out: &mut Vec<u8>, record: &Record<'_>, link: Option<&Link>, head: &Head) {
    let entry = record.entry;
    out.extend_from_slice(&head.0);
    out.extend_from_slice(b"\"offset\":");
    spell::decimal(out, record.position.offset);
    out.extend_from_slice(b",\"lines\":");
    spell::decimal(out, record.position.lines.into());
    time(out, record.time);
    out.extend_from_slice(b",\"severity_number\":");
    spell::decimal(out, entry.severity.0.into());
    out.extend_from_slice(b",\"severity_text\":");
    spell::json_string(out, &entry.severity_text);
    out.extend_from_slice(b",\"body\":");
    spell::json_string(out, &entry.body);
    out.extend_from_slice(b",\"format\":\"");
    out.extend_from_slice(envelope(record.envelope).as_bytes());
    out.extend_from_slice(entry.format.name().as_bytes());
    out.push(b'"');
    attributes(out, record);
    resource_object(out, record);
    written_ids(out, record);
    if let Some(link) = link {
        link_object(out, link);
    }
    out.extend_from_slice(b"}\n");
}

/// The name of an envelope as it stands before that of the payload.
pub fn envelope(envelope: Envelope) -> &'static str {
    match envelope {
        Envelope::None => "",
        Envelope::Cri => "cri/",
        Envelope::Docker => "docker/",
        Envelope::Journal => "journal/",
        Envelope::Kubectl => "kubectl/",
        Envelope::Stern => "stern/",
        Envelope::Compose => "compose/",
        Envelope::Shipper => "shipper/",
        Envelope::Loki => "loki/",
    }
}

fn time(out: &mut Vec<u8>, time: Option<i64>) {
    let Some(nanos) = time else {
        return out.extend_from_slice(b",\"time\":null,\"time_unix_nano\":null");
    };
    out.extend_from_slice(b",\"time\":\"");
    spell::rfc3339(out, nanos, 9);
    out.extend_from_slice(b"\",\"time_unix_nano\":\"");
    spell::signed(out, nanos);
    out.push(b'"');
}

fn attributes(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(b",\"attributes\":");
    attributes_object(out, record);
}

/// The attributes of a record, an object.
pub fn attributes_object(out: &mut Vec<u8>, record: &Record<'_>) {
    out.push(b'{');
    let mut first = true;
    fields::each(record, &RecordContext::default(), Keys::AsWritten, |key, value| {
        member(out, &mut first, key);
        attribute(out, value);
    });
    out.push(b'}');
}

fn attribute(out: &mut Vec<u8>, value: Attribute<'_>) {
    match value {
        Attribute::Line(Value::Text(text)) => spell::json_string(out, text),
        Attribute::Line(Value::Number(token)) => out.extend_from_slice(token),
        Attribute::Line(Value::Bool(true)) => out.extend_from_slice(b"true"),
        Attribute::Line(Value::Bool(false)) => out.extend_from_slice(b"false"),
        Attribute::Line(Value::Null) => out.extend_from_slice(b"null"),
        Attribute::Line(Value::Json(raw)) => spell::json_raw(out, raw),
        Attribute::Integer(number) => spell::decimal(out, number),
        Attribute::Text(text) => spell::json_string(out, text),
        Attribute::Ratio(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Attribute::Uid(uid) => {
            out.push(b'"');
            spell::hex(out, &uid);
            out.push(b'"');
        }
    }
}

fn resource_object(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(b",\"resource\":{");
    let mut first = true;
    resource::each(record.origin, |key, value| {
        member(out, &mut first, key.as_bytes());
        match value {
            ResourceValue::Text(text) => spell::json_string(out, text.as_bytes()),
            ResourceValue::Integer(number) => spell::decimal(out, number.into()),
        }
    });
    out.push(b'}');
}

fn written_ids(out: &mut Vec<u8>, record: &Record<'_>) {
    let trace = record.entry.trace;
    let mut id = |key: &[u8], bytes: Option<&[u8]>| {
        if let Some(bytes) = bytes {
            out.extend_from_slice(key);
            spell::hex(out, bytes);
            out.push(b'"');
        }
    };
    id(b",\"trace_id\":\"", trace.trace_id.as_ref().map(|id| &id[..]));
    id(b",\"span_id\":\"", trace.span_id.as_ref().map(|id| &id[..]));
    id(b",\"trace_flags\":\"", trace.flags.as_ref().map(std::slice::from_ref));
}

fn link_object(out: &mut Vec<u8>, link: &Link) {
    out.extend_from_slice(b",\"link\":{");
    links::members(out, link);
    out.push(b'}');
}

fn member(out: &mut Vec<u8>, first: &mut bool, key: &[u8]) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    spell::json_string(out, key);
    out.push(b':');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::samples;
    use crate::record::{Method, Relation};
    use proptest::prelude::*;
    use spanline_parsers::{Entry, Field};

    fn line(record: &Record<'_>, link: Option<&Link>) -> String {
        let mut out = Vec::new();
        write(&mut out, record, link, &Head::new(None));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_full_record_has_every_member_in_order() {
        let entry = samples::odd_entry();
        let origin = samples::pod_origin();
        assert_eq!(
            line(&samples::record(&entry, &origin, &[]), None),
            concat!(
                r#"{"offset":120,"lines":2,"time":"2026-11-23T09:14:51.322215577Z","time_unix_nano":"1795425291322215577","#,
                r#""severity_number":9,"severity_text":"I","body":"a \"b\"\u0000\nc\ufffd","format":"cri/klog","attributes":"#,
                r#"{"":"empty key","big":18446744073709551616,"half":0.5,"max":18446744073709551615,"yes":true,"none":null,"#,
                r#""nest":{"a":[1,{"b":null}],"a":2,"":"x"},"raw":"\ufffd","dup":"last","process.pid":42,"#,
                r#""code.file.path":"kubelet.go","code.line.number":2451,"log.iostream":"stderr"},"resource":"#,
                r#"{"service.name":"web","k8s.namespace.name":"default","k8s.pod.name":"web-0","k8s.pod.uid":"u-1","#,
                r#""k8s.container.name":"main","container.id":"c0ffee","host.name":"node-1","k8s.container.restart_count":1},"#,
                r#""trace_id":"0102030405060708090a0b0c0d0e0f10","span_id":"1112131415161718","trace_flags":"01"}"#,
                "\n"
            )
            .replace("\\ufffd", "\u{fffd}")
        );
    }

    #[test]
    fn an_empty_record_is_an_object_too() {
        let (entry, origin) = (Entry::default(), Default::default());
        let mut record = samples::record(&entry, &origin, &[]);
        (record.time, record.envelope, record.stream) = (None, Envelope::None, Default::default());
        assert_eq!(
            line(&record, None),
            concat!(
                r#"{"offset":120,"lines":2,"time":null,"time_unix_nano":null,"severity_number":0,"severity_text":"","#,
                r#""body":"","format":"text","attributes":{},"resource":{}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_link_never_passes_for_a_written_id() {
        let (entry, origin) = (Entry::default(), Default::default());
        let link = Link {
            trace_id: [0xab; 16],
            span_id: [0; 8],
            method: Method::Inferred,
            confidence: Some(0.9),
            relation: Relation::Within,
            verified: true,
            has_event: false,
        };
        let line: serde_json::Value =
            serde_json::from_str(&line(&samples::record(&entry, &origin, &[]), Some(&link))).unwrap();
        assert_eq!(line.get("trace_id"), None);
        assert_eq!(line["link"]["method"], "inferred");
        assert_eq!(line["link"]["confidence"], 0.9);
        assert_eq!(line["link"]["span_id"], serde_json::Value::Null);
    }

    proptest! {
        #[test]
        fn any_record_is_one_line_and_gives_its_values_back(
            body in proptest::collection::vec(any::<u8>(), 0..40),
            fields in proptest::collection::vec((".{0,3}", proptest::collection::vec(any::<u8>(), 0..12)), 0..30),
        ) {
            let mut entry = Entry { body: body.as_slice().into(), ..Entry::default() };
            for (key, value) in &fields {
                entry.fields.push(Field { key: key.as_bytes().into(), value: Value::Text(value.as_slice().into()) });
            }
            let origin = Default::default();
            let line = line(&samples::record(&entry, &origin, &[]), None);
            prop_assert_eq!(line.lines().count(), 1);
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(read["body"].as_str().unwrap(), String::from_utf8_lossy(&body));
            for (key, _) in &fields {
                let (_, last) = fields.iter().rfind(|(other, _)| other == key).unwrap();
                prop_assert_eq!(read["attributes"][key].as_str().unwrap(), String::from_utf8_lossy(last));
            }
        }
    }
}
