//! What a running agent counts, and how it is: in numbers that are shown as metrics, and in states that are shown as
//! status and health.
//!
//! The agent's loop takes a handle for each input, destination and reason once, and adds to it; whoever is asked for
//! [`openmetrics`], [`status`] or [`Health`] reads the same numbers at any time. Adding is one atomic addition. Nothing
//! here knows where numbers come from, and nothing is sent here.

mod destinations;
mod family;
mod health;
mod histogram;
pub mod logs;
pub mod openmetrics;
pub mod points;
pub mod requests;
mod sources;
pub mod spans;
pub mod status;

use std::sync::Arc;
use std::time::Instant;

pub use destinations::{DestinationMetrics, DestinationState, Failing};
pub use family::{Counter, Family, Gauge, Share};
pub use health::{Health, Heartbeat};
pub use histogram::{BOUNDS, Buckets, Histogram};
pub use sources::{InputLag, SourceFacts, SourceLag, Sources};

/// Of one input, such as `pods`.
#[derive(Debug, Default)]
pub struct InputMetrics {
    /// Lines read, as they stand in files.
    pub lines_read: Counter,
}

/// Of one format of the user's own.
#[derive(Debug, Default)]
pub struct ParserMetrics {
    /// Records that are in it.
    pub matched: Counter,
    /// Of these, those whose time is none.
    pub bad_times: Counter,
    /// Records that are not in it, or too long to be looked at.
    pub unmatched: Counter,
}

/// What a running agent counts.
#[derive(Debug)]
pub struct Metrics {
    started: Instant,
    inputs: Family<InputMetrics>,
    destinations: Family<DestinationMetrics>,
    dropped: Family<Counter>,
    bytes_lost: Family<Counter>,
    entries_lost: Family<Counter>,
    links: Family<Counter>,
    parsers: Family<ParserMetrics>,
    redactions: Family<Counter>,
    memory: Family<Gauge>,
    limits: Family<Counter>,
    /// Spans that are received and passed on.
    pub spans: spans::SpanMetrics,
    /// Logs that are received and passed on.
    pub logs: logs::LogMetrics,
    /// Requests to destinations, where spans of them are wanted.
    pub requests: requests::Requests,
    /// Records that wait until their links are known.
    pub waiting_records: Gauge,
    link_waits: Family<Histogram>,
    /// Times that the kubelet could not be asked for its pods.
    pub kubelet_failures: Counter,
    /// Sources that were begun to be read before it was known what their pod is.
    pub pods_unknown: Counter,
    loop_state: health::LoopState,
    sources: sources::Snapshots,
}

impl Metrics {
    /// Nothing counted yet; `now`: when the agent starts, which counts as a turn of its loop.
    pub fn new(now: Instant) -> Metrics {
        Metrics {
            started: now,
            inputs: Family::default(),
            destinations: Family::default(),
            dropped: Family::default(),
            bytes_lost: Family::default(),
            entries_lost: Family::default(),
            links: Family::default(),
            parsers: Family::default(),
            redactions: Family::default(),
            memory: Family::default(),
            limits: Family::default(),
            spans: spans::SpanMetrics::default(),
            logs: logs::LogMetrics::default(),
            requests: requests::Requests::default(),
            waiting_records: Gauge::default(),
            link_waits: Family::default(),
            kubelet_failures: Counter::default(),
            pods_unknown: Counter::default(),
            loop_state: health::LoopState::default(),
            sources: sources::Snapshots::default(),
        }
    }

    /// Of an input (`pods`, `files`).
    pub fn input(&self, name: &str) -> Arc<InputMetrics> {
        self.inputs.get(name)
    }

    /// Of a destination, by the name that users give it: `otlp=http://collector:4317`.
    pub fn destination(&self, name: &str) -> Arc<DestinationMetrics> {
        self.destinations.get(name)
    }

    /// Records dropped on purpose, by reason.
    pub fn dropped(&self, reason: &str) -> Arc<Counter> {
        self.dropped.get(reason)
    }

