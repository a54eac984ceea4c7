use super::*;
use crate::ports::{Change, ListMark};
use flotilla_domain::deployment::rate_budget::RateBudget;
use flotilla_domain::deployment::{
    Access, AfterCause, AliasVersions, ApiMapping, ApiStage, ChangeSetKind, Deployment, DeploymentKind,
    DeploymentSpec, Drift, Effort, MappedApis, RestoredVersion, StackPolicy, StackRollback, State, Stop,
};
use flotilla_domain::plan::Safeguards;
use flotilla_domain::release::package::{FunctionAlias, FunctionCode};
use flotilla_domain::release::{ObjectVersion, ReleaseRef, StackRef, StackRelease, Upload, Verdict};
use flotilla_domain::replica::Copies;
use flotilla_domain::retention::Kept;
use flotilla_domain::rollout::{Cancellation, OnFailure, Revert, Rollout, RolloutKind, RolloutState, Wave};
use flotilla_domain::stage::{KnownStack, Running, StageHead};
use flotilla_domain::{
    Cause, Code, DeploymentId, Digest, Direction, GitRef, ProfileName, Refusal, ReleaseId, RolloutId,
    ServiceName, Site, Slot, StackName, StackPart, StageName, Target,
};
use std::collections::{BTreeMap, BTreeSet};

/// The bodies that the first released format wrote, one a line: `<kind> <JSON>`. Of most states only the state. A change here
/// is a change of a stored format: readers of both must exist first.
const STORED: &str = include_str!("stored.jsonl");

/// Checks that what is written is what was always written, value by value: the order of a map's keys is no part of the format,
/// and follows the features that the other crates of a build ask of `serde_json`.
pub(super) fn check_stored(kind: &str, written: Vec<serde_json::Value>) {
    let lines = STORED.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' '));
    let expected: Vec<serde_json::Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut values: Vec<serde_json::Value> = Vec::new();
    for value in written {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    assert_eq!(values, expected);
}

/// The item of a new value.
fn stored<T: Record>(value: &T) -> Item {
    match create(value).change {
        Change::Put(item) => item,
        Change::Check(key) => panic!("{key:?} is not stored"),
    }
}

fn release() -> ReleaseRef {
    ReleaseRef {
        release: ReleaseId::derive(Timestamp::UNIX_EPOCH, &["x"]),
        package: Digest::of(b"p"),
        source: None,
        stacks: vec![stack(None), stack(Some("Net"))],
        authors: BTreeSet::new(),
    }
}

fn stack(part: Option<&str>) -> StackRef {
    StackRef {
        part: part.map(|part| StackPart::parse(part).unwrap()),
        template: Digest::of(b"t"),
        functions: vec![FunctionCode { logical_id: "Api".into(), asset: Digest::of(b"a") }],
        aliases: Vec::new(),
        parameters: ["A".to_owned()].into(),
        tags: [("STAGE".to_owned(), "x".to_owned())].into(),
    }
}

fn stack_release() -> StackRelease {
    StackRelease {
        release: ReleaseId::derive(Timestamp::UNIX_EPOCH, &["x"]),
        package: Digest::of(b"p"),
        template: Digest::of(b"t"),
        functions: Vec::new(),
        aliases: Vec::new(),
        may_keep_bucket: true,
    }
}

fn policy() -> StackPolicy {
    StackPolicy {
        recreate_failed: false,
        force_delete: true,
        express: true,
        drift: Drift::Refuse,
        refuse_warnings: true,
        skip_resources: ["Queue".to_owned()].into(),
        safeguards: Safeguards {
            block_stateful: true,
            allow_types: ["AWS::Logs::*".to_owned()].into(),
            forbidden_types: ["AWS::IAM::User".to_owned()].into(),
            max_deletions: Some(3),
            approved: ["Orders@eu-west-1".to_owned()].into(),
        },
    }
}

fn cause() -> Cause {
    Cause::new(Code::RolledBack, "because", "fix it").of("Table")
}

