//! What was seen of a line's ids, and the context that it makes.
//!
//! In go values by their keys, out comes one [`TraceContext`]: ids of the line's own span win over those of headers.

use super::ids::{self, Header, TraceId};
use super::keys::Key;
use crate::entry::TraceContext;
use crate::text::ansi;

/// What was seen so far, by whose span it names.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) trace: Option<TraceId>,
    pub(super) span: Option<[u8; 8]>,
    /// APM agents' `transaction.id`: the local root span, if the trace is theirs too.
    pub(super) transaction: Option<[u8; 8]>,
    pub(super) is_elastic: bool,
    /// Application Insights' operation: a trace, if its parent is there.
    pub(super) operation: Option<TraceId>,
    pub(super) has_operation_parent: bool,
    pub(super) flags: Option<u8>,
    pub(super) datadog_trace: Option<TraceId>,
    pub(super) datadog_span: Option<[u8; 8]>,
    /// Ids of headers: the span is the caller's.
    pub(super) header_trace: Option<TraceId>,
    pub(super) header_span: Option<[u8; 8]>,
    pub(super) header_flags: Option<u8>,
}

impl Found {
    /// Reads a value by its key; what does not follow the key's grammar is skipped. The last valid one wins, as with
    /// any field.
    pub(super) fn take(&mut self, key: Key, value: &[u8]) {
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

    pub(super) fn take_header(&mut self, header: Option<Header>) {
        if let Some(header) = header {
            self.header_trace = Some(header.trace);
            self.header_span = header.span;
            self.header_flags = header.flags.or(self.header_flags);
        }
    }

    pub(super) fn has_trace(&self) -> bool {
        self.trace.is_some()
            || self.operation.is_some() && self.has_operation_parent
            || self.datadog_trace.is_some()
            || self.header_trace.is_some()
    }

    pub(super) fn context(&mut self) -> TraceContext {
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
