//! How sure the analysis is, shown by simulated canaries that are looked at every minute.

use super::*;

/// A seeded sequence of numbers below 1.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut mixed = self.0 ^ (self.0 >> 33);
        mixed = mixed.wrapping_mul(0xff51_afd7_ed55_8ccd);
        ((mixed ^ (mixed >> 33)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many of `all` happen with this chance.
    fn of(&mut self, all: u64, chance: f64) -> u64 {
        (0..all).filter(|_| self.next() < chance).count() as u64
    }
}

/// A step in which both versions are looked at after each minute, until one look sees a breach. Returns how many invocations of the new
/// version that took, or `None` if no look saw one.
fn step(
    dice: &mut Dice,
    policy: &AnalysisPolicy,
    functions: &[(f64, f64)],
    new_a_minute: u64,
    share: f64,
    minutes: u64,
) -> Option<u64> {
    let stable_a_minute = (new_a_minute as f64 * (1.0 - share) / share) as u64;
    let site = Site::parse("111122223333/eu-west-1").unwrap();
    let measured = |n: usize| Measured {
        site: site.clone(),
        function: format!("f{n}"),
        new: Counts::default(),
        stable: Counts::default(),
    };
    let mut all: Vec<Measured> = (0..functions.len()).map(measured).collect();
    for minute in 1..=minutes {
        for (m, (new, stable)) in all.iter_mut().zip(functions) {
            m.new.invocations += new_a_minute;
            m.new.errors += dice.of(new_a_minute, *new);
            m.stable.invocations += stable_a_minute;
            m.stable.errors += dice.of(stable_a_minute, *stable);
        }
        if policy.breach(&all).is_some() {
            return Some(minute * new_a_minute);
        }
    }
    None
}

fn relative(times: f64) -> AnalysisPolicy {
    AnalysisPolicy { errors: Some(Limit::Times((times * 1e3) as u32)), latency_p99: None }
}

fn absolute(share: f64) -> AnalysisPolicy {
    AnalysisPolicy { errors: Some(Limit::Share((share * 1e6) as u32)), latency_p99: None }
}

/// The share of 2,000 steps with a false alarm.
fn false_alarms(policy: &AnalysisPolicy, functions: &[(f64, f64)]) -> f64 {
    let mut dice = Dice(7);
    let alarms = (0..2_000).filter(|_| step(&mut dice, policy, functions, 20, 0.1, 30).is_some()).count();
    alarms as f64 / 2_000.0
}

#[test]
fn equal_versions_are_shifted_back_in_less_than_one_of_a_hundred_steps_however_often_one_looks() {
    for rate in [0.001, 0.02, 0.2] {
        assert!(false_alarms(&relative(1.0), &[(rate, rate)]) < 0.01, "{rate}");
        assert!(false_alarms(&absolute(rate), &[(rate, rate)]) < 0.01, "{rate}");
    }
    assert!(false_alarms(&relative(1.5), &[(0.03, 0.02)]) < 0.01, "at the limit");
    assert!(false_alarms(&relative(1.0), &[(0.02, 0.02); 8]) < 0.01, "many functions");
}

#[test]
fn with_two_limits_each_needs_twice_the_evidence() {
    let site = Site::parse("111122223333/eu-west-1").unwrap();
    let measured = |errors| {
        let new = Counts { invocations: 2_000, errors, slow: 0 };
        let stable = Counts { invocations: 1_000, errors: 20, slow: 0 };
        [Measured { site: site.clone(), function: "App".into(), new, stable }]
    };
    let one = absolute(0.02);
    let two = AnalysisPolicy { latency_p99: Some(Latency::Ms(800)), ..one };
    let least = |policy: &AnalysisPolicy| (1..200).find(|errors| policy.breach(&measured(*errors)).is_some());
    let (one, two) = (least(&one).unwrap(), least(&two).unwrap());
    assert!(one < two && two <= one + 4, "{one} and {two}");
}

/// The share of 300 steps in which a breach was found within so many invocations of the new version.
fn found_within(requests: u64, policy: &AnalysisPolicy, functions: &[(f64, f64)]) -> f64 {
    let mut dice = Dice(11);
    let minutes = 20;
    let found = (0..300)
        .filter(|_| step(&mut dice, policy, functions, requests / minutes, 0.1, minutes).is_some())
        .count();
    found as f64 / 300.0
}

/// The figures of docs/traffic.md, "How many requests".
#[test]
fn a_doubled_error_rate_is_found_within_the_documented_number_of_requests() {
    for (rate, requests) in [(0.01, 5_000), (0.02, 2_500), (0.05, 1_000), (0.1, 500)] {
        let found = found_within(requests, &relative(1.0), &[(2.0 * rate, rate)]);
        println!("{rate} doubled, relative, {requests}: {found}");
        assert!(found >= 0.95, "{rate}: {found}");
        let found = found_within(requests, &absolute(rate), &[(2.0 * rate, rate)]);
        println!("{rate} doubled, absolute, {requests}: {found}");
        assert!(found >= 0.95, "{rate}: {found}");
    }
}

#[test]
fn a_version_that_is_broken_is_found_at_once_also_among_many() {
    let broken = (0.5, 0.001);
    assert!(found_within(40, &relative(1.0), &[broken]) >= 0.99);
    let mut many = vec![(0.001, 0.001); 9];
    many.push(broken);
    assert!(found_within(60, &relative(1.0), &many) >= 0.99);
    let site = Site::parse("111122223333/eu-west-1").unwrap();
    let counts = |invocations, errors| Counts { invocations, errors, slow: 0 };
    let measured = |function: &str, new| Measured {
        site: site.clone(),
        function: function.into(),
        new,
        stable: counts(900, 1),
    };
    let both = [measured("good", counts(10_000, 5)), measured("bad", counts(100, 60))];
    let breach = relative(1.0).breach(&both).expect("a breach").to_string();
    assert_eq!(
        breach,
        "bad in 111122223333/eu-west-1: 60 of 100 invocations of the new version failed, 1 of 900 of the one before; the limit is 1 times as often"
    );
}

#[test]
fn slow_invocations_are_judged_as_failures_are() {
    let site = Site::parse("111122223333/eu-west-1").unwrap();
    let slow = |slow| {
        let new = Counts { invocations: 1_000, errors: 0, slow };
        [Measured { site: site.clone(), function: "f".into(), new, stable: Counts::default() }]
    };
    let policy = AnalysisPolicy { errors: None, latency_p99: Some(Latency::Ms(800)) };
    assert_eq!(policy.breach(&slow(10)), None, "one of a hundred");
    let breach = policy.breach(&slow(40)).expect("a breach").to_string();
    assert!(breach.contains("40 of 1000") && breach.contains("longer than 800 ms"), "{breach}");
}

impl Dice {
    /// A duration in milliseconds: log-normal, with a median of 100 and a 99th percentile of 320, as of a function that calls others.
    fn duration(&mut self, slower: f64) -> f64 {
        // The sum of twelve is normal enough up to three standard deviations.
        let normal = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
        slower * 100.0 * (0.5 * normal).exp()
    }
}

/// The 99th percentile of a minute, as CloudWatch computes it of few values: between the two nearest.
fn p99(durations: &mut [f64]) -> f64 {
    durations.sort_by(f64::total_cmp);
    let at = 0.99 * (durations.len() - 1) as f64;
    let (low, part) = (at as usize, at.fract());
    durations[low] * (1.0 - part) + durations[(low + 1).min(durations.len() - 1)] * part
}

/// Like [`step`], of durations: the 99th percentile is the median of those of the minutes so far.
fn slow_step(
    dice: &mut Dice,
    policy: &AnalysisPolicy,
    slower: f64,
    new_a_minute: usize,
    minutes: usize,
) -> bool {
    let stable_a_minute = new_a_minute * 9;
    let (mut new, mut stable, mut percentiles) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..minutes {
        let mut of_minute: Vec<f64> = (0..stable_a_minute).map(|_| dice.duration(1.0)).collect();
        percentiles.push(p99(&mut of_minute));
        stable.append(&mut of_minute);
        new.extend((0..new_a_minute).map(|_| dice.duration(slower)));
        percentiles.sort_by(f64::total_cmp);
        let median = percentiles[percentiles.len() / 2];
        let slow = policy.latency_p99.and_then(|latency| latency.slow(Some(median as u32))).unwrap();
        let above =
            |all: &[f64], ms: u32| all.iter().filter(|duration| **duration > f64::from(ms)).count() as u64;
        let counts =
            |all: &[f64], ms| Counts { invocations: all.len() as u64, errors: 0, slow: above(all, ms) };
        let measured = Measured {
            site: Site::parse("111122223333/eu-west-1").unwrap(),
            function: "f".into(),
            new: counts(&new, slow.new_ms),
            stable: counts(&stable, slow.stable_ms),
        };
        if policy.breach(&[measured]).is_some() {
            return true;
        }
    }
    false
}

/// The figures of docs/traffic.md, "How many requests".
#[test]
fn a_doubled_latency_is_found_and_an_equal_one_is_not() {
    let relative = |times| AnalysisPolicy { errors: None, latency_p99: Some(Latency::Times(times)) };
    let share = |policy: &AnalysisPolicy, slower, new_a_minute, minutes, steps: u32| {
        let mut dice = Dice(13);
        let found =
            (0..steps).filter(|_| slow_step(&mut dice, policy, slower, new_a_minute, minutes)).count();
        found as f64 / f64::from(steps)
    };
    for (times, a_minute) in [(1_000, 5), (1_000, 40), (1_500, 5)] {
        let alarms = share(&relative(times), 1.0, a_minute, 20, 500);
        println!("equal latency, {times}, {a_minute} a minute: {alarms}");
        assert!(alarms < 0.01, "{times} {a_minute}: {alarms}");
    }
    let at_limit = share(&relative(1_500), 1.5, 20, 20, 300);
    println!("at the limit: {at_limit}");
    assert!(at_limit < 0.01, "{at_limit}");
    let doubled = share(&relative(1_500), 2.0, 75, 20, 100);
    println!("doubled latency, 1.5x, 1500 invocations: {doubled}");
    assert!(doubled >= 0.95, "{doubled}");
}

#[test]
fn a_relative_latency_is_that_of_the_version_before() {
    assert_eq!(Latency::Ms(800).slow(None), Some(Slow { new_ms: 800, stable_ms: 800 }));
    assert_eq!(Latency::Times(1_500).slow(Some(200)), Some(Slow { new_ms: 300, stable_ms: 200 }));
    assert_eq!(Latency::Times(1_500).slow(None), None, "nothing to compare with");
    let counts = |invocations, slow| Counts { invocations, errors: 0, slow };
    let measured = Measured {
        site: Site::parse("111122223333/eu-west-1").unwrap(),
        function: "f".into(),
        new: counts(500, 60),
        stable: counts(4_500, 45),
    };
    let policy = AnalysisPolicy { errors: None, latency_p99: Some(Latency::Times(1_500)) };
    let breach = policy.breach(&[measured]).expect("a breach").to_string();
    assert_eq!(
        breach,
        "all functions: 60 of 500 invocations of the new version took longer than 1.5 times the 99th percentile of the one before, and 45 of 4500 of that one longer than it"
    );
}

#[test]
fn nothing_is_evidence_of_nothing() {
    let none = (0, 0);
    for limit in [Limit::Share(20_000), Limit::Times(1_000)] {
        for (new, stable) in
            [(none, none), ((5, 5), none), (none, (900, 900)), ((u64::MAX, 0), (u64::MAX, 0))]
        {
            let found = evidence(limit, new, stable);
            assert!(
                found.is_finite() && (found <= 1.0 || limit != Limit::Times(1_000)),
                "{limit:?} {new:?} {stable:?}: {found}"
            );
        }
    }
    assert_eq!(relative(1.0).breach(&[]), None);
}
