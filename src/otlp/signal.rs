//! Logs, traces, metrics or profiles: which of OTLP's services a request is for.
//!
//! Plain data: the paths and names of each.

/// Which of OTLP's services a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
    /// Numbers.
    Metrics,
    /// Profiles.
    Profiles,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 4] = [Signal::Traces, Signal::Metrics, Signal::Logs, Signal::Profiles];

    /// The method's path over gRPC.
    pub fn grpc_path(self) -> &'static str {
        match self {
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Signal::Profiles => "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        }
    }

    /// What is appended to a base URL over HTTP.
    pub fn http_path(self) -> &'static str {
        match self {
            Signal::Logs => "/v1/logs",
            Signal::Traces => "/v1/traces",
            Signal::Metrics => "/v1/metrics",
            Signal::Profiles => "/v1development/profiles",
        }
    }

    /// Its name: `traces`, `metrics`, `logs`, `profiles`.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Logs => "logs",
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
            Signal::Profiles => "profiles",
        }
    }

    /// `LOGS`, `TRACES`, `METRICS` or `PROFILES`, as in `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Signal::Logs => "LOGS",
            Signal::Traces => "TRACES",
            Signal::Metrics => "METRICS",
            Signal::Profiles => "PROFILES",
        }
    }
}
