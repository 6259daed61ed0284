//! How many bytes may be in flight to a destination, by how soon it answers.
//!
//! In go sizes and times of requests, out come a window of bytes and a limit of time. It is congestion control as TCP does
//! it, for requests that must be answered within a limit: slow start, growth while answers come early, a cut when they come
//! late, and a start from the beginning when one does not come at all. There is no clock here, and nothing is sent.

use std::time::Duration;

/// Before anything is known of a link: 1.6 s at 20 kB/s, while a fast link leaves it behind within a few answers.
const WINDOW_FIRST: usize = 32 * 1024;
/// A window is not cut further: it takes 4 s at 1 kB/s, and many smaller requests would mostly be headers.
const WINDOW_MIN: usize = 4 * 1024;
/// An answer is late if it takes more than this part of the limit; the rest is kept for what varies.
const LATE_PART: u32 = 2;
/// Time for a request beyond what the measured rate lets expect: the rate is an estimate.
const TIME_FACTOR: f64 = 2.0;
/// A request that cannot be made smaller gets at most this many times the limit.
const LIMIT_FACTOR_MAX: u32 = 10;
/// Weight of the latest answer in the estimate of the rate.
const RATE_WEIGHT: f64 = 0.25;

/// The window of one destination.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Time within which a request of one window must be answered.
    limit: Duration,
    window: usize,
    /// Bytes per second, as answers came.
    rate: Option<f64>,
    /// Requests launched before the window was last changed tell nothing of the change.
    changed_at: u64,
    /// The answer before the last change of the window: bytes in flight and time taken.
    before_change: Option<(usize, Duration)>,
    /// Whether fewer bytes in flight are answered sooner; not so where the destination itself is slow.
    depends_on_size: bool,
    /// `depends_on_size` was observed, not assumed.
    is_tested: bool,
}

impl Pace {
    pub(super) fn new(limit: Duration) -> Pace {
        Pace {
            limit,
            window: WINDOW_FIRST,
            rate: None,
            changed_at: 0,
            before_change: None,
            depends_on_size: true,
            is_tested: false,
        }
    }

    /// Bytes that may be in flight; one request may be larger if it cannot be split.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// A request was taken. `launch` is its number and `launches` how many there are by now; `bytes_in_flight` are the bytes
    /// in flight when it was sent, its own included.
    pub(super) fn answered(&mut self, launch: u64, launches: u64, bytes_in_flight: usize, took: Duration) {
        let rate = bytes_in_flight as f64 / took.as_secs_f64().max(1e-4);
        self.rate = Some(self.rate.map_or(rate, |known| known + RATE_WEIGHT * (rate - known)));
        if launch <= self.changed_at {
            return;
        }
        self.compare(bytes_in_flight, took);
        let late = self.limit / LATE_PART;
        let doubled = if self.depends_on_size { took * 2 } else { took };
        let is_used = bytes_in_flight * 2 >= self.window;
        if doubled <= late && is_used {
            self.change(self.window * 2, launches, bytes_in_flight, took);
        } else if self.depends_on_size && (took > late || doubled > late && !self.is_tested) {
            // Not yet late, but slow: whether that is the link or the destination itself shows with a smaller request.
            self.change(self.window.min(bytes_in_flight) / 2, launches, bytes_in_flight, took);
        }
    }

    /// A request was not answered in time: begins anew, as for a link of which nothing is known, or below.
    pub(super) fn timed_out(&mut self, launch: u64, launches: u64, bytes_in_flight: usize) {
        if launch <= self.changed_at {
            return;
        }
        self.window = (self.window.min(bytes_in_flight) / 4).clamp(WINDOW_MIN, WINDOW_FIRST);
        self.changed_at = launches;
        self.before_change = None;
        self.depends_on_size = true;
        self.is_tested = false;
        self.rate = None;
    }

    /// How long to wait for the answer with this many bytes in flight. `retries` counts those of a request that was not
    /// answered in time and cannot be made smaller.
    pub(super) fn limit(&self, bytes_in_flight: usize, retries: u32) -> Duration {
        let expected = self.rate.map_or(0.0, |rate| bytes_in_flight as f64 * TIME_FACTOR / rate.max(1.0));
        let longest = self.limit * LIMIT_FACTOR_MAX;
        let expected = Duration::try_from_secs_f64(expected).unwrap_or(longest);
        (self.limit.max(expected) * (1 << retries.min(4))).min(longest)
    }

    /// Learns from the first answer since the window was changed.
    fn compare(&mut self, bytes_in_flight: usize, took: Duration) {
        let Some((bytes, before)) = self.before_change else { return };
        let ratio = bytes_in_flight as f64 / bytes.max(1) as f64;
        // Sizes too much alike say nothing.
        if (0.7..1.4).contains(&ratio) {
            return;
        }
        let took_ratio = took.as_secs_f64() / before.as_secs_f64().max(1e-4);
        // Half way, on a logarithmic scale, between "no difference" and "in proportion".
        self.depends_on_size = if ratio > 1.0 { took_ratio > ratio.sqrt() } else { took_ratio < ratio.sqrt() };
        self.is_tested = true;
        self.before_change = None;
    }

