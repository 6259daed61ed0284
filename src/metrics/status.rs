//! The status of a running agent as one JSON object: what `/status` answers, and what is shown of it on a terminal.
//!
//! In go the numbers and states, out comes plain data that both sides know. How it is shown is not decided here.

use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Metrics, Sources};

/// The status of a running agent. Times are ns since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// When this was.
    pub at_nanos: i64,
    /// How long it has run, in seconds.
    pub uptime_seconds: u64,
    /// The loop has turned within the last 30 s.
    pub is_alive: bool,
    /// What keeps it from being ready, in sentences.
    pub not_ready: Vec<String>,
    /// Each input.
    pub inputs: Vec<InputStatus>,
    /// The sources that are furthest behind, worst first.
    pub sources: Vec<SourceStatus>,
    /// Sources that are not among them.
    pub sources_left_out: u64,
    /// Age of the sources' facts, in seconds; null if there are none yet.
    pub sources_age_seconds: Option<f64>,
    /// Each destination.
    pub destinations: Vec<DestinationStatus>,
    /// Records dropped on purpose, by reason.
    pub dropped: Vec<(String, u64)>,
    /// Bytes that could not be read any more, by reason.
    pub bytes_lost: Vec<(String, u64)>,
    /// Records with a link, by method.
    pub links: Vec<(String, u64)>,
    /// Records that wait until their links are known.
    pub waiting_records: u64,
    /// Bytes that each part holds.
    pub memory: Vec<(String, u64)>,
    /// What is received and passed on.
    #[serde(default)]
    pub spans: SpansStatus,
}

/// What is received over OTLP and passed on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpansStatus {
    /// Spans received.
    pub received: u64,
    /// Each destination: what it took and what is held for it are spans.
    pub forwards: Vec<DestinationStatus>,
    /// Bytes on the disk that wait for each.
    pub spilled: Vec<(String, u64)>,
    /// Spans that were taken and could not be passed on, by reason.
    pub dropped: Vec<(String, u64)>,
    /// Requests and connections that were not taken, by reason.
    pub refused: Vec<(String, u64)>,
}

/// One input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InputStatus {
    /// Its name.
    pub name: String,
    /// Lines read.
    pub lines_read: u64,
    /// Sources that it has.
    pub sources: u64,
    /// Those that are not read to their end.
    pub behind: u64,
    /// The most bytes that one is behind.
    pub lag_bytes: u64,
    /// The longest time that one is behind.
    pub lag_seconds: f64,
}

/// One source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// The name that is written to.
    pub path: PathBuf,
    /// Its input.
    pub input: String,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes not read yet.
    pub lag_bytes: u64,
    /// How long it has been behind.
    pub lag_seconds: f64,
}

/// One destination.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DestinationStatus {
    /// Its name.
    pub name: String,
    /// Records that it acknowledged.
    pub delivered: u64,
    /// Records read that it has not acknowledged yet.
    pub held: u64,
    /// When it took something last.
    pub last_success_nanos: Option<i64>,
    /// Since when it takes nothing.
    pub failing_since_nanos: Option<i64>,
    /// Failures since then.
    pub failures: u64,
    /// The latest.
    pub last_error: Option<String>,
    /// When it is tried again.
    pub next_try_nanos: Option<i64>,
}

/// The status now, in both clocks.
pub fn status(metrics: &Metrics, sources: Option<&Sources>, now: Instant, now_nanos: i64) -> Status {
    let health = metrics.health(now);
    let counts = |family: &super::Family<super::Counter>| -> Vec<(String, u64)> {
        family.all().into_iter().map(|(name, counter)| (name, counter.get())).collect()
    };
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at_nanos: now_nanos,
        uptime_seconds: now.saturating_duration_since(metrics.started).as_secs(),
        is_alive: health.is_alive(),
        not_ready: health.not_ready,
        inputs: inputs(metrics, sources),
        sources: sources.map_or_else(Vec::new, kept),
        sources_left_out: sources.map_or(0, |sources| sources.left_out),
        sources_age_seconds: sources.map(|sources| now.saturating_duration_since(sources.at).as_secs_f64()),
        destinations: destinations(&metrics.destinations),
        dropped: counts(&metrics.dropped),
        bytes_lost: counts(&metrics.bytes_lost),
        links: counts(&metrics.links),
        waiting_records: metrics.waiting_records.get(),
        memory: held(&metrics.memory),
        spans: SpansStatus {
            received: metrics.spans.received.get(),
            forwards: destinations(&metrics.spans.forwards),
            spilled: held(&metrics.spans.spilled),
            dropped: counts(&metrics.spans.dropped),
            refused: counts(&metrics.spans.requests_refused),
        },
    }
}

