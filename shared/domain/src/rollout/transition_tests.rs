use super::*;
use crate::deployment::{Access, State};
use crate::rollout::{RolloutCommand, RolloutLook};
use crate::{Digest, ProfileName, ReleaseId, ServiceName, StageName};
use RolloutEvent as E;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn target(region: &str) -> Target {
    Target::parse(&format!("000000000000/{region}")).unwrap()
}

fn id(second: i64) -> RolloutId {
    RolloutId::derive(at(second), &["r"])
}

fn rollout(kind: RolloutKind) -> Rollout {
    Rollout {
        id: id(1),
        service: ServiceName::parse("orders").unwrap(),
        stage: StageName::parse("staging").unwrap(),
        profile: ProfileName::parse("p").unwrap(),
        kind,
        waves: vec![vec![target("eu-west-1"), target("eu-west-2")], vec![target("us-east-1")]],
        access: Access { role_arn: "r".into(), external_id: "e".into(), service_role_arn: "s".into() },
        parameters: Default::default(),
        tags: Default::default(),
        capabilities: Default::default(),
        state: RolloutState::Queued,
        acted: false,
        acted_at: None,
        cancelled_by: None,
        requested_by: "upload".into(),
        created_at: at(0),
        entered_at: at(0),
    }
}

fn deploy() -> Rollout {
    rollout(RolloutKind::Deploy {
        release: ReleaseId::derive(at(0), &["r"]),
        package: Digest::of(b"p"),
        template: Digest::of(b"t"),
        functions: Vec::new(),
    })
}

fn go(rollout: Rollout, events: impl IntoIterator<Item = E>) -> Rollout {
    events.into_iter().fold(rollout, |rollout, event| rollout.apply(event, at(5)).expect("a legal way"))
}

fn all_proven() -> E {
    E::ReplicasSeen { proven: deploy().targets().cloned().collect(), failed: BTreeMap::new() }
}

fn seen(states: &[(&str, State)]) -> E {
    E::DeploymentsSeen(
        states
            .iter()
            .map(|(region, state)| TargetOutcome { target: target(region), state: state.clone() })
            .collect(),
    )
}

fn ok() -> State {
    State::Succeeded { changed: true }
}

fn bad() -> State {
    State::RolledBack(Cause::new(Code::RolledBack, "no", "mend"))
}

fn rolling() -> Rollout {
    go(deploy(), [E::PlaceSeen(Place::Active), all_proven()])
}

#[test]
fn nothing_is_deployed_before_the_package_is_proven_everywhere() {
    let replicating = go(deploy(), [E::PlaceSeen(Place::Active)]);
    assert_eq!(replicating.look(), Some(RolloutLook::Replicas));
    assert!(matches!(&replicating.due()[..], [RolloutCommand::Replicate(targets)] if targets.len() == 3));
    let some = E::ReplicasSeen {
        proven: [target("eu-west-1"), target("eu-west-2")].into(),
        failed: BTreeMap::new(),
    };
    assert_eq!(go(replicating.clone(), [some]).state, RolloutState::Replicating);
    assert_eq!(go(replicating, [all_proven()]).state, RolloutState::Rolling { wave: 0 });
}

#[test]
fn a_copy_whose_message_was_lost_is_asked_for_again() {
    let none = || E::ReplicasSeen { proven: BTreeSet::new(), failed: BTreeMap::new() };
    let asked = go(deploy(), [E::PlaceSeen(Place::Active), E::Acted, none()]);
    assert!(asked.due().is_empty(), "patience");
    let later = asked.apply(none(), at(5 + Rollout::COPY_PATIENCE_S)).unwrap();
    assert!(matches!(&later.due()[..], [RolloutCommand::Replicate(_)]));
}

