//! How many calls an AWS API takes of us in one account and region.
//!
//! CloudFormation does not publish its rate, and all workers share it. So it is discovered: as long as
//! nothing is throttled, calls are not rationed. The first throttled call begins a budget: a small bucket
//! of calls that fills at the rate which seems to pass. A throttled call lowers that rate, time without one
//! raises it again (a gentle form of additive increase, multiplicative decrease). Who finds the bucket
//! empty takes a number; the numbers tell how long to stay away, and who was first comes first.

use jiff::{SignedDuration, Timestamp};

/// A budget. It is saved; whoever wants to call takes a turn in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallBudget {
    /// The rate at which a call was throttled last, in calls a second.
    pub ceiling_per_s: f64,
    /// When that was.
    pub throttled_at: Timestamp,
    /// The calls that may be made at once; below zero if more were made than may be.
    pub calls: f64,
    /// When that was counted.
    pub counted_at: Timestamp,
    /// The number that nobody has taken yet.
    pub next_number: u64,
    /// The number behind the greatest one that has called.
    pub served: u64,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It may be made now.
    Now,
    /// About so long later, with this number.
    Later {
        /// The number.
        number: u64,
        /// How long to stay away.
        wait: SignedDuration,
    },
}

impl CallBudget {
    /// The rate that is tried first after a first throttled call, in calls a second.
    pub const FIRST_PER_S: f64 = 10.0;
    /// The lowest rate, in calls a second: without any call nothing would be discovered.
    pub const LEAST_PER_S: f64 = 0.5;
    /// Without a throttled call for this long, calls are no longer rationed.
    pub const QUIET: SignedDuration = SignedDuration::from_mins(10);
    /// Most calls that may be made at once.
    const AT_ONCE: f64 = 2.0;
    /// Who should be called within so many seconds may come forward now: whoever was to come is late, or
    /// does not come at all.
    const IN_FRONT_S: f64 = 3.0;
    /// Nobody comes again sooner.
    const WAIT_LEAST: SignedDuration = SignedDuration::from_secs(1);
    /// Nobody stays away longer: those in front may not come, and the rate may rise.
    const WAIT_MOST: SignedDuration = SignedDuration::from_secs(60);
    /// Throttled calls that follow this closely were made at the same rate and lower it only once.
    const ONE_EVENT: SignedDuration = SignedDuration::from_secs(2);
    /// The rate after a throttled call, as a part of the rate before.
    const LOWERED: f64 = 0.85;
    /// The part of the rate that was throttled which is tried again soon.
    const NEARLY: f64 = 0.95;

    /// What a throttled call makes of the budget.
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

