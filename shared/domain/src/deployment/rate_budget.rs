//! The rate budget: how many calls CloudFormation accepts in one account-region.
//!
//! CloudFormation does not publish its rate limit, and all workers share it, so the limit is discovered. While
//! nothing is throttled, calls are not limited. The first throttled call creates a budget: a token bucket with a
//! small capacity. A throttled call lowers its rate, time without one raises it again (a gentle form of additive
//! increase, multiplicative decrease). A caller that finds the bucket empty takes a number in a queue; the number
//! determines how long it waits.

use jiff::{SignedDuration, Timestamp};

/// The budget of one account-region. It is saved in the table and shared by all callers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateBudget {
    /// The rate at which a call was last throttled, in calls per second.
    pub ceiling_per_s: f64,
    /// When that call was throttled.
    pub throttled_at: Timestamp,
    /// The calls in the bucket at `counted_at`; negative if more were made than the bucket held.
    pub calls: f64,
    /// When `calls` was computed.
    pub counted_at: Timestamp,
    /// The next free number of the queue.
    pub next_number: u64,
    /// The greatest number that has called, plus one.
    pub served: u64,
}

/// The answer to a request for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Call now.
    Now,
    /// Ask again later, with this number.
    Later {
        /// Its number in the queue.
        number: u64,
        /// How long to wait before asking again.
        wait: SignedDuration,
    },
}

impl RateBudget {
    /// The rate after the first throttled call, in calls per second.
    pub const FIRST_PER_S: f64 = 10.0;
    /// The lowest rate, in calls per second: without calls the limit cannot be discovered.
    pub const LEAST_PER_S: f64 = 0.5;
    /// After this time without a throttled call, calls are no longer limited.
    pub const QUIET: SignedDuration = SignedDuration::from_mins(10);
    /// The capacity of the bucket, in calls.
    const AT_ONCE: f64 = 2.0;
    /// A caller whose turn is less than this many seconds away may call now: those before it are late or do not come.
    const IN_FRONT_S: f64 = 3.0;
    /// The shortest wait.
    const WAIT_LEAST: SignedDuration = SignedDuration::from_secs(1);
    /// The longest wait: callers in front may not come, and the rate may rise.
    const WAIT_MOST: SignedDuration = SignedDuration::from_secs(60);
    /// Throttled calls within this time were made at the same rate and lower it only once.
    const ONE_EVENT: SignedDuration = SignedDuration::from_secs(2);
    /// The rate after a throttled call, as a fraction of the rate before.
    const LOWERED: f64 = 0.85;
    /// The fraction of the throttled rate that is reached again after ten seconds.
    const NEARLY: f64 = 0.95;

    /// The budget after a throttled call.
    pub fn throttled(before: Option<&Self>, now: Timestamp) -> Self {
        let known = before.filter(|before| !before.is_quiet(now));
        let (next_number, served) = before.map_or((0, 0), |before| (before.next_number, before.served));
        match known {
            None => Self {
                ceiling_per_s: Self::FIRST_PER_S,
                throttled_at: now,
                calls: 0.0,
                counted_at: now,
                next_number,
                served: next_number.max(served),
            },
            Some(before) if now.duration_since(before.throttled_at) < Self::ONE_EVENT => *before,
            Some(before) => Self {
                ceiling_per_s: before.rate_per_s(now),
                throttled_at: now,
                calls: before.calls(now).min(0.0),
                counted_at: now,
                ..*before
            },
        }
    }

