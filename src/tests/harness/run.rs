//! Runs the `spanline` binary on files of its own, and reads what it says and writes.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use tokio::net::{TcpListener, TcpSocket};

use super::relay::Relay;
use super::sink::{PATIENCE, Script, Sink};

/// A folder that the binary runs in, gone when dropped.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Place {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        self
    }

    pub(crate) fn link(&self, to: &str, name: &str) -> &Place {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, path).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// JSON values of a file of lines.
    pub(crate) fn json_lines(&self, name: &str) -> Vec<serde_json::Value> {
        self.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The binary with these arguments, ready to run in the folder, without variables that change what it does.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanline"));
        command.args(arguments).current_dir(self.folder.path()).env("TZ", "UTC").env_remove("NO_COLOR");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_")) {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// With bytes on standard input.
    pub(crate) fn pipe(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut child = self.spawn(arguments);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        ran(output)
    }

    /// Starts it, and reads what it says meanwhile but not what it writes.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(&[], arguments)
    }

    /// The same with these in its environment.
    pub(crate) fn start_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Running {
        let (null, piped) = (Stdio::null, Stdio::piped);
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        let mut child = command.stdin(null()).stdout(piped()).stderr(piped()).spawn().unwrap();
        let (said, mut stderr) = (Arc::new(Mutex::new(String::new())), child.stderr.take().unwrap());
        let heard = Arc::clone(&said);
        let listener = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut bytes) {
                heard.lock().unwrap().push_str(std::str::from_utf8(&bytes[..read]).expect("messages are text"));
            }
        });
        Running { child, said, listener }
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let piped = Stdio::piped;
        self.command(arguments).stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap()
    }
}

/// A run that goes on.
pub(crate) struct Running {
    pub(crate) child: Child,
    said: Arc<Mutex<String>>,
    listener: std::thread::JoinHandle<()>,
}

impl Running {
    /// Waits until something holds; a run that ends before never comes to it.
    pub(crate) fn until(&self, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < PATIENCE, "it never happens: {}", self.said.lock().unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn until_says(&self, words: &str) {
        self.until(|| self.said.lock().unwrap().contains(words));
    }

    /// Waits until something is said, and returns what is found behind these words.
    pub(crate) fn until_said_after<T>(&self, words: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let found = || self.said.lock().unwrap().split_once(words).and_then(|(_, rest)| find(rest));
        self.until(|| found().is_some());
        found().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for the end; one that does not come is a failure.
    pub(crate) fn end_within(mut self, limit: Duration) -> Ran {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if start.elapsed() > limit => {
                    self.child.kill().unwrap();
                    panic!("it does not end: {}", self.said.lock().unwrap());
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        self.listener.join().unwrap();
        let mut out = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
        let err = self.said.lock().unwrap().clone();
        Ran { code: status.code(), out, err }
    }
}

pub(crate) fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        out: output.stdout,
        err: String::from_utf8(output.stderr).expect("messages are text"),
    }
}

impl Ran {
    /// The output as text; the run must have ended with this code.
    pub(crate) fn text(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}", self.err);
        std::str::from_utf8(&self.out).expect("output is text")
    }

    pub(crate) fn json(&self, code: i32) -> Vec<serde_json::Value> {
        self.text(code)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// Messages must hold this.
    pub(crate) fn says(&self, words: &str) -> &Ran {
        assert!(self.err.contains(words), "{words:?} is not in:\n{}", self.err);
        self
    }
}

/// A signal to a child, by its number.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Log records of OTLP/JSON lines, each with the attributes of its resource.
pub(crate) fn otlp_records(text: &str) -> Vec<(Vec<KeyValue>, LogRecord)> {
    let request = |line: &str| -> ExportLogsServiceRequest {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let mut all = Vec::new();
    for logs in text.lines().flat_map(|line| request(line).resource_logs) {
        let resource = logs.resource.unwrap_or_default().attributes;
        for record in logs.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
            all.push((resource.clone(), record));
        }
    }
    all
}

/// A text attribute; empty if it is not there.
pub(crate) fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key).and_then(|found| found.value.clone());
    match found.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        None => String::new(),
        Some(other) => format!("{other:?}"),
    }
}

/// A sink on a thread of its own, for tests that wait for a process.
pub(crate) struct Background {
    pub(crate) sink: Sink,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Background {
    pub(crate) fn start(script: Script) -> Background {
        Background::at(ClosedPort::new(), script)
    }

    /// On a port that was closed.
    pub(crate) fn at(port: ClosedPort, script: Script) -> Background {
        let (sink, stop) = in_background(async move || Sink::listening(port.open(), script));
        Background { sink, _stop: stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("otlp=http://{}", self.sink.address)
    }
}

/// A slow link on a thread of its own.
pub(crate) struct BackgroundRelay {
    pub(crate) relay: Relay,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl BackgroundRelay {
    pub(crate) fn start(behind: SocketAddr, bytes_per_second: u32) -> BackgroundRelay {
        let (relay, stop) = in_background(async move || Relay::start(behind, bytes_per_second).await);
        BackgroundRelay { relay, _stop: stop }
    }
}

/// What starts on a thread of its own, which ends when the sender is dropped.
fn in_background<T: Send + 'static>(
    start: impl AsyncFnOnce() -> T + Send + 'static,
) -> (T, tokio::sync::oneshot::Sender<()>) {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (give, take) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            give.send(start().await).unwrap_or_else(|_| panic!("nobody takes it"));
            let _ = stopped.await;
        });
    });
    (take.recv().unwrap(), stop)
}

/// A port that is taken, and that nothing listens on.
pub(crate) struct ClosedPort(TcpSocket);

impl ClosedPort {
    pub(crate) fn new() -> ClosedPort {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        ClosedPort(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// From now on something does. Within a `tokio` runtime.
    pub(crate) fn open(self) -> TcpListener {
        self.0.listen(64).unwrap()
    }
}

/// The folder of samples.
pub(crate) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}
