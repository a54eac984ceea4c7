//! What change sets would do: kept, shown as one, and held to the profile's safeguards.

use flotilla_contract::{PlanView, ProfileConfig, RolloutView, SafeguardsConfig};
use flotilla_domain::RolloutId;
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::rollout::RetryOptions;
use flotilla_sim::{World, zip_of};
use futures::executor::block_on;
use serde_json::{Value, json};

const FIVE: [&str; 5] = ["eu-west-1", "eu-central-1", "us-east-1", "sa-east-1", "ap-southeast-2"];

/// A native package of these resources.
fn package(resources: &Value) -> Vec<u8> {
    let manifest = r#"{"flotilla": 1, "template": "template.json"}"#;
    let template = json!({"Resources": resources}).to_string();
    zip_of(&[("flotilla.json", manifest.as_bytes()), ("template.json", template.as_bytes())])
}

fn profile(regions: &[&str], safeguards: Option<SafeguardsConfig>) -> ProfileConfig {
    let regions = regions.iter().map(|region| (*region).to_owned()).collect();
    ProfileConfig { regions, safeguards, ..ProfileConfig::default() }
}

fn brings(world: &mut World, git_ref: &str, resources: &Value) -> RolloutView {
    let key = format!("incoming/orders/{git_ref}/{{n}}.zip");
    let version = world.upload_bytes(&key, package(resources), true);
    world.end_of(&version)
}

fn plan(world: &World, id: &str) -> PlanView {
    block_on(world.api().1.plan(&RolloutId::parse(id).unwrap())).unwrap()
}

