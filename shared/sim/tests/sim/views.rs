//! What the API shows: every list page by page, every view with all that it says.

use async_trait::async_trait;
use flotilla_contract::{DeploymentView, Page, ProfileConfig};
use flotilla_domain::{ProfileName, RolloutId, ServiceName, StageName, Timestamp};
use flotilla_engine::EngineError;
use flotilla_engine::ports::{
    DueKey, ErrorKind, Item, ItemPage, Key, PortError, Query, StateStore, Write, WriteError,
};
use flotilla_engine::rollout::Control;
use flotilla_engine::status::{PageRequest, Status};
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;
use serde_json::{Value, json};
use std::sync::Arc;

const REGION: &str = "eu-west-1";
const ANN: &str = "arn:aws:iam::111122223333:user/ann";

fn world() -> World {
    World::new(1, &[&[REGION]])
}

fn orders() -> ServiceName {
    ServiceName::parse("orders").unwrap()
}

fn view<T>(asked: impl Future<Output = Result<T, EngineError>>) -> T {
    block_on(asked).unwrap()
}

fn code<T: std::fmt::Debug>(asked: impl Future<Output = Result<T, EngineError>>) -> String {
    match block_on(asked).unwrap_err() {
        EngineError::Refused(refusal) => refusal.code.to_string(),
        other => panic!("{other}"),
    }
}

