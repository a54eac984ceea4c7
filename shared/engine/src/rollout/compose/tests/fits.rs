//! Whether a package fits the stage and the profile.

use super::*;
use flotilla_domain::release::limited_name::LimitedName;
use flotilla_domain::release::package::{FunctionAlias, FunctionCode};

#[test]
fn a_package_made_for_one_stage_goes_to_no_other() {
    let made_for = |stage: &str| {
        let mut release = release(vec![stack(None, &[])]);
        release.package.made_for = Some(StageName::parse(stage).unwrap());
        release
    };
    assert!(plan(&made_for("staging"), &route(), &destination(in_one_region())).is_ok());
    assert_eq!(refused(&made_for("production"), &destination(in_one_region())), Code::StageMismatch);
}

#[test]
fn a_name_that_exists_once_is_refused_for_more_than_one_region() {
    let global = PackagedStack {
        global_names: vec![same_name("Resources.Role.Properties.RoleName", &[])],
        ..stack(None, &[])
    };
    let release = release(vec![global]);
    plan(&release, &route(), &in_regions(&["eu-west-1"])).unwrap();
    let refused = plan(&release, &route(), &in_regions(&["eu-west-1", "us-east-1"])).unwrap_err();
    assert_eq!(refused.code, Code::NameExistsOnce);
    assert_eq!(refused.path.as_deref(), Some("Resources.Role.Properties.RoleName"));
}

#[test]
fn a_name_of_a_parameter_is_the_same_in_each_region_unless_the_value_is_not() {
    let bucket = same_name("Resources.Bucket.Properties.BucketName", &["Name"]);
    let parameters = [("Name".to_owned(), true)].into();
    let release = release(vec![PackagedStack { global_names: vec![bucket], parameters, ..stack(None, &[]) }]);
    let with = |change: &dyn Fn(&mut Profile)| {
        let mut destination = in_regions(&["eu-west-1", "us-east-1"]);
        change(&mut destination.profile);
        plan(&release, &route(), &destination).map(drop).map_err(|refused| refused.code)
    };
    let given = |value: &str| {
        with(&|profile: &mut Profile| drop(profile.parameters.insert("Name".into(), value.into())))
    };
    assert_eq!(with(&|_| {}), Err(Code::NameExistsOnce), "its default");
    assert_eq!(given("orders-{stage}"), Err(Code::NameExistsOnce));
    assert_eq!(given("{{resolve:ssm:/orders/bucket}}"), Ok(()));
    plan(&release, &route(), &in_regions(&["eu-west-1"])).unwrap();
}

#[test]
fn a_name_is_measured_with_the_stage_and_in_every_region() {
    // "staging" has 7 characters, and "ap-southeast-2" 5 more than "us-east-1".
    let name = LimitedName {
        path: "Resources.Role.Properties.RoleName".into(),
        max: 64,
        literal: 48,
        stages: 1,
        regions: 1,
        stacks: 0,
    };
    let release = release(vec![PackagedStack { long_names: vec![name.clone()], ..stack(None, &[]) }]);
    plan(&release, &route(), &in_regions(&["us-east-1"])).unwrap();
    let refused = plan(&release, &route(), &in_regions(&["us-east-1", "ap-southeast-2"])).unwrap_err();
    assert_eq!((refused.code, refused.path), (Code::NameTooLong, Some(name.path)));
}

#[test]
fn a_secret_parameter_gets_a_reference_and_no_literal_value() {
    let secret = PackagedStack {
        parameters: [("Key".to_owned(), false)].into(),
        secret_parameters: ["Key".to_owned()].into(),
        ..stack(None, &[])
    };
    let release = release(vec![secret]);
    let with = |value: &str| {
        let parameters = [("Key".to_owned(), value.into())].into();
        plan(&release, &route(), &destination(ProfileConfig { parameters, ..in_one_region() }))
    };
    let refused = with("hunter2").unwrap_err();
    assert_eq!(refused.code, Code::SecretInPlain);
    assert!(!refused.to_string().contains("hunter2"), "{refused}");
    with("{{resolve:secretsmanager:orders/key}}").unwrap();
}

#[test]
fn a_stage_in_logical_ids_has_a_template_of_its_own_and_one_without_is_refused() {
    let (staging, digest) = (StageName::parse("staging").unwrap(), Digest::of(b"at staging"));
    let with_ids = PackagedStack {
        stage_templates: [(staging, digest)].into(),
        functions: vec![FunctionCode { logical_id: "Flotillastagejobs".into(), asset: Digest::of(b"code") }],
        aliases: vec![FunctionAlias {
            alias: "FlotillastagejobsLive".into(),
            function: "Flotillastagejobs".into(),
            version: "Vflotillastage".into(),
        }],
        ..stack(None, &[])
    };
    let release = release(vec![with_ids]);
    let to = destination(in_one_region());
    let rollout = plan(&release, &route(), &to).unwrap();
    let RolloutKind::Deploy(deployed) = rollout.kind else { panic!("{:?}", rollout.kind) };
    let stack = &deployed.stacks[0];
    assert_eq!(stack.template, digest);
    assert_eq!(stack.functions[0].logical_id, "Stagingjobs");
    let alias = &stack.aliases[0];
    assert_eq!(
        [&alias.alias, &alias.function, &alias.version],
        ["StagingjobsLive", "Stagingjobs", "Vstaging"]
    );
    assert!(
        release.package.objects().iter().any(|object| object.digest == digest),
        "it is copied to each region"
    );

    let later = Route { stage: StageName::parse("later").unwrap(), ..route() };
    let refused = plan(&release, &later, &to).unwrap_err();
    assert_eq!(refused.code, Code::StageMismatch);
    assert!(refused.fix.starts_with("upload the package again"), "{}", refused.fix);
}