fn deployment(kind: DeploymentKind, state: State) -> Deployment {
    let rollout = RolloutId::derive(Timestamp::UNIX_EPOCH, &["r"]);
    let id = DeploymentId {
        rollout,
        target: Target::parse("111122223333/eu-west-1").unwrap(),
        direction: Direction::Rollback,
    };
    let spec = DeploymentSpec {
        service: ServiceName::parse("orders").unwrap(),
        stage: StageName::parse("staging").unwrap(),
        stack: StackName::parse("orders-staging").unwrap(),
        access: Access {
            role_arn: "r".into(),
            external_id: "e".into(),
            service_role_arn: "s".into(),
            role_boundary: None,
        },
        kind,
        parameters: [("A".into(), "b".into())].into(),
        tags: [("t".into(), "v".into())].into(),
        capabilities: ["CAPABILITY_IAM".into()].into(),
        policy: policy(),
        shifts: false,
        mapping: None,
        record: None,
        drains: false,
        was_drained: false,
        restores: BTreeMap::new(),
        alarms: ["errors".into()].into(),
    };
    let open = Deployment::open(id, spec, Timestamp::UNIX_EPOCH);
    Deployment {
        state,
        acted: true,
        attempt: 3,
        creates: true,
        keeps_bucket: true,
        operations: 2,
        fence: 7,
        stack_id: Some("s".into()),
        plan_digest: Some(Digest::of(b"plan")),
        outputs: [("Url".into(), "https://x".into())].into(),
        notes: vec!["a note".into()],
        stop: Stop::Sent("ann".into()),
        expected_s: Some(30),
        number: Some(12),
        ..open
    }
}

#[test]
fn the_aliases_of_a_deployment_read_back() {
    let alias = FunctionAlias { alias: "Live".into(), function: "Api".into(), version: "V".into() };
    let release = StackRelease { aliases: vec![alias], ..stack_release() };
    let versions = |new: Option<&str>| AliasVersions {
        alias: "Live".into(),
        arn: "arn:live".into(),
        stable: "7".into(),
        new: new.map(Into::into),
        revision: "r".into(),
    };
    let open = deployment(DeploymentKind::Deploy(release), State::ReadingAliases);
    let restored = RestoredVersion { from: "7".into(), to: "6".into() };
    let restores = [("Live".to_owned(), restored)].into();
    let spec = DeploymentSpec { shifts: true, restores, ..open.spec.clone() };
    let aliases = vec![versions(None), versions(Some("8"))];
    let value = Deployment { spec, aliases, completes: true, ..open };
    assert_eq!(read::<Deployment>(stored(&value)).unwrap().value, value);
}

#[test]
fn every_state_of_a_deployment_reads_back() {
    let states = [
        State::Waiting,
        State::Inspecting,
        State::Planning(ChangeSetKind::Create),
        State::Planning(ChangeSetKind::Update),
        State::Planned,
        State::Executing,
        State::Verifying { changed: true },
        State::Verifying { changed: false },
        State::FindingCause { status: "A".into(), then: AfterCause::RolledBack, before: None },
        State::FindingCause { status: "B".into(), then: AfterCause::StackRollback, before: None },
        State::FindingCause { status: "C".into(), then: AfterCause::Fail, before: Some(cause()) },
        State::RollingBackStack { how: StackRollback::ContinueRollback, cause: Some(cause()) },
        State::RollingBackStack { how: StackRollback::RollBack, cause: None },
        State::DeletingFailedStack(Effort::First),
        State::EmptyingBuckets,
        State::Deleting(Effort::Again),
        State::Deleting(Effort::Retain(vec!["Bucket".into()])),
        State::Deleting(Effort::Force),
        State::FindingUndeletable,
        State::DiscardingChangeSet(Box::new(State::Failed(cause()))),
        State::DiscardingChangeSet(Box::new(State::Verifying { changed: false })),
        State::Succeeded { changed: false },
        State::Removed,
        State::RolledBack(cause()),
        State::Failed(cause()),
        State::Cancelled,
        State::ReadingAliases,
        State::Shifting { percent: 5 },
        State::ShiftingBack(cause()),
        State::PlanningRemoval,
        State::ConfirmingRemoval,
        State::ReadingMapping(ChangeSetKind::Create),
        State::ReadingMapping(ChangeSetKind::Update),
        State::Unmapping,
        State::Draining,
        State::Undraining(Box::new(State::RolledBack(cause()))),
        State::RestoringTraffic,
    ];
    let deploy = DeploymentKind::Deploy(stack_release());
    let mut written = Vec::new();
    for state in states {
        for kind in [deploy.clone(), DeploymentKind::Remove] {
            let value = deployment(kind, state.clone());
            let body = stored(&value).body;
            written.push(if state == State::Executing { body.into() } else { body["state"].clone() });
            let back = read::<Deployment>(stored(&value)).unwrap();
            assert_eq!((back.value, back.version), (value, 1));
        }
    }
    check_stored("deployment", written);
}

