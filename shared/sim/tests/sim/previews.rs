//! Previews get less than stages that stay: quotas, and outputs only if they are shared.

use flotilla_contract::{
    OutputConfig, ParameterConfig, PreviewQuotasConfig, ProfileConfig, RuleConfig, ServiceConfigDoc,
};
use flotilla_domain::{ProfileName, ServiceName};
use flotilla_engine::EngineError;
use flotilla_sim::World;
use futures::executor::block_on;

const ANN: &str = "arn:aws:iam::111122223333:user/ann";

fn rule(git_ref: &str, stage: &str, profile: &str, ttl_h: Option<u32>) -> RuleConfig {
    RuleConfig {
        git_ref: git_ref.into(),
        stage: stage.into(),
        profile: profile.into(),
        ttl_h,
        stack_name: None,
        promote_to: None,
    }
}

/// Puts a profile of previews in the world's only region.
fn put_previews(world: &World, quotas: PreviewQuotasConfig, profile: ProfileConfig) {
    let commands = world.api().0;
    let caller = block_on(commands.caller(ANN.into(), "previews".into())).unwrap();
    let profile = ProfileConfig {
        account: "111122223333".into(),
        regions: vec!["eu-west-1".into()],
        previews: Some(true),
        preview_quotas: Some(quotas),
        ..profile
    };
    block_on(commands.put_profile(&ProfileName::parse("previews").unwrap(), &profile, None, &caller))
        .unwrap();
}

fn put_service(world: &World, service: &str, doc: &ServiceConfigDoc) -> Result<(), String> {
    let commands = world.api().0;
    let caller = block_on(commands.caller(ANN.into(), format!("put {service}"))).unwrap();
    match block_on(commands.put_service(&ServiceName::parse(service).unwrap(), doc, None, &caller)) {
        Ok(_) => Ok(()),
        Err(EngineError::Refused(refusal)) => Err(format!("{} {}", refusal.code, refusal.path.unwrap())),
        Err(other) => panic!("{other}"),
    }
}

/// Runs until an upload is decided; answers the code of its refusal.
fn decided(world: &mut World, version: &str) -> Option<String> {
    world.until("the verdict", |world| world.verdict(version).is_some());
    world.verdict(version).unwrap().refusal.map(|refusal| refusal.code)
}

/// Runs until the rollout of an accepted upload has ended.
fn deployed(world: &mut World, version: &str) -> String {
    assert_eq!(decided(world, version), None);
    world.until("the end", |world| world.rollout(version).is_some_and(|rollout| rollout.ended));
    world.rollout(version).unwrap().status
}

#[test]
fn many_uploads_to_one_preview_are_refused_and_affect_no_other() {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    put_previews(
        &world,
        PreviewQuotasConfig { uploads_per_hour: Some(2), ..Default::default() },
        Default::default(),
    );
    for code in ["a", "b"] {
        let version = world.upload("pr/1", code);
        assert_eq!(deployed(&mut world, &version), "succeeded");
    }
    let third = world.upload("pr/1", "c");
    assert_eq!(decided(&mut world, &third).as_deref(), Some("FL0106"));
    for git_ref in ["pr/2", "branch/main"] {
        let version = world.upload(git_ref, "d");
        assert_eq!(deployed(&mut world, &version), "succeeded", "{git_ref}");
    }
    world.pass(1);
    let later = world.upload("pr/1", "e");
    assert_eq!(deployed(&mut world, &later), "succeeded");
}

#[test]
fn a_service_has_as_many_previews_as_its_quota_until_one_ends() {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    put_previews(
        &world,
        PreviewQuotasConfig { stages_per_service: Some(2), ..Default::default() },
        Default::default(),
    );
    for git_ref in ["pr/1", "pr/2"] {
        let version = world.upload(git_ref, "a");
        assert_eq!(deployed(&mut world, &version), "succeeded");
    }
    let third = world.upload("pr/3", "a");
    assert_eq!(decided(&mut world, &third).as_deref(), Some("FL0313"));
    // A preview that exists is updated.
    let version = world.upload("pr/2", "b");
    assert_eq!(deployed(&mut world, &version), "succeeded");
    world.jump(25);
    world.sweep(Default::default());
    world.until("the previews' end", |world| world.open_rollouts().is_empty());
    assert_eq!(world.stack("eu-west-1", "pr-1"), None);
    let version = world.upload("pr/3", "b");
    assert_eq!(deployed(&mut world, &version), "succeeded");
}

