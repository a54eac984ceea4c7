use super::*;
use crate::code::Code;
use crate::deployment::event::StackOwner;
use crate::deployment::{
    Access, CodeMismatch, Command, DeploymentKind, DeploymentSpec, Drift, Observation, Plan, StackPolicy,
};
use crate::plan::{ChangeAction, ResourceChange};
use crate::release::StackRelease;
use crate::{
    DeploymentId, Digest, Direction, ReleaseId, RolloutId, ServiceName, StackName, StageName, Target,
};

#[path = "transition_tests/deletions.rs"]
mod deletions;
#[path = "transition_tests/drain.rs"]
mod drain;
#[path = "transition_tests/executions.rs"]
mod executions;
#[path = "transition_tests/invariants.rs"]
mod invariants;
#[path = "transition_tests/mapping.rs"]
mod mapping;
#[path = "transition_tests/plans.rs"]
mod plans;
#[path = "transition_tests/traffic.rs"]
mod traffic;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn deployment(kind: DeploymentKind, policy: StackPolicy) -> Deployment {
    let (service, stage) = (ServiceName::parse("orders").unwrap(), StageName::parse("staging").unwrap());
    let spec = DeploymentSpec {
        stack: StackName::parse("orders-staging").unwrap(),
        service,
        stage,
        access: Access {
            role_arn: "r".into(),
            external_id: "e".into(),
            service_role_arn: "s".into(),
            role_boundary: None,
        },
        kind,
        parameters: Default::default(),
        tags: Default::default(),
        capabilities: Default::default(),
        policy,
        shifts: false,
        mapping: None,
        record: None,
        drains: false,
        was_drained: false,
        restores: Default::default(),
        alarms: Default::default(),
    };
    let id = DeploymentId {
        rollout: RolloutId::derive(at(0), &["rollout"]),
        target: Target::parse("000000000000/eu-central-1").unwrap(),
        direction: Direction::Forward,
    };
    Deployment::open(id, spec, at(0))
}

fn deploy_by(policy: StackPolicy) -> Deployment {
    let release = StackRelease {
        release: ReleaseId::derive(at(0), &["release"]),
        package: Digest::of(b"package"),
        template: Digest::of(b"template"),
        functions: Vec::new(),
        aliases: Vec::new(),
        may_keep_bucket: false,
    };
    deployment(DeploymentKind::Deploy(release), policy)
}

fn deploy() -> Deployment {
    deploy_by(StackPolicy::default())
}

fn remove_by(policy: StackPolicy) -> Deployment {
    deployment(DeploymentKind::Remove, policy)
}

fn remove() -> Deployment {
    remove_by(StackPolicy::default())
}

fn taken() -> Event {
    Event::LeaseTaken { fence: 7, expected_s: None }
}

fn stack(id: &str, status: &str) -> StackObserved {
    StackObserved {
        stack_id: id.into(),
        status: status.into(),
        reason: None,
        owner: None,
        has_deployment_bucket: false,
        outputs: [].into(),
    }
}

fn seen(status: &str) -> Event {
    Event::StackObserved(Some(stack("stack-1", status)))
}

fn gone() -> Event {
    Event::StackObserved(None)
}

/// An observation of our operation whose outcome follows from the status.
fn op(status: &str) -> Event {
    let outcome = match status {
        _ if status.ends_with("_IN_PROGRESS") => Outcome::Pending,
        _ if status.ends_with("_FAILED") || status.contains("ROLLBACK") => Outcome::Failed,
        _ => Outcome::Completed,
    };
    op_as(status, outcome)
}

fn op_as(status: &str, outcome: Outcome) -> Event {
    Event::OperationObserved { stack: Some(stack("stack-1", status)), outcome }
}

fn op_gone() -> Event {
    Event::OperationObserved { stack: None, outcome: Outcome::Unseen }
}

fn plan() -> Plan {
    let app = ResourceChange::new("App", "AWS::Lambda::Function", ChangeAction::Modify);
    Plan {
        stack_id: "stack-1".into(),
        change_set_id: "cs-1".into(),
        changes: TargetPlan::of(vec![app], true),
        reverted: Vec::new(),
        warnings: Vec::new(),
    }
}

fn ready() -> Event {
    Event::PlanReady(plan())
}

fn cause() -> Cause {
    Cause::new(Code::RolledBack, "because", "fix it").of("Table")
}

/// Applies events one second apart and shows the path through the states.
#[track_caller]
fn way(deployment: Deployment, events: impl IntoIterator<Item = Event>) -> (String, Deployment) {
    let mut names = vec![deployment.state.name()];
    let mut now = 0;
    let end = events.into_iter().fold(deployment, |deployment, event| {
        now += 1;
        let next = deployment.apply(event, at(now)).expect("a legal way");
        names.push(next.state.name());
        next
    });
    (names.join(" "), end)
}

/// A deployment that has called `ExecuteChangeSet`.
fn executing() -> Deployment {
    way(deploy(), [taken(), seen("UPDATE_COMPLETE"), Event::Acted, ready(), Event::Allowed, Event::Acted]).1
}

/// A removal that has called `DeleteStack`.
fn deleting(policy: StackPolicy) -> Deployment {
    way(remove_by(policy), [taken(), seen("UPDATE_COMPLETE"), Event::Allowed, Event::Emptied, Event::Acted]).1
}

fn code_of(deployment: &Deployment) -> Code {
    deployment.state.cause().expect("it has a cause").code
}
