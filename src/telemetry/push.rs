//! The agent's own metrics and traces over OTLP.
//!
//! In go the numbers, each half minute, out goes a request with all of them: sums since the start, and gauges; and one with the
//! requests to destinations since then, as [`spans`]. What is not taken is not tried again: the next request of
//! metrics has the same numbers, only newer. Encoded by hand, as all that spanline sends,
//! since an SDK would bring a second registry, scheduler and HTTP client for a dozen numbers.
//!
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto>

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use super::encode::{BYTES, FIXED64, VARINT, attribute, begin_scope, field};
use super::spans;
use crate::metrics::points::{Kind, Number, Points, Unit, points};
use crate::metrics::{BOUNDS, Buckets, Metrics};
use crate::notify::Notify;
use crate::otlp::wire::write::Buffer;
use crate::otlp::{Client, Compression, Endpoint, Signal, compress};

/// How often they are sent.
const SENT_EVERY: Duration = Duration::from_secs(30);
/// How long a request waits for the loop to tell of its sources.
const SOURCES_PATIENCE: Duration = Duration::from_secs(1);

/// Where metrics and spans go, and whose they are.
#[derive(Debug, Clone, PartialEq)]
pub struct PushConfig {
    /// Where metrics go.
    pub endpoint: Endpoint,
    /// Where spans go.
    pub traces: Endpoint,
    /// Resource attributes: `service.name`, `host.name`, …
    pub resource: Vec<(String, String)>,
}

/// Sends metrics until it is dropped.
#[derive(Debug)]
pub struct Push {
    _stop: oneshot::Sender<()>,
}