#[test]
fn a_preview_uses_outputs_of_stages_that_stay_only_if_they_are_shared() {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    world.shop(&["eu-west-1"]).stock("1");
    let output = OutputConfig { output: "database.Name".into(), stage: Some("staging".into()), region: None };
    let parameters = [("Table".to_owned(), ParameterConfig::Output(output))].into();
    put_previews(&world, Default::default(), ProfileConfig { parameters, ..Default::default() });
    let of_api =
        ServiceConfigDoc { rules: vec![rule("pr:*", "pr-{ref}", "previews", Some(8))], ..Default::default() };
    put_service(&world, "api", &of_api).unwrap();
    let version = world.upload_of_ref("api", "pr/7", "a");
    assert_eq!(decided(&mut world, &version).as_deref(), Some("FL0314"));
    let of_database = ServiceConfigDoc {
        rules: vec![rule("branch:main", "staging", "shop", None)],
        shared_outputs: vec!["Name".into()],
        ..Default::default()
    };
    put_service(&world, "database", &of_database).unwrap();
    let version = world.upload_of_ref("api", "pr/7", "b");
    assert_eq!(deployed(&mut world, &version), "succeeded");
}

#[test]
fn what_anybody_can_push_is_a_preview() {
    let world = World::new(1, &[&["eu-west-1"]]);
    let refused = Err("FL0310 rules.0.profile".to_owned());
    let put = |git_ref, stage, profile, ttl_h| {
        let rules = vec![rule(git_ref, stage, profile, ttl_h)];
        put_service(&world, "orders", &ServiceConfigDoc { rules, ..Default::default() })
    };
    assert_eq!(put("pr:*", "staging", "p", None), refused);
    assert_eq!(put("pr:*", "pr-{ref}", "p", Some(8)), refused);
    assert_eq!(put("branch:*", "staging", "p", None), refused);
    assert_eq!(put("branch:main", "staging", "previews", None), refused);
    assert_eq!(put("branch:main", "staging", "p", None), Ok(()));
    assert_eq!(put("tag:v*", "production", "p", None), Ok(()));
    assert_eq!(put("pr:*", "pr-{ref}", "previews", Some(8)), Ok(()));
}

#[test]
fn a_flood_of_one_service_is_refused_unread_and_another_one_is_deployed() {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    world.shop(&["eu-west-1"]);
    let flood: Vec<String> = (0..100)
        .map(|n| {
            let version = world.upload_bytes("incoming/orders/branch/main/{n}.zip", vec![n], true);
            world.wait_ms(-950);
            version
        })
        .collect();
    let other = world.upload_of("database", "1");
    assert_eq!(deployed(&mut world, &other), "succeeded");
    let mut codes = Vec::new();
    for version in &flood {
        codes.push(decided(&mut world, version).unwrap());
    }
    let too_many = codes.iter().filter(|code| *code == "FL0106").count();
    assert!((35..=45).contains(&too_many), "60 of 100 are read: {codes:?}");
    // Who may upload for pull requests only does not hold up branches, nor the other way round.
    let preview = world.upload("pr/1", "a");
    assert_eq!(decided(&mut world, &preview), None);
    world.wait_ms(61_000);
    let later = world.upload("branch/main", "a");
    assert_eq!(deployed(&mut world, &later), "succeeded");
}

#[test]
fn many_refs_that_are_closed_within_a_minute_do_not_hold_up_a_package() {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    let close = |world: &mut World, first: u32| {
        let markers: Vec<String> = (first..first + 60)
            .map(|n| {
                let marker = world.close(&format!("pr/{n}"), true);
                world.wait_ms(-1_000);
                marker
            })
            .collect();
        for marker in markers {
            assert_eq!(decided(world, &marker), None);
        }
    };
    close(&mut world, 100);
    let version = world.upload("pr/1", "a");
    assert_eq!(decided(&mut world, &version), None, "sixty markers count less than sixty packages");
    close(&mut world, 200);
    let version = world.upload("pr/2", "a");
    assert_eq!(decided(&mut world, &version).as_deref(), Some("FL0106"), "their number is bounded too");
}
