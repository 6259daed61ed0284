//! What requests hold, by what tests count: bodies of log records, names of spans.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;

/// A record that is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredRecord {
    pub(crate) body: String,
    /// Its own time, in ns since the epoch.
    pub(crate) time: u64,
    /// The trace that it says it is of.
    pub(crate) trace: Option<[u8; 16]>,
    /// The names of its attributes.
    pub(crate) attributes: Vec<String>,
}

/// What the records of a request of logs say, and their times in ns since the epoch.
pub(crate) fn records_of(message: &[u8]) -> Vec<StoredRecord> {
    let request = ExportLogsServiceRequest::decode(message).unwrap();
    let scopes = request.resource_logs.into_iter().flat_map(|logs| logs.scope_logs);
    let said = |record: LogRecord| {
        let body = match record.body.unwrap().value {
            Some(Value::StringValue(body)) => body,
            Some(Value::BytesValue(body)) => body.escape_ascii().to_string(),
            other => panic!("{other:?}"),
        };
        let attributes = record.attributes.into_iter().map(|attribute| attribute.key).collect();
        StoredRecord { body, time: record.time_unix_nano, trace: record.trace_id.try_into().ok(), attributes }
    };
    scopes.flat_map(|scope| scope.log_records).map(said).collect()
}

/// Names of the spans of a request.
pub(crate) fn names_of(request: &ExportTraceServiceRequest) -> Vec<String> {
    let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
    scopes.flat_map(|scope| &scope.spans).map(|span| span.name.clone()).collect()
}
