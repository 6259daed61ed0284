//! Whether a connection is idle, or says too little: who holds one without a request is let go.
//!
//! In go bytes and requests as they begin and end, out comes the time at which to look again, or what is wrong. The clock is
//! an argument.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::limits::Limits;

/// What a connection does.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    requests_under_way: usize,
    /// When the last request ended, or the connection began.
    idle_since: Instant,
    /// When the first bytes came of what is no request yet.
    head_since: Option<Instant>,
}

/// What is to be done about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Nothing before this time.
    Until(Instant),
    /// It has had no request for too long.
    Idle,
    /// A request's head does not come to its end.
    SlowHead,
}

impl Activity {
    pub(super) fn new(now: Instant) -> Activity {
        Activity(Mutex::new(State { requests_under_way: 0, idle_since: now, head_since: None }))
    }

    pub(super) fn bytes_came(&self) {
        self.change(|state| {
            if state.requests_under_way == 0 && state.head_since.is_none() {
                state.head_since = Some(Instant::now());
            }
        });
    }

    /// A request is under way as long as what is returned lives.
    pub(super) fn request(&self) -> UnderWay<'_> {
        self.change(|state| {
            state.requests_under_way += 1;
            state.head_since = None;
        });
        UnderWay(self)
    }

    /// `has_heads`: bytes without a request are one's head, as in HTTP/1; in HTTP/2 they may be anything.
    pub(super) fn patience(&self, now: Instant, has_heads: bool, limits: &Limits) -> Patience {
        self.change(|state| {
            if state.requests_under_way > 0 {
                return Patience::Until(now + limits.head_time_max);
            }
            let head = state.head_since.filter(|_| has_heads).map(|since| since + limits.head_time_max);
            let idle = state.idle_since + limits.idle_time_max;
            match head {
                Some(end) if now >= end => Patience::SlowHead,
                _ if now >= idle => Patience::Idle,
                // A head may begin at any time.
                head => Patience::Until(head.unwrap_or(idle).min(now + limits.head_time_max)),
            }
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request under way.
pub(super) struct UnderWay<'a>(&'a Activity);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.requests_under_way -= 1;
            state.idle_since = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_says_nothing_or_too_little_is_let_go() {
        let (limits, start) = (Limits::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let activity = Activity::new(start);
        assert_eq!(activity.patience(start, true, &limits), Patience::Until(after(10)));
        assert_eq!(activity.patience(after(600), true, &limits), Patience::Idle);
        activity.bytes_came();
        assert_eq!(activity.patience(after(11), true, &limits), Patience::SlowHead);
        assert!(matches!(activity.patience(after(11), false, &limits), Patience::Until(_)));
        let request = activity.request();
        assert!(matches!(activity.patience(after(10_000), true, &limits), Patience::Until(_)));
        drop(request);
        assert!(matches!(activity.patience(after(11), true, &limits), Patience::Until(_)), "the head was whole");
    }
}