fn inputs(metrics: &Metrics, sources: Option<&Sources>) -> Vec<InputStatus> {
    let all = metrics.inputs.all().into_iter();
    all.map(|(name, input)| {
        let lag = sources.and_then(|sources| sources.inputs.get(&name)).cloned().unwrap_or_default();
        InputStatus {
            name,
            lines_read: input.lines_read.get(),
            sources: lag.sources,
            behind: lag.behind,
            lag_bytes: lag.lag_bytes_max,
            lag_seconds: lag.lag_max.as_secs_f64(),
        }
    })
    .collect()
}

fn kept(sources: &Sources) -> Vec<SourceStatus> {
    let worst = sources.worst.iter();
    worst
        .map(|source| SourceStatus {
            path: source.path.0.clone(),
            input: source.input.clone(),
            bytes_read: source.bytes_read,
            lag_bytes: source.lag_bytes,
            lag_seconds: source.lag.as_secs_f64(),
        })
        .collect()
}

fn held(family: &super::Family<super::Gauge>) -> Vec<(String, u64)> {
    family.all().into_iter().map(|(name, bytes)| (name, bytes.get())).collect()
}

fn destinations(all: &super::Family<super::DestinationMetrics>) -> Vec<DestinationStatus> {
    let all = all.all().into_iter();
    all.map(|(name, destination)| {
        let state = destination.state();
        let failing = state.failing;
        DestinationStatus {
            name,
            delivered: destination.delivered.get(),
            held: destination.held.get(),
            last_success_nanos: state.last_success_nanos,
            failing_since_nanos: failing.as_ref().map(|failing| failing.since_nanos),
            failures: failing.as_ref().map_or(0, |failing| failing.failures),
            next_try_nanos: failing.as_ref().and_then(|failing| failing.next_try_nanos),
            last_error: failing.map(|failing| failing.error),
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::SourceFacts;
    use super::*;

    #[test]
    fn the_status_has_inputs_sources_and_destinations_and_survives_json() {
        let start = Instant::now();
        let metrics = Metrics::new(start);
        metrics.inputs_begin();
        metrics.input("pods").lines_read.add(5);
        let destination = metrics.destination("otlp=http://c:4317");
        destination.succeeded(10);
        destination.failed(20, "unavailable", Some(30));
        metrics.dropped("too_large").add(2);
        let (path, lag) = (Path::new("/var/log/pods/a/0.log"), Duration::from_secs(3));
        let source = SourceFacts { path, input: "pods", bytes_read: 100, lag_bytes: 50, lag };
        metrics.set_sources(start, [source].into_iter());
        let now = start + Duration::from_secs(2);
        let status = status(&metrics, metrics.sources().as_deref(), now, 99);
        assert_eq!((status.uptime_seconds, status.at_nanos, status.sources_age_seconds), (2, 99, Some(2.0)));
        let input = InputStatus {
            name: "pods".to_owned(),
            lines_read: 5,
            sources: 1,
            behind: 1,
            lag_bytes: 50,
            lag_seconds: 3.0,
        };
        assert_eq!(status.inputs, [input]);
        assert_eq!((status.sources[0].path.as_path(), status.sources[0].bytes_read), (path, 100));
        let destination = &status.destinations[0];
        assert_eq!((destination.last_success_nanos, destination.failing_since_nanos), (Some(10), Some(20)));
        assert_eq!((destination.last_error.as_deref(), destination.next_try_nanos), (Some("unavailable"), Some(30)));
        assert_eq!(status.dropped, [("too_large".to_owned(), 2)]);
        let json = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
    }
}
