//! The agent's requests to its destinations as spans.
//!
//! In go requests, out comes an `ExportTraceServiceRequest`: a span for each, of a trace of its own.
//!
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto>

use std::hash::{BuildHasher, RandomState};

use super::encode::{BYTES, FIXED64, VARINT, attribute, begin_scope, field};
use crate::metrics::requests::Request;
use crate::otlp::wire::write::Buffer;

/// What each is called.
const NAME: &[u8] = b"export logs";
/// `SPAN_KIND_CLIENT`
const CLIENT: u64 = 3;
/// `STATUS_CODE_ERROR`
const ERROR: u64 = 2;

/// One resource, one scope, all requests.
pub fn request(all: &[Request], resource: &[(String, String)]) -> Vec<u8> {
    let mut out = Buffer::default();
    let of_resource = out.open(field(1, BYTES), 2);
    let of_scope = begin_scope(&mut out, resource);
    let random = RandomState::new();
    for (at, request) in all.iter().enumerate() {
        let id = |part: u8| random.hash_one((at, part, request.start_nanos)).max(1).to_be_bytes();
        span(&mut out, [id(0), id(1), id(2)], request);
    }
    out.close(of_scope);
    out.close(of_resource);
    out.into_written()
}

fn span(out: &mut Buffer, [high, low, span_id]: [[u8; 8]; 3], request: &Request) {
    let span = out.open(field(2, BYTES), 2);
    out.bytes(field(1, BYTES), &[high, low].concat(), b"");
    out.bytes(field(2, BYTES), &span_id, b"");
    out.bytes(field(5, BYTES), NAME, b"");
    out.put(&[field(6, VARINT)]);
    out.varint(CLIENT);
    out.fixed64(field(7, FIXED64), request.start_nanos);
    out.fixed64(field(8, FIXED64), request.end_nanos);
    attribute(out, field(9, BYTES), "spanline.destination", &request.destination);
    number(out, "spanline.records", request.records);
    number(out, "http.request.body.size", request.bytes);
    if request.failures_before > 0 {
        number(out, "http.request.resend_count", request.failures_before.into());
    }
    if let Some(error) = &request.error {
        let status = out.open(field(15, BYTES), 2);
        out.bytes(field(2, BYTES), error.as_bytes(), b"");
        out.put(&[field(3, VARINT)]);
        out.varint(ERROR);
        out.close(status);
    }
    out.close(span);
}

/// `KeyValue { key, value: AnyValue { int_value } }`
fn number(out: &mut Buffer, key: &str, value: u64) {
    let attribute = out.open(field(9, BYTES), 1);
    out.bytes(field(1, BYTES), key.as_bytes(), b"");
    let any = out.open(field(2, BYTES), 1);
    out.put(&[field(3, VARINT)]);
    out.varint(value);
    out.close(any);
    out.close(attribute);
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use prost::Message;

    use super::*;

    #[test]
    fn requests_are_spans_as_the_library_reads_and_would_write_them() {
        let taken = Request {
            destination: "otlp=http://c:4317".into(),
            start_nanos: 11,
            end_nanos: 22,
            records: 1 << 40,
            bytes: 300,
            failures_before: 0,
            error: None,
        };
        let failed = Request { failures_before: 2, error: Some("x".repeat(200)), ..taken.clone() };
        let bytes = request(&[taken, failed], &[("service.name".to_owned(), "spanline".to_owned())]);
        let read = ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap();
        assert_eq!(read.encode_to_vec(), bytes);
        let spans = &read.resource_spans[0].scope_spans[0].spans;
        assert_eq!(spans.len(), 2);
        assert!(spans.iter().all(|span| span.trace_id.len() == 16 && span.span_id.len() == 8 && span.kind == 3));
        assert_ne!(spans[0].trace_id, spans[1].trace_id);
        assert_eq!((spans[0].start_time_unix_nano, spans[0].end_time_unix_nano), (11, 22));
        let value = |at: usize| spans[0].attributes[at].value.clone().unwrap().value.unwrap();
        assert_eq!((value(0), value(1)), (Value::StringValue("otlp=http://c:4317".into()), Value::IntValue(1 << 40)));
        assert_eq!((spans[0].status.as_ref(), spans[1].status.as_ref().unwrap().code), (None, 2));
        assert_eq!(spans[1].attributes.last().unwrap().key, "http.request.resend_count");
    }
}
