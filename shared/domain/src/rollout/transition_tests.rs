use super::*;
use crate::deployment::{Access, State};
use crate::gate::{Freezes, Gates};
use crate::ids::Direction;
use crate::release::StackRef;
use crate::replica::Copies;
use crate::rollout::{OnFailure, RolloutCommand, RolloutKind, RolloutObservation, Wave};
use crate::{Digest, ProfileName, ReleaseId, ServiceName, StackName, StackPart, StageName};
use RolloutEvent as E;

#[path = "transition_tests/gates.rs"]
mod gates;
#[path = "transition_tests/operators.rs"]
mod operators;
#[path = "transition_tests/planning.rs"]
mod planning;
#[path = "transition_tests/policy.rs"]
mod policy;
#[path = "transition_tests/reverts.rs"]
mod reverts;
#[path = "transition_tests/slots.rs"]
mod slots;
#[path = "transition_tests/stacks.rs"]
mod stacks;
#[path = "transition_tests/traffic.rs"]
mod traffic;
#[path = "transition_tests/waves.rs"]
mod waves;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn target(region: &str) -> Target {
    Target::parse(&format!("000000000000/{region}")).unwrap()
}

fn site(region: &str) -> Site {
    target(region).site
}

fn targets(regions: &[&str]) -> Vec<Target> {
    regions.iter().map(|region| target(region)).collect()
}

fn id(second: i64) -> RolloutId {
    RolloutId::derive(at(second), &["r"])
}

fn release(name: &str) -> ReleaseRef {
    ReleaseRef {
        release: ReleaseId::derive(at(0), &[name]),
        package: Digest::of(name.as_bytes()),
        source: None,
        authors: BTreeSet::new(),
        stacks: vec![stack(None)],
    }
}

fn stack(part: Option<&str>) -> StackRef {
    StackRef {
        part: part.map(|part| StackPart::parse(part).unwrap()),
        template: Digest::of(b"t"),
        functions: Vec::new(),
        aliases: Vec::new(),
        parameters: ["Known", "FlotillaStage", "FlotillaStackNameOfNet"].map(str::to_owned).into(),
        tags: [("STAGE".to_owned(), crate::release::package::STAGE_MARK.to_owned())].into(),
    }
}

fn rollout(kind: RolloutKind) -> Rollout {
    Rollout {
        replaces: None,
        id: id(1),
        service: ServiceName::parse("orders").unwrap(),
        stage: StageName::parse("staging").unwrap(),
        profile: ProfileName::parse("p").unwrap(),
        kind,
        waves: vec![Wave::of(targets(&["eu-west-1", "eu-west-2"])), Wave::of(targets(&["us-east-1"]))],
        on_failure: OnFailure::Halt,
        copies: Copies::S3,
        stacks: [(None, StackName::parse("orders-staging").unwrap())].into(),
        access: Access {
            role_arn: "r".into(),
            external_id: "e".into(),
            service_role_arn: "s".into(),
            role_boundary: None,
        },
        parameters: [("Known".to_owned(), "1".to_owned()), ("Other".to_owned(), "2".to_owned())].into(),
        needs: BTreeMap::new(),
        taken: BTreeMap::new(),
        tags: Default::default(),
        capabilities: Default::default(),
        policy: Default::default(),
        gates: Gates::default(),
        drained: BTreeSet::new(),
        traffic: None,
        plan_only: false,
        plans: BTreeMap::new(),
        approvals: Vec::new(),
        break_glass: None,
        blocked_by: Vec::new(),
        promote_to: None,
        retry_of: None,
        set: None,
        notify: Default::default(),
        state: RolloutState::Queued,
        acted: false,
        acted_at: None,
        cancelled: None,
        stop_sent: false,
        paused_by: None,
        failure: None,
        revert_to: None,
        because: None,
        requested_by: "upload".into(),
        created_at: at(0),
        entered_at: at(0),
    }
}

/// A rollout of a release that has not begun.
pub(crate) fn deploy() -> Rollout {
    rollout(RolloutKind::Deploy(release("new")))
}

#[track_caller]
fn go(rollout: Rollout, events: impl IntoIterator<Item = E>) -> Rollout {
    events.into_iter().fold(rollout, |rollout, event| rollout.apply(event, at(5)).expect("a legal way"))
}

fn all_proven() -> E {
    E::ReplicasObserved { proven: deploy().sites(), failed: BTreeMap::new() }
}

fn outcome(region: &str, direction: Direction, state: &State) -> TargetOutcome {
    TargetOutcome {
        target: target(region),
        direction,
        state: state.clone(),
        acted: false,
        touched: true,
        plan: None,
    }
}

fn seen(states: &[(&str, State)]) -> E {
    E::DeploymentsObserved(
        states.iter().map(|(region, state)| outcome(region, Direction::Forward, state)).collect(),
    )
}

fn ok() -> State {
    State::Succeeded { changed: true }
}

fn bad() -> State {
    State::RolledBack(Cause::new(Code::RolledBack, "no", "fix"))
}

fn broken() -> State {
    State::Failed(Cause::new(Code::CodeDiffers, "no", "fix"))
}

fn rolling() -> Rollout {
    go(deploy(), [E::PlaceObserved(Place::Active), holds(), all_proven(), open(), E::Acted])
}

/// The policy check passes.
fn holds() -> E {
    E::PolicyChecked(PolicyResult::Passed)
}

/// No gate is blocked.
fn open() -> E {
    E::GatesObserved(Facts::at(at(5)))
}

/// Its wave has baked without a raised alarm.
fn baked(rollout: Rollout) -> Rollout {
    let calm = E::AlarmsObserved { alarms: Vec::new(), outcomes: Vec::new() };
    rollout.apply(calm, at(100_000)).expect("a legal way")
}

fn off(by: &str, stop_running: bool) -> E {
    E::CancelRequested(Cancellation { by: by.into(), stop_running })
}

/// The wave, and how many of its targets are open.
fn wave_of(rollout: &Rollout) -> (usize, usize) {
    match rollout.state {
        RolloutState::Rolling { wave, opened, .. } => (wave, opened),
        ref state => panic!("it is {}", state.name()),
    }
}