/// Each change in one line.
fn told(plan: &PlanView) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    let lines = plan.changes.iter().flat_map(|change| {
        let place = if change.everywhere { "everywhere".into() } else { change.targets.join(" ") };
        let head = format!("{} {} ({place})", change.action, change.logical_id);
        let properties = change.properties.iter().map(move |p| match p.hidden {
            true => format!("  {}: hidden", p.path),
            false => format!("  {}: {} > {}", p.path, value(&p.before), value(&p.after)),
        });
        std::iter::once(head).chain(properties)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn table(name: &str) -> Value {
    json!({"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": name}})
}

fn topic(level: &str) -> Value {
    json!({"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "x", "Tags": [{"Key": "level", "Value": level}]}})
}

#[test]
fn the_change_sets_of_all_regions_are_one_diff() {
    let mut world = World::with(1, profile(&FIVE, None));
    let function = |level: &str, password: &str| {
        let variables = json!({"LEVEL": level, "DB_PASSWORD": password});
        json!({"Type": "AWS::Serverless::Nothing", "Properties": {"Environment": {"Variables": variables}}})
    };
    let first = brings(
        &mut world,
        "branch/main",
        &json!({"Function": function("info", "hunter2"), "Old": topic("a")}),
    );
    assert_eq!(first.status, "succeeded");
    let second = brings(
        &mut world,
        "branch/main",
        &json!({"Function": function("debug", "hunter3"), "New": table("t")}),
    );
    let seen = plan(&world, &second.id);
    assert_eq!(
        told(&seen),
        [
            "modify Function (everywhere)",
            "  Environment.Variables.DB_PASSWORD: hidden",
            "  Environment.Variables.LEVEL: info > debug",
            "add New (everywhere)",
            "  TableName: - > t",
            "remove Old (everywhere)",
        ]
        .join("\n")
    );
    assert_eq!(seen.targets.len(), 5);
    let numbers = |c: &flotilla_contract::ChangesView| (c.add, c.modify, c.replace, c.remove);
    assert!(seen.targets.iter().all(|t| t.complete && t.changes.as_ref().map(numbers) == Some((1, 1, 0, 1))));
    let digests: std::collections::BTreeSet<_> = seen.targets.iter().map(|t| &t.digest).collect();
    assert_eq!(digests.len(), 1, "the same change in every region");
}

#[test]
fn what_changes_nothing_has_a_plan_that_says_so() {
    let mut world = World::with(1, profile(&["eu-west-1"], None));
    let same = json!({"Topic": topic("a")});
    brings(&mut world, "branch/main", &same);
    let again = brings(&mut world, "branch/main", &same);
    let seen = plan(&world, &again.id);
    assert!(seen.changes.is_empty() && seen.targets[0].digest.is_some(), "{seen:?}");
}

#[test]
fn a_plan_of_five_regions_and_two_hundred_resources_is_read_in_two_queries() {
    let mut world = World::with(1, profile(&FIVE, None));
    let many = |level: &str| Value::Object((0..200).map(|n| (format!("R{n}"), topic(level))).collect());
    brings(&mut world, "branch/main", &many("a"));
    let rollout = brings(&mut world, "branch/main", &many("b"));
    let reads = |world: &World| {
        let calls = ["dynamodb:GetItem", "dynamodb:Query"];
        calls.map(|operation| world.calls(operation)).iter().sum::<u64>()
    };
    let before = reads(&world);
    let seen = plan(&world, &rollout.id);
    assert_eq!(reads(&world) - before, 2);
    assert_eq!((seen.changes.len(), seen.omitted), (200, 0));
    assert!(seen.changes.iter().all(|change| change.everywhere && change.properties.len() == 1));
}

#[test]
fn a_table_is_not_replaced_before_an_operator_says_so_by_name() {
    let mut world = World::with(1, profile(&["eu-west-1", "us-east-1"], None));
    brings(&mut world, "branch/main", &json!({"Orders": table("one"), "Topic": topic("a")}));
    let blocked = brings(&mut world, "branch/main", &json!({"Orders": table("two"), "Topic": topic("a")}));
    assert_eq!(blocked.status, "failed");
    let cause = blocked.deployments[0].cause.clone().unwrap();
    assert_eq!((cause.code.as_str(), cause.path.as_deref()), ("FL0540", Some("Orders")));
    assert_eq!(cause.message, "Orders (AWS::DynamoDB::Table) is replaced, because of TableName");
    assert!(
        cause.fix.ends_with("approve the loss by name when you start or retry: --allow Orders"),
        "{}",
        cause.fix
    );
    assert!(world.leftovers().is_empty(), "the change set is removed");
    let seen = plan(&world, &blocked.id);
    assert_eq!(seen.targets[0].blocked.as_ref().unwrap().code, "FL0540", "it was seen what would happen");
    // In one region only; the other one stays blocked.
    let allow = |names: &[&str]| {
        let allow = AllowedLosses(names.iter().map(|name| (*name).to_owned()).collect());
        RetryOptions { allow, ..RetryOptions::default() }
    };
    let half = world.retry(&blocked.id, &allow(&["Orders@eu-west-1"])).unwrap();
    let half = world.end_of_rollout(&half);
    let statuses: Vec<&str> = half.deployments.iter().map(|d| d.status.as_str()).collect();
    assert_eq!(statuses, ["succeeded", "failed"]);
    let rest = world.retry(&half.id, &allow(&["Orders"])).unwrap();
    assert_eq!(world.end_of_rollout(&rest).status, "succeeded");
    let events = block_on(world.api().1.events(
        &RolloutId::parse(&rest).unwrap(),
        flotilla_engine::status::PageRequest { cursor: None, limit: 1 },
    ));
    let first = events.unwrap().items.remove(0);
    assert!(first.detail.unwrap().ends_with("; may be lost: Orders"));
    assert!(first.actor.ends_with("user/ann"));
    assert!(world.retry(&rest, &allow(&["Or ders"])).is_err());
}

#[test]
fn a_table_that_is_removed_is_blocked_unless_it_stays_and_a_preview_loses_it_freely() {
    let mut world = World::with(1, profile(&["eu-west-1"], None));
    let kept = json!({"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "Properties": {}});
    let both = json!({"Orders": table("one"), "Kept": kept, "Topic": topic("a")});
    brings(&mut world, "branch/main", &both);
    let without = json!({"Topic": topic("a")});
    let blocked = brings(&mut world, "branch/main", &without);
    let deployment = &blocked.deployments[0];
    let cause = deployment.cause.clone().unwrap();
    assert_eq!(
        (cause.code.as_str(), cause.message.as_str()),
        ("FL0541", "Orders (AWS::DynamoDB::Table) is removed")
    );
    let note = "Kept (AWS::DynamoDB::Table) is removed; it is retained outside of the stack";
    assert!(deployment.notes.iter().any(|told| told == note), "{:?}", deployment.notes);
    brings(&mut world, "pr/7", &both);
    assert_eq!(brings(&mut world, "pr/7", &without).status, "succeeded");
}

#[test]
fn a_profile_forbids_types_and_many_deletions_and_may_allow_what_holds_data() {
    let safeguards = SafeguardsConfig {
        stateful: Some("allow".into()),
        forbidden_types: ["AWS::EC2::*".to_owned()].into(),
        max_deletions: Some(1),
        ..SafeguardsConfig::default()
    };
    let mut world = World::with(1, profile(&["eu-west-1"], Some(safeguards)));
    let server = json!({"Type": "AWS::EC2::Instance", "Properties": {}});
    let forbidden = brings(&mut world, "branch/main", &json!({"Server": server}));
    assert_eq!(forbidden.deployments[0].cause.as_ref().unwrap().code, "FL0542");
    let three = json!({"A": table("a"), "B": table("b"), "Topic": topic("a")});
    assert_eq!(brings(&mut world, "branch/main", &three).status, "succeeded");
    let one = json!({"Topic": topic("a")});
    let blocked = brings(&mut world, "branch/main", &one);
    let cause = blocked.deployments[0].cause.clone().unwrap();
    assert_eq!(cause.message, "2 resources would be deleted, the profile allows 1: A, B");
    let two = json!({"A": table("a"), "Topic": topic("a")});
    assert_eq!(brings(&mut world, "branch/main", &two).status, "succeeded");
}

#[test]
fn an_upload_without_a_required_tag_is_refused() {
    let required =
        SafeguardsConfig { required_tags: ["team".to_owned()].into(), ..SafeguardsConfig::default() };
    let mut world = World::with(1, profile(&["eu-west-1"], Some(required.clone())));
    let upload = |world: &mut World| {
        let key = "incoming/orders/branch/main/{n}.zip";
        let version = world.upload_bytes(key, package(&json!({"Topic": topic("a")})), true);
        world.until("a verdict", |world| world.verdict(&version).is_some());
        world.verdict(&version).unwrap()
    };
    let refusal = upload(&mut world).refusal.unwrap();
    assert_eq!(refusal.code, "FL0544");
    assert_eq!(refusal.message, "the stack has no tag team, which the profile p requires");
    let tagged = ProfileConfig {
        tags: [("team".to_owned(), "orders".to_owned())].into(),
        ..profile(&["eu-west-1"], Some(required))
    };
    assert_eq!(upload(&mut World::with(1, tagged)).status, "accepted");
}
