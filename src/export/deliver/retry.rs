//! When to try again, and whether a request itself is the reason that it fails.
//!
//! In go outcomes, counts, and random numbers; out come delays and verdicts. Two small state machines without a clock:
//! [`Backoff`] spreads retries, [`Suspicion`] finds the record that makes a destination refuse what is around it.
//! Nothing here sends or sleeps; for how long it is tried is decided in [`failures`](super::failures).

use std::time::Duration;

/// How retries are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Before the first retry.
    pub first: Duration,
    /// At most between two.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The pause after `failures` failures in a row (from 1): doubled each time, of which `random` takes up to half
    /// away, so that many agents do not come back at once. What the endpoint asks for is a lower bound.
    pub fn delay(&self, failures: u32, after: Option<Duration>, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let full = doubled.min(self.longest);
        let half = full / 2;
        let jitter = half.mul_f64((random >> 11) as f64 / (1u64 << 53) as f64);
        match after {
            // Never earlier than asked; the jitter comes on top.
            Some(after) => after.min(AFTER_MAX).max(half) + jitter.min(after / 10),
            None => half + jitter,
        }
    }
}

/// An endpoint that asks for more is asked again after this.
const AFTER_MAX: Duration = Duration::from_secs(600);

/// A small generator of random numbers (SplitMix64), for jitter only.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The latest outcomes of requests that are not suspected.
///
/// One bit per outcome, the latest one lowest. Of suspected requests only successes count: they show that the destination
/// takes requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Health {
    outcomes: u8,
    known: u32,
    /// Requests taken so far.
    pub passes: u64,
}

impl Health {
    /// A request was taken.
    pub fn pass(&mut self) {
        self.passes += 1;
        self.note(1);
    }

    /// A request that is not suspected failed, in a way that may be the destination's fault.
    pub fn fail(&mut self) {
        self.note(0);
    }

    fn note(&mut self, outcome: u8) {
        self.outcomes = self.outcomes << 1 | outcome;
        self.known = (self.known + 1).min(8);
    }

    /// Failures so far were the fault of a request after all.
    pub fn absolve(&mut self) {
        (self.outcomes, self.known) = (0, 0);
    }

    /// Most of the latest outcomes were successes, so that a failure may be the fault of its request. An overloaded
    /// destination, which takes some and refuses others, is not well.
    pub fn is_well(&self) -> bool {
        self.outcomes.count_ones() * 4 >= self.known.max(1) * 3
    }
}

/// Failures, while others pass, after which a batch is suspected and split.
const STRIKES_TO_SUSPECT: u32 = 3;
/// The same for a part of a suspected batch.
const STRIKES_TO_SPLIT: u32 = 2;
/// The same for a record that is alone: it is about to be dropped, so be sure.
const STRIKES_TO_DROP: u32 = 5;

/// What to do with a request that failed but may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Later, as it is.
    Retry,
    /// In halves, at once.
    Split,
    /// Never again: it is alone, and everything else passes.
    Drop,
}

/// How suspect one request is of being the reason that it fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Suspicion {
    strikes: u32,
    /// It is a part of a suspected batch.
    inherited: bool,
    /// Passes of the destination when it failed first.
    passes_at_first: Option<u64>,
    /// Passes of the destination when it failed last.
    passes_at_last: u64,
}

impl Suspicion {
    /// For the halves of a request under this suspicion.
    pub fn inherit(self) -> Suspicion {
        Suspicion { strikes: 0, inherited: true, ..self }
    }

    /// Whether it is a half of what was split for being refused.
    pub fn is_part(&self) -> bool {
        self.inherited
    }

    /// Whether its failures say nothing about the destination.
    pub fn is_suspect(&self) -> bool {
        self.inherited || self.strikes >= STRIKES_TO_SUSPECT
    }

