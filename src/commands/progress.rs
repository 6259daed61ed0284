//! Progress of a run: a bar on a terminal, a line at intervals elsewhere.
//!
//! In goes the run's monitor, out goes text to stderr: how much is read, or what is awaited. A bar is drawn by a thread of its
//! own; it is shorter than the terminal, is hidden for messages, and nothing of it stays once it is finished. Nothing here
//! knows what is read.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::status;
use crate::export::formats::terminal;
use crate::notify::Notify;
use crate::run::monitor::{Monitor, ToRead};

/// How often a bar moves.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const PRINT_EVERY: Duration = Duration::from_secs(10);

/// Columns of the bar itself, and those of a terminal that does not tell how many it has.
const BAR_COLUMNS: usize = 20;
const COLUMNS: usize = 80;

/// Progress that is being shown, until it is finished or dropped.
pub(super) struct Progress {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// On a terminal.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts to show how far a run has come once it begins to read, unless it is to be quiet.
    pub(super) fn start(quiet: bool, monitor: &Arc<Monitor>, notify: &Notify) -> Progress {
        let done = Arc::new(AtomicBool::new(false));
        let is_drawn = !quiet && std::io::stderr().is_terminal();
        let bar = is_drawn.then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));
        let (monitor, ended, notify, drawn) = (monitor.clone(), done.clone(), notify.clone(), bar.clone());
        let show = move || {
            let Some(to_read) = begun(&monitor, &ended) else { return };
            let shown = Shown { to_read, monitor };
            match &drawn {
                Some(bar) => draw(bar, &shown, &ended),
                None => lines(&shown, &ended, &notify),
            }
        };
        // Without a thread nothing is shown, and nothing else is lost.
        let thread = std::thread::Builder::new().name("progress".into());
        let thread = if quiet { None } else { thread.spawn(show).ok() };
        Progress { done, thread, bar }
    }

    /// Notifies while a bar is drawn, which is hidden for the message.
    pub(super) fn notify_above(&self, notify: &Notify) -> Notify {
        match self.bar.clone() {
            None => notify.clone(),
            Some(bar) => {
                let notify = notify.clone();
                Arc::new(move |text: &str| bar.suspend(|| notify(text)))
            }
        }
    }

    /// Stops showing progress, before anything is written to the same terminal.
    pub(super) fn finish(self) {}
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Waits until the run begins to read; `None` if it is over before.
fn begun(monitor: &Monitor, done: &AtomicBool) -> Option<ToRead> {
    while !done.load(Ordering::Relaxed) {
        if let Some(to_read) = monitor.to_read() {
            return Some(to_read);
        }
        std::thread::park_timeout(DRAW_EVERY);
    }
    None
}

/// What is shown.
struct Shown {
    to_read: ToRead,
    monitor: Arc<Monitor>,
}

impl Shown {
    /// Of several passes each moves it by its part: what is shown are the bytes that there are.
    fn read(&self) -> u64 {
        let read = self.monitor.bytes_read().load(Ordering::Relaxed);
        (read / self.to_read.passes).min(self.to_read.bytes)
    }

    /// What the run waits for, if that is not reading.
    fn awaited(&self) -> Option<String> {
        if let Some(awaited) = status::awaited_of_all(&self.monitor) {
            return Some(awaited);
        }
        if self.read() < self.to_read.bytes {
            return None;
        }
        let read = format!("all {} MiB are read", self.to_read.bytes >> 20);
        Some(status::in_flight(&self.monitor).map_or(read.clone(), |in_flight| format!("{read}; {in_flight}")))
    }

    /// `34 %  3 MiB of 9 MiB  12 s left`
    fn rate(&self, elapsed: Duration) -> String {
        let (read, total) = (self.read(), self.to_read.bytes);
        let left = match read {
            0 => String::new(),
            _ => format!("  {} s left", elapsed.as_secs() * (total - read) / read),
        };
        format!("{:>3} %  {} MiB of {} MiB{left}", read * 100 / total.max(1), read >> 20, total >> 20)
    }

    fn line(&self) -> String {
        self.awaited().unwrap_or_else(|| {
            let (read, total) = (self.read(), self.to_read.bytes);
            format!("read {} MiB of {} MiB ({} %)", read >> 20, total >> 20, read * 100 / total.max(1))
        })
    }
}

fn draw(bar: &ProgressBar, shown: &Shown, done: &AtomicBool) {
    let reading = ProgressStyle::with_template(&format!("{{bar:{BAR_COLUMNS}}} {{msg}}"));
    let waiting = ProgressStyle::with_template("{msg}");
    let (Ok(reading), Ok(waiting)) = (reading, waiting) else { return };
    bar.set_length(shown.to_read.bytes);
    bar.set_draw_target(ProgressDrawTarget::stderr());
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

/// Text in this many columns: one that goes on in the next line of the terminal would stay there.
fn within(text: &str, columns: usize) -> String {
    let mut used = 0;
    let fits = |character: &char| {
        used += terminal::columns(*character);
        used <= columns
    };
    text.chars().filter(|character| !terminal::is_unsafe(*character)).take_while(fits).collect()
}

fn lines(shown: &Shown, done: &AtomicBool, notify: &Notify) {
    let start = Instant::now();
    let mut next = PRINT_EVERY;
    while !done.load(Ordering::Relaxed) {
        if start.elapsed() >= next {
            next += PRINT_EVERY;
            notify(&shown.line());
        }
        std::thread::park_timeout(Duration::from_millis(500));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::deliver::status::StatusHandle;

    /// Half of 10 MiB is read.
    fn shown() -> (Shown, Arc<Monitor>) {
        let monitor = Arc::new(Monitor::default());
        monitor.bytes_read().store(5 << 20, Ordering::Relaxed);
        (Shown { to_read: ToRead { bytes: 10 << 20, passes: 1 }, monitor: monitor.clone() }, monitor)
    }

    #[test]
    fn a_bar_is_shorter_than_the_terminal() {
        let (shown, _) = shown();
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
        let (shown, monitor) = shown();
        assert_eq!(shown.line(), "read 5 MiB of 10 MiB (50 %)");
        let status = Arc::new(StatusHandle::default());
        monitor.watch("otlp=http://a".into(), status.clone());
        status.change(|state| (state.held, state.last_error) = (2, Some("HTTP 503".into())));
        assert_eq!(shown.line(), "waiting for otlp=http://a: 2 records, last error HTTP 503");
        // More than there was: a file has grown.
        monitor.bytes_read().store(11 << 20, Ordering::Relaxed);
        status.change(|state| state.last_error = None);
        assert_eq!(shown.line(), "all 10 MiB are read; sending to otlp=http://a: 2 records are not yet answered");
        status.change(|state| state.held = 0);
        assert_eq!(shown.line(), "all 10 MiB are read");
    }
}