    /// Whether calls need no turn any more.
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        now.duration_since(self.throttled_at) >= Self::QUIET
    }

    /// The rate that is tried now, in calls a second: for ten seconds it comes back close to what was too
    /// much, stays there for a minute, then grows by a hundredth each second.
    pub fn rate_per_s(&self, now: Timestamp) -> f64 {
        let age_s = now.duration_since(self.throttled_at).as_secs_f64().max(0.0);
        let part = if age_s < 10.0 {
            Self::LOWERED + (Self::NEARLY - Self::LOWERED) * age_s / 10.0
        } else {
            Self::NEARLY * (1.0 + (age_s - 60.0).max(0.0) / 100.0)
        };
        (self.ceiling_per_s * part).max(Self::LEAST_PER_S)
    }

    /// The calls that may be made at once.
    fn calls(&self, now: Timestamp) -> f64 {
        let since_s = now.duration_since(self.counted_at).as_secs_f64().max(0.0);
        (self.calls + since_s * self.rate_per_s(now)).min(Self::AT_ONCE)
    }

    /// Asks to make one call, with the number that was taken before, if one was.
    pub fn ask(&mut self, number: Option<u64>, now: Timestamp) -> Turn {
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
            return Turn::Now;
        }
        let number = number.unwrap_or_else(|| {
            self.next_number += 1;
            self.next_number - 1
        });
        Turn::Later { number, wait: self.wait_for(number, now) }
    }

    /// One call more was made than was asked for.
    pub fn charge(&mut self, now: Timestamp) {
        (self.calls, self.counted_at) = (self.calls(now) - 1.0, now);
    }

    /// How long until it should be a number's turn.
    fn wait_for(&self, number: u64, now: Timestamp) -> SignedDuration {
        let before_it = as_number(number.saturating_sub(self.served)) - self.calls(now);
        let wait = SignedDuration::try_from_secs_f64(before_it.max(0.0) / self.rate_per_s(now));
        wait.unwrap_or(Self::WAIT_MOST).clamp(Self::WAIT_LEAST, Self::WAIT_MOST)
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers are counted from 0 and never come near 2^52")]
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
        let mut budget = CallBudget::throttled(None, at(0));
        assert!(
            matches!(budget.ask(None, at(0)), Turn::Later { number: 0, .. }),
            "one was throttled just now"
        );
        let mut budget = CallBudget::throttled(None, at(0));
        let made = (0..10).filter(|_| budget.ask(None, at(60_000)) == Turn::Now).count();
        assert_eq!(made, 2, "an idle minute saves nothing up");
        let made = (0..100).filter(|n| budget.ask(Some(0), at(60_000 + n * 10)) == Turn::Now).count();
        assert!((8..=10).contains(&made), "{made} in a second");
    }

    #[test]
    fn who_was_first_comes_first_and_stays_away_as_long_as_it_takes() {
        let mut budget = CallBudget::throttled(None, at(0));
        let waits: Vec<(u64, i128)> = (0..40)
            .filter_map(|_| match budget.ask(None, at(0)) {
                Turn::Later { number, wait } => Some((number, wait.as_millis())),
                Turn::Now => None,
            })
            .collect();
        assert_eq!((waits[0], waits[39].0), ((0, 1_000), 39));
        assert!((4_500..4_700).contains(&waits[39].1), "39 at 8.5 a second: {}", waits[39].1);
        assert_eq!(budget.ask(Some(0), at(1_000)), Turn::Now);
        assert!(matches!(budget.ask(None, at(1_000)), Turn::Later { number: 40, .. }), "others wait");
        assert!(
            matches!(budget.ask(Some(30), at(4_600)), Turn::Later { number: 30, .. }),
            "not before its time"
        );
        assert_eq!(budget.ask(Some(10), at(4_600)), Turn::Now);
        assert_eq!(budget.served, 11, "numbers that nobody came with are passed over");
        let mut later = CallBudget { calls: 2.0, ..budget };
        assert_eq!(later.ask(Some(35), at(4_600)), Turn::Now, "it would be called within three seconds");
        let Turn::Later { wait, .. } =
            CallBudget { calls: 0.0, counted_at: at(4_600), ..budget }.ask(Some(5), at(4_600))
        else {
            panic!("the bucket is empty")
        };
        assert_eq!(wait.as_secs(), 1, "who is late waits no longer than for one call");
    }

    #[test]
    fn what_was_not_asked_for_is_paid_afterwards() {
        let mut budget = CallBudget::throttled(None, at(0));
        for _ in 0..4 {
            budget.charge(at(1_000));
        }
        assert!(matches!(budget.ask(None, at(1_000)), Turn::Later { .. }));
        assert!(budget.calls < -1.5, "{}", budget.calls);
        let mut indebted = CallBudget { calls: -19.0, counted_at: at(60_000), ..budget };
        let Turn::Later { wait, .. } = indebted.ask(None, at(60_000)) else { panic!("19 are owed") };
        assert_eq!(wait.as_secs(), 2, "19 at 9.5 a second: {wait}");
    }

    #[test]
    fn a_throttled_call_lowers_the_rate_once_and_time_raises_it() {
        let first = CallBudget::throttled(None, at(0));
        assert_eq!(CallBudget::throttled(Some(&first), at(1_999)), first, "the same event");
        let second = CallBudget::throttled(Some(&first), at(2_000));
        assert!(second.rate_per_s(at(2_000)) < first.rate_per_s(at(2_000)));
        assert_eq!(second.throttled_at, at(2_000));
        let rates: Vec<f64> = [2, 6, 12, 62, 63, 163].map(|s| second.rate_per_s(at(s * 1_000))).into();
        assert!(rates.is_sorted(), "{rates:?}");
        assert!(rates[3] < second.ceiling_per_s && rates[5] > 1.8 * second.ceiling_per_s, "{rates:?}");
    }

    #[test]
    fn a_throttled_call_empties_the_bucket_from_then_on() {
        let mut budget = CallBudget::throttled(None, at(0));
        budget.charge(at(30_000));
        let lowered = CallBudget::throttled(Some(&budget), at(60_000));
        assert_eq!((lowered.calls, lowered.counted_at), (0.0, at(60_000)));
        let mut indebted = budget;
        indebted.calls = -5.0;
        indebted.counted_at = at(60_000);
        let lowered = CallBudget::throttled(Some(&indebted), at(60_000));
        assert_eq!(lowered.calls, -5.0, "what is owed stays owed");
    }

    #[test]
    fn the_rate_never_falls_to_nothing() {
        let mut budget = CallBudget::throttled(None, at(0));
        for second in 1..200 {
            budget = CallBudget::throttled(Some(&budget), at(second * 2_000));
        }
        assert!(budget.rate_per_s(at(400_000)) >= CallBudget::LEAST_PER_S);
    }

    #[test]
    fn after_a_quiet_time_nothing_is_rationed_and_a_new_throttle_begins_anew() {
        let mut budget = CallBudget::throttled(None, at(0));
        budget.ask(None, at(0));
        assert!(!budget.is_quiet(at(599_999)));
        assert!(budget.is_quiet(at(600_000)));
        let low = CallBudget { ceiling_per_s: 1.0, ..budget };
        let again = CallBudget::throttled(Some(&low), at(700_000));
        assert_eq!(again.ceiling_per_s, CallBudget::FIRST_PER_S);
        assert_eq!((again.next_number, again.served), (1, 1), "numbers are not given twice, nobody waits");
    }

    #[test]
    fn c21_an_unknown_limit_is_found_and_kept_to() {
        // 5 calls a second, with a bucket of 5; there is always somebody who waits.
        let (mut tokens, mut now_ms, mut passed, mut refused) = (5.0_f64, 0_i64, 0_u32, 0_u32);
        let mut budget = CallBudget::throttled(None, at(0));
        while passed < 3_000 {
            now_ms += 20;
            tokens = (tokens + 0.1).min(5.0);
            if budget.ask(Some(0), at(now_ms)) != Turn::Now {
                continue;
            }
            if tokens >= 1.0 {
                tokens -= 1.0;
                passed += 1;
            } else {
                refused += 1;
                budget = CallBudget::throttled(Some(&budget), at(now_ms));
            }
        }
        assert!(f64::from(refused) < 0.05 * f64::from(passed), "{refused} of {passed} were throttled");
        assert!((now_ms as f64) < 1.3 * 600_000.0, "{now_ms} ms instead of 600000");
    }
}