    /// Whether calls are no longer limited.
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        now.duration_since(self.throttled_at) >= Self::QUIET
    }

    /// The present rate, in calls per second: it returns close to the throttled rate within ten seconds, stays there
    /// until one minute has passed, then grows by one percent each second.
    pub fn rate_per_s(&self, now: Timestamp) -> f64 {
        let age_s = now.duration_since(self.throttled_at).as_secs_f64().max(0.0);
        let part = if age_s < 10.0 {
            Self::LOWERED + (Self::NEARLY - Self::LOWERED) * age_s / 10.0
        } else {
            Self::NEARLY * (1.0 + (age_s - 60.0).max(0.0) / 100.0)
        };
        (self.ceiling_per_s * part).max(Self::LEAST_PER_S)
    }

    /// The calls in the bucket now.
    fn calls(&self, now: Timestamp) -> f64 {
        let since_s = now.duration_since(self.counted_at).as_secs_f64().max(0.0);
        (self.calls + since_s * self.rate_per_s(now)).min(Self::AT_ONCE)
    }

    /// Asks for one call, with the caller's number in the queue if it has one.
    pub fn ask(&mut self, number: Option<u64>, now: Timestamp) -> Slot {
        let calls = self.calls(now);
        let first = match number {
            Some(number) => {
                as_number(number.saturating_sub(self.served)) <= Self::IN_FRONT_S * self.rate_per_s(now)
            }
            None => self.next_number <= self.served,
        };
        if first && calls >= 1.0 {
            (self.calls, self.counted_at) = (calls - 1.0, now);
            self.served = self.served.max(number.map_or(0, |number| number + 1));
            return Slot::Now;
        }
        let number = number.unwrap_or_else(|| {
            self.next_number += 1;
            self.next_number - 1
        });
        Slot::Later { number, wait: self.wait_for(number, now) }
    }

    /// Counts one call that was made without asking.
    pub fn charge(&mut self, now: Timestamp) {
        (self.calls, self.counted_at) = (self.calls(now) - 1.0, now);
    }

    /// The expected wait of a number.
    fn wait_for(&self, number: u64, now: Timestamp) -> SignedDuration {
        let before_it = as_number(number.saturating_sub(self.served)) - self.calls(now);
        let wait = SignedDuration::try_from_secs_f64(before_it.max(0.0) / self.rate_per_s(now));
        wait.unwrap_or(Self::WAIT_MOST).clamp(Self::WAIT_LEAST, Self::WAIT_MOST)
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers are counted from 0 and stay far below 2^52")]
fn as_number(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
    }

    #[test]
    fn calls_come_at_the_rate_and_few_at_once() {
        let mut budget = RateBudget::throttled(None, at(0));
        assert!(
            matches!(budget.ask(None, at(0)), Slot::Later { number: 0, .. }),
            "one was throttled just now"
        );
        let mut budget = RateBudget::throttled(None, at(0));
        let made = (0..10).filter(|_| budget.ask(None, at(60_000)) == Slot::Now).count();
        assert_eq!(made, 2, "an idle minute saves nothing up");
        let made = (0..100).filter(|n| budget.ask(Some(0), at(60_000 + n * 10)) == Slot::Now).count();
        assert!((8..=10).contains(&made), "{made} in a second");
    }

    #[test]
    fn who_was_first_comes_first_and_stays_away_as_long_as_it_takes() {
        let mut budget = RateBudget::throttled(None, at(0));
        let waits: Vec<(u64, i128)> = (0..40)
            .filter_map(|_| match budget.ask(None, at(0)) {
                Slot::Later { number, wait } => Some((number, wait.as_millis())),
                Slot::Now => None,
            })
            .collect();
        assert_eq!((waits[0], waits[39].0), ((0, 1_000), 39));
        assert!((4_500..4_700).contains(&waits[39].1), "39 at 8.5 a second: {}", waits[39].1);
        assert_eq!(budget.ask(Some(0), at(1_000)), Slot::Now);
        assert!(matches!(budget.ask(None, at(1_000)), Slot::Later { number: 40, .. }), "others wait");
        assert!(
            matches!(budget.ask(Some(30), at(4_600)), Slot::Later { number: 30, .. }),
            "not before its time"
        );
        assert_eq!(budget.ask(Some(10), at(4_600)), Slot::Now);
        assert_eq!(budget.served, 11, "numbers whose callers do not come are skipped");
        let mut later = RateBudget { calls: 2.0, ..budget };
        assert_eq!(later.ask(Some(35), at(4_600)), Slot::Now, "it would be called within three seconds");
        let Slot::Later { wait, .. } =
            RateBudget { calls: 0.0, counted_at: at(4_600), ..budget }.ask(Some(5), at(4_600))
        else {
            panic!("the bucket is empty")
        };
        assert_eq!(wait.as_secs(), 1, "a late caller waits for one call at most");
    }

    #[test]
    fn what_was_not_asked_for_is_paid_afterwards() {
        let mut budget = RateBudget::throttled(None, at(0));
        for _ in 0..4 {
            budget.charge(at(1_000));
        }
        assert!(matches!(budget.ask(None, at(1_000)), Slot::Later { .. }));
        assert!(budget.calls < -1.5, "{}", budget.calls);
        let mut indebted = RateBudget { calls: -19.0, counted_at: at(60_000), ..budget };
        let Slot::Later { wait, .. } = indebted.ask(None, at(60_000)) else { panic!("19 are owed") };
        assert_eq!(wait.as_secs(), 2, "19 at 9.5 a second: {wait}");
    }

    #[test]
    fn a_throttled_call_lowers_the_rate_once_and_time_raises_it() {
        let first = RateBudget::throttled(None, at(0));
        assert_eq!(RateBudget::throttled(Some(&first), at(1_999)), first, "the same event");
        let second = RateBudget::throttled(Some(&first), at(2_000));
        assert!(second.rate_per_s(at(2_000)) < first.rate_per_s(at(2_000)));
        assert_eq!(second.throttled_at, at(2_000));
        let rates: Vec<f64> = [2, 6, 12, 62, 63, 163].map(|s| second.rate_per_s(at(s * 1_000))).into();
        assert!(rates.is_sorted(), "{rates:?}");
        assert!(rates[3] < second.ceiling_per_s && rates[5] > 1.8 * second.ceiling_per_s, "{rates:?}");
    }

    #[test]
    fn a_throttled_call_empties_the_bucket_from_then_on() {
        let mut budget = RateBudget::throttled(None, at(0));
        budget.charge(at(30_000));
        let lowered = RateBudget::throttled(Some(&budget), at(60_000));
        assert_eq!((lowered.calls, lowered.counted_at), (0.0, at(60_000)));
        let mut indebted = budget;
        indebted.calls = -5.0;
        indebted.counted_at = at(60_000);
        let lowered = RateBudget::throttled(Some(&indebted), at(60_000));
        assert_eq!(lowered.calls, -5.0, "what is owed stays owed");
    }

    #[test]
    fn the_rate_never_falls_to_nothing() {
        let mut budget = RateBudget::throttled(None, at(0));
        for second in 1..200 {
            budget = RateBudget::throttled(Some(&budget), at(second * 2_000));
        }
        assert!(budget.rate_per_s(at(400_000)) >= RateBudget::LEAST_PER_S);
    }

    #[test]
    fn after_a_quiet_time_nothing_is_rationed_and_a_new_throttle_begins_anew() {
        let mut budget = RateBudget::throttled(None, at(0));
        budget.ask(None, at(0));
        assert!(!budget.is_quiet(at(599_999)));
        assert!(budget.is_quiet(at(600_000)));
        let low = RateBudget { ceiling_per_s: 1.0, ..budget };
        let again = RateBudget::throttled(Some(&low), at(700_000));
        assert_eq!(again.ceiling_per_s, RateBudget::FIRST_PER_S);
        assert_eq!((again.next_number, again.served), (1, 1), "numbers are not reused, and no caller waits");
    }

    #[test]
    fn c21_an_unknown_limit_is_found_and_kept_to() {
        // 5 calls per second, with a bucket of 5; there is always a caller that waits.
        let (mut tokens, mut now_ms, mut passed, mut refused) = (5.0_f64, 0_i64, 0_u32, 0_u32);
        let mut budget = RateBudget::throttled(None, at(0));
        while passed < 3_000 {
            now_ms += 20;
            tokens = (tokens + 0.1).min(5.0);
            if budget.ask(Some(0), at(now_ms)) != Slot::Now {
                continue;
            }
            if tokens >= 1.0 {
                tokens -= 1.0;
                passed += 1;
            } else {
                refused += 1;
                budget = RateBudget::throttled(Some(&budget), at(now_ms));
            }
        }
        assert!(f64::from(refused) < 0.05 * f64::from(passed), "{refused} of {passed} were throttled");
        assert!((now_ms as f64) < 1.3 * 600_000.0, "{now_ms} ms instead of 600000");
    }
}
