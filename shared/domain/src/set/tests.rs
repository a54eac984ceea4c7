//! Sets and the outcomes of their members.

use super::*;
use crate::code::Code;
use std::collections::BTreeMap;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn release(name: &str) -> ReleaseId {
    ReleaseId::derive(Timestamp::UNIX_EPOCH, &[name])
}

fn member(name: &str, level: usize, before: Option<&str>) -> Member {
    Member {
        service: ServiceName::parse(name).unwrap(),
        stage: StageName::parse("production").unwrap(),
        level,
        release: release("new"),
        before: before.map(release),
        newest: None,
        forward: None,
        back: None,
    }
}

fn promotion(members: Vec<Member>) -> ServiceSet {
    let kind = SetKind::Promotion { from: StageName::parse("staging").unwrap() };
    let set = ServiceSet {
        id: SetId::derive(at(1), &["a"]),
        kind,
        members,
        state: SetState::Rolling { level: 0 },
        acted: false,
        cancelled: None,
        requested_by: "ann".into(),
        because: "the sale".into(),
        created_at: at(1),
        entered_at: at(1),
    };
    set.set_out(at(1))
}

/// The database, then the API and the jobs that use it.
fn shop() -> ServiceSet {
    promotion(vec![
        member("database", 0, Some("old")),
        member("api", 1, Some("old")),
        member("jobs", 1, Some("old")),
    ])
}

fn begun(set: ServiceSet) -> ServiceSet {
    set.apply(SetEvent::Begun { not: BTreeMap::new() }, at(2)).unwrap()
}

fn ended(set: ServiceSet, ends: &[(usize, MemberOutcome)]) -> ServiceSet {
    set.apply(SetEvent::Ended(ends.iter().cloned().collect()), at(3)).unwrap()
}

fn failed() -> MemberOutcome {
    MemberOutcome::Failed(Cause::new(Code::Stopped, "it is red", "make it green"))
}

/// The members it waits for.
fn moving(set: &ServiceSet) -> Vec<&str> {
    set.awaited().iter().map(|(at, _)| set.members[*at].service.as_str()).collect()
}

#[test]
fn a_level_begins_when_the_one_before_it_has_succeeded() {
    let set = shop();
    assert_eq!(set.due(), Some(SetCommand { direction: Direction::Forward, members: vec![0] }));
    let set = ended(begun(set), &[(0, MemberOutcome::Succeeded)]);
    assert_eq!(set.due(), Some(SetCommand { direction: Direction::Forward, members: vec![1, 2] }));
    let set = ended(begun(set), &[(1, MemberOutcome::Succeeded)]);
    assert_eq!((set.state.name(), moving(&set)), ("rolling", vec!["jobs"]));
    let set = ended(set, &[(2, MemberOutcome::Succeeded)]);
    assert_eq!((set.state.clone(), set.due()), (SetState::Succeeded, None));
}

