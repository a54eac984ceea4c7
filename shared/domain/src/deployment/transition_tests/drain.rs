//! Draining: the way of a deployment to a region that gets no traffic meanwhile.

use super::*;
use crate::code::Code;
use crate::deployment::{TrafficAnswer, WeightedRecord};

#[track_caller]
fn go(deployment: Deployment, events: impl IntoIterator<Item = Event>) -> Deployment {
    way(deployment, events).1
}

fn drained() -> Deployment {
    let mut deployment = deploy();
    deployment.spec.record = Some(WeightedRecord {
        zone: "Z1".into(),
        name: "a.example.com".into(),
        record_type: "A".into(),
        set_identifier: "eu-west-1".into(),
        weight: 100,
    });
    deployment.spec.drains = true;
    deployment
}

fn weight_set() -> Event {
    Event::WeightSet { change: Some("C1".into()) }
}

fn weight_seen(weight: u8) -> Event {
    Event::WeightSeen { weight, ttl_s: 60 }
}

fn proven() -> Event {
    Event::CodeProven { versions: Default::default(), api: None }
}

/// The way to the drain of a region whose stack has a plan.
fn draining() -> Deployment {
    let draining = go(drained(), [taken(), seen("UPDATE_COMPLETE"), Event::Acted, ready(), Event::Allowed]);
    assert_eq!((draining.due(), draining.observation()), (None, Some(Observation::Weight)));
    // The weight before is saved before it is changed.
    let seen = go(draining, [weight_seen(100)]);
    assert_eq!((&seen.state, seen.due()), (&State::Draining, Some(Command::Drain)));
    seen
}

/// The way to the update of a region that gets no traffic.
fn updating() -> Deployment {
    let waits = go(draining(), [weight_set(), Event::RecordPending]);
    assert_eq!((waits.due(), waits.observation()), (None, Some(Observation::Record)));
    let synced_at = waits.entered_at + jiff::SignedDuration::from_secs(40);
    let synced = waits.apply(Event::RecordInSync, synced_at).unwrap();
    assert_eq!((synced.state.name(), synced.delay_s(synced_at)), ("draining", 60), "the record's TTL");
    let early = synced.apply(Event::RecordInSync, synced_at + jiff::SignedDuration::from_secs(59)).unwrap();
    assert_eq!(early.state, State::Draining);
    let now = synced_at + jiff::SignedDuration::from_secs(60);
    let over = early.apply(Event::RecordInSync, now).unwrap();
    assert_eq!(over.observation(), Some(Observation::Gates), "the rollout is asked once more");
    let updating = go(over, [Event::Allowed]);
    assert_eq!(updating.state, State::Executing);
    updating
}

#[test]
fn the_stack_is_updated_once_nobody_asks_the_region_and_then_it_gets_its_traffic_back() {
    let updated = go(updating(), [Event::Acted, op("UPDATE_COMPLETE"), proven()]);
    assert_eq!((&updated.state, updated.due()), (&State::Shifting { percent: 0 }, None));
    let some = go(updated, [Event::TrafficAnswered(TrafficAnswer::Shift(10))]);
    assert_eq!(some.due(), Some(Command::ShiftTraffic(10)));
    let all = go(
        some,
        [Event::TrafficShifted(Default::default()), Event::TrafficAnswered(TrafficAnswer::Complete)],
    );
    assert_eq!(all.due(), Some(Command::ShiftTraffic(100)));
    let end =
        go(all, [Event::TrafficShifted(Default::default()), Event::TrafficAnswered(TrafficAnswer::Complete)]);
    assert_eq!((&end.state, end.notes.len()), (&State::Succeeded { changed: true }, 0));
}

#[test]
fn a_region_whose_update_was_rolled_back_gets_its_traffic_back() {
    let failed = go(updating(), [Event::Acted, op_as("UPDATE_ROLLBACK_COMPLETE", Outcome::Failed)]);
    let undraining = go(failed, [Event::CauseFound(cause())]);
    assert_eq!(undraining.due(), Some(Command::ShiftTraffic(100)));
    assert_eq!(undraining.state.name(), "undraining");
    let end = go(undraining.clone(), [Event::TrafficShifted(Default::default())]);
    assert_eq!((&end.state, end.notes.len()), (&State::RolledBack(cause()), 0));
    let refused = Cause::new(Code::AccessDenied, "no", "allow it");
    let left = go(undraining, [Event::Refused(refused)]);
    assert_eq!(code_of(&left), Code::TrafficNotRestored);
    assert!(left.state.cause().unwrap().fix.contains("eu-west-1 in Z1 the weight 100"), "{left:?}");
}

