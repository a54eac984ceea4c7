//! Tests of rollouts and freezes.

use super::*;
use flotilla_domain::analysis::{AnalysisPolicy, Counts, Latency, Limit, Reading};
use flotilla_domain::gate::output::OutputRef;
use flotilla_domain::gate::{
    Approval, Blocked, BreakGlass, Check, FourEyes, Freeze, FreezeScope, Freezes, Gate, Gates, Probe,
};
use flotilla_domain::release::Source;
use flotilla_domain::rollout::{Shift, TrafficHooks, TrafficPolicy, TrafficStep};

fn known(part: Option<&str>, name: &str) -> (Option<StackPart>, StackName) {
    (part.map(|part| StackPart::parse(part).unwrap()), StackName::parse(name).unwrap())
}

fn rollout(kind: RolloutKind, state: RolloutState) -> Rollout {
    let target = |region: &str| Target::parse(&format!("111122223333/{region}")).unwrap();
    let targets = vec![target("eu-west-1"), target("eu-west-1:Net")];
    let wave = Wave { targets, max_concurrent: 3, tolerate_failures: 1, bake_s: 60, level: 2, approvals: 2 };
    let (digest, at) = (flotilla_domain::Digest::of, Timestamp::UNIX_EPOCH);
    let approval = |plan| Approval {
        by: "ann".into(),
        person: "ann".into(),
        because: Some("fine".into()),
        at,
        wave: 1,
        package: digest(b"package"),
        plan,
    };
    Rollout {
        replaces: None,
        id: RolloutId::derive(Timestamp::UNIX_EPOCH, &["r"]),
        service: ServiceName::parse("orders").unwrap(),
        stage: StageName::parse("staging").unwrap(),
        profile: ProfileName::parse("p").unwrap(),
        kind,
        drained: BTreeSet::new(),
        waves: vec![wave, Wave::of(vec![target("us-east-1"), target("us-west-2")])],
        on_failure: OnFailure::Revert,
        copies: Copies::Streamed,
        stacks: [None, Some("Net")].map(|part| known(part, "orders-x")).into(),
        access: Access {
            role_arn: "r".into(),
            external_id: "e".into(),
            service_role_arn: "s".into(),
            role_boundary: None,
        },
        parameters: [("A".into(), "b".into())].into(),
        needs: [
            ("B".into(), OutputRef::parse("database.Table").unwrap()),
            (
                "C".into(),
                OutputRef {
                    stage: StageName::parse("shared").ok(),
                    region: flotilla_domain::Region::parse("us-east-1").ok(),
                    ..OutputRef::parse("shop:Net.VpcId").unwrap()
                },
            ),
        ]
        .into(),
        taken: [(target("eu-west-1").site, [("B".into(), "v".into())].into())].into(),
        tags: [("t".into(), "v".into())].into(),
        capabilities: ["CAPABILITY_IAM".into()].into(),
        policy: policy(),
        gates: Gates {
            plan_first: true,
            four_eyes: FourEyes { starter: true, author: false },
            expedite: true,
            alarms: ["errors".into()].into(),
            triggers: true,
            checks: vec![
                Check { probe: Probe::Function { name: "smoke".into() }, within_s: 5 },
                Check {
                    probe: Probe::Http { output: "Url".into(), path: "/".into(), status: 200 },
                    within_s: 60,
                },
            ],
        },
        traffic: None,
        plan_only: true,
        plans: [(target("eu-west-1"), digest(b"plan"))].into(),
        approvals: [Some(digest(b"plan")), None].map(approval).into(),
        break_glass: Some(BreakGlass { by: "root".into(), because: "outage".into(), at }),
        blocked_by: Gate::ALL.map(|gate| Blocked { gate, why: "why".into(), until: Some(at) }).into(),
        set: Some(flotilla_domain::SetId::derive(Timestamp::UNIX_EPOCH, &["s"])),
        notify: ["a", "b"]
            .map(|name| {
                flotilla_domain::channel::ChannelArn::parse(&format!(
                    "arn:aws:sns:eu-west-1:111122223333:{name}"
                ))
                .unwrap()
            })
            .into(),
        promote_to: None,
        retry_of: Some(RolloutId::derive(Timestamp::UNIX_EPOCH, &["before"])),
        state,
        acted: true,
        acted_at: Some(Timestamp::UNIX_EPOCH),
        cancelled: Some(Cancellation { by: "ann".into(), stop_running: true }),
        stop_sent: true,
        paused_by: Some("bob".into()),
        failure: Some(cause()),
        revert_to: Some(release()),
        requested_by: "upload".into(),
        because: Some("the old one is slow".into()),
        created_at: Timestamp::UNIX_EPOCH,
        entered_at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn the_stage_that_a_rollout_promotes_to_reads_back() {
    let promote_to = Some(StageName::parse("production").unwrap());
    let rollout = Rollout { promote_to, ..rollout(RolloutKind::Remove, RolloutState::Queued) };
    assert_eq!(read::<Rollout>(stored(&rollout)).unwrap().value, rollout);
}

#[test]
fn every_state_of_a_rollout_reads_back() {
    let targets = || vec![Target::parse("111122223333/eu-west-1").unwrap()];
    let states = [
        RolloutState::Queued,
        RolloutState::PolicyCheck,
        RolloutState::Replicating,
        RolloutState::WaitingForOutputs,
        RolloutState::Planning,
        RolloutState::Gated { wave: 1 },
        RolloutState::Rolling { wave: 1, from: 1, opened: 2 },
        RolloutState::Verifying { wave: 0 },
        RolloutState::Baking { wave: 1 },
        RolloutState::Reverting(Revert::Finding(targets())),
        RolloutState::Reverting(Revert::Copying(targets())),
        RolloutState::Reverting(Revert::Rolling { targets: targets(), level: 1 }),
        RolloutState::DiscardingChangeSets(Box::new(RolloutState::Planned)),
        RolloutState::DiscardingChangeSets(Box::new(RolloutState::Failed(cause()))),
        RolloutState::DiscardingChangeSets(Box::new(RolloutState::Superseded { by: None })),
        RolloutState::Planned,
        RolloutState::Succeeded,
        RolloutState::Failed(cause()),
        RolloutState::Reverted(cause()),
        RolloutState::Cancelled,
        RolloutState::Superseded { by: None },
        RolloutState::Superseded { by: Some(RolloutId::derive(Timestamp::UNIX_EPOCH, &["n"])) },
        RolloutState::Shifting(Shift {
            wave: 1,
            step: 2,
            percent: 25,
            since: Some(Timestamp::UNIX_EPOCH),
            reading: None,
        }),
        RolloutState::Shifting(Shift { wave: 0, step: 0, percent: 5, since: None, reading: None }),
        RolloutState::Completing { wave: 1 },
        RolloutState::ShiftingBack { wave: 1 },
    ];
    let mut written = Vec::new();
    for state in states {
        for kind in [RolloutKind::Deploy(release()), RolloutKind::Remove] {
            let value = rollout(kind, state.clone());
            let (body, whole) = (stored(&value).body, matches!(state, RolloutState::Gated { .. }));
            written.push(if whole { body.into() } else { body["state"].clone() });
            assert_eq!(read::<Rollout>(stored(&value)).unwrap().value, value);
        }
    }
    let source = Source { git_ref: GitRef::parse("pr:7").unwrap(), build: "4f2a9c1".into() };
    let from = ReleaseRef { source: Some(source), ..release() };
    let value = rollout(RolloutKind::Deploy(from), RolloutState::Queued);
    assert_eq!(read::<Rollout>(stored(&value)).unwrap().value, value);
    written.push(stored(&value).body["deploy"]["source"].clone());
    check_stored("rollout", written);
}

#[test]
fn the_authors_of_a_release_and_their_exclusion_read_back() {
    let from = ReleaseRef { authors: ["ann@example.com".to_owned()].into(), ..release() };
    for starter in [false, true] {
        let mut value = rollout(RolloutKind::Deploy(from.clone()), RolloutState::Queued);
        value.gates.four_eyes = FourEyes { starter, author: true };
        assert_eq!(read::<Rollout>(stored(&value)).unwrap().value, value);
    }
}

#[test]
fn the_traffic_of_a_rollout_reads_back() {
    let judged = |errors, latency_p99| Some(AnalysisPolicy { errors, latency_p99 });
    let policies = [
        (0, None),
        (500, None),
        (0, judged(Some(Limit::Share(20_000)), None)),
        (7, judged(Some(Limit::Times(1_500)), Some(Latency::Ms(800)))),
        (7, judged(None, Some(Latency::Times(1_500)))),
        (0, judged(None, None)),
    ];
    for (requests, analysis) in policies {
        let steps = vec![TrafficStep { percent: 5, for_s: 300, requests }];
        for (since, reading) in [(None, None), (Some(Timestamp::UNIX_EPOCH), Some(reading()))] {
            let state = RolloutState::Shifting(Shift { wave: 1, step: 2, percent: 25, since, reading });
            let open = rollout(RolloutKind::Deploy(release()), state);
            for hook in [None, Some("orders-verify".to_owned())] {
                let hooks = TrafficHooks { before: hook.clone(), after: None };
                let policy =
                    TrafficPolicy { mapping: None, record: None, steps: steps.clone(), analysis, hooks };
                let value = Rollout { traffic: Some(policy), ..open.clone() };
                assert_eq!(read::<Rollout>(stored(&value)).unwrap().value, value);
            }
        }
    }
}

#[test]
fn the_api_mapping_of_a_rollout_reads_back() {
    let mapping = ApiMapping {
        domain: "api.example.com".into(),
        path: "orders".into(),
        api: Some("Http".into()),
        api_stage: Some("$default".into()),
    };
    for mapping in [ApiMapping { api: None, api_stage: None, ..mapping.clone() }, mapping] {
        let policy = TrafficPolicy {
            mapping: Some(mapping),
            record: None,
            steps: Vec::new(),
            analysis: None,
            hooks: TrafficHooks::default(),
        };
        let open = rollout(RolloutKind::Deploy(release()), RolloutState::Queued);
        let mut value = Rollout { traffic: Some(policy), ..open };
        value.drained.insert(Site::parse("111122223333/eu-west-1").unwrap());
        value.choose_slots(&BTreeMap::new(), &BTreeSet::new());
        assert_eq!(read::<Rollout>(stored(&value)).unwrap().value, value);
        assert!(value.targets().all(|target| target.slot == Some(Slot::Blue)));
    }
}

fn reading() -> Reading {
    let counts = |invocations| Counts { invocations, errors: 2, slow: 3 };
    Reading { at: Timestamp::UNIX_EPOCH, new: counts(10), stable: counts(90) }
}

#[test]
fn freezes_read_back() {
    let mut written = Vec::new();
    let stop = Freeze { by: "ann".into(), because: "smoke".into(), at: Timestamp::UNIX_EPOCH };
    let profile = FreezeScope::Profile(ProfileName::parse("p").unwrap());
    for lines in [vec![], vec![FreezeScope::Everything], vec![FreezeScope::Everything, profile]] {
        let stops = Freezes(lines.into_iter().map(|line| (line, stop.clone())).collect());
        written.push(stored(&stops).body.into());
        assert_eq!(read::<Freezes>(stored(&stops)).unwrap().value, stops);
    }
    check_stored("freezes", written);
}
