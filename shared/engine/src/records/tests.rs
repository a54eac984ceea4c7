use super::*;
use flotilla_domain::deployment::state::ChangeSetKind;
use flotilla_domain::deployment::{Access, Deployment, DeploymentKind, DeploymentSpec, State};
use flotilla_domain::{
    Cause, Code, DeploymentId, Digest, ReleaseId, RolloutId, ServiceName, StackName, StageName, Target,
};

fn cause() -> Cause {
    Cause::new(Code::RolledBack, "because", "mend it").of("Table")
}

fn deployment(kind: DeploymentKind, state: State) -> Deployment {
    let rollout = RolloutId::derive(Timestamp::UNIX_EPOCH, &["r"]);
    let id = DeploymentId { rollout, target: Target::parse("111122223333/eu-west-1").unwrap() };
    let spec = DeploymentSpec {
        service: ServiceName::parse("orders").unwrap(),
        stage: StageName::parse("staging").unwrap(),
        stack: StackName::parse("orders-staging").unwrap(),
        access: Access { role_arn: "r".into(), external_id: "e".into(), service_role_arn: "s".into() },
        kind,
        parameters: [("A".into(), "b".into())].into(),
        tags: [("t".into(), "v".into())].into(),
        capabilities: ["CAPABILITY_IAM".into()].into(),
    };
    let open = Deployment::open(id, spec, Timestamp::UNIX_EPOCH);
    Deployment { state, acted: true, attempt: 3, stack_id: Some("s".into()), ..open }
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
        State::Explaining { restored: true, status: "ROLLBACK_COMPLETE".into() },
        State::Clearing,
        State::Emptying,
        State::Deleting,
        State::Succeeded { changed: false },
        State::Removed,
        State::RolledBack(cause()),
        State::Failed(cause()),
        State::Cancelled,
    ];
    let deploy = DeploymentKind::Deploy {
        release: ReleaseId::derive(Timestamp::UNIX_EPOCH, &["x"]),
        package: Digest::of(b"p"),
        template: Digest::of(b"t"),
        functions: Vec::new(),
    };
    for state in states {
        for kind in [deploy.clone(), DeploymentKind::Remove] {
            let value = deployment(kind, state.clone());
            let back = read::<Deployment>(create(&value).item).unwrap();
            assert_eq!((back.value, back.version), (value, 1));
        }
    }
}

#[test]
fn an_item_of_an_unknown_state_is_an_error_and_never_a_guess() {
    let mut item = create(&deployment(DeploymentKind::Remove, State::Waiting)).item;
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
    assert_eq!(read::<Deployment>(item).unwrap().value.state, State::Deleting);
}

#[test]
fn due_items_are_told_by_their_keys() {
    let rollout = flotilla_domain::RolloutId::derive(Timestamp::UNIX_EPOCH, &["r"]);
    let target = flotilla_domain::Target::parse("111122223333/eu-west-1").unwrap();
    let deployment = flotilla_domain::DeploymentId { rollout, target };
    assert_eq!(due_item(&rollout_key(&rollout)), DueItem::Tick(Subject::Rollout(rollout)));
    assert_eq!(due_item(&deployment_key(&deployment)), DueItem::Tick(Subject::Deployment(deployment)));
    let stage = Key::new("STG#orders", "pr-1");
    assert_eq!(due_item(&stage), DueItem::Stage(stage));
    assert_eq!(due_item(&Key::new("SVC#orders", "CONFIG")), DueItem::Unknown);
}
