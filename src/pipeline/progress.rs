//! How far reading has come, while it goes on: a bar on a terminal, a line now and then elsewhere.
//!
//! In go bytes read, out goes text to stderr. A bar is drawn by a thread of its own; nothing here knows what is read.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Say, Source};

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
    /// Starts to show how much of the sources is read; `twice` if each is read two times.
    pub(super) fn start(sources: &[Source], twice: bool, say: &Say) -> Progress {
        let bytes: u64 = sources.iter().flat_map(|source| &source.files).map(|file| file.size).sum();
        // Of two passes each moves it by half: what is shown are the bytes that there are.
        let passes = if twice { 2 } else { 1 };
        let bytes_read = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let (count, ended, say) = (bytes_read.clone(), done.clone(), say.clone());
        let show = move || {
            if std::io::stderr().is_terminal() {
                bar(bytes, passes, &count, &ended);
            } else {
                lines(bytes, passes, &count, &ended, &say);
            }
        };
        // Without a thread nothing is shown, and nothing else is lost.
        let thread = std::thread::Builder::new().name("progress".into()).spawn(show).ok();
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

fn bar(total: u64, passes: u64, count: &AtomicU64, done: &AtomicBool) {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let shape = "{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(shape) {
        bar.set_style(style);
    }
    while !done.load(Ordering::Relaxed) {
        bar.set_position(count.load(Ordering::Relaxed) / passes);
        std::thread::park_timeout(DRAW_EVERY);
    }
    bar.finish_and_clear();
}

fn lines(total: u64, passes: u64, count: &AtomicU64, done: &AtomicBool, say: &Say) {
    let start = Instant::now();
    let mut next = SAY_EVERY;
    while !done.load(Ordering::Relaxed) {
        if start.elapsed() >= next {
            next += SAY_EVERY;
            let read = count.load(Ordering::Relaxed) / passes;
            let percent = (read * 100).checked_div(total).unwrap_or(100).min(100);
            say(&format!("read {} MiB of {} MiB ({percent} %)", read >> 20, total >> 20));
        }
        std::thread::park_timeout(Duration::from_millis(500));
    }
}