#[test]
fn what_is_begun_keeps_its_id_and_every_way_has_another() {
    let set = ended(begun(shop()), &[(0, MemberOutcome::Succeeded)]);
    let first = set.awaited();
    assert_eq!(begun(set).awaited(), first);
    let ids: Vec<_> = first.iter().map(|(_, id)| *id).collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_failure_waits_for_its_level_and_then_brings_all_back_what_gives_outputs_first() {
    let set = ended(begun(ended(begun(shop()), &[(0, MemberOutcome::Succeeded)])), &[(1, failed())]);
    assert_eq!((set.state.name(), moving(&set)), ("rolling", vec!["jobs"]), "the jobs are not interrupted");
    let set = ended(set, &[(2, MemberOutcome::Succeeded)]);
    assert_eq!((set.state.name(), moving(&set)), ("reverting", vec!["database"]));
    assert_eq!(set.due(), Some(SetCommand { direction: Direction::Rollback, members: vec![0] }));
    let set = ended(begun(set), &[(0, MemberOutcome::Succeeded)]);
    assert_eq!(moving(&set), ["api", "jobs"]);
    let set = ended(begun(set), &[(1, MemberOutcome::Succeeded), (2, MemberOutcome::Succeeded)]);
    let SetState::Reverted(cause) = &set.state else { panic!("{:?}", set.state) };
    assert_eq!((cause.code, cause.message.as_str()), (Code::Stopped, "api/production: it is red"));
}

#[test]
fn what_went_back_by_itself_was_refused_or_belongs_to_others_stays_as_it_is() {
    let cause = || Cause::new(Code::Stopped, "no", "yes");
    let went_back = |end: MemberOutcome| {
        let set = ended(begun(ended(begun(shop()), &[(0, MemberOutcome::Succeeded)])), &[(1, end)]);
        let set = ended(set, &[(2, MemberOutcome::Succeeded)]);
        assert_eq!(moving(&set), ["database"]);
        ended(begun(set), &[(0, MemberOutcome::Succeeded)])
    };
    for end in [MemberOutcome::Refused(cause()), MemberOutcome::Overtaken(cause())] {
        assert_eq!(moving(&went_back(end)), ["jobs"]);
    }
    // It reverted while it used the outputs of the new database.
    assert_eq!(moving(&went_back(MemberOutcome::Reverted(cause()))), ["api", "jobs"]);
    let set = ended(begun(shop()), &[(0, MemberOutcome::Reverted(cause()))]);
    assert_eq!(set.state.name(), "reverted", "nothing else was changed");
    let not = BTreeMap::from([(0, MemberOutcome::Refused(cause()))]);
    let refused = shop().apply(SetEvent::Begun { not }, at(2)).unwrap();
    assert_eq!(refused.state.name(), "reverted", "nothing was changed");
}

#[test]
fn one_that_had_nothing_before_or_cannot_go_back_is_told() {
    let first = promotion(vec![member("database", 0, None), member("api", 1, Some("old"))]);
    let set =
        ended(begun(ended(begun(first), &[(0, MemberOutcome::Succeeded)])), &[(0, failed()), (1, failed())]);
    let set = ended(begun(set), &[(1, MemberOutcome::Succeeded)]);
    let SetState::Failed(cause) = &set.state else { panic!("{:?}", set.state) };
    assert_eq!(cause.code, Code::NothingToRevertTo);
    assert!(cause.message.starts_with("database/production had no stable release"), "{}", cause.message);

    let set =
        ended(begun(ended(begun(promotion(vec![member("api", 0, Some("old"))])), &[(0, failed())])), &[]);
    let gone = MemberOutcome::Overtaken(Cause::new(Code::Stopped, "no", "yes"));
    assert_eq!(ended(set.clone(), &[(0, gone)]).state.name(), "reverted");
    let stuck = ended(set, &[(0, failed())]);
    let SetState::Failed(cause) = &stuck.state else { panic!("{:?}", stuck.state) };
    assert_eq!(cause.message, "api/production during the rollback: it is red");
}

#[test]
fn one_that_is_called_off_goes_back_whatever_its_level_still_brings() {
    let first = || ended(begun(shop()), &[(0, MemberOutcome::Succeeded)]);
    let off = begun(first()).cancel("ann", false);
    assert!(off.clone().cancel("bob", true).cancelled.is_some_and(|off| off.by == "ann" && off.stop_running));
    let set = ended(off, &[(1, MemberOutcome::Succeeded), (2, MemberOutcome::Succeeded)]);
    assert_eq!((set.state.name(), moving(&set)), ("reverting", vec!["database"]));
    let cause = set.state.cause().expect("a cause");
    assert_eq!((cause.code, cause.message.starts_with("ann cancelled ")), (Code::Stopped, true));
    // A set that changed nothing yet ends at once, and a rollback stops where it is.
    let unbegun = shop().cancel("ann", false);
    let not = BTreeMap::from([(0, MemberOutcome::Refused(unbegun.cancellation_cause().unwrap()))]);
    assert_eq!(unbegun.apply(SetEvent::Begun { not }, at(2)).unwrap().state.name(), "reverted");
    let kind = SetKind::Rollback { of: SetId::derive(at(1), &["b"]), by_waves: false };
    let rollback = ServiceSet { kind, ..begun(shop()) }.cancel("ann", false);
    assert_eq!(ended(rollback, &[(0, MemberOutcome::Succeeded)]).state.name(), "failed");
}

#[test]
fn one_whose_release_stays_takes_the_outputs_of_before_again() {
    let same = || member("api", 1, Some("new"));
    let set = promotion(vec![member("database", 0, Some("old")), same(), member("jobs", 1, Some("old"))]);
    let set = ended(
        begun(ended(begun(set), &[(0, MemberOutcome::Succeeded)])),
        &[(1, MemberOutcome::Succeeded), (2, failed())],
    );
    let set = ended(begun(set), &[(0, MemberOutcome::Succeeded)]);
    assert_eq!(moving(&set), ["api", "jobs"]);
    // A member that takes no outputs of the others is unchanged.
    let set = promotion(vec![member("database", 0, Some("new")), member("jobs", 1, Some("old"))]);
    let set = ended(begun(ended(begun(set), &[(0, MemberOutcome::Succeeded)])), &[(1, failed())]);
    assert_eq!(moving(&set), ["jobs"]);
}

#[test]
fn a_rollback_and_a_redeploy_stop_where_they_fail() {
    let rollback = SetKind::Rollback { of: SetId::derive(at(1), &["b"]), by_waves: false };
    let redeploy = SetKind::Redeploy { of: ServiceName::parse("database").unwrap() };
    for kind in [rollback, redeploy] {
        let set = ServiceSet { kind, ..shop() };
        let set = ended(begun(set), &[(0, failed())]);
        assert!(matches!(set.state, SetState::Failed(_)), "{:?}", set.state);
    }
}

#[test]
fn promise_7_a_set_that_has_ended_takes_no_event_and_acts_once_a_level() {
    let done = ended(begun(promotion(vec![member("api", 0, None)])), &[(0, MemberOutcome::Succeeded)]);
    assert!(done.apply(SetEvent::Ended(BTreeMap::new()), at(9)).is_err());
    assert!(begun(shop()).apply(SetEvent::Begun { not: BTreeMap::new() }, at(9)).is_err());
    assert!(shop().apply(SetEvent::Ended(BTreeMap::new()), at(9)).is_err());
    let set = begun(shop());
    assert_eq!(ended(set.clone(), &[(2, MemberOutcome::Succeeded)]), set, "not its turn");
}

#[test]
fn what_is_entered_counts_its_time_anew() {
    let set = promotion(vec![member("database", 0, Some("old")), member("api", 1, Some("old"))]);
    assert_eq!(set.entered_at, at(1));
    let next = ended(begun(set), &[(0, MemberOutcome::Succeeded)]);
    assert_eq!((next.state.clone(), next.entered_at), (SetState::Rolling { level: 1 }, at(3)));
}