#[test]
fn an_item_of_an_unknown_state_is_an_error_and_never_a_guess() {
    let mut item = stored(&deployment(DeploymentKind::Remove, State::Waiting));
    item.body["state"]["name"] = "dreaming".into();
    let error = read::<Deployment>(item).unwrap_err();
    assert!(error.to_string().contains("dreaming"), "{error}");
}

#[test]
fn the_first_format_of_a_deployment_is_still_read() {
    // Written by version 0.1.0. A change of the format adds a case and keeps this one.
    let stored = r#"{"format":1,"rollout":"rlo_0000000000DYXYB3JD4YNKF6C2","target":"111122223333/eu-west-1","service":"orders",
        "stage":"staging","stack":"orders-staging","access":{"role_arn":"r","external_id":"e","service_role_arn":"s"},
        "parameters":{},"tags":{},"capabilities":[],"state":{"name":"deleting"},"acted":false,"attempt":1,
        "opened_at":"1970-01-01T00:00:00Z","entered_at":"1970-01-01T00:00:00Z"}"#;
    let body = serde_json::from_str(stored).unwrap();
    let item = Item { key: Key::new("RLO#x", "DEP#x"), version: 4, due_at: None, expires_at: None, body };
    let read = read::<Deployment>(item).unwrap().value;
    assert_eq!(read.state, State::Deleting(Effort::First));
    assert_eq!((read.fence, read.id.direction), (1, Direction::Forward), "a lease's number was always 1");
    assert_eq!(read.spec.policy, StackPolicy::default());
}

#[test]
fn the_first_format_of_an_explanation_and_of_a_rollout_are_still_read() {
    let mut item = stored(&deployment(DeploymentKind::Remove, State::Waiting));
    let state = |restored| serde_json::json!({"name": "explaining", "stack_status": "ROLLBACK_COMPLETE", "restored": restored});
    for (restored, then) in [(true, AfterCause::RolledBack), (false, AfterCause::Fail)] {
        item.body["state"] = state(restored);
        let expected = State::FindingCause { status: "ROLLBACK_COMPLETE".into(), then, before: None };
        assert_eq!(read::<Deployment>(item.clone()).unwrap().value.state, expected);
    }
    let stored = r#"{"format":1,"id":"rlo_0000000000DYXYB3JD4YNKF6C2","service":"orders","stage":"staging","profile":"p",
        "deploy":{"release":"rel_0000000000DYXYB3JD4YNKF6C2","package":"RR","template":"RR","functions":[]},
        "waves":[["111122223333/eu-west-1"]],"access":{"role_arn":"r","external_id":"e","service_role_arn":"s"},
        "parameters":{"A":"b"},"tags":{},"capabilities":[],"state":"rolling","wave":0,"acted":true,
        "requested_by":"upload","created_at":"1970-01-01T00:00:00Z","entered_at":"1970-01-01T00:00:00Z"}"#;
    let body = serde_json::from_str(&stored.replace("RR", &Digest::of(b"p").to_string())).unwrap();
    let item = Item { key: Key::new("RLO#x", "META"), version: 4, due_at: None, expires_at: None, body };
    let rollout = read::<Rollout>(item).unwrap().value;
    assert_eq!(rollout.state, RolloutState::Rolling { wave: 0, from: 0, opened: 1 });
    assert_eq!(rollout.copies, Copies::S3);
    let target = Target::parse("111122223333/eu-west-1").unwrap();
    let spec = rollout.deployment_spec(&target, Direction::Forward).unwrap();
    assert_eq!((spec.parameters.len(), spec.stack.as_str()), (1, "orders-staging"), "they were all declared");
}

#[test]
fn a_budget_reads_back_to_a_thousandth_of_a_call() {
    let at = "2027-01-15T08:00:00.25Z".parse().unwrap();
    let site = Site::parse("111122223333/eu-west-1").unwrap();
    let budget = RateBudget {
        ceiling_per_s: 4.125,
        throttled_at: at,
        calls: -1.5,
        counted_at: at,
        next_number: 9,
        served: 7,
    };
    let value = BudgetRecord { site, budget };
    assert_eq!(read::<BudgetRecord>(stored(&value)).unwrap().value, value);
}

