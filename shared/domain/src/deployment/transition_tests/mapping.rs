//! Blue/green: the way of a deployment to a slot.

use super::*;
use crate::code::Code;
use crate::deployment::{ApiMapping, ApiStage, MappedApis, TrafficAnswer};
use crate::target::Slot;

#[track_caller]
fn go(deployment: Deployment, events: impl IntoIterator<Item = Event>) -> Deployment {
    way(deployment, events).1
}

fn mapping() -> ApiMapping {
    ApiMapping { domain: "api.example.com".into(), path: "orders".into(), api: None, api_stage: None }
}

fn api(id: &str) -> Option<ApiStage> {
    Some(ApiStage { api: id.into(), stage: "$default".into() })
}

fn to_green(mut deployment: Deployment) -> Deployment {
    deployment.id.target.slot = Some(Slot::Green);
    deployment.spec.mapping = Some(mapping());
    deployment
}

fn points_at(api_id: &str, own: Option<&str>) -> Event {
    Event::MappingObserved { points_at: api(api_id), own: own.map(Into::into).into_iter().collect() }
}

/// The way to the update of a stack without traffic, whose API is `new`.
fn updated() -> Deployment {
    let reads = go(to_green(deploy()), [taken(), seen("UPDATE_COMPLETE")]);
    assert_eq!(reads.observation(), Some(Observation::Mapping));
    let proven = Event::CodeProven { versions: Default::default(), api: api("new") };
    let way = [Event::Acted, ready(), Event::Allowed, Event::Acted, op("UPDATE_COMPLETE"), proven];
    go(go(reads, [points_at("old", Some("new"))]), way)
}

#[test]
fn the_mapping_points_at_the_new_api_when_the_rollout_says_so_and_no_second_update_follows() {
    let updated = updated();
    assert_eq!((&updated.state, updated.due()), (&State::Shifting { percent: 0 }, None));
    let all = go(updated, [Event::TrafficAnswered(TrafficAnswer::Shift(100))]);
    assert_eq!(all.due(), Some(Command::ShiftTraffic(100)));
    let mapped = all.mapped.clone().unwrap();
    assert_eq!((mapped.at(0), mapped.at(100)), (api("old").as_ref(), api("new").as_ref()));
    let done = go(all, [Event::TrafficShifted(Default::default())]);
    let end = go(done, [Event::TrafficAnswered(TrafficAnswer::Complete)]);
    assert_eq!((&end.state, end.is_live()), (&State::Succeeded { changed: true }, true));
}

/// The mapping was switched, and is to point at the API before.
fn aborted() -> Deployment {
    let all = go(updated(), [Event::TrafficAnswered(TrafficAnswer::Shift(100))]);
    let back = go(all, [Event::TrafficAnswered(TrafficAnswer::Abort)]);
    assert_eq!(back.due(), Some(Command::ShiftTraffic(0)));
    back
}

#[test]
fn what_is_aborted_lets_the_mapping_point_at_the_api_before_and_reads_it_once_more() {
    let back = go(aborted(), [Event::TrafficShifted(Default::default())]);
    assert_eq!((back.due(), back.observation()), (None, Some(Observation::Mapping)));
    let read = |back: Deployment, api_id: &str, after_s: i64| {
        let now = back.entered_at + jiff::SignedDuration::from_secs(after_s);
        back.apply(points_at(api_id, Some("new")), now).unwrap()
    };
    // A call that was under way has arrived meanwhile.
    let again = read(back.clone(), "new", 30);
    assert_eq!(again.due(), Some(Command::ShiftTraffic(0)));
    let early = read(back, "old", 29);
    assert_eq!((early.state.name(), early.delay_s(early.entered_at)), ("shifting_back", 30));
    let end = read(early, "old", 30);
    assert_eq!((end.state.cause().unwrap().code, end.is_live()), (Code::TrafficAborted, false));
}

#[test]
fn what_never_had_traffic_is_not_read_again() {
    let back = go(updated(), [Event::TrafficAnswered(TrafficAnswer::Abort)]);
    let end = go(back, [Event::TrafficShifted(Default::default())]);
    assert_eq!(end.state.cause().unwrap().code, Code::TrafficAborted);
}

#[test]
fn what_cannot_be_switched_back_names_the_api_that_should_have_the_traffic() {
    let refused = go(aborted(), [Event::Refused(Cause::new(Code::AccessDenied, "no", "allow it"))]);
    let cause = refused.state.cause().unwrap();
    assert_eq!(cause.code, Code::TrafficNotRestored);
    assert!(
        cause.fix.contains("api.example.com/orders point at the API old (stage $default)"),
        "{}",
        cause.fix
    );
}

#[test]
fn the_slot_that_has_the_traffic_is_not_updated_and_that_is_noted() {
    let reads = go(to_green(deploy()), [taken(), seen("UPDATE_COMPLETE")]);
    let refused = go(reads, [points_at("new", Some("new"))]);
    assert_eq!((refused.state.cause().unwrap().code, refused.operations), (Code::MappingChanged, 0));
    assert!(refused.is_live(), "the next rollout updates the other slot");
}

#[test]
fn a_rollback_may_find_that_its_slot_has_the_traffic_already() {
    let mut back = to_green(deploy());
    back.id.direction = Direction::Rollback;
    let reads = go(back, [taken(), seen("UPDATE_COMPLETE"), points_at("new", Some("new")), Event::Acted]);
    let empty = Event::PlanEmpty { stack_id: "stack".into() };
    let proven = Event::CodeProven { versions: Default::default(), api: api("new") };
    let end = go(reads, [empty, Event::Acted, proven]);
    assert_eq!((&end.state, end.is_live()), (&State::Succeeded { changed: false }, true));
}

#[test]
fn the_first_stack_of_a_domain_has_nothing_before_it() {
    let reads = go(to_green(deploy()), [taken(), Event::StackObserved(None)]);
    let planning = go(reads, [Event::MappingObserved { points_at: None, own: Vec::new() }]);
    assert_eq!(planning.state, State::Planning(ChangeSetKind::Create));
    assert_eq!(planning.mapped, Some(MappedApis::default()));
}

#[test]
fn the_mapping_is_deleted_before_the_stack_of_a_slot() {
    let mut removal = to_green(remove());
    removal.spec.policy.safeguards.block_stateful = true;
    let plan = || Event::DeletionsPlanned(TargetPlan::of(Vec::new(), true));
    let way = [taken(), seen("UPDATE_COMPLETE"), plan(), Event::Allowed, plan()];
    let unmapping = go(removal, way);
    assert_eq!((&unmapping.state, unmapping.due()), (&State::Unmapping, Some(Command::RemoveMapping)));
    assert_eq!(go(unmapping, [Event::Acted]).state, State::Deleting(Effort::First));
}