impl Push {
    /// Sends on a thread of its own from now on; what fails is told by `notify`, whose business it is not to say it each time.
    pub fn start(config: PushConfig, metrics: Arc<Metrics>, notify: Notify) -> io::Result<Push> {
        let client = Client::new(config.endpoint.clone()).map_err(io::Error::other)?;
        let of_traces = Client::new(config.traces.clone()).map_err(io::Error::other)?;
        metrics.requests.want();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let clients = [client, of_traces];
        let send = move || {
            runtime.block_on(async {
                tokio::select! { () = push_all(&clients, &config, &metrics, &notify) => {}, _ = stopped => {} }
            });
            // A name that is being looked up is not awaited.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("metrics".into()).spawn(send)?;
        Ok(Push { _stop: stop })
    }
}

async fn push_all([client, of_traces]: &[Client; 2], config: &PushConfig, metrics: &Metrics, notify: &Notify) {
    let start_nanos = now_nanos();
    let mut turns = tokio::time::interval(SENT_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let sources = metrics.fresh_sources(SOURCES_PATIENCE).await;
        let points = points(metrics, sources.as_deref());
        let request = Bytes::from(request(&points, &config.resource, start_nanos, now_nanos()));
        push_one(client, Signal::Metrics, request, notify).await;
        let requests = metrics.requests.take();
        if !requests.is_empty() {
            let request = Bytes::from(spans::request(&requests, &config.resource));
            push_one(of_traces, Signal::Traces, request, notify).await;
        }
    }
}

async fn push_one(client: &Client, signal: Signal, request: Bytes, notify: &Notify) {
    let what = if signal == Signal::Traces { "traces" } else { "metrics" };
    let compression = client.endpoint().compression.unwrap_or(Compression::None);
    match client.send(signal, compress(&[request], compression), compression).await {
        Ok(accepted) if accepted.rejected > 0 => {
            let (count, words) = (accepted.rejected, accepted.message);
            notify(&format!("{what} to {}: {count} of them were refused: {words}", client.endpoint().name()));
        }
        Ok(_) => {}
        Err(error) => notify(&format!("{what} to {}: {error}", client.endpoint().name())),
    }
}

/// `ExportMetricsServiceRequest`: one resource, one scope, all metrics.
pub fn request(all: &[Points], resource: &[(String, String)], start_nanos: u64, now_nanos: u64) -> Vec<u8> {
    let mut out = Buffer::default();
    let of_resource = out.open(field(1, BYTES), 2);
    let of_scope = begin_scope(&mut out, resource);
    for points in all.iter().filter(|points| !points.points.is_empty()) {
        metric(&mut out, points, start_nanos, now_nanos);
    }
    out.close(of_scope);
    out.close(of_resource);
    out.into_written()
}

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`
const CUMULATIVE: u64 = 2;

fn metric(out: &mut Buffer, points: &Points, start_nanos: u64, now_nanos: u64) {
    let metric = out.open(field(2, BYTES), 2);
    out.bytes(field(1, BYTES), points.name.as_bytes(), b"");
    out.bytes(field(2, BYTES), points.help.as_bytes(), b"");
    let unit: &[u8] = match points.unit {
        Unit::Bytes => b"By",
        Unit::Seconds => b"s",
        Unit::Items => b"1",
    };
    out.bytes(field(3, BYTES), unit, b"");
    let data = match points.kind {
        Kind::Gauge => out.open(field(5, BYTES), 2),
        Kind::Counter => out.open(field(7, BYTES), 2),
        Kind::Histogram => out.open(field(9, BYTES), 2),
    };
    for (label_value, number) in &points.points {
        let point = out.open(field(1, BYTES), 1);
        if points.kind != Kind::Gauge {
            out.fixed64(field(2, FIXED64), start_nanos);
        }
        out.fixed64(field(3, FIXED64), now_nanos);
        match number {
            Number::Real(real) => out.fixed64(field(4, FIXED64), real.to_bits()),
            Number::Whole(whole) => out.fixed64(field(6, FIXED64), *whole),
            Number::Buckets(buckets) => histogram(out, buckets),
        }
        if !points.label.is_empty() {
            let attributes = if points.kind == Kind::Histogram { 9 } else { 7 };
            attribute(out, field(attributes, BYTES), points.label, label_value);
        }
        out.close(point);
    }
    if points.kind != Kind::Gauge {
        out.put(&[field(2, VARINT)]);
        out.varint(CUMULATIVE);
    }
    if points.kind == Kind::Counter {
        out.put(&[field(3, VARINT), 1]);
    }
    out.close(data);
    out.close(metric);
}

/// What a `HistogramDataPoint` counts.
fn histogram(out: &mut Buffer, buckets: &Buckets) {
    out.fixed64(field(4, FIXED64), buckets.counts.iter().sum());
    out.fixed64(field(5, FIXED64), buckets.sum.to_bits());
    let counts: Vec<u8> = buckets.counts.iter().flat_map(|count| count.to_le_bytes()).collect();
    out.bytes(field(6, BYTES), &counts, b"");
    let bounds: Vec<u8> = BOUNDS.iter().flat_map(|bound| bound.to_le_bytes()).collect();
    out.bytes(field(7, BYTES), &bounds, b"");
}

fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Point;
    use prost::Message;

    use super::*;
    use crate::metrics::SourceFacts;

    #[test]
    fn a_request_is_what_the_library_reads_and_would_write() {
        let metrics = Metrics::new(Instant::now());
        metrics.input("pods").lines_read.add(1 << 40);
        metrics.destination("otlp=http://c:4317").held.set(7);
        metrics.dropped(&"x".repeat(200)).add(3);
        metrics.link_waits("pod").add(Duration::from_secs(3));
        let facts = SourceFacts {
            path: std::path::Path::new("a"),
            input: "pods",
            bytes_read: 1,
            lag_bytes: 5,
            lag: Duration::from_millis(1500),
        };
        metrics.set_sources(Instant::now(), [facts].into_iter());
        let resource = [("service.name".to_owned(), "spanline".to_owned()), ("host.name".to_owned(), "n".repeat(300))];
        let bytes = request(&points(&metrics, metrics.sources().as_deref()), &resource, 11, 22);
        let read = ExportMetricsServiceRequest::decode(bytes.as_slice()).unwrap();
        // Nothing is there that the library does not know, and nothing is in another order.
        assert_eq!(read.encode_to_vec().len(), bytes.len());
        let all = &read.resource_metrics[0];
        assert_eq!(all.resource.as_ref().unwrap().attributes.len(), 2);
        let scope = &all.scope_metrics[0];
        assert_eq!(scope.scope.as_ref().unwrap().name, "spanline");
        let of = |name: &str| scope.metrics.iter().find(|metric| metric.name == name);
        let Some(Data::Sum(lines)) = &of("spanline_lines_read").unwrap().data else { panic!() };
        assert_eq!((lines.aggregation_temporality, lines.is_monotonic), (2, true));
        let point = &lines.data_points[0];
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (11, 22));
        assert_eq!(point.value, Some(Point::AsInt(1 << 40)));
        assert_eq!(point.attributes[0].key, "input");
        let value = point.attributes[0].value.as_ref().and_then(|value| value.value.clone());
        assert_eq!(value, Some(Value::StringValue("pods".to_owned())));
        let lag = of("spanline_lag_seconds").unwrap();
        let Some(Data::Gauge(seconds)) = &lag.data else { panic!() };
        assert_eq!((seconds.data_points[0].value, lag.unit.as_str()), (Some(Point::AsDouble(1.5)), "s"));
        let Some(Data::Histogram(waits)) = &of("spanline_link_wait_seconds").unwrap().data else { panic!() };
        let point = &waits.data_points[0];
        assert_eq!((waits.aggregation_temporality, point.count, point.sum), (2, 1, Some(3.0)));
        assert_eq!((point.bucket_counts[4], point.explicit_bounds[3..5].to_vec()), (1, vec![2.5, 5.0]));
        assert_eq!((point.start_time_unix_nano, point.attributes[0].key.as_str()), (11, "writer"));
        let Some(Data::Gauge(waiting)) = &of("spanline_waiting_records").unwrap().data else { panic!() };
        assert!(waiting.data_points[0].attributes.is_empty());
        assert!(of("spanline_bytes_lost").is_none(), "nothing was lost yet");
    }
}