    fn change(&mut self, window: usize, launches: u64, bytes_in_flight: usize, took: Duration) {
        let window = window.max(WINDOW_MIN);
        if window != self.window {
            self.window = window;
            self.changed_at = launches;
            self.before_change = Some((bytes_in_flight, took));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A link of this many bytes per second to a destination that needs this many seconds, always filled with one request.
    /// Returns the pace after this many requests, the seconds all took, and the bytes that came twice.
    fn run(rate: f64, latency: f64, requests: u64) -> (Pace, f64, usize, usize) {
        let mut pace = Pace::new(LIMIT);
        let (mut seconds, mut taken, mut twice) = (0.0, 0, 0);
        for launch in 1..=requests {
            let bytes = pace.window().min(2 << 20);
            let took = latency + bytes as f64 / rate;
            if took > pace.limit(bytes, 0).as_secs_f64() {
                seconds += pace.limit(bytes, 0).as_secs_f64();
                twice += bytes;
                pace.timed_out(launch, launch, bytes);
            } else {
                seconds += took;
                taken += bytes;
                pace.answered(launch, launch, bytes, Duration::from_secs_f64(took));
            }
        }
        (pace, seconds, taken, twice)
    }

    #[test]
    fn a_slow_link_is_filled_without_a_time_out() {
        for rate in [5e3, 10e3, 20e3, 50e3, 200e3] {
            let (pace, seconds, taken, twice) = run(rate, 0.1, 200);
            assert_eq!(twice, 0, "{rate} {pace:?}");
            assert!(taken as f64 > 0.8 * rate * seconds, "{rate} {pace:?}");
            assert!(pace.window() as f64 / rate < 8.0, "{rate} {pace:?}");
        }
    }

    #[test]
    fn a_very_slow_link_is_found_after_two_time_outs() {
        let (pace, _, taken, twice) = run(1e3, 0.2, 100);
        assert!(twice <= WINDOW_FIRST + WINDOW_FIRST / 4, "{twice} {pace:?}");
        assert!(taken > 300_000, "{taken} {pace:?}");
    }

    #[test]
    fn a_fast_link_is_soon_not_limited() {
        for (rate, latency) in [(1e9, 0.000_1), (10e6, 0.05), (2e6, 0.3)] {
            let (pace, ..) = run(rate, latency, 8);
            assert!(pace.window() >= 2 << 20, "{rate} {pace:?}");
        }
    }

    #[test]
    fn a_slow_destination_on_a_fast_link_is_not_given_less() {
        for latency in [1.0, 3.0, 4.9] {
            let (pace, ..) = run(50e6, latency, 12);
            assert!(pace.window() >= 1 << 20, "{latency} {pace:?}");
        }
        // Late whatever the size: little is tried, and nothing more is cut.
        let mut pace = Pace::new(LIMIT);
        pace.window = 1 << 20;
        for launch in 1..20 {
            pace.answered(launch, launch, pace.window(), Duration::from_secs(7));
        }
        assert!(pace.window() >= 1 << 19, "{pace:?}");
    }

    #[test]
    fn a_link_that_becomes_slow_begins_anew() {
        let mut pace = Pace::new(LIMIT);
        for launch in 1..20 {
            pace.answered(launch, launch, pace.window(), Duration::from_millis(5));
        }
        assert!(pace.window() > 1 << 22);
        pace.timed_out(20, 23, 2 << 20);
        assert_eq!(pace.window(), WINDOW_FIRST);
        // The others of that time tell the same: they count once.
        pace.timed_out(21, 23, 2 << 20);
        assert_eq!(pace.window(), WINDOW_FIRST);
        pace.timed_out(24, 24, WINDOW_FIRST);
        assert_eq!(pace.window(), WINDOW_FIRST / 4);
        (25..40).for_each(|launch| pace.timed_out(launch, launch, 1));
        assert_eq!(pace.window(), WINDOW_MIN);
    }

    #[test]
    fn requests_that_leave_the_window_empty_do_not_widen_it() {
        let mut pace = Pace::new(LIMIT);
        (1..100).for_each(|launch| pace.answered(launch, launch, 600, Duration::from_millis(1)));
        assert_eq!(pace.window(), WINDOW_FIRST);
    }

    #[test]
    fn what_cannot_be_made_smaller_gets_the_time_that_it_needs() {
        let mut pace = Pace::new(LIMIT);
        assert_eq!(pace.limit(1 << 20, 0), LIMIT);
        assert_eq!(pace.limit(1 << 20, 1), 2 * LIMIT);
        assert_eq!(pace.limit(1 << 20, 9), 10 * LIMIT);
        pace.answered(1, 1, 20_000, Duration::from_secs(1));
        let limit = pace.limit(400_000, 0).as_secs_f64();
        assert!((39.0..41.0).contains(&limit), "{limit}");
        assert_eq!(pace.limit(usize::MAX, 0), 10 * LIMIT);
    }
}
