//! Trace and span ids written in a line, in any of the spellings that loggers and propagators use.
//!
//! In go a line's fields or its text, out comes one validated [`TraceContext`]: never all zero, short ids padded on the
//! left. Ids of the line's own span win over Datadog's, those over headers that name the caller's span. Request ids,
//! checksums and other hex under keys that do not name a trace are never taken; [`hex_tokens`] lists bare ones for those
//! who know which ids exist.

mod ids;
mod keys;
mod nested;
mod text;
mod tokens;

pub use text::from_text;
pub use tokens::{HexId, HexToken, HexTokens, hex_tokens};

use crate::ansi;
use crate::entry::{Field, TraceContext, Value};
use ids::{Header, TraceId};
use keys::Key;

/// The context that a line's fields carry. Keys are compared without case and without `_ - .`; objects under the usual
/// names (`trace`, `dd`, `mdc`, …) are searched three levels deep.
pub fn from_fields(fields: &[Field<'_>]) -> TraceContext {
    // Most lines have no field that could carry one.
    let Some(first) = fields.iter().position(may_carry) else { return TraceContext::default() };
    let mut found = Found::default();
    for field in &fields[first..] {
        match &field.value {
            Value::Text(text) => {
                if let Some(key) = keys::classify(&field.key) {
                    found.take(key, text);
                } else if text.first() == Some(&b'{') && keys::is_nest(&field.key) {
                    nested::object(text, b"", true, &mut found);
                }
            }
            Value::Number(digits) => {
                if let Some(key) = keys::classify(&field.key) {
                    found.take(key, digits);
                }
            }
            Value::Json(json) => nested::value(&field.key, json, &mut found),
            Value::Bool(_) | Value::Null => {}
        }
    }
    found.context()
}

#[inline]
fn may_carry(field: &Field<'_>) -> bool {
    let has_name = keys::may_name(&field.key);
    match &field.value {
        Value::Text(text) => has_name || text.first() == Some(&b'{'),
        Value::Number(_) => has_name,
        Value::Json(_) => has_name || keys::is_nest(&field.key),
        Value::Bool(_) | Value::Null => false,
    }
}

/// What was seen so far, by whose span it names.
#[derive(Debug, Default)]
struct Found {
    trace: Option<TraceId>,
    span: Option<[u8; 8]>,
    /// APM agents' `transaction.id`: the local root span, if the trace is theirs too.
    transaction: Option<[u8; 8]>,
    is_elastic: bool,
    /// Application Insights' operation: a trace, if its parent is there.
    operation: Option<TraceId>,
    has_operation_parent: bool,
    flags: Option<u8>,
    datadog_trace: Option<TraceId>,
    datadog_span: Option<[u8; 8]>,
    /// Ids of headers: the span is the caller's.
    header_trace: Option<TraceId>,
    header_span: Option<[u8; 8]>,
    header_flags: Option<u8>,
}

impl Found {
    /// Reads a value by its key; what does not follow the key's grammar is passed over. The last valid one wins, as with
    /// any field.
    fn take(&mut self, key: Key, value: &[u8]) {
        if value.first() == Some(&ansi::ESCAPE) {
            return ansi::strip(value).into_iter().for_each(|plain| self.take(key, &plain));
        }
        match key {
            Key::BareTrace if !ids::is_whole_trace(value) => {}
            Key::BareSpan if !ids::is_whole_span(value) => {}
            Key::Trace | Key::ElasticTrace | Key::BareTrace => {
                self.is_elastic |= key == Key::ElasticTrace;
                if let Some(header) = ids::traceparent(value) {
                    (self.trace, self.span, self.flags) = (Some(header.trace), header.span, header.flags);
                } else if let Some(id) = ids::trace_id(value) {
                    self.trace = Some(id);
                }
            }
            Key::Span | Key::BareSpan => self.span = ids::span_id(value).or(self.span),
            Key::Transaction if value.len() != 16 => {}
            Key::Transaction => self.transaction = ids::span_id(value).or(self.transaction),
            Key::Operation if value.len() != 32 => {}
            Key::Operation => self.operation = ids::trace_id(value).or(self.operation),
            Key::OperationParent => {
                self.has_operation_parent |= matches!(value.len(), 16 | 32) && ids::trace_id(value).is_some();
                if let Some(header) = ids::hierarchical(value) {
                    self.has_operation_parent = true;
                    self.take_header(Some(header));
                }
            }
            Key::Flags => self.flags = ids::flags(value).or(self.flags),
            Key::DatadogTrace => self.datadog_trace = ids::datadog_trace(value).or(self.datadog_trace),
            Key::DatadogSpan => self.datadog_span = ids::datadog_span(value).or(self.datadog_span),
            Key::HeaderTrace => self.header_trace = ids::trace_id(value).or(self.header_trace),
            Key::HeaderSpan => self.header_span = ids::span_id(value).or(self.header_span),
            Key::Traceparent => self.take_header(ids::traceparent(value)),
            Key::B3 => self.take_header(ids::b3(value)),
            Key::Uber => self.take_header(ids::uber(value)),
            Key::Xray => self.take_header(ids::xray(value)),
            Key::CloudHeader => self.take_header(ids::cloud_header(value)),
            Key::Request => self.take_header(ids::hierarchical(value)),
            Key::GrpcBin => self.take_header(ids::grpc_bin(value)),
        }
    }

    fn take_header(&mut self, header: Option<Header>) {
        if let Some(header) = header {
            self.header_trace = Some(header.trace);
            self.header_span = header.span;
            self.header_flags = header.flags.or(self.header_flags);
        }
    }

    fn has_trace(&self) -> bool {
        self.trace.is_some()
            || self.operation.is_some() && self.has_operation_parent
            || self.datadog_trace.is_some()
            || self.header_trace.is_some()
    }

    fn context(&mut self) -> TraceContext {
        if self.has_operation_parent {
            self.trace = self.trace.or(self.operation);
        }
        self.transaction = self.transaction.filter(|_| self.is_elastic);
        let (id, span, flags, remote_parent) = if let Some(id) = self.trace {
            match self.span.or(self.transaction) {
                None if self.header_span.is_some() && self.header_trace.is_some_and(|header| header.same(id)) => {
                    (id, self.header_span, self.flags.or(self.header_flags), true)
                }
                span => (id, span.or(self.datadog_span), self.flags, false),
            }
        } else if let Some(id) = self.datadog_trace {
            (id, self.datadog_span.or(self.span), self.flags, false)
        } else if let Some(id) = self.header_trace {
            match self.span {
                // The trace came with the request, the span is the line's own.
                Some(span) => (id, Some(span), self.flags.or(self.header_flags), false),
                None => (id, self.header_span, self.flags.or(self.header_flags), self.header_span.is_some()),
            }
        } else {
            return TraceContext::default();
        };
        TraceContext { trace_id: Some(id.bytes), span_id: span, flags, remote_parent, low64: id.low64 }
    }
}

#[cfg(test)]
mod tests;