    /// The destination answered that the request may be retried. `count` is how many items it has. `lately` says that
    /// it first failed only lately: without fresh successes of others, a record is dropped only after a while.
    pub fn failed(&mut self, health: &Health, count: usize, lately: bool) -> Verdict {
        // A part counts from the first failure of the whole: its sibling may have passed before it failed itself.
        let first = *self.passes_at_first.get_or_insert(health.passes);
        let fresh = health.passes > self.passes_at_last;
        self.passes_at_last = health.passes;
        // To split a part further costs little, so it takes less: that anything passed.
        let is_convincing = health.is_well() || (self.inherited && count > 1);
        if !is_convincing || health.passes <= first {
            return Verdict::Retry;
        }
        self.strikes += 1;
        let needed = match (count, self.inherited) {
            (0 | 1, _) => STRIKES_TO_DROP,
            (_, true) => STRIKES_TO_SPLIT,
            (_, false) => STRIKES_TO_SUSPECT,
        };
        if self.strikes < needed {
            Verdict::Retry
        } else if count > 1 {
            Verdict::Split
        } else if fresh || !lately {
            Verdict::Drop
        } else {
            Verdict::Retry
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_keep_half() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(10) };
        let pause = |failures, random| backoff.delay(failures, None, random).as_secs_f64();
        for (failures, full) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 10.0), (u32::MAX, 10.0)] {
            assert!((pause(failures, 0) - full / 2.0).abs() < 1e-6);
            assert!((pause(failures, u64::MAX) - full).abs() < 1e-6);
        }
        let asked = |seconds| backoff.delay(1, Some(Duration::from_secs(seconds)), u64::MAX);
        assert!(asked(7) >= Duration::from_secs(7) && asked(7) < Duration::from_secs(8));
        assert!(asked(u64::MAX) < Duration::from_secs(601));
    }

    /// Runs one request through outcomes: `p` another passes, `f` another fails, `x` it fails itself.
    fn check(story: &str, mut suspicion: Suspicion, count: usize, lately: bool, expected: Verdict) {
        let mut health = Health { passes: 5, outcomes: 0xff, known: 8 };
        let mut verdict = Verdict::Retry;
        for step in story.bytes() {
            match step {
                b'p' => health.pass(),
                b'f' => health.fail(),
                _ => verdict = suspicion.failed(&health, count, lately),
            }
        }
        assert_eq!(verdict, expected, "{story}");
    }

    #[test]
    fn a_batch_that_fails_while_others_pass_is_split() {
        let new = Suspicion::default();
        check("xpxpx", new, 10, true, Verdict::Retry);
        check("xpxpxpx", new, 10, true, Verdict::Split);
        check("xpxxx", new, 10, true, Verdict::Split);
        check("pppxxxxxxxx", new, 10, true, Verdict::Retry);
        check("xpxpxpxpxpx", new, 1, true, Verdict::Drop);
        let failed_before = Suspicion { passes_at_first: Some(5), ..new };
        check("pxx", failed_before.inherit(), 10, true, Verdict::Split);
        check("fffffffxpxx", failed_before.inherit(), 10, true, Verdict::Split);
        check("xxxxxxxxxx", failed_before.inherit(), 10, true, Verdict::Retry);
    }

    #[test]
    fn an_overloaded_destination_makes_nobody_suspect() {
        check("xpffxpffxpffxpffxpffxpffx", Suspicion::default(), 10, true, Verdict::Retry);
        check("xpfxpfxpfxpfxpfxpfxpfxpfx", Suspicion::default().inherit(), 1, false, Verdict::Retry);
    }

    #[test]
    fn a_lone_record_without_fresh_successes_waits_longer() {
        check("xpxxxxxxxxx", Suspicion::default(), 1, true, Verdict::Retry);
        check("xpxxxxxxxxx", Suspicion::default(), 1, false, Verdict::Drop);
    }

    #[test]
    fn a_lone_record_is_dropped_at_its_fifth_strike_and_not_before() {
        let passes_between = |times: usize| "x".to_owned() + &"px".repeat(times);
        for new in [Suspicion::default(), Suspicion::default().inherit()] {
            check(&passes_between(4), new, 1, false, Verdict::Retry);
            check(&passes_between(5), new, 1, false, Verdict::Drop);
            // One without a record is nothing else.
            check(&passes_between(4), new, 0, false, Verdict::Retry);
            check(&passes_between(5), new, 0, false, Verdict::Drop);
        }
        // What it was a part of had its own strikes.
        let struck = Suspicion { strikes: 4, passes_at_first: Some(0), ..Suspicion::default() };
        check("px", struck, 1, true, Verdict::Drop);
        check("px", struck.inherit(), 1, true, Verdict::Retry);
        // The latest strike has to come after a fresh success, or late.
        check("x", struck, 1, true, Verdict::Drop);
        let seen = Suspicion { passes_at_last: 5, ..struck };
        check("x", seen, 1, true, Verdict::Retry);
        check("x", seen, 1, false, Verdict::Drop);
        check("xx", struck, 1, true, Verdict::Retry);
    }

    #[test]
    fn a_batch_takes_three_strikes_to_be_split_and_a_part_of_one_two() {
        for (suspicion, needed) in [(Suspicion::default(), 3), (Suspicion::default().inherit(), 2)] {
            check(&("x".to_owned() + &"px".repeat(needed - 1)), suspicion, 2, false, Verdict::Retry);
            check(&("x".to_owned() + &"px".repeat(needed)), suspicion, 2, false, Verdict::Split);
        }
    }

    #[test]
    fn what_failed_before_anything_passed_is_no_strike() {
        let new = Suspicion::default();
        check("xxxxxxxxp", new, 2, false, Verdict::Retry);
        // The first failure is none either, whatever passed before it.
        check("ppppxpxpx", new, 2, false, Verdict::Retry);
        check("ppppxpxpxpx", new, 2, false, Verdict::Split);
        // A part counts from the failure of the whole.
        let part = Suspicion { passes_at_first: Some(4), ..new }.inherit();
        check("xx", part, 2, false, Verdict::Split);
    }

    #[test]
    fn a_suspect_is_a_part_or_has_three_strikes() {
        let with = |strikes| Suspicion { strikes, ..Suspicion::default() };
        assert_eq!([0, 2, 3, 9].map(|strikes| with(strikes).is_suspect()), [false, false, true, true]);
        assert!(with(0).inherit().is_suspect() && with(0).inherit().is_part() && !with(9).is_part());
        assert_eq!(with(2).inherit().strikes, 0);
    }

    /// Outcomes, `p` or `f`, and whether the destination is well after each.
    fn check_health(outcomes: &str, well: &str) {
        let mut health = Health::default();
        let mut found = String::new();
        for outcome in outcomes.bytes() {
            if outcome == b'p' {
                health.pass()
            } else {
                health.fail()
            }
            found.push(if health.is_well() { 'y' } else { '-' });
        }
        assert_eq!(found, well, "{outcomes}");
        assert_eq!(health.passes, outcomes.bytes().filter(|outcome| *outcome == b'p').count() as u64);
    }

    #[test]
    fn a_destination_is_well_while_three_of_four_of_its_latest_eight_outcomes_are_good() {
        assert!(!Health::default().is_well());
        check_health("pfppfpp", "y--y---");
        check_health("ffppppppp", "-------yy");
        check_health("ppppppppppppfff", "yyyyyyyyyyyyyy-");
        check_health("pppppppppfpfpppppppf", "yyyyyyyyyyyyyyyyyyyy");
    }

    #[test]
    fn what_was_forgiven_counts_no_more() {
        let mut health = Health::default();
        (0..8).for_each(|_| health.fail());
        health.absolve();
        assert!(!health.is_well());
        health.pass();
        assert!(health.is_well());
        assert_eq!(health.passes, 1);
    }

    #[test]
    fn an_endpoint_that_asks_for_time_is_never_asked_earlier() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(40) };
        let asked = |failures, seconds, random| backoff.delay(failures, Some(Duration::from_secs(seconds)), random);
        // Longer than the pause: that, and a tenth of it at most.
        assert_eq!(asked(1, 7, 0), Duration::from_secs(7));
        assert_eq!(asked(4, 7, u64::MAX).as_millis(), 7_700);
        assert_eq!(asked(1, 7, u64::MAX).as_millis(), 7_500);
        // Shorter: half of the pause at least.
        assert_eq!(asked(9, 2, 0), Duration::from_secs(20));
        assert_eq!(asked(9, 0, u64::MAX), Duration::from_secs(20));
        assert_eq!(asked(1, 10_000, 0), AFTER_MAX);
    }
}
