//! What OTLP's messages of logs are made of: numbers, names and kinds of their fields.
//!
//! As [`messages`](super::messages), by whose rules they are checked, read and written. The names are those of
//! `opentelemetry/proto/logs/v1/logs.proto`.

use super::messages::{ANY_VALUE, Kind, Message, RESOURCE, SCOPE, attributes, dropped_attributes, field, list};

/// `ExportLogsServiceRequest`, and `LogsData`, which has the same shape.
pub static LOGS_REQUEST: Message = Message {
    name: "ExportLogsServiceRequest",
    description: "an export request",
    fields: &[list(1, "resource_logs", "resourceLogs", Kind::Message(&RESOURCE_LOGS))],
    is_choice: false,
    length_bytes: 3,
};

static RESOURCE_LOGS: Message = Message {
    name: "ResourceLogs",
    description: "logs of a resource",
    fields: &[
        field(1, "resource", "resource", Kind::Message(&RESOURCE)),
        list(2, "scope_logs", "scopeLogs", Kind::Message(&SCOPE_LOGS)),
        field(3, "schema_url", "schemaUrl", Kind::Text),
    ],
    is_choice: false,
    length_bytes: 3,
};

static SCOPE_LOGS: Message = Message {
    name: "ScopeLogs",
    description: "logs of a scope",
    fields: &[
        field(1, "scope", "scope", Kind::Message(&SCOPE)),
        list(2, "log_records", "logRecords", Kind::Message(&LOG_RECORD)),
        field(3, "schema_url", "schemaUrl", Kind::Text),
    ],
    is_choice: false,
    length_bytes: 3,
};

/// A log record.
pub static LOG_RECORD: Message = Message {
    name: "LogRecord",
    description: "a log record",
    fields: &[
        field(1, "time_unix_nano", "timeUnixNano", Kind::Fixed64),
        field(11, "observed_time_unix_nano", "observedTimeUnixNano", Kind::Fixed64),
        field(2, "severity_number", "severityNumber", Kind::Int32),
        field(3, "severity_text", "severityText", Kind::Text),
        field(5, "body", "body", Kind::Message(&ANY_VALUE)),
        attributes(6),
        dropped_attributes(7),
        field(8, "flags", "flags", Kind::Fixed32),
        field(9, "trace_id", "traceId", Kind::Id),
        field(10, "span_id", "spanId", Kind::Id),
        field(12, "event_name", "eventName", Kind::Text),
    ],
    is_choice: false,
    length_bytes: 2,
};
