//! Links put into log records that are encoded already: ids, flags, and how they were found.
//!
//! In go a request and the links of some of its records, out comes the request with these in it. All else in it stays as it is, byte
//! for byte, fields that are not known here included. Which records get a link is decided elsewhere.

use super::encode::{LOG_ATTRIBUTE, link_attributes};
use crate::otlp::wire::read::{Fields, Value};
use crate::otlp::wire::spans::{Keep, edit};
use crate::otlp::wire::splice::Splice;
use crate::otlp::wire::write::Buffer;
use crate::record::Link;

/// Fields of `LogRecord`.
const FLAGS: u32 = 8;
const TRACE_ID: u32 = 9;
const SPAN_ID: u32 = 10;

/// The link of a record that has none.
#[derive(Debug, Clone, PartialEq)]
pub struct AddedLink {
    /// The record's place among those of the request, from 0.
    pub record: u32,
    /// Its span.
    pub link: Link,
    /// `flags`, where they are written in its text; those that it has itself stay.
    pub flags: Option<u8>,
}

/// A request (`ExportLogsServiceRequest`) with links put into its records, each record once.
pub fn with_links(request: &[u8], mut links: Vec<AddedLink>) -> Vec<u8> {
    links.sort_unstable_by_key(|link| link.record);
    let (mut splice, mut fields, mut next, mut number) = (Splice::default(), Buffer::default(), 0, 0);
    // Records lie in scopes, and these in resources, by the same numbers as spans.
    edit(request, &mut splice, false, |splice, record| {
        if let Some(added) = links.get(next).filter(|added| added.record == number) {
            put(splice, record.span, record.start, added, &mut fields);
            next += 1;
        }
        number += 1;
        Keep::Yes
    });
    let mut changed = Vec::new();
    splice.apply(request, &mut changed);
    changed
}

