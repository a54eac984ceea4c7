//! What the audit log says, and who finds what in it.

use flotilla_contract::{AccessConfig, AuditEntry, GrantConfig};
use flotilla_domain::access::{Act, Role, Scope};
use flotilla_domain::gate::FreezeScope;
use flotilla_domain::{ReleaseId, ServiceName, StageName, Timestamp};
use flotilla_engine::EngineError;
use flotilla_engine::access::{AuditRequest, Caller, Commands};
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::rollout::{Control, RetryOptions};
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;

const REGION: &str = "eu-west-1";

fn orders() -> ServiceName {
    ServiceName::parse("orders").unwrap()
}

fn stage(name: &str) -> StageName {
    StageName::parse(name).unwrap()
}

fn arn(user: &str) -> String {
    format!("arn:aws:iam::111122223333:user/{user}")
}

/// A user's next request.
fn caller(commands: &Commands, user: &str, request: &str) -> Caller {
    block_on(commands.caller(arn(user), request.into())).unwrap()
}

/// Everything that was ever asked.
fn whole() -> AuditRequest {
    AuditRequest {
        from: None,
        to: None,
        service: None,
        stage: None,
        principal: None,
        cursor: None,
        limit: 100,
    }
}

fn audit(world: &World, request: &AuditRequest) -> Vec<AuditEntry> {
    block_on(world.api().1.audit(request)).unwrap().items
}

/// A world in which ann held a release at two stages and bob stopped the line; answers the release too.
fn world() -> (World, ReleaseId) {
    let mut world = World::new(1, &[&[REGION]]);
    let version = world.upload("branch/main", "one");
    world.end_of(&version);
    let release = ReleaseId::parse(&world.verdict(&version).unwrap().release.unwrap()).unwrap();
    let started = world.start(&release.to_string(), "eu-staging").unwrap();
    world.end_of_rollout(&started);
    let (commands, _) = world.api();
    for name in ["staging", "eu-staging"] {
        let ann = caller(&commands, "ann", name);
        block_on(commands.hold(&orders(), &stage(name), &release, "it is slow", &ann)).unwrap();
    }
    let bob = caller(&commands, "bob", "the line");
    block_on(commands.freeze(&FreezeScope::Everything, "it burns", &bob)).unwrap();
    (world, release)
}

#[test]
fn the_log_is_searched_by_service_stage_principal_and_time() {
    let (world, _) = world();
    // Entries of one moment stand in no order that anybody relies on.
    let acts = |request: AuditRequest| {
        let entries = audit(&world, &request).into_iter().map(|entry| entry.act);
        let mut acts: Vec<String> = entries.filter(|act| !act.starts_with("put")).collect();
        acts.sort();
        acts
    };
    assert_eq!(acts(whole()), ["hold", "hold", "start", "stop the line"]);
    assert_eq!(acts(AuditRequest { stage: Some(stage("staging")), ..whole() }), ["hold"]);
    assert_eq!(acts(AuditRequest { stage: Some(stage("eu-staging")), ..whole() }), ["hold", "start"]);
    assert_eq!(acts(AuditRequest { service: Some(orders()), ..whole() }), ["hold", "hold", "start"]);
    let other = ServiceName::parse("orders-eu").ok();
    assert!(acts(AuditRequest { service: other, ..whole() }).is_empty());
    assert_eq!(acts(AuditRequest { principal: Some("user/bob".into()), ..whole() }), ["stop the line"]);
    let both = AuditRequest { principal: Some("user/bob".into()), stage: Some(stage("staging")), ..whole() };
    assert!(acts(both).is_empty(), "all that is asked for must hold");
    let of = |act: &str| -> Timestamp {
        let entries = audit(&world, &whole());
        entries.iter().find(|entry| entry.act == act).unwrap().at.parse().unwrap()
    };
    let since = AuditRequest { from: Some(of("stop the line")), ..whole() };
    assert_eq!(acts(since), ["hold", "hold", "stop the line"]);
    let until = AuditRequest { to: Some(of("start")), ..whole() };
    assert_eq!(acts(until), ["start"], "the moment itself counts");
    let day_before = AuditRequest {
        from: Some(of("start") - flotilla_domain::SignedDuration::from_hours(48)),
        to: Some(of("start") - flotilla_domain::SignedDuration::from_hours(24)),
        ..whole()
    };
    assert!(acts(day_before).is_empty());
}

