//! How far a run has come, while it goes on: a bar on a terminal, a line now and then elsewhere.
//!
//! In go bytes read and how it stands with destinations, out goes text to stderr: how much is read, or what is awaited. A bar is drawn by a thread of its own; nothing here knows what is read.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Source;
use super::monitor::Monitor;
use crate::notify::Say;

/// How often a bar moves.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Progress that is being shown.
pub(super) struct Progress {
    bytes_read: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts to show how much of the sources is read, unless the run is to be quiet.
    pub(super) fn start(sources: &[Source], passes: u64, quiet: bool, monitor: &Arc<Monitor>, say: &Say) -> Progress {
        let bytes: u64 = sources.iter().flat_map(|source| &source.files).map(|file| file.size).sum();
        // Of several passes each moves it by its part: what is shown are the bytes that there are.
        let bytes_read = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let shown = Shown { total: bytes, passes, count: bytes_read.clone(), monitor: monitor.clone() };
        let (ended, say) = (done.clone(), say.clone());
        let show = move || {
            if std::io::stderr().is_terminal() {
                bar(&shown, &ended);
            } else {
                lines(&shown, &ended, &say);
            }
        };
        // Without a thread nothing is shown, and nothing else is lost.
        let thread = std::thread::Builder::new().name("progress".into());
        let thread = if quiet { None } else { thread.spawn(show).ok() };
        Progress { bytes_read, done, thread }
    }

    /// The count that readers add to.
    pub(super) fn bytes_read(&self) -> &Arc<AtomicU64> {
        &self.bytes_read
    }

    /// Ends the showing.
    pub(super) fn finish(self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// What is shown.
struct Shown {
    /// Bytes there are, and how often each is read.
    total: u64,
    passes: u64,
    count: Arc<AtomicU64>,
    monitor: Arc<Monitor>,
}

impl Shown {
    fn read(&self) -> u64 {
        (self.count.load(Ordering::Relaxed) / self.passes).min(self.total)
    }

    /// What the run waits for, if that is not reading.
    fn awaited(&self) -> Option<String> {
        if let Some(awaited) = self.monitor.awaited() {
            return Some(awaited);
        }
        if self.read() < self.total {
            return None;
        }
        let read = format!("all {} MiB are read", self.total >> 20);
        Some(self.monitor.on_the_way().map_or(read.clone(), |on_the_way| format!("{read}; {on_the_way}")))
    }

    fn line(&self) -> String {
        self.awaited().unwrap_or_else(|| {
            let (read, total) = (self.read(), self.total);
            format!("read {} MiB of {} MiB ({} %)", read >> 20, total >> 20, read * 100 / total.max(1))
        })
    }
}

fn bar(shown: &Shown, done: &AtomicBool) {
    let bar = ProgressBar::with_draw_target(Some(shown.total), ProgressDrawTarget::stderr());
    let reading =
        ProgressStyle::with_template("{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left");
    let waiting = ProgressStyle::with_template("{wide_msg}");
    let (Ok(reading), Ok(waiting)) = (reading, waiting) else { return };
    bar.set_style(reading.clone());
    let mut was_awaiting = false;
    while !done.load(Ordering::Relaxed) {
        let awaited = shown.awaited();
        if awaited.is_some() != was_awaiting {
            was_awaiting = !was_awaiting;
            bar.set_style(if was_awaiting { waiting.clone() } else { reading.clone() });
        }
        bar.set_position(shown.read());
        bar.set_message(awaited.unwrap_or_default());
        std::thread::park_timeout(DRAW_EVERY);
    }
    bar.finish_and_clear();
}

fn lines(shown: &Shown, done: &AtomicBool, say: &Say) {
    let start = Instant::now();
    let mut next = SAY_EVERY;
    while !done.load(Ordering::Relaxed) {
        if start.elapsed() >= next {
            next += SAY_EVERY;
            say(&shown.line());
        }
        std::thread::park_timeout(Duration::from_millis(500));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::standing::Standing;

    #[test]
    fn no_line_claims_what_is_not_so() {
        let monitor = Arc::new(Monitor::default());
        let count = Arc::new(AtomicU64::new(5 << 20));
        let shown = Shown { total: 10 << 20, passes: 1, count: count.clone(), monitor: monitor.clone() };
        assert_eq!(shown.line(), "read 5 MiB of 10 MiB (50 %)");
        let standing = Arc::new(Standing::default());
        monitor.watch("otlp=http://a".into(), standing.clone());
        standing.change(|state| (state.held, state.last_error) = (2, Some("HTTP 503".into())));
        assert_eq!(shown.line(), "waiting for otlp=http://a: 2 records, last error HTTP 503");
        // More than there was: a file has grown.
        count.store(11 << 20, Ordering::Relaxed);
        standing.change(|state| state.last_error = None);
        assert_eq!(shown.line(), "all 10 MiB are read; sending to otlp=http://a: 2 records are not yet answered");
        standing.change(|state| state.held = 0);
        assert_eq!(shown.line(), "all 10 MiB are read");
    }
}