#[test]
fn a_region_that_runs_what_is_not_wanted_stays_without_traffic_and_says_so() {
    let updated = go(updating(), [Event::Acted, op("UPDATE_COMPLETE"), proven()]);
    let back = go(updated.clone(), [Event::TrafficAnswered(TrafficAnswer::Abort)]);
    assert_eq!(back.due(), Some(Command::ShiftTraffic(0)));
    let end = go(back, [Event::TrafficShifted(Default::default())]);
    assert_eq!(code_of(&end), Code::TrafficAborted);
    assert!(end.notes[0].contains("gets no traffic") && end.is_drained(), "{:?}", end.notes);

    // One that had some is set back twice: a call that gives it traffic may still be under way.
    let some = go(
        updated,
        [Event::TrafficAnswered(TrafficAnswer::Shift(10)), Event::TrafficShifted(Default::default())],
    );
    let back =
        go(some, [Event::TrafficAnswered(TrafficAnswer::Abort), Event::TrafficShifted(Default::default())]);
    assert_eq!((back.due(), back.observation()), (None, Some(Observation::Mapping)));
    let read = || Event::MappingObserved { points_at: None, own: Vec::new() };
    let early = back.clone().apply(read(), back.entered_at).unwrap();
    assert_eq!(early.due(), None);
    let again = early.apply(read(), back.entered_at + jiff::SignedDuration::from_secs(30)).unwrap();
    assert_eq!(again.due(), Some(Command::ShiftTraffic(0)));
    assert_eq!(code_of(&go(again, [Event::TrafficShifted(Default::default())])), Code::TrafficAborted);
}

#[test]
fn a_region_that_cannot_be_drained_is_not_updated() {
    let refused = Cause::new(Code::RecordUnexpected, "it has the weight 50", "fix it");
    let way = [taken(), seen("UPDATE_COMPLETE"), Event::Acted, ready(), Event::Allowed];
    let discarding = go(go(drained(), way), [Event::Refused(refused.clone())]);
    assert!(matches!(discarding.due(), Some(Command::DiscardPlan { .. })));
    let end = go(discarding, [Event::Acted]);
    assert_eq!((&end.state, end.operations, end.notes.len()), (&State::Failed(refused), 0, 0));
}

/// A deployment to a region that a rollout has left without traffic.
fn left() -> Deployment {
    let mut left = drained();
    left.spec.was_drained = true;
    left
}

#[test]
fn a_region_that_a_rollout_left_without_traffic_gets_it_back_only_with_what_is_good() {
    let planned =
        go(left(), [taken(), seen("UPDATE_COMPLETE"), Event::Acted, ready(), Event::Allowed, weight_seen(0)]);
    let updating = go(planned, [Event::Allowed]);
    assert_eq!(updating.state, State::Executing, "it has had no traffic for long");
    let failed = go(updating.clone(), [Event::Acted, op_as("UPDATE_ROLLBACK_COMPLETE", Outcome::Failed)]);
    let end = go(failed, [Event::CauseFound(cause())]);
    assert_eq!(end.state, State::RolledBack(cause()), "it runs what was not wanted before");
    assert!(end.notes[0].contains("gets no traffic"));
    let good = go(updating, [Event::Acted, op("UPDATE_COMPLETE"), proven()]);
    assert_eq!(good.state, State::Shifting { percent: 0 });
}

#[test]
fn what_a_rollout_left_without_traffic_gets_it_back_also_if_nothing_is_to_be_updated() {
    let way = || {
        let empty = Event::PlanEmpty { stack_id: "stack".into() };
        [taken(), seen("UPDATE_COMPLETE"), Event::Acted, empty, Event::Acted, proven()]
    };
    assert_eq!(go(drained(), way()).state, State::Succeeded { changed: false });
    assert_eq!(go(left(), way()).state, State::Shifting { percent: 0 });
}

#[test]
fn what_is_not_wanted_any_longer_after_the_drain_is_not_executed() {
    let now = draining().entered_at + jiff::SignedDuration::from_secs(61);
    let synced = go(draining(), [weight_set(), Event::RecordInSync]);
    let over = synced.apply(Event::RecordInSync, now).unwrap();
    let undraining = go(over, [Event::Declined]);
    assert_eq!((undraining.state.name(), undraining.due()), ("undraining", Some(Command::ShiftTraffic(100))));
    let end = go(undraining, [Event::TrafficShifted(Default::default()), Event::Acted]);
    assert_eq!((&end.state, end.operations, end.notes.len()), (&State::Cancelled, 0, 0));
}

#[test]
fn one_that_loses_its_lease_ends() {
    let lost = go(go(draining(), [weight_set()]), [Event::LeaseLost]);
    assert_eq!(code_of(&lost), Code::LeaseLost);
    assert!(lost.notes[0].contains("gets no traffic"));
}

#[test]
fn what_is_quick_does_not_wait_for_a_drain() {
    let mut quick = drained();
    quick.spec.drains = false;
    let planned = [taken(), seen("UPDATE_COMPLETE"), Event::Acted, ready()];
    let updating = go(quick, planned.clone().into_iter().chain([Event::Allowed]));
    assert_eq!(updating.state, State::Executing);
    let end = go(updating, [Event::Acted, op("UPDATE_COMPLETE"), proven()]);
    assert_eq!(end.state, State::Succeeded { changed: true });
    // Break-glass.
    assert_eq!(go(drained(), planned.into_iter().chain([Event::AllowedUnwatched])).state, State::Executing);
}
