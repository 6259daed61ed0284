//! Ctrl-C, and SIGTERM, which ends a Job's pod: answered in words at once, and by the end of the process soon after.
//!
//! In go signals. The first asks the run to end in order; if it does not within two seconds, whatever it waits for, the
//! process ends with the messages and the state that can be written at once. The second ends it at once.

use std::io::Write;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use spanline::commands::status;
use spanline::files::leftovers;
use spanline::run::monitor::Monitor;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a run may take to end in order: of two seconds, what the last words do not need.
const IN_ORDER: Duration = Duration::from_millis(1600);
/// How long the last words may take: nobody may be reading them.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// What a process ends with that was interrupted.
const INTERRUPTED: i32 = 130;

/// Listens from now on; the run looks at the monitor.
pub(crate) fn listen(monitor: &Arc<Monitor>) {
    let watched = Arc::clone(monitor);
    // Without it, a signal ends the process as if nobody listened.
    if let Some((runtime, signals)) = signals() {
        std::thread::spawn(move || runtime.block_on(end_on(signals, &watched)));
    }
}

/// From here on signals do not end the process by themselves.
fn signals() -> Option<(tokio::runtime::Runtime, [Signal; 2])> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let entered = runtime.enter();
    let signals = [signal(SignalKind::interrupt()).ok()?, signal(SignalKind::terminate()).ok()?];
    drop(entered);
    Some((runtime, signals))
}

/// What an agent is told by signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentSignal {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// Listens from now on; the second signal to stop ends the process at once.
pub(crate) fn listen_as_agent(mut tell: impl FnMut(AgentSignal) + Send + 'static) {
    let Some((runtime, mut signals)) = signals() else { return };
    let entered = runtime.enter();
    let reload = signal(SignalKind::hangup());
    drop(entered);
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let mut is_stopping = false;
            let mut reload = reload.ok();
            loop {
                let told = tokio::select! {
                    () = next(&mut signals) => AgentSignal::Stop,
                    () = hangup(&mut reload) => AgentSignal::Reload,
                };
                if told == AgentSignal::Stop && std::mem::replace(&mut is_stopping, true) {
                    std::process::exit(INTERRUPTED);
                }
                tell(told);
            }
        });
    });
}

async fn hangup(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

async fn end_on(mut signals: [Signal; 2], monitor: &Monitor) {
    next(&mut signals).await;
    monitor.interrupt();
    print_aside(
        "spanline: interrupted: finishing what is under way, for 2 s at most; Ctrl-C again ends at once\n".into(),
    );
    tokio::select! {
        () = next(&mut signals) => leftovers::remove(),
        () = tokio::time::sleep(IN_ORDER) => {
            let said = print_aside(status::end_now(monitor));
            let _ = said.recv_timeout(LAST_WORDS);
        }
    }
    std::process::exit(INTERRUPTED);
}

async fn next([interrupt, terminate]: &mut [Signal; 2]) {
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}

/// Says something on a thread of its own: a pipe that nobody reads may hold it up. What is returned tells of its end.
fn print_aside(text: String) -> mpsc::Receiver<()> {
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || {
        // A closed stderr is no reason to fail.
        let _ = std::io::stderr().write_all(text.as_bytes());
        let _ = ended.send(());
    });
    end
}
