//! The wire only: encoded requests go out to an OTLP endpoint, what it made of them comes back.
//!
//! [`Endpoint`] says where and how, [`compress`](compress::compress) makes a request smaller (a pure function, for the
//! workers), [`Client`] sends it over gRPC or HTTP/protobuf and classifies the answer. Nothing here knows records, what
//! spans mean, or when to try again.

pub mod address;
pub mod annotate;
mod answer;
pub mod client;
pub mod compress;
pub mod endpoint;
mod gather;
mod grpc;
mod headers;
mod heard;
mod http1;
mod message;
mod mismatch;
pub mod own;
pub mod protobuf;
pub mod proxy;
pub mod query;
mod rope;
pub mod status;
mod stream;
mod tls;
pub mod wire;

pub use client::Client;
pub use compress::{Compression, compress};
pub use endpoint::{Endpoint, EndpointError, Protocol, Role};
pub use status::{Accepted, Class, Code, SendError};
pub use stream::HyperStream;

/// Which of OTLP's services a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
}

impl Signal {
    /// The method's path over gRPC.
    pub fn grpc_path(self) -> &'static str {
        match self {
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        }
    }

    /// What is appended to a base URL over HTTP.
    pub fn http_path(self) -> &'static str {
        match self {
            Signal::Logs => "/v1/logs",
            Signal::Traces => "/v1/traces",
        }
    }

    /// `LOGS` or `TRACES`, as in `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`.
    fn variable(self) -> &'static str {
        match self {
            Signal::Logs => "LOGS",
            Signal::Traces => "TRACES",
        }
    }
}