    /// Bytes that could not be read any more, by reason.
    pub fn bytes_lost(&self, reason: &str) -> Arc<Counter> {
        self.bytes_lost.get(reason)
    }

    /// Entries of a journal that could not be read any more, by reason.
    pub fn entries_lost(&self, reason: &str) -> Arc<Counter> {
        self.entries_lost.get(reason)
    }

    /// Records with a link, by the method that made it.
    pub fn links(&self, method: &str) -> Arc<Counter> {
        self.links.get(method)
    }

    /// How long after they were written lines were decided that waited for their spans, by the program that wrote them.
    pub fn link_waits(&self, writer: &str) -> Arc<Histogram> {
        self.link_waits.get(writer)
    }

    /// Of a format of the user's own.
    pub fn parser(&self, name: &str) -> Arc<ParserMetrics> {
        self.parsers.get(name)
    }

    /// What was blacked out, by rule.
    pub fn redactions(&self, rule: &str) -> Arc<Counter> {
        self.redactions.get(rule)
    }

    /// Bytes that a part of the agent holds.
    pub fn memory(&self, part: &str) -> Arc<Gauge> {
        self.memory.get(part)
    }

    /// How often a limit was reached, by its name.
    pub fn limit_reached(&self, limit: &str) -> Arc<Counter> {
        self.limits.get(limit)
    }

    /// The loop goes round; to be said with each turn, at least each 10 s.
    pub fn turned(&self, now: Instant) {
        self.loop_state.turned(now.saturating_duration_since(self.started));
    }

    /// A loop of several, each of which must turn; then [`Metrics::turned`] is not needed.
    pub fn heartbeat(&self, now: Instant) -> Arc<Heartbeat> {
        self.loop_state.heartbeat(self.started, now)
    }

    /// The inputs are being read, after whatever had to be done before.
    pub fn inputs_begin(&self) {
        self.loop_state.inputs_begin();
    }

    /// Whether the state folder can be written, or why it cannot.
    pub fn state_written(&self, outcome: Result<(), String>) {
        self.loop_state.state_written(outcome);
    }

    /// Whether the agent is alive, and what keeps it from being ready.
    pub fn health(&self, now: Instant) -> Health {
        let failing = |what: &str, (name, destination): (String, Arc<DestinationMetrics>)| {
            let state = destination.state();
            let failing = state.failing.filter(|_| state.last_success_nanos.is_none())?;
            Some(format!("{name} has not taken {what} yet: {}", failing.error))
        };
        let of_logs = self.destinations.all().into_iter().filter_map(|one| failing("anything", one));
        let of_spans = self.spans.forwards.all().into_iter().filter_map(|one| failing("any spans", one));
        let in_the_way = of_logs.chain(of_spans).chain(self.spans.not_listening()).collect();
        self.loop_state.health(now.saturating_duration_since(self.started), in_the_way)
    }

    /// Whether someone waits for facts of the sources: then call [`Metrics::set_sources`]. One atomic read.
    pub fn sources_wanted(&self) -> bool {
        self.sources.are_wanted()
    }

    /// Calls this each time that someone begins to wait for facts of the sources: a loop that sleeps while nothing is written
    /// would answer late.
    pub fn on_sources_wanted(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.sources.wake_by(Box::new(wake));
    }

    /// All sources as they are now. Kept are sums by input, and the facts of those that are furthest behind.
    pub fn set_sources<'a>(&self, now: Instant, sources: impl Iterator<Item = SourceFacts<'a>>) {
        self.sources.set(now, sources);
    }

    /// Asks for the sources as they are now, and waits for them no longer than `patience`; then returns the latest that
    /// were set, if any were.
    pub async fn fresh_sources(&self, patience: std::time::Duration) -> Option<Arc<Sources>> {
        self.sources.fresh(patience).await
    }

    /// The latest sources that were set.
    pub fn sources(&self) -> Option<Arc<Sources>> {
        self.sources.latest()
    }
}