#[test]
fn an_entry_says_more_than_the_commands_name() {
    let mut world = World::new(2, &[&[REGION]]);
    world.behaves(REGION, Behaviour::Takes(60_000));
    let version = world.upload("branch/main", "one");
    world.until("it rolls", |w| w.rollout(&version).is_some_and(|r| r.status == "rolling"));
    let id = world.rollout(&version).unwrap().id;
    world.control(&id, Control::Pause).unwrap();
    world.break_glass(&id, "fire").unwrap();
    world.control(&id, Control::Cancel { stop_running: true }).unwrap();
    assert_eq!(world.end_of(&version).status, "cancelled");
    let word = RetryOptions {
        skip: ["Queue".to_owned()].into(),
        accept_drift: true,
        force: true,
        allow: AllowedLosses(["Orders".to_owned()].into()),
    };
    world.retry(&id, &word).unwrap();
    let told = |act: &str| {
        let entries = audit(&world, &whole());
        entries.into_iter().find(|entry| entry.act == act).unwrap().detail.unwrap()
    };
    assert_eq!(told("pause"), "paused");
    assert_eq!(told("break glass"), "gates broken open: fire");
    assert_eq!(told("cancel"), "cancel and stop requested");
    let retry = told("retry");
    assert!(retry.contains(&format!("of {id}, skip Queue, accept drift, force")), "{retry}");
    assert!(retry.ends_with("may lose Orders"), "{retry}");
}

#[test]
fn break_glass_says_which_gates_were_closed() {
    let mut world = World::new(2, &[&[REGION]]);
    let frozen = world.upload("branch/main", "two");
    world.freeze(&FreezeScope::Everything).unwrap();
    world.until("it is frozen", |w| w.rollout(&frozen).is_some_and(|rollout| rollout.status == "gated"));
    let id = world.rollout(&frozen).unwrap().id;
    world.break_glass(&id, "flood").unwrap();
    let entries = audit(&world, &whole()).into_iter().filter_map(|entry| entry.detail);
    let skips = entries.filter(|detail| detail.contains("flood")).collect::<String>();
    assert!(skips.starts_with("gates broken open: flood; skipped: "), "{skips}");
}

#[test]
fn who_may_not_is_refused_and_that_they_tried_is_in_the_log() {
    let (world, release) = world();
    let (commands, _) = world.api();
    let grant = |user: &str, role: &str, stages: &[&str]| GrantConfig {
        principal: arn(user),
        role: role.into(),
        stages: (!stages.is_empty()).then(|| stages.iter().map(|name| (*name).to_owned()).collect()),
        services: None,
    };
    let grants = vec![grant("ann", "admin", &[]), grant("bob", "deployer", &["eu-staging"])];
    let ann = caller(&commands, "ann", "grants");
    block_on(commands.put_access(&AccessConfig { grants, identity: None }, None, &ann)).unwrap();
    // Who somebody is and what they may do is looked up with each request.
    let bob = caller(&commands, "bob", "his");
    assert!(bob.may(Role::Deployer, Scope::stage(&orders(), &stage("eu-staging"))).is_ok());
    assert!(bob.may(Role::Deployer, Scope::stage(&orders(), &stage("staging"))).is_err());
    let refused = |answer: Result<(), EngineError>| match answer.unwrap_err() {
        EngineError::Refused(refusal) => refusal.code.to_string(),
        other => panic!("{other}"),
    };
    let hold = block_on(commands.hold(&orders(), &stage("staging"), &release, "why not", &bob));
    assert_eq!(refused(hold), "FL0410");
    let carol = caller(&commands, "carol", "hers");
    let check = block_on(commands.check(&carol, Act::Plan, Scope::EVERYTHING));
    assert_eq!(refused(check), "FL0410");
    block_on(commands.hold(&orders(), &stage("eu-staging"), &release, "it is his", &bob)).unwrap();
    let tried: Vec<_> = audit(&world, &whole())
        .into_iter()
        .filter(|entry| entry.outcome == "refused")
        .map(|entry| (entry.principal, entry.act, entry.detail.unwrap()))
        .collect();
    assert_eq!(tried.len(), 2, "{tried:?}");
    assert!(tried.iter().all(|(.., why)| why.contains("FL0410")), "{tried:?}");
    assert!(tried.iter().any(|(who, act, _)| *who == arn("carol") && act == "plan"), "{tried:?}");
}
