//! What requests hold, by what tests count: bodies of log records, names of spans.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;

/// What the records of a request of logs say, and their times in ns since the epoch.
pub(crate) fn records_of(message: &[u8]) -> Vec<(String, u64)> {
    let request = ExportLogsServiceRequest::decode(message).unwrap();
    let scopes = request.resource_logs.into_iter().flat_map(|logs| logs.scope_logs);
    let said = |record: LogRecord| match record.body.unwrap().value {
        Some(Value::StringValue(body)) => (body, record.time_unix_nano),
        Some(Value::BytesValue(body)) => (body.escape_ascii().to_string(), record.time_unix_nano),
        other => panic!("{other:?}"),
    };
    scopes.flat_map(|scope| scope.log_records).map(said).collect()
}

/// Names of the spans of a request.
pub(crate) fn names_of(request: &ExportTraceServiceRequest) -> Vec<String> {
    let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
    scopes.flat_map(|scope| &scope.spans).map(|span| span.name.clone()).collect()
}
