//! The contract of the alarms port.

use super::Bench;
use flotilla_domain::AlarmState;
use flotilla_engine::ports::Alarms;
use std::collections::{BTreeMap, BTreeSet};

/// The contract of the alarms port.
///
/// # Panics
/// If CloudWatch violates it.
pub async fn alarms(alarms: &dyn Alarms, bench: &dyn Bench) {
    let states = async |names: &[String]| {
        let names: BTreeSet<String> = names.iter().cloned().collect();
        alarms.states(bench.place(), &names).await.expect("an answer")
    };
    // More names than CloudWatch accepts in one call; the existing ones are at both ends.
    let names: Vec<String> = (0..150).map(|n| format!("{}-alarm-{n:03}", bench.space())).collect();
    let (metric, composite, other) = (&names[0], &names[149], format!("{}-other", bench.space()));
    assert_eq!(states(&names).await, BTreeMap::new(), "what does not exist is absent");
    bench.set_alarm(metric, false, AlarmState::Ok).await;
    bench.set_alarm(composite, true, AlarmState::Alarm).await;
    bench.set_alarm(&other, false, AlarmState::Alarm).await;
    let expected = [(metric.clone(), AlarmState::Ok), (composite.clone(), AlarmState::Alarm)];
    assert_eq!(states(&names).await, expected.into(), "metric and composite alarms, and no other");
    for state in [AlarmState::Alarm, AlarmState::InsufficientData, AlarmState::Ok] {
        bench.set_alarm(metric, false, state).await;
        assert_eq!(states(&names[..1]).await, [(metric.clone(), state)].into());
    }
    assert_eq!(states(&[]).await, BTreeMap::new(), "no names are not all names");
}
