//! What is received over OTLP and passed on.
//!
//! In go additions from whoever receives and sends, out come sums, and sockets that cannot be listened on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::destinations::DestinationMetrics;
use super::family::{Counter, Family, Gauge};

/// See the module.
#[derive(Debug, Default)]
pub struct SpanMetrics {
    /// Spans received in requests that were taken.
    pub received: Counter,
    /// Destinations that spans are passed on to.
    pub(super) forwards: Family<DestinationMetrics>,
    /// Bytes on the disk that wait for each.
    pub(super) spilled: Family<Gauge>,
    pub(super) dropped: Family<Counter>,
    pub(super) requests_dropped: Family<Counter>,
    pub(super) requests_refused: Family<Counter>,
    pub(super) events: Family<Counter>,
    not_listening: Mutex<BTreeMap<String, String>>,
}

impl SpanMetrics {
    /// Of a destination that spans are passed on to: `delivered` and `held` are spans.
    pub fn forward(&self, name: &str) -> Arc<DestinationMetrics> {
        self.forwards.get(name)
    }

    /// Bytes of requests on the disk that wait for a destination.
    pub fn spilled(&self, name: &str) -> Arc<Gauge> {
        self.spilled.get(name)
    }

    /// Spans that were taken and could not be passed on, by reason.
    pub fn dropped(&self, reason: &str) -> Arc<Counter> {
        self.dropped.get(reason)
    }

    /// Requests, of any signal, that were taken and could not be passed on, by reason.
    pub fn requests_dropped(&self, reason: &str) -> Arc<Counter> {
        self.requests_dropped.get(reason)
    }

    /// Requests and connections that were not taken, by reason.
    pub fn requests_refused(&self, reason: &str) -> Arc<Counter> {
        self.requests_refused.get(reason)
    }

    /// Lines that were put on spans as events, by how: on the span itself, or on a `carrier` below it.
    pub fn events(&self, how: &str) -> Arc<Counter> {
        self.events.get(how)
    }

    /// Whether a socket is listened on, or why not.
    pub fn listens(&self, socket: &str, outcome: Result<(), String>) {
        let mut all = self.not_listening.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => drop(all.remove(socket)),
            Err(error) => drop(all.insert(socket.to_owned(), error)),
        }
    }

    /// What keeps sockets from being listened on, in sentences.
    pub(super) fn not_listening(&self) -> Vec<String> {
        let all = self.not_listening.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(socket, error)| format!("spans are not received on {socket}: {error}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::Metrics;

    #[test]
    fn a_socket_that_is_taken_and_a_destination_that_fails_from_the_beginning_are_in_the_way() {
        let now = Instant::now();
        let metrics = Metrics::new(now);
        metrics.inputs_begin();
        metrics.spans.listens("127.0.0.1:4317", Err("in use".to_owned()));
        metrics.spans.forward("otlp=http://c:4317").failed(1, "refused", None);
        let expected = [
            "otlp=http://c:4317 has not taken any spans yet: refused",
            "spans are not received on 127.0.0.1:4317: in use",
        ];
        assert_eq!(metrics.health(now).not_ready, expected);
        metrics.spans.listens("127.0.0.1:4317", Ok(()));
        metrics.spans.forward("otlp=http://c:4317").succeeded(2);
        assert!(metrics.health(now).is_ready());
    }
}
