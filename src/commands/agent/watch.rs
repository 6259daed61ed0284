//! What a running agent is watched by: its numbers, their server, and its messages on stderr.
//!
//! In goes the configuration, out come the handles that the agent's loop writes to. A message is written by a thread of its
//! own: nobody may be reading stderr, and the loop must go on.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::with_keys;
use crate::metrics::Metrics;
use crate::notify::Notify;
use crate::run::agent::{LogLevel, TelemetryConfig};
use crate::telemetry::log::{Level, Log};
use crate::telemetry::push::Push;
use crate::telemetry::server::{Server, ServerError};

/// Messages that wait to be written; further ones are lost, and counted.
const WAITING_MAX: usize = 1024;
/// How often repeated messages are told of while nothing else is.
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// How long the last messages may take: nobody may be reading them.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Why an agent cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The address of its server.
    #[error("telemetry.listen: {0}; another agent may be running: choose another address, or none")]
    Listen(#[from] ServerError),
    /// Its metrics' destination.
    #[error("telemetry.otlp: {0}")]
    Push(#[from] io::Error),
}

/// What a running agent is watched by.
pub struct Watch {
    /// What the loop counts.
    pub metrics: Arc<Metrics>,
    log: Arc<Log<Aside>>,
    writer: Option<JoinHandle<()>>,
    server: Option<Server>,
    _push: Option<Push>,
}

impl Watch {
    /// Starts the server, if there is to be one; `write` writes the lines of the log.
    pub fn start(config: &TelemetryConfig, write: impl Fn(&[u8]) + Send + 'static) -> Result<Watch, WatchError> {
        let metrics = Arc::new(Metrics::new(Instant::now()));
        let server = config.listen.map(|address| Server::start(address, Arc::clone(&metrics))).transpose()?;
        let (give, take) = sync_channel(WAITING_MAX);
        let log = Arc::new(Log::new(Aside { lines: give, lost: AtomicU64::new(0) }, level(config.log)));
        let flushed = Arc::downgrade(&log);
        let writer = std::thread::Builder::new().name("log".into());
        // Without a thread the log is silent, and nothing else is lost.
        let writer = writer.spawn(move || write_all(&take, &flushed, write)).ok();
        let push = config.otlp.as_deref().cloned();
        let push = push.map(|push| Push::start(push, Arc::clone(&metrics), notify(&log))).transpose()?;
        Ok(Watch { metrics, log, writer, server, _push: push })
    }

    /// Where the server listens, if there is one.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        self.server.as_ref().map(Server::address)
    }

    /// Says something.
    pub fn say(&self, level: LogLevel, message: &str) {
        say(&self.log, self::level(level), message);
    }

    /// What the parts of the agent say is worth attention: they do not tell of their everyday.
    pub fn notify(&self) -> Notify {
        notify(&self.log)
    }

    /// Shows other messages from now on.
    pub fn show(&self, shown: LogLevel) {
        self.log.show(level(shown));
    }

    /// Says what was only counted, and waits a moment until all is written.
    pub fn finish(self) {
        let (now, now_nanos) = now();
        self.log.finish(now, now_nanos);
        drop(self.log);
        let Some(writer) = self.writer else { return };
        while !writer.is_finished() && now.elapsed() < LAST_WORDS {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn notify(log: &Arc<Log<Aside>>) -> Notify {
    let log = Arc::downgrade(log);
    Arc::new(move |message: &str| {
        if let Some(log) = log.upgrade() {
            say(&log, Level::Warn, message);
        }
    })
}

fn say(log: &Log<Aside>, level: Level, message: &str) {
    let (now, now_nanos) = now();
    log.write(now, now_nanos, level, &with_keys(message), &[]);
}

fn write_all(lines: &Receiver<Vec<u8>>, log: &Weak<Log<Aside>>, write: impl Fn(&[u8])) {
    loop {
        match lines.recv_timeout(FLUSH_EVERY) {
            Ok(line) => write(&line),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(log) = log.upgrade() {
                    let (now, now_nanos) = now();
                    log.flush(now, now_nanos);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Hands lines on to the thread that writes them.
struct Aside {
    lines: SyncSender<Vec<u8>>,
    lost: AtomicU64,
}

impl io::Write for Aside {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let mut bytes = Vec::new();
        if lost > 0 {
            bytes.extend_from_slice(
                format!("level=warn msg=\"messages were lost: nobody read them\" messages={lost}\n").as_bytes(),
            );
        }
        bytes.extend_from_slice(line);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.lines.try_send(bytes) {
            self.lost.store(lost + 1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
    }
}

fn now() -> (Instant, i64) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (Instant::now(), i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    fn config(log: LogLevel) -> TelemetryConfig {
        TelemetryConfig { listen: None, log, otlp: None }
    }

    #[test]
    fn all_that_was_said_is_written_before_the_end() {
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let sink = Arc::clone(&written);
        let watch =
            Watch::start(&config(LogLevel::Info), move |line| sink.lock().unwrap().extend_from_slice(line)).unwrap();
        watch.say(LogLevel::Info, "reading begins");
        let notify = watch.notify();
        notify(&format!("{} is not trusted", crate::setting::Setting::CaFile));
        notify("again");
        notify("again");
        watch.say(LogLevel::Debug, "not shown");
        watch.finish();
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let ends: Vec<&str> = written.lines().filter_map(|line| line.split_once(' ').map(|(_, end)| end)).collect();
        let expected = [
            "level=info msg=\"reading begins\"",
            "level=warn msg=\"OTEL_EXPORTER_OTLP_CERTIFICATE is not trusted\"",
            "level=warn msg=again",
            "level=warn msg=again repeated=1",
        ];
        assert_eq!(ends, expected);
        // What speaks after the end is heard by nobody, and holds nothing up.
        notify("too late");
    }

    #[test]
    fn an_address_that_is_taken_is_told_with_what_to_do() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let config = TelemetryConfig { listen: taken.local_addr().ok(), log: LogLevel::Info, otlp: None };
        let error = Watch::start(&config, |_| {}).err().unwrap().to_string();
        assert!(
            error.starts_with("telemetry.listen: 127.0.0.1:") && error.ends_with("choose another address, or none"),
            "{error}"
        );
    }

    #[test]
    fn a_reader_that_hangs_holds_nothing_up_and_what_is_lost_is_counted() {
        let (go_on, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let sink = Arc::clone(&written);
        let write = move |line: &[u8]| {
            // Nobody reads until the other end is dropped.
            let _ = wait.lock().unwrap().recv();
            sink.lock().unwrap().extend_from_slice(line);
        };
        let (give, take) = sync_channel(4);
        let mut aside = Aside { lines: give, lost: AtomicU64::new(0) };
        let writer = std::thread::spawn(move || write_all(&take, &Weak::new(), write));
        let lines = 20;
        (0..lines).for_each(|number| io::Write::write_all(&mut aside, format!("{number}\n").as_bytes()).unwrap());
        let lost = aside.lost.load(Ordering::Relaxed);
        assert!(lost >= lines - 5, "{lost}");
        drop(go_on);
        while aside.lost.load(Ordering::Relaxed) > 0 {
            io::Write::write_all(&mut aside, b"last\n").unwrap();
            std::thread::yield_now();
        }
        drop(aside);
        writer.join().unwrap();
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(written.contains("messages were lost: nobody read them\" messages="), "{written}");
    }
}