/// All items of a list, read in pages of this size.
fn pages<T>(limit: usize, ask: impl Fn(PageRequest) -> Page<T>) -> Vec<T> {
    let (mut all, mut cursor) = (Vec::new(), None);
    for _ in 0..20 {
        let page = ask(PageRequest { cursor, limit });
        assert!(page.items.len() <= limit);
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
    panic!("the list has no end")
}

/// A view without what time and chance make of it.
fn without(mut value: Value, fields: &[&str]) -> Value {
    let object = value.as_object_mut().unwrap();
    for field in fields {
        assert!(object.remove(*field).is_some_and(|value| !value.is_null()), "{field}");
    }
    value
}

#[test]
fn services_are_listed_by_name_with_the_version_of_their_configuration() {
    let world = world();
    let status = world.api().1;
    for limit in [1, 2, 100] {
        let services = pages(limit, |page| view(status.services(page)));
        let told: Vec<_> = services.iter().map(|s| (s.service.as_str(), s.config_version)).collect();
        assert_eq!(told, [("orders", 1), ("orders-eu", 1)], "{limit} a page");
    }
}

#[test]
fn releases_and_uploads_are_listed_newest_first() {
    let mut world = world();
    let versions = ["one", "two", "three"].map(|code| {
        let version = world.upload("branch/main", code);
        world.end_of(&version);
        version
    });
    let refused = world.upload_bytes("incoming/orders/branch/main/{n}.zip", b"no zip".to_vec(), true);
    world.until("a verdict", |w| w.verdict(&refused).is_some());
    let nobodys = world.upload_bytes("incoming/{n}.tar", b"no zip".to_vec(), true);
    world.until("a verdict", |w| w.verdict(&nobodys).is_some());
    let verdicts = versions.clone().map(|version| world.verdict(&version).unwrap());
    let newest: Vec<_> = verdicts.iter().rev().map(|verdict| verdict.release.clone().unwrap()).collect();
    let status = world.api().1;
    for limit in [1, 2, 3] {
        let releases = pages(limit, |page| view(status.releases(&orders(), page)));
        assert_eq!(releases.iter().map(|r| r.id.clone()).collect::<Vec<_>>(), newest, "{limit} a page");
        let uploads = pages(limit, |page| view(status.uploads(Some(&orders()), page)));
        let told: Vec<_> = uploads.iter().map(|u| (u.version_id.as_str(), u.status.as_str())).collect();
        let accepted = versions.iter().rev().map(|version| (version.as_str(), "accepted"));
        assert_eq!(told, [(refused.as_str(), "refused")].into_iter().chain(accepted).collect::<Vec<_>>());
        let others = pages(limit, |page| view(status.uploads(None, page)));
        assert_eq!(others.iter().map(|u| u.version_id.as_str()).collect::<Vec<_>>(), [nobodys.as_str()]);
    }
    let release = pages(1, |page| view(status.releases(&orders(), page))).remove(2);
    let expected = json!({
        "id": newest[2], "service": "orders", "ref": "branch:main", "build": "1", "format": "native", "kept": true,
        "asset_bytes": 3,
    });
    assert_eq!(without(json!(release), &["digest", "uploaded_at"]), expected);
    let refusal = world.verdict(&refused).unwrap();
    let expected = json!({
        "key": "incoming/orders/branch/main/4.zip", "version_id": refused, "status": "refused",
        "refusal": {"code": "FL0201", "message": refusal.refusal.as_ref().unwrap().message,
            "fix": refusal.refusal.as_ref().unwrap().fix},
    });
    assert_eq!(without(json!(refusal), &["id", "uploaded_at"]), expected);
    assert!(verdicts.iter().all(|verdict| verdict.refusal.is_none() && verdict.rollout.is_some()));
}

#[test]
fn a_stage_says_what_runs_where_and_what_comes_next() {
    let mut world = world();
    let first = world.upload("branch/main", "one");
    let end = world.end_of(&first);
    let status = world.api().1;
    let stage = view(status.stage(&orders(), &StageName::parse("staging").unwrap()));
    let told = without(json!(stage), &["targets"]);
    assert_eq!(told, json!({"stage": "staging", "profile": "p", "stable": end.release}));
    let target = json!({
        "account": "111122223333", "region": REGION, "release": end.release, "digest": end.digest,
        "status": "succeeded", "rollout": end.id,
    });
    assert_eq!(without(json!(stage.targets[0]), &["at"]), target);
    let all = view(status.stages(&orders()));
    assert_eq!((all.service.as_str(), &all.stages), ("orders", &vec![stage]));
    assert_eq!(view(status.stages(&ServiceName::parse("orders-eu").unwrap())).stages, []);

    let second = world.upload("branch/main", "two");
    world.until("it rolls", |w| w.rollout(&second).is_some_and(|r| r.status == "rolling"));
    let third = world.upload("branch/main", "three");
    world.until("it waits", |w| w.rollout(&third).is_some());
    let stage = world.stage("staging");
    let id = |world: &World, version: &str| world.verdict(version).unwrap().rollout;
    assert_eq!((stage.active, stage.queued), (id(&world, &second), id(&world, &third)));
}

#[test]
fn a_rollouts_deployments_say_all_that_is_known_of_them() {
    let mut world = world();
    world.behaves(REGION, Behaviour::Warns(vec!["Bucket: name taken".into()]));
    let version = world.upload("branch/main", "one");
    world.until("it is admitted", |w| w.rollout(&version).is_some());
    let begun = world.rollout(&version).unwrap();
    let known = json!({"account": "111122223333", "region": REGION, "wave": 1, "stack": "orders-staging"});
    let with = |more: Value| {
        let mut known = known.clone();
        known.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        known
    };
    assert_eq!(without(json!(begun.deployments[0]), &[]), with(json!({"status": "pending"})));
    let end = world.end_of(&version);
    let note = end.deployments[0].notes[0].clone();
    assert!(note.contains("Bucket: name taken"), "{note}");
    let code = flotilla_domain::Digest::of(b"one").to_string();
    let more = json!({
        "status": "succeeded", "changed": true, "notes": [note], "code_sha256": {"App": code},
        "changes": {"add": 1, "modify": 0, "replace": 0, "remove": 0},
    });
    assert_eq!(without(json!(end.deployments[0]), &["entered_at"]), with(more));
    let expected = json!({
        "id": end.id, "service": "orders", "stage": "staging", "kind": "deploy", "release": end.release,
        "digest": end.digest, "status": "succeeded", "ended": true, "requested_by": "upload",
        "git_ref": "branch:main", "build": "1",
    });
    assert_eq!(without(json!(end), &["created_at", "entered_at", "deployments"]), expected);
}

#[test]
fn a_deployment_that_failed_says_why_and_the_rollout_where() {
    let mut world = World::new(2, &[&[REGION], &["us-east-1"]]);
    world.behaves(REGION, Behaviour::Refuses("Template error".into()));
    let version = world.upload("branch/main", "one");
    let end = world.end_of(&version);
    let cause = end.deployments[0].cause.clone().unwrap();
    assert_eq!((cause.code.as_str(), cause.message.as_str()), ("FL0510", "Template error"));
    assert!(!cause.fix.is_empty());
    assert!(end.cause.unwrap().message.contains("Template error"));
    assert_eq!((end.deployments[0].changed, end.deployments[1].status.as_str()), (None, "skipped"));
}

#[test]
fn a_way_back_is_shown_beside_the_way_forward() {
    let profile = ProfileConfig {
        waves: [[REGION], ["us-east-1"]]
            .map(|wave| flotilla_contract::WaveConfig::Regions(wave.map(str::to_owned).into()))
            .into(),
        on_failure: Some("revert".into()),
        ..ProfileConfig::default()
    };
    let mut world = World::with(3, profile);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    world.behaves("us-east-1", Behaviour::Refuses("Template error".into()));
    let second = world.upload("branch/main", "two");
    let end = world.end_of(&second);
    assert_eq!(end.status, "reverted");
    assert_eq!(end.reverts_to, world.verdict(&first).unwrap().release);
    let hash = |code: &str| flotilla_domain::Digest::of(code.as_bytes()).to_string();
    let forward = &end.deployments[0];
    let back: &DeploymentView = forward.back.as_ref().unwrap();
    assert_eq!((forward.status.as_str(), &forward.code_sha256["App"]), ("succeeded", &hash("two")));
    assert_eq!((back.status.as_str(), &back.code_sha256["App"]), ("succeeded", &hash("one")));
    assert_eq!((back.region.as_str(), back.wave, back.back.is_none()), (REGION, 1, true));
    assert!(end.deployments[1].back.is_none(), "nothing was changed there");
}

#[test]
fn who_paused_a_rollout_is_told_while_it_is_paused() {
    let mut world = world();
    world.behaves(REGION, Behaviour::Takes(60_000));
    let version = world.upload("branch/main", "one");
    world.until("it rolls", |w| w.rollout(&version).is_some_and(|r| r.status == "rolling"));
    let id = world.rollout(&version).unwrap().id;
    assert_eq!(world.rollout_by_id(&id).paused_by, None);
    world.control(&id, Control::Pause).unwrap();
    assert_eq!(world.rollout_by_id(&id).paused_by.as_deref(), Some(ANN));
    world.cancel(&id).unwrap();
    let end = world.end_of_rollout(&id);
    assert_eq!((end.status.as_str(), end.paused_by), ("cancelled", None));
    assert_eq!(end.cancelled_by.as_deref(), Some(ANN));
}

#[test]
fn a_timeline_says_when_who_where_and_what_page_by_page() {
    let mut world = world();
    let version = world.upload("branch/main", "one");
    let end = world.end_of(&version);
    let (status, id) = (world.api().1, RolloutId::parse(&end.id).unwrap());
    let whole = pages(100, |page| view(status.events(&id, page)));
    assert_eq!(whole.len(), world.timeline(&end.id).len());
    for limit in [1, 3] {
        assert_eq!(pages(limit, |page| view(status.events(&id, page))), whole, "{limit} a page");
    }
    let told = |n: usize| {
        let event = &whole[n];
        (event.actor.as_str(), event.what.as_str(), event.target.as_deref(), event.detail.as_deref())
    };
    let target = Some("111122223333/eu-west-1");
    assert_eq!(told(0), ("upload", "queued", None, end.release.as_deref()));
    assert_eq!(told(2), ("flotilla", "rolling", None, Some("wave 1 of 1")));
    assert_eq!(told(5).3, Some("1 to add, 0 to change, 0 to replace, 0 to remove"));
    assert_eq!((told(6).1, told(6).2), ("executing", target));
    let times: Vec<Timestamp> = whole.iter().map(|event| event.at.parse().unwrap()).collect();
    assert!(times.is_sorted());
}

#[test]
fn configuration_is_shown_as_it_was_put_and_by_whom() {
    let world = world();
    let status = world.api().1;
    let service = view(status.service_config(&orders()));
    assert_eq!((service.version, service.changed_by.as_str()), (1, ANN));
    assert_eq!(service.config.rules.len(), 3);
    assert!(service.changed_at.starts_with("2027-01-15T"), "{}", service.changed_at);
    let profile = view(status.profile(&ProfileName::parse("p").unwrap()));
    assert_eq!((profile.version, profile.changed_by.as_str()), (1, ANN));
    assert_eq!(profile.config.account, "111122223333");
    assert!(profile.changed_at.starts_with("2027-01-15T"));
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let world = world();
    let status = world.api().1;
    let nobody = ServiceName::parse("nobody").unwrap();
    assert_eq!(code(status.service_config(&nobody)), "FL0404");
    assert_eq!(code(status.stages(&nobody)), "FL0404");
    assert_eq!(code(status.stage(&orders(), &StageName::parse("staging").unwrap())), "FL0404");
    assert_eq!(code(status.profile(&ProfileName::parse("nobody").unwrap())), "FL0404");
    assert_eq!(code(status.rollout(&RolloutId::derive(Timestamp::UNIX_EPOCH, &["x"]))), "FL0404");
}

/// A table that does not answer.
struct Down;

fn down<T, E: From<PortError>>() -> Result<T, E> {
    Err(PortError::new(ErrorKind::Transient, "dynamodb:GetItem", "503 Service Unavailable").into())
}

#[async_trait]
impl StateStore for Down {
    async fn get(&self, _: &[Key]) -> Result<Vec<Option<Item>>, PortError> {
        down()
    }

    async fn query(&self, _: Query) -> Result<ItemPage, PortError> {
        down()
    }

    async fn write(&self, _: Vec<Write>) -> Result<(), WriteError> {
        down()
    }

    async fn due(&self, _: u8, _: Timestamp, _: usize) -> Result<Vec<DueKey>, PortError> {
        down()
    }
}

#[test]
fn health_is_whether_the_table_answers() {
    assert!(block_on(world().api().1.health()).is_ok());
    let error = block_on(Status { store: Arc::new(Down), ..world().api().1 }.health()).unwrap_err();
    assert_eq!(error.to_string(), "dynamodb:GetItem: 503 Service Unavailable");
}
