//! What requests hold, by what tests count: bodies of log records, names of spans.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs};
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
    /// Attributes of its resource that are text.
    pub(crate) resource: Arc<BTreeMap<String, String>>,
}

/// What the records of a request of logs say, and their times in ns since the epoch.
pub(crate) fn records_of(message: &[u8]) -> Vec<StoredRecord> {
    let request = ExportLogsServiceRequest::decode(message).unwrap();
    let said = |record: LogRecord, resource: &Arc<BTreeMap<String, String>>| {
        let body = match record.body.unwrap().value {
            Some(Value::StringValue(body)) => body,
            Some(Value::BytesValue(body)) => body.escape_ascii().to_string(),
            other => panic!("{other:?}"),
        };
        let attributes = record.attributes.into_iter().map(|attribute| attribute.key).collect();
        let (time, trace, resource) = (record.time_unix_nano, record.trace_id.try_into().ok(), resource.clone());
        StoredRecord { body, time, trace, attributes, resource }
    };
    let of_resource = |logs: ResourceLogs| {
        let attributes = logs.resource.unwrap_or_default().attributes.into_iter();
        let text = |attribute: KeyValue| match attribute.value.and_then(|value| value.value) {
            Some(Value::StringValue(text)) => Some((attribute.key, text)),
            _ => None,
        };
        let resource = Arc::new(attributes.filter_map(text).collect());
        let records = logs.scope_logs.into_iter().flat_map(|scope| scope.log_records);
        records.map(|record| said(record, &resource)).collect::<Vec<_>>()
    };
    request.resource_logs.into_iter().flat_map(of_resource).collect()
}

/// Names of the spans of a request.
pub(crate) fn names_of(request: &ExportTraceServiceRequest) -> Vec<String> {
    let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
    scopes.flat_map(|scope| &scope.spans).map(|span| span.name.clone()).collect()
}
