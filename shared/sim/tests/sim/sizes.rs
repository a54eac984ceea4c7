//! The largest items: DynamoDB takes 400 KB for each, and a rollout whose item is larger could not go on.

use flotilla_contract::{ParameterConfig, ProfileConfig, SafeguardsConfig, WaveConfig};
use flotilla_domain::config::profile::Profile;
use flotilla_domain::gate::Gates;
use flotilla_domain::rollout::Rollout;
use flotilla_engine::ports::{Item, Query};
use flotilla_package::Limits;
use flotilla_package::write::{SourceFile, write_zip};
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;
use serde_json::{Map, Value, json};
use std::io::Cursor;

/// DynamoDB's limit, in bytes.
const ITEM_BYTES_MAX: usize = 400 * 1024;

/// A name of this length.
fn name(kind: &str, number: usize, length: usize) -> String {
    format!("{kind}{number:04}{}", "x".repeat(length - kind.len() - 4))
}

/// A package of this many functions and parameters, whose names have this length.
fn package(code: &str, functions: usize, parameters: usize, length: usize) -> Vec<u8> {
    let function = json!({"Type": "AWS::Lambda::Function", "Properties": {"Code": "app.zip"}});
    let resources: Map<String, Value> =
        (0..functions).map(|n| (name("F", n, length), function.clone())).collect();
    let declared: Map<String, Value> =
        (0..parameters).map(|n| (name("P", n, length), json!({"Type": "String"}))).collect();
    let files = [
        ("flotilla.json", r#"{"flotilla": 1, "template": "template.json"}"#.to_owned()),
        ("template.json", json!({"Parameters": declared, "Resources": resources}).to_string()),
        ("app.zip", code.to_owned()),
    ];
    let open = |name: &str| {
        let content = files.iter().find(|(file, _)| *file == name).unwrap().1.clone().into_bytes();
        Ok(SourceFile { name: name.to_owned(), executable: false, content: Box::new(Cursor::new(content)) })
    };
    let zip = write_zip(Cursor::new(Vec::new()), files.iter().map(|(name, _)| (*name).to_owned()), open);
    zip.unwrap().into_inner()
}

/// Of each further target, an item holds its name a few times.
const TARGET_BYTES: usize = 200;

/// A profile in which everything is as large as it may be, less its regions: of those there are two.
fn largest_profile(parameters: usize, length: usize) -> ProfileConfig {
    let value = Profile::PARAMETERS_BYTES_MAX / parameters - length;
    ProfileConfig {
        waves: ["eu-west-1", "us-east-1"].map(|region| WaveConfig::Regions(vec![region.to_owned()])).into(),
        on_failure: Some("revert".into()),
        parameters: (0..parameters)
            .map(|n| (name("P", n, length), ParameterConfig::Text("v".repeat(value))))
            .collect(),
        safeguards: Some(SafeguardsConfig { guard: Some(largest_rules()), ..SafeguardsConfig::default() }),
        tags: (0..Profile::TAGS_MAX).map(|n| (name("t", n, 128), "v".repeat(256))).collect(),
        ..ProfileConfig::default()
    }
}

/// Rules as long as they may be.
fn largest_rules() -> String {
    let rule = |n: usize| {
        format!("rule {} {{ Resources.*[ Type == 'AWS::X::T{n:04}' ] empty }}\n", name("r", n, 200))
    };
    let (all, length): (String, usize) = ((0..500).map(rule).collect(), rule(0).len());
    all[..Gates::RULES_BYTES_MAX / length * length].to_owned()
}

/// Everything that is stored about a service and one of its rollouts.
fn items(world: &World, rollout: &str) -> Vec<Item> {
    let store = world.step_ports().store;
    let of = |pk: String| {
        let query = Query { pk, prefix: String::new(), after: None, newest_first: false, limit: 10_000 };
        block_on(store.query(query)).unwrap().items
    };
    let partitions = [format!("RLO#{rollout}"), "SVC#orders".into(), "STG#orders".into(), "PRF#p".into()];
    partitions.into_iter().flat_map(of).collect()
}

/// JSON has all the names and values that DynamoDB counts, and quotes and commas where that counts less.
fn size_bytes(item: &Item) -> usize {
    serde_json::to_string(&item.body).unwrap().len() + item.key.pk.len() + item.key.sk.len()
}

#[test]
fn q11_the_largest_rollout_there_may_be_and_its_way_back_fit_into_items() {
    let Limits { resources_max: functions, parameters_max, described_bytes_max, .. } = Limits::DEFAULT;
    let parameters = parameters_max - 1;
    // Each function has a digest and the names of its fields beside its own name.
    let length = (described_bytes_max - 1_000 - functions * 110 - parameters * 8) / (functions + parameters);
    let mut world = World::with(40, largest_profile(parameters, length));
    let upload = |world: &mut World, code: &str| {
        world.upload_bytes(
            "incoming/orders/branch/main/{n}.zip",
            package(code, functions, parameters, length),
            true,
        )
    };
    let first = upload(&mut world, "one");
    world.until_at_last("its end", |w| w.rollout(&first).is_some_and(|r| r.ended));
    assert_eq!(world.rollout(&first).unwrap().status, "succeeded");
    world.behaves("us-east-1", Behaviour::RollsBack("x".repeat(1_900)));
    let second = upload(&mut world, "two");
    world.until_at_last("its end", |w| w.rollout(&second).is_some_and(|r| r.ended));
    let end = world.rollout(&second).unwrap();
    assert_eq!(end.status, "reverted", "{:?}", end.cause);
    let items = items(&world, &end.id);
    for item in &items {
        let bytes = size_bytes(item) + TARGET_BYTES * Rollout::TARGETS_MAX;
        assert!(bytes < ITEM_BYTES_MAX, "{:?} may have {bytes} bytes", item.key);
    }
    let largest = items.iter().map(size_bytes).max().unwrap();
    assert!(largest > ITEM_BYTES_MAX / 2, "{largest} bytes are not the largest there may be");
}

#[test]
fn q11_a_package_whose_names_would_not_fit_into_an_item_is_refused() {
    let mut world = World::new(41, &[&["eu-west-1"]]);
    let bytes = package("one", 300, 0, 255);
    let version = world.upload_bytes("incoming/orders/branch/main/{n}.zip", bytes, true);
    world.until("a verdict", |w| w.verdict(&version).is_some());
    let refusal = world.verdict(&version).unwrap().refusal.unwrap();
    assert_eq!(refusal.code, "FL0207");
    assert!(refusal.message.contains("names_bytes_max"), "{}", refusal.message);
}
