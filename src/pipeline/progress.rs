//! How far a run has come, while it goes on: a bar on a terminal, a line now and then elsewhere.
//!
//! In go bytes read and how it stands with destinations, out goes text to stderr: how much is read, or what is awaited. A bar
//! is drawn by a thread of its own; it is shorter than the terminal, steps aside for messages, and nothing of it stays once
//! it is finished. Nothing here knows what is read.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::monitor::Monitor;
use crate::export::terminal;
use crate::input::sources::Source;
use crate::notify::Say;

/// How often a bar moves.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Columns of the bar itself, and those of a terminal that does not tell how many it has.
const BAR_COLUMNS: usize = 20;
const COLUMNS: usize = 80;

/// Progress that is being shown.
pub(crate) struct Progress {
    bytes_read: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// On a terminal.
    bar: Option<ProgressBar>,
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
        let is_drawn = !quiet && std::io::stderr().is_terminal();
        let bar = is_drawn.then(|| ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr()));
        let drawn = bar.clone();
        let show = move || match &drawn {
            Some(bar) => draw(bar, &shown, &ended),
            None => lines(&shown, &ended, &say),
        };
        // Without a thread nothing is shown, and nothing else is lost.
        let thread = std::thread::Builder::new().name("progress".into());
        let thread = if quiet { None } else { thread.spawn(show).ok() };
        Progress { bytes_read, done, thread: Mutex::new(thread), bar }
    }

    /// The count that readers add to.
    pub(super) fn bytes_read(&self) -> &Arc<AtomicU64> {
        &self.bytes_read
    }

    /// Says things while a bar is drawn: it steps aside.
    pub(super) fn beside(&self, say: &Say) -> Say {
        match self.bar.clone() {
            None => say.clone(),
            Some(bar) => {
                let say = say.clone();
                Arc::new(move |text: &str| bar.suspend(|| say(text)))
            }
        }
    }

    /// Ends the showing, before anything is written to the same terminal.
    pub(crate) fn finish(&self) {
        self.done.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
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

    /// `34 %  3 MiB of 9 MiB  12 s left`
    fn rate(&self, elapsed: Duration) -> String {
        let (read, total) = (self.read(), self.total);
        let left = match read {
            0 => String::new(),
            _ => format!("  {} s left", elapsed.as_secs() * (total - read) / read),
        };
        format!("{:>3} %  {} MiB of {} MiB{left}", read * 100 / total.max(1), read >> 20, total >> 20)
    }

    fn line(&self) -> String {
        self.awaited().unwrap_or_else(|| {
            let (read, total) = (self.read(), self.total);
            format!("read {} MiB of {} MiB ({} %)", read >> 20, total >> 20, read * 100 / total.max(1))
        })
    }
}

fn draw(bar: &ProgressBar, shown: &Shown, done: &AtomicBool) {
    let reading = ProgressStyle::with_template(&format!("{{bar:{BAR_COLUMNS}}} {{msg}}"));
    let waiting = ProgressStyle::with_template("{msg}");
    let (Ok(reading), Ok(waiting)) = (reading, waiting) else { return };
    let start = Instant::now();
    while !done.load(Ordering::Relaxed) {
        let columns = console::Term::stderr().size_checked().map_or(COLUMNS, |(_, columns)| usize::from(columns));
        let awaited = shown.awaited();
        let (style, room) = match &awaited {
            Some(_) => (&waiting, columns.saturating_sub(1)),
            None => (&reading, columns.saturating_sub(BAR_COLUMNS + 2)),
        };
        let text = awaited.unwrap_or_else(|| shown.rate(start.elapsed()));
        bar.set_style(style.clone());
        bar.set_position(shown.read());
        bar.set_message(within(&text, room));
        std::thread::park_timeout(DRAW_EVERY);
    }
    bar.finish_and_clear();
}

/// Text in so many columns: one that goes on in the next line of the terminal would stay there.
fn within(text: &str, columns: usize) -> String {
    let mut used = 0;
    let fits = |character: &char| {
        used += terminal::columns(*character);
        used <= columns
    };
    text.chars().filter(|character| !terminal::is_unsafe(*character)).take_while(fits).collect()
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
    fn a_bar_is_shorter_than_the_terminal() {
        let shown = Shown {
            total: 10 << 20,
            passes: 1,
            count: Arc::new(AtomicU64::new(5 << 20)),
            monitor: Arc::new(Monitor::default()),
        };
        assert_eq!(shown.rate(Duration::from_secs(4)), " 50 %  5 MiB of 10 MiB  4 s left");
        for columns in [0, 1, 7, 40] {
            assert!(
                within("waiting for otlp=http://a: 漢字漢字 records, last error", columns).chars().count() <= columns
            );
        }
        assert_eq!(within("漢字漢字", 5), "漢字");
    }

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