#[test]
fn waves_follow_each_other_and_the_last_one_ends_it() {
    let first = rolling();
    assert_eq!(first.due(), [RolloutCommand::Open(vec![target("eu-west-1"), target("eu-west-2")])]);
    let first = go(first, [E::Acted, seen(&[("eu-west-1", ok())])]);
    assert_eq!(first.state, RolloutState::Rolling { wave: 0 });
    let second = go(first, [seen(&[("eu-west-1", ok()), ("eu-west-2", ok())])]);
    assert_eq!(second.state, RolloutState::Rolling { wave: 1 });
    assert_eq!(second.due(), [RolloutCommand::Open(vec![target("us-east-1")])]);
    let end = go(second, [seen(&[("eu-west-1", ok()), ("eu-west-2", ok()), ("us-east-1", ok())])]);
    assert_eq!(end.state, RolloutState::Succeeded);
}

#[test]
fn a_failure_lets_its_wave_end_and_stops_before_the_next() {
    let waiting = go(rolling(), [seen(&[("eu-west-1", bad()), ("eu-west-2", State::Executing)])]);
    assert_eq!(waiting.state, RolloutState::Rolling { wave: 0 });
    let end = go(waiting, [seen(&[("eu-west-1", bad()), ("eu-west-2", ok())])]);
    let cause = end.state.cause().unwrap();
    assert_eq!(cause.code, Code::RolledBack);
    assert_eq!(cause.message, "000000000000/eu-west-1: no");
}

#[test]
fn s11_a_region_that_cannot_get_the_package_fails_the_rollout_before_anything_is_deployed() {
    let failed = [(target("us-east-1"), Cause::new(Code::AccessDenied, "kms", "mend"))].into();
    let event = E::ReplicasSeen { proven: [target("eu-west-1")].into(), failed };
    let end = go(deploy(), [E::PlaceSeen(Place::Active), event]);
    assert_eq!(end.state.cause().unwrap().message, "000000000000/us-east-1: kms");
}

#[test]
fn a_newer_rollout_supersedes_what_has_not_begun_and_never_what_has() {
    let newer = E::PlaceSeen(Place::ActiveWithSuccessor(id(2)));
    assert_eq!(go(deploy(), [newer.clone()]).state, RolloutState::Superseded { by: Some(id(2)) });
    let replicating = go(deploy(), [E::PlaceSeen(Place::Active)]);
    assert_eq!(go(replicating, [newer.clone()]).state, RolloutState::Superseded { by: Some(id(2)) });
    assert!(rolling().apply(newer, at(9)).is_err());
}

#[test]
fn a_cancelled_rollout_finishes_what_has_begun() {
    let by = || E::CancelRequested { by: "ann".into() };
    assert_eq!(go(deploy(), [by()]).state, RolloutState::Cancelled);
    let rolling = go(rolling(), [by()]);
    assert_eq!(rolling.state, RolloutState::Rolling { wave: 0 });
    assert!(rolling.due().is_empty(), "nothing more is opened");
    let rolling = go(rolling, [seen(&[("eu-west-1", State::Executing)])]);
    assert_eq!(rolling.state, RolloutState::Rolling { wave: 0 });
    let end = go(rolling, [seen(&[("eu-west-1", ok())])]);
    assert_eq!(end.state, RolloutState::Cancelled);
}

#[test]
fn a_rollout_cancelled_after_its_last_target_succeeded_has_succeeded() {
    let removal = Rollout { waves: vec![vec![target("eu-west-1")]], ..rollout(RolloutKind::Remove) };
    let removal = go(removal, [E::PlaceSeen(Place::Active), E::CancelRequested { by: "ann".into() }]);
    assert_eq!(go(removal, [seen(&[("eu-west-1", State::Removed)])]).state, RolloutState::Succeeded);
}

#[test]
fn terminal_states_stick() {
    let end = go(deploy(), [E::CancelRequested { by: "ann".into() }]);
    for event in
        [all_proven(), E::PlaceSeen(Place::Active), E::Acted, E::CancelRequested { by: "bob".into() }]
    {
        assert!(end.clone().apply(event, at(9)).is_err());
    }
    assert!(end.due().is_empty() && end.look().is_none());
}
