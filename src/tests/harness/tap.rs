//! A tap within the test's own process.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use spanline::metrics::Metrics;
use spanline::notify::Notify;
use spanline::otlp::server::Socket;
use spanline::otlp::{Endpoint, Role, Signal};
use spanline::tap::Tap;
use spanline::tap::config::{AnswerWhen, Forward, TapConfig};
use spanline::tap::consumer::Consumer;

use super::sink::PATIENCE;

/// A running tap, and what it says and counts.
pub(crate) struct TestTap {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) state: Arc<tempfile::TempDir>,
    said: Arc<Mutex<Vec<String>>>,
    tap: Option<Tap>,
}

/// A tap on free ports that passes on to these URLs.
pub(crate) fn config(forward: &[String]) -> TapConfig {
    let free = "127.0.0.1:0".parse().ok();
    let forward = forward.iter().map(|url| {
        let endpoint = |signal| {
            let endpoint = Endpoint::from_url(url, signal, &|_| None).unwrap();
            (signal, Endpoint { role: Role::Forward, ..endpoint })
        };
        Forward { endpoints: Signal::ALL.map(endpoint).into() }
    });
    TapConfig {
        grpc: free,
        http: free,
        unix: None,
        tls: None,
        token: None,
        forward: forward.collect(),
        queue_bytes: 32 << 20,
        spill_bytes: Some(256 << 20),
        answer: AnswerWhen::Accepted,
        hold: Duration::from_millis(500),
        hold_logs: Duration::from_millis(500),
        late_events: true,
        about_events: true,
    }
}

impl TestTap {
    pub(crate) fn start(config: &TapConfig) -> TestTap {
        TestTap::start_with(config, None, Arc::new(tempfile::tempdir().unwrap()))
    }

    /// With a consumer, and what an earlier one left in its state.
    pub(crate) fn start_with(
        config: &TapConfig,
        consumer: Option<Arc<dyn Consumer>>,
        state: Arc<tempfile::TempDir>,
    ) -> TestTap {
        let (metrics, said) = (Arc::new(Metrics::new(Instant::now())), Arc::<Mutex<Vec<String>>>::default());
        metrics.inputs_begin();
        let heard = Arc::clone(&said);
        let notify: Notify = Arc::new(move |text: &str| heard.lock().unwrap().push(text.to_owned()));
        let tap = Tap::start(config, state.path(), (&metrics, &notify), consumer).unwrap();
        TestTap { metrics, state, said, tap: Some(tap) }
    }

    fn address(&self, at: usize) -> SocketAddr {
        match &self.tap.as_ref().unwrap().listening()[at] {
            Socket::Tcp(address) => *address,
            Socket::Unix(path) => panic!("{}", path.display()),
        }
    }

    pub(crate) fn grpc(&self) -> SocketAddr {
        self.address(0)
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.address(1)
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    /// A number of its metrics, as it is shown without its value; 0 if it is not there.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        use spanline::metrics::openmetrics::{TextFormat, text};
        let text = text(&self.metrics, None, TextFormat::OpenMetrics);
        let found = text.lines().find_map(|shown| shown.strip_prefix(line)?.trim().parse::<f64>().ok());
        found.unwrap_or(0.0) as u64
    }

    /// Ends it in order.
    pub(crate) fn end(mut self, grace: Duration) -> Arc<tempfile::TempDir> {
        let tap = self.tap.take().unwrap();
        tap.end_by(Instant::now() + grace);
        tap.finish().unwrap();
        Arc::clone(&self.state)
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it never happens: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