/// Takes empty ids out of a record that begins at `start`, and puts others behind its last field.
fn put(splice: &mut Splice, record: &[u8], start: usize, added: &AddedLink, out: &mut Buffer) {
    let (mut fields, mut from, mut has_flags) = (Fields::of(record), 0, false);
    while let Some((number, value)) = fields.next() {
        let to = fields.at();
        match (number, value) {
            (TRACE_ID | SPAN_ID, Value::Bytes(_)) => splice.remove(start + from..start + to),
            (FLAGS, Value::Fixed32(flags)) => has_flags |= flags != 0,
            _ => {}
        }
        from = to;
    }
    out.clear();
    let AddedLink { link, flags, .. } = added;
    link_attributes(out, LOG_ATTRIBUTE, link);
    if let Some(flags) = flags.filter(|flags| *flags != 0 && !has_flags) {
        out.fixed32(0x45, u32::from(flags));
    }
    out.array(&[0x4a, 16]);
    out.array(&link.trace_id);
    if link.span_id != [0; 8] {
        out.array(&[0x52, 8]);
        out.array(&link.span_id);
    }
    // What follows the last field is none, and stays behind.
    splice.insert(start + from, |bytes| bytes.extend_from_slice(out.written()));
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::record::{Method, Relation};

    fn link(number: u8) -> Link {
        Link {
            trace_id: [number; 16],
            span_id: if number.is_multiple_of(3) { [0; 8] } else { [number; 8] },
            method: Method::Inferred,
            confidence: Some(0.95),
            relation: Relation::Within,
            verified: true,
            has_event: false,
        }
    }

    fn text(key: &str, value: &str) -> KeyValue {
        let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.into())) });
        KeyValue { key: key.into(), value, ..KeyValue::default() }
    }

    /// What a record is with a link, as the library has it.
    fn linked(mut record: LogRecord, number: u8, flags: Option<u8>) -> LogRecord {
        let double = Some(AnyValue { value: Some(any_value::Value::DoubleValue(0.95)) });
        record.attributes.extend([
            text("spanline.link.method", "inferred"),
            KeyValue { key: "spanline.link.confidence".into(), value: double, ..KeyValue::default() },
            text("spanline.link.relation", "within"),
        ]);
        record.trace_id = link(number).trace_id.into();
        record.span_id = if number.is_multiple_of(3) { Vec::new() } else { link(number).span_id.into() };
        if record.flags == 0 {
            record.flags = u32::from(flags.unwrap_or(0));
        }
        record
    }

    /// A record, whether it gets a link, and the flags of its text.
    type Given = (LogRecord, bool, Option<u8>);

    prop_compose! {
        fn record()(
            body in "[a-z]{0,9}", flags in 0u32..2, pairs in 0usize..3,
            trace_id in prop_oneof![Just(Vec::new()), Just(vec![0; 16])], span_id in prop_oneof![Just(Vec::new()), Just(vec![7; 8])],
        ) -> LogRecord {
            let body = Some(AnyValue { value: Some(any_value::Value::StringValue(body)) });
            let attributes = (0..pairs).map(|_| text("k", "v")).collect();
            LogRecord { time_unix_nano: 5, body, attributes, flags, trace_id, span_id, ..LogRecord::default() }
        }
    }

    proptest! {
        #[test]
        fn chosen_records_get_their_link_and_all_else_stays(
            groups in proptest::collection::vec(proptest::collection::vec(proptest::collection::vec((record(), any::<bool>(), proptest::option::of(0u8..2)), 0..4), 0..3), 0..3),
        ) {
            let request = |records: &mut dyn FnMut(&Given) -> LogRecord| ExportLogsServiceRequest {
                resource_logs: groups.iter().map(|scopes| ResourceLogs {
                    schema_url: "r".into(),
                    scope_logs: scopes.iter().map(|of| ScopeLogs {
                        log_records: of.iter().map(&mut *records).collect(), schema_url: "s".into(), ..ScopeLogs::default()
                    }).collect(),
                    ..ResourceLogs::default()
                }).collect(),
            };
            let before = request(&mut |(record, ..)| record.clone());
            let (mut number, mut links) = (0, Vec::new());
            let after = request(&mut |(record, is_chosen, flags)| {
                number += 1;
                if !is_chosen {
                    return record.clone();
                }
                links.push(AddedLink { record: number - 1, link: link(number as u8), flags: *flags });
                linked(record.clone(), number as u8, *flags)
            });
            links.reverse();
            let changed = with_links(&before.encode_to_vec(), links);
            prop_assert_eq!(ExportLogsServiceRequest::decode(&changed[..]).unwrap(), after);
        }
    }

    #[test]
    fn fields_that_are_not_known_survive_and_what_is_not_changed_is_the_same_bytes() {
        // Record, scope, resource and request, each with a field 100 behind what is known.
        let unknown = b"\xa2\x06\x03new";
        let nest = |tag: u8, inner: &[u8]| [&[tag, inner.len() as u8], inner, unknown].concat();
        let record = [&b"\x2a\x03\x0a\x01x"[..], unknown].concat();
        let request = nest(0x0a, &nest(0x12, &[nest(0x12, &record), nest(0x12, &record)].concat()));
        assert_eq!(with_links(&request, Vec::new()), request);
        let changed = with_links(&request, vec![AddedLink { record: 1, link: link(1), flags: Some(1) }]);
        let count = |bytes: &[u8]| bytes.windows(unknown.len()).filter(|part| part == unknown).count();
        assert_eq!((count(&request), count(&changed)), (6, 6));
        let read = ExportLogsServiceRequest::decode(&changed[..]).unwrap();
        let records = &read.resource_logs[0].scope_logs[0].log_records;
        assert_eq!((records[0].trace_id.len(), &records[1].trace_id[..], records[1].flags), (0, &[1; 16][..], 1));
        // A message that ends within a field is broken before and after.
        for cut in 0..request.len() {
            with_links(&request[..cut], vec![AddedLink { record: 0, link: link(1), flags: None }]);
        }
    }
}