#[test]
fn a_lease_changes_its_number_with_its_hands() {
    let mut deployment = deployment(DeploymentKind::Remove, State::Waiting);
    let now = Timestamp::UNIX_EPOCH;
    let item = |write: Write| match write.change {
        Change::Put(item) => item,
        Change::Check(key) => panic!("{key:?} is not stored"),
    };
    let nobodys = read_lease(None);
    assert_eq!((nobodys.number, nobodys.is_held_from(&deployment.id)), (0, false));
    let taken = take_lease(&nobodys, &deployment, now);
    assert_eq!(taken.expect, Expect::Absent);
    let held = read_lease(Some(&item(taken)));
    assert_eq!((held.number, held.holder.as_ref()), (1, Some(&deployment.id)));
    let other = DeploymentId { direction: Direction::Forward, ..deployment.id.clone() };
    assert!(held.is_held_from(&other) && !held.is_held_from(&deployment.id));
    deployment.fence = 1;
    assert_eq!(keep_lease(&deployment).expect, Expect::Version(1));
    let released = release_lease(&deployment, now);
    assert_eq!(released.expect, Expect::Version(1));
    let free = read_lease(Some(&item(released)));
    assert_eq!((free.number, free.holder.clone(), free.took_s), (2, None, Some(30)));
    assert_eq!(take_lease(&free, &deployment, now).expect, Expect::Version(2));
}

#[test]
fn due_items_are_told_by_their_keys() {
    let rollout = flotilla_domain::RolloutId::derive(Timestamp::UNIX_EPOCH, &["r"]);
    let target = flotilla_domain::Target::parse("111122223333/eu-west-1").unwrap();
    for direction in [Direction::Forward, Direction::Rollback] {
        let deployment = flotilla_domain::DeploymentId { rollout, target: target.clone(), direction };
        assert_eq!(due_item(&deployment_key(&deployment)), DueItem::Tick(Subject::Deployment(deployment)));
    }
    assert_eq!(due_item(&rollout_key(&rollout)), DueItem::Tick(Subject::Rollout(rollout)));
    let set = flotilla_domain::SetId::derive(Timestamp::UNIX_EPOCH, &["s"]);
    assert_eq!(due_item(&set_key(&set)), DueItem::Tick(Subject::Set(set)));
    let stage = Key::new("STG#orders", "pr-1");
    assert_eq!(due_item(&stage), DueItem::Stage(stage));
    assert_eq!(due_item(&Key::new("SVC#orders", "CONFIG")), DueItem::Unknown);
}

#[path = "rollout_tests.rs"]
mod rollouts;

#[path = "routes_tests.rs"]
mod routes_tests;
#[path = "stage_tests.rs"]
mod stages;

#[test]
fn nothing_else_is_ever_forgotten() {
    let deployment = deployment(DeploymentKind::Remove, State::Waiting);
    assert_eq!(stored(&deployment).expires_at, None);
    assert_eq!(stored(&crate::rollout::compose::blank_for_tests()).expires_at, None);
}

#[test]
fn what_is_kept_and_how_far_the_collection_is_read_back() {
    let release = |n: &str| ReleaseId::derive(Timestamp::UNIX_EPOCH, &[n]);
    let service = ServiceName::parse("orders").unwrap();
    for (since, older) in [(None, [].into()), (Some(release("a")), [release("b"), release("c")].into())] {
        let record = KeptRecord { service: service.clone(), kept: Kept { since, older } };
        assert_eq!(stored(&record).key, Key::new("SVC#orders", "KEPT"));
        assert_eq!(read::<KeptRecord>(stored(&record)).unwrap().value, record);
    }
    let begun = CollectionCursor::begin(Timestamp::from_second(7).unwrap());
    let mark = |version_id| Some(ListMark { key: "assets/x".into(), version_id });
    let site = Some(Site::parse("111122223333/eu-west-1").unwrap());
    for cursor in [
        CollectionCursor { site, folder: 1, after: mark(Some("v".into())), tries: 3, ..begun.clone() },
        CollectionCursor { after: mark(None), is_over: true, ..begun.clone() },
        begun,
    ] {
        assert_eq!(read::<CollectionCursor>(stored(&cursor)).unwrap().value, cursor);
    }
}

#[test]
fn the_names_of_services_and_profiles_are_listed_in_partitions_of_their_own() {
    assert_eq!(index_key("services", "orders"), Key::new("IDX#services", "orders"));
    assert_eq!(index_pk("profiles"), "IDX#profiles");
}
