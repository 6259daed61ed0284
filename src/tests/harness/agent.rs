//! The agent as a process, on folders of its own, with an endpoint that counts what it stores.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::run::{Background, Place, Ran, Running};
use super::sink::{PATIENCE, Script};
use super::written::{Fate, Written, fate};

/// What is to happen happens within this, unless the machine is very busy.
const LIMIT: Duration = Duration::from_secs(60);

/// An agent that can be started, killed and started again.
pub(crate) struct Agent {
    pub(crate) place: Place,
    pub(crate) sink: Background,
    urls: Vec<String>,
    starts_at: &'static str,
    journal: &'static str,
    zone: &'static str,
    memory: &'static str,
    tap: String,
    rules: String,
    running: Option<Running>,
}

impl Agent {
    /// Not started yet.
    pub(crate) fn new(script: Script) -> Agent {
        let (place, sink) = (Place::new(), Background::start(script));
        let urls = vec![sink.url()];
        std::fs::create_dir_all(place.path("pods")).unwrap();
        Agent {
            place,
            sink,
            urls,
            starts_at: "beginning",
            journal: "units: []",
            zone: "UTC",
            memory: "128MiB",
            tap: "null".to_owned(),
            rules: String::new(),
            running: None,
        }
    }

    /// Started.
    pub(crate) fn started() -> Agent {
        let mut agent = Agent::new(Script::default());
        agent.start();
        agent
    }

    /// Where it is to send to, in place of the endpoint of its own; nowhere, if there is none.
    pub(crate) fn sends_to(&mut self, urls: &[&str]) {
        self.urls = urls.iter().map(|url| (*url).to_owned()).collect();
    }

    /// Where files begin that are there at its first start.
    pub(crate) fn starts_at(&mut self, place: &'static str) {
        self.starts_at = place;
    }

    /// What its file has of the journal in addition to where it is.
    pub(crate) fn has_journal(&mut self, keys: &'static str) {
        self.journal = keys;
    }

    /// How much memory it may take.
    pub(crate) fn may_take(&mut self, memory: &'static str) {
        self.memory = memory;
    }

    /// How it receives spans, as its file has it.
    pub(crate) fn has_tap(&mut self, tap: String) {
        self.tap = tap;
    }

    /// What it is to do with lines, as its file has it.
    pub(crate) fn has_rules(&mut self, rules: &str) {
        self.rules = rules.to_owned();
    }

    /// The zone of its machine, as `TZ` has it.
    pub(crate) fn has_zone(&mut self, zone: &'static str) {
        self.zone = zone;
    }

    pub(crate) fn start(&mut self) {
        assert!(self.running.is_none());
        self.configure();
        let zone = [("TZ", self.zone)];
        self.running = Some(self.place.start_with(&zone, &["agent", "--config", "agent.yaml"]));
    }

    /// Writes its configuration.
    pub(crate) fn configure(&self) {
        let root = self.place.path("").display().to_string();
        let (root, urls, at) = (root.trim_end_matches('/'), self.urls.join("', '"), self.starts_at);
        let (memory, tap, journal, rules) = (self.memory, &self.tap, self.journal, &self.rules);
        let logs = if urls.is_empty() { "null".to_owned() } else { format!("{{to: ['{urls}']}}") };
        let start = if journal.contains("start:") { String::new() } else { format!(", start: {at}") };
        let config = format!(
            "state: {root}/state\nmemory: {memory}\n\
             inputs:\n  pods: {{path: {root}/pods, start: {at}}}\n  files:\n  - {{include: ['{root}/logs/*.log'], start: {at}}}\n\
             \x20 journal: {{path: {root}/journal, {journal}{start}}}\n\
             logs: {logs}\n\
             tap: {tap}\n\
             telemetry: {{listen: '127.0.0.1:0'}}\n\
             grace: 5s\n{rules}"
        );
        self.place.write("agent.yaml", config);
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// The file that a container's lines are written to.
    pub(crate) fn pod(&self, name: &str) -> PathBuf {
        let uid = twox_hash::XxHash64::oneshot(0, name.as_bytes());
        self.place.path(&format!("pods/default_{name}_{uid:016x}/app/0.log"))
    }

    pub(crate) fn signal(&self, name: &str) {
        self.running().signal(name);
    }

    /// It sees nothing of what happens.
    pub(crate) fn blindly(&self, action: impl FnOnce()) {
        self.signal("STOP");
        action();
        self.signal("CONT");
    }

    /// Ends it as a power switch would.
    pub(crate) fn kill(&mut self) {
        let mut running = self.running.take().unwrap();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) -> Ran {
        self.signal("TERM");
        self.running.take().unwrap().end_within(PATIENCE)
    }

    pub(crate) fn fate(&self, written: &[&Written]) -> Fate {
        fate(&self.sink.sink.stored(), written)
    }

    /// Waits until all of these lines are stored.
    pub(crate) fn until_stored(&self, written: &[&Written]) {
        let start = Instant::now();
        while !self.fate(written).lost.is_empty() {
            let lost = || self.fate(written).lost;
            assert!(
                start.elapsed() < LIMIT,
                "{} lines are not stored, {} are: {:?}",
                lost().len(),
                self.sink.sink.stored().len(),
                lost().first().map(|body| body.chars().take(120).collect::<String>())
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// All of these lines are stored, each once, and nothing else is.
    pub(crate) fn expect_once(&self, written: &[&Written]) {
        self.until_stored(written);
        // What comes twice comes soon.
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(self.fate(written), Fate::default());
    }

    /// A number of its metrics; 0 if it is not there. `line`: as it is shown, without its value.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        let text = self.asked("/metrics");
        let found = text.lines().find_map(|shown| shown.strip_prefix(line)?.trim().parse::<f64>().ok());
        found.unwrap_or(0.0) as u64
    }

    /// What it answers on its own port.
    pub(crate) fn asked(&self, path: &str) -> String {
        let address =
            self.running().until_said_after("http://", |rest| rest.split_once('/').map(|(host, _)| host.to_owned()));
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}
