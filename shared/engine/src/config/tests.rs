//! The bounds of every field of a configuration document: the last accepted value, and the first refused one.

use super::*;
use flotilla_contract::{
    AccountConfig, CheckConfig, FreezeConfig, ParameterConfig, ProfileConfig, RuleConfig, ServiceConfigDoc,
    StackConfig, WaveConfig, WaveTable,
};
use flotilla_domain::config::profile::Profile;
use flotilla_domain::config::service::ServiceConfig;
use flotilla_domain::deployment::Drift;
use flotilla_domain::gate::{Gates, Windows};
use flotilla_domain::names::KNOWN_REGIONS;
use flotilla_domain::rollout::OnFailure;
use flotilla_domain::{AccountId, ProfileName, Region, ServiceName, StackPart};
use std::collections::BTreeMap;

fn doc() -> ProfileConfig {
    ProfileConfig {
        account: "111122223333".into(),
        regions: vec!["eu-central-1".into()],
        ..ProfileConfig::default()
    }
}

fn read(doc: &ProfileConfig) -> Result<Profile, Refusal> {
    profile(ProfileName::parse("p").unwrap(), doc)
}

#[test]
fn the_repositories_of_images_are_bounded_and_of_ecr() {
    let rule = RuleConfig {
        git_ref: "branch:main".into(),
        stage: "staging".into(),
        profile: "p".into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    };
    let config = |external_images: Vec<String>| {
        let doc =
            ServiceConfigDoc { rules: vec![rule.clone()], external_images, ..ServiceConfigDoc::default() };
        service_config(ServiceName::parse("orders").unwrap(), &doc)
    };
    let wrong = |images: Vec<String>| config(images).err().and_then(|refusal| refusal.path);
    let uri = |name: &str| format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/{name}");
    let max = ServiceConfig::EXTERNAL_IMAGES_MAX;
    let many = |count: usize| (0..count).map(|n| uri(&format!("orders-{n}"))).collect::<Vec<_>>();
    assert_eq!(wrong(many(max)), None);
    assert_eq!(wrong(many(max + 1)), at("external_images"));
    assert_eq!(wrong(vec![uri("orders"); 2]), at("external_images"));
    assert_eq!(wrong(vec![uri("orders"), uri("orders:v1")]), at("external_images.1"));
    let own = config(vec![uri("flotilla-artifacts-111122223333-eu-west-1")]).unwrap();
    let refused = service::outside_of("flotilla", &own).unwrap_err();
    assert_eq!(refused.path, at("external_images"), "other services' images are there");
}

/// The field for which a profile is refused, if it is.
fn wrong(doc: ProfileConfig) -> Option<String> {
    read(&doc).err().map(|refusal| {
        assert!(!refusal.message.is_empty() && !refusal.fix.is_empty());
        assert_eq!(refusal.code, Code::ConfigInvalid);
        refusal.path.unwrap_or_default()
    })
}

fn at(path: &str) -> Option<String> {
    Some(path.to_owned())
}

/// Pairs of a name and a value of these lengths.
fn pairs(count: usize, name: usize, value: usize) -> BTreeMap<String, String> {
    (0..count).map(|n| (format!("{n:0>name$}"), "v".repeat(value))).collect()
}

#[test]
fn a_parameters_value_its_number_and_all_together_are_bounded() {
    let parameters = |values: BTreeMap<String, String>| {
        let texts = values.into_iter().map(|(name, value)| (name, ParameterConfig::Text(value)));
        wrong(ProfileConfig { parameters: texts.collect(), ..doc() })
    };
    assert_eq!(parameters(pairs(1, 3, Profile::PARAMETER_BYTES_MAX)), None);
    assert_eq!(parameters(pairs(1, 3, Profile::PARAMETER_BYTES_MAX + 1)), at("parameters.000"));
    assert_eq!(parameters(pairs(Profile::PARAMETERS_MAX, 3, 1)), None);
    assert_eq!(parameters(pairs(Profile::PARAMETERS_MAX + 1, 3, 1)), at("parameters"));
    let each = Profile::PARAMETERS_BYTES_MAX / 64;
    assert_eq!(parameters(pairs(64, 24, each - 24)), None, "names and values together");
    assert_eq!(parameters(pairs(64, 25, each - 24)), at("parameters"));
}

#[test]
fn a_tags_key_its_value_and_their_number_are_bounded() {
    let tags = |tags| wrong(ProfileConfig { tags, ..doc() });
    let tag = |key: &str, value: &str| tags([(key.to_owned(), value.to_owned())].into());
    assert_eq!(tag(&"k".repeat(128), &"v".repeat(256)), None);
    assert_eq!(tag("k", &"v".repeat(257)), at("tags.k"));
    for key in [String::new(), "k".repeat(129), "aws:team".into(), "flotilla:stage".into()] {
        assert_eq!(tag(&key, "v"), at(&format!("tags.{key}")), "{key:?}");
    }
    assert_eq!(tags(pairs(Profile::TAGS_MAX, 3, 1)), None);
    assert_eq!(tags(pairs(Profile::TAGS_MAX + 1, 3, 1)), at("tags"));
}

#[test]
fn a_wave_bakes_for_a_week_at_most() {
    let bake = |text: &str| ProfileConfig { bake: Some(text.into()), ..doc() };
    assert_eq!(read(&bake("168h")).unwrap().waves[0].bake_s, Profile::BAKE_S_MAX);
    assert_eq!(wrong(bake("168h 1s")), at("bake"));
    assert_eq!(read(&doc()).unwrap().waves[0].bake_s, 0);
}

#[test]
fn a_stack_is_limited_to_a_region_of_the_profile() {
    let only = |part: &str, region: &str| {
        let stacks = [(part.to_owned(), StackConfig { only: region.into() })].into();
        ProfileConfig { regions: vec!["eu-west-1".into(), "us-east-1".into()], stacks, ..doc() }
    };
    let profile = read(&only("Edge", "us-east-1")).unwrap();
    let edge = StackPart::parse("Edge").unwrap();
    let deployed: Vec<&str> =
        profile.regions().filter(|region| profile.deploys(Some(&edge), region)).map(Region::as_str).collect();
    assert_eq!(deployed, ["us-east-1"]);
    assert!(profile.regions().all(|region| profile.deploys(None, region)));
    assert_eq!(wrong(only("Edge", "eu-west-2")), at("stacks.Edge.only"));
    assert_eq!(wrong(only("no name", "us-east-1")), at("stacks.no name"));
}

#[test]
fn regions_are_given_once_alone_or_in_waves() {
    let wave = |regions: &[&str]| WaveTable {
        regions: regions.iter().map(|region| (*region).to_owned()).collect(),
        max_concurrent: None,
        tolerate_failures: None,
        bake: None,
        approvals: None,
    };
    let waves = |waves: Vec<WaveTable>| ProfileConfig {
        regions: Vec::new(),
        waves: waves.into_iter().map(WaveConfig::Wave).collect(),
        ..doc()
    };
    let all = ProfileConfig { regions: KNOWN_REGIONS.iter().map(|r| (*r).to_owned()).collect(), ..doc() };
    assert_eq!(read(&all).unwrap().regions().count(), KNOWN_REGIONS.len());
    assert_eq!(wrong(ProfileConfig { regions: Vec::new(), ..doc() }), at("regions"));
    assert_eq!(
        wrong(ProfileConfig { regions: doc().regions, ..waves(vec![wave(&["eu-west-1"])]) }),
        at("regions")
    );
    assert_eq!(wrong(waves(vec![wave(&[])])), at("waves"));
    assert_eq!(wrong(waves(vec![wave(&["eu-west-1"]), wave(&["eu-west-1"])])), at("regions"));
    let unknown = read(&waves(vec![wave(&["mars-north-1"])])).unwrap_err();
    assert_eq!((unknown.code, unknown.path.as_deref()), (Code::RegionUnknown, Some("regions")));
    let two = read(&waves(vec![wave(&["eu-west-1", "eu-west-2"]), wave(&["us-east-1"])])).unwrap();
    let at_a_time: Vec<usize> = two.waves.iter().map(|wave| wave.max_concurrent).collect();
    assert_eq!(at_a_time, [2, 1], "all regions of a wave by default");
}

#[test]
fn each_word_of_a_profile_is_known_or_refused_with_its_field() {
    let parsed = |doc: ProfileConfig| read(&doc).unwrap();
    assert_eq!(parsed(doc()).on_failure, OnFailure::Halt);
    assert_eq!(
        parsed(ProfileConfig { on_failure: Some("halt".into()), ..doc() }).on_failure,
        OnFailure::Halt
    );
    assert_eq!(
        parsed(ProfileConfig { on_failure: Some("revert".into()), ..doc() }).on_failure,
        OnFailure::Revert
    );
    let drift = |text: &str| parsed(ProfileConfig { drift: Some(text.into()), ..doc() }).policy.drift;
    assert_eq!(["ignore", "revert", "refuse"].map(drift), [Drift::Ignore, Drift::Revert, Drift::Refuse]);
    let warnings = |text: &str| {
        parsed(ProfileConfig { validation_warnings: Some(text.into()), ..doc() }).policy.refuse_warnings
    };
    assert_eq!(["proceed", "refuse"].map(warnings), [false, true]);
    assert_eq!(wrong(ProfileConfig { on_failure: Some("x".into()), ..doc() }), at("on_failure"));
    assert_eq!(wrong(ProfileConfig { drift: Some("x".into()), ..doc() }), at("drift"));
    assert_eq!(
        wrong(ProfileConfig { validation_warnings: Some("x".into()), ..doc() }),
        at("validation_warnings")
    );
    assert_eq!(wrong(ProfileConfig { account: "x".into(), ..doc() }), at("account"));
    assert_eq!(wrong(ProfileConfig { max_concurrent: Some(0), ..doc() }), at("max_concurrent"));
    for name in Profile::CAPABILITIES {
        let granted = parsed(ProfileConfig { capabilities: vec![(*name).into()], ..doc() });
        assert!(granted.capabilities.contains(*name));
    }
    assert_eq!(wrong(ProfileConfig { capabilities: vec!["ALL".into()], ..doc() }), at("capabilities"));
}

#[test]
fn a_profile_keeps_what_it_says() {
    let said = ProfileConfig {
        recreate_failed: Some(false),
        force_delete: Some(false),
        express: Some(true),
        parameters: [("Table".to_owned(), "orders".into())].into(),
        tags: [("team".to_owned(), "checkout".to_owned())].into(),
        ..doc()
    };
    let policy = |doc: &ProfileConfig| {
        let policy = read(doc).unwrap().policy;
        [policy.recreate_failed, policy.force_delete, policy.express]
    };
    assert_eq!((policy(&said), policy(&doc())), ([false, false, true], [true, true, false]));
    let profile = read(&said).unwrap();
    assert_eq!(profile.parameters, [("Table".to_owned(), "orders".to_owned())].into());
    assert_eq!(profile.tags, said.tags);
    assert_eq!(profile.account.as_str(), "111122223333");
}

#[test]
fn a_role_is_an_iam_role_of_the_account_and_an_external_id_is_hard_to_guess() {
    let good = || AccountConfig {
        role_arn: "arn:aws:iam::111122223333:role/flotilla-deployer".into(),
        external_id: "0123456789abcdef".into(),
        service_role_arn: "arn:aws-cn:iam::111122223333:role/flotilla-cloudformation".into(),
        role_boundary: Some("arn:aws-cn:iam::111122223333:policy/flotilla-workload".into()),
        previews: None,
    };
    let wrong = |doc: AccountConfig| {
        account(AccountId::parse("111122223333").unwrap(), &doc).err().and_then(|refusal| refusal.path)
    };
    assert_eq!(wrong(good()), None);
    let role = |text: &str| wrong(AccountConfig { role_arn: text.into(), ..good() });
    let of_length = |bytes: usize| {
        let name = "r".repeat(bytes - "arn:aws:iam::111122223333:role/".len());
        format!("arn:aws:iam::111122223333:role/{name}")
    };
    assert_eq!((role(&of_length(32)), role(&of_length(512))), (None, None));
    for text in [
        of_length(513).as_str(),
        "arn:aws:iam::111122223333:role/",
        "arn:aws:iam::111122223333:user/flotilla",
        "arn:aws:iam::999999999999:role/flotilla",
        "arn:aws:sts::111122223333:role/flotilla",
        "arn:elsewhere:iam::111122223333:role/flotilla",
        "arn:aws:iam:eu-west-1:111122223333:role/flotilla",
        "role/flotilla",
    ] {
        assert_eq!(role(text), at("role_arn"), "{text}");
    }
    let service_role =
        AccountConfig { service_role_arn: "arn:aws:iam::999999999999:role/x".into(), ..good() };
    assert_eq!(wrong(service_role), at("service_role_arn"));
    for bad in ["", "flotilla-workload", "arn:aws:iam::111122223333:role/x", "arn:aws:iam::1:policy/x"] {
        let boundary = AccountConfig { role_boundary: Some(bad.into()), ..good() };
        assert_eq!(wrong(boundary), at("role_boundary"), "{bad}");
    }
    let of_aws = Some("arn:aws:iam::aws:policy/PowerUserAccess".into());
    assert_eq!(wrong(AccountConfig { role_boundary: of_aws, ..good() }), None);
    let external = |text: &str| wrong(AccountConfig { external_id: text.into(), ..good() });
    for text in ["0123456789abcdef", &"x".repeat(128), "-_=,.@:/-_=,.@:/"] {
        assert_eq!(external(text), None, "{text}");
    }
    for text in ["0123456789abcde", &"x".repeat(129), "0123456789 abcdef", "0123456789abcdeé"] {
        assert_eq!(external(text), at("external_id"), "{text}");
    }
}

#[test]
fn a_service_has_fifty_rules_and_a_preview_ninety_days_at_most() {
    let rule = |stage: &str, ttl_h| RuleConfig {
        git_ref: "pr:*".into(),
        stage: stage.into(),
        profile: "p".into(),
        ttl_h,
        stack_name: None,
        promote_to: None,
    };
    let read = |rules: Vec<RuleConfig>| {
        let doc = ServiceConfigDoc { rules, ..ServiceConfigDoc::default() };
        service_config(ServiceName::parse("orders").unwrap(), &doc)
    };
    let wrong = |rules| read(rules).err().and_then(|refusal: Refusal| refusal.path);
    assert_eq!(wrong(vec![rule("staging", None); ServiceConfig::RULES_MAX]), None);
    assert_eq!(wrong(vec![rule("staging", None); ServiceConfig::RULES_MAX + 1]), at("rules"));
    assert_eq!(wrong(Vec::new()), at("rules"));
    for ttl_h in [1, ServiceConfig::TTL_H_MAX] {
        let config = read(vec![rule("pr-{ref}", Some(ttl_h))]).unwrap();
        assert_eq!((config.rules[0].ttl_h, config.rules[0].profile.as_str()), (Some(ttl_h), "p"));
    }
    for ttl_h in [Some(0), Some(ServiceConfig::TTL_H_MAX + 1), None] {
        assert_eq!(wrong(vec![rule("staging", Some(1)), rule("pr-{ref}", ttl_h)]), at("rules.1"));
    }
    let named = |stack_name: &str| {
        let doc = ServiceConfigDoc {
            rules: vec![rule("staging", None)],
            stack_name: Some(stack_name.into()),
            ..ServiceConfigDoc::default()
        };
        service_config(ServiceName::parse("orders").unwrap(), &doc).map(|config| config.stack_name)
    };
    assert_eq!(
        named("{stage}-{service}"),
        Ok(flotilla_domain::StackPattern::parse("{stage}-{service}").unwrap())
    );
    assert_eq!(named("no name").unwrap_err().path, at("stack_name"));
    let of_rule = |name: &str| {
        let rules = vec![RuleConfig { stack_name: Some(name.into()), ..rule("staging", None) }];
        let doc = ServiceConfigDoc { rules, ..ServiceConfigDoc::default() };
        service_config(ServiceName::parse("orders").unwrap(), &doc)
    };
    assert!(of_rule("orders-STG").is_ok());
    assert_eq!(of_rule("v4_stg").unwrap_err().path, at("rules.0"));
    let two = |first: Option<&str>, second: Option<&str>, stage: &str, ttl_h| {
        let named =
            |name: Option<&str>| RuleConfig { stack_name: name.map(Into::into), ..rule(stage, ttl_h) };
        let doc =
            ServiceConfigDoc { rules: vec![named(first), named(second)], ..ServiceConfigDoc::default() };
        service_config(ServiceName::parse("orders").unwrap(), &doc).err().and_then(|refusal| refusal.path)
    };
    assert_eq!(two(Some("a"), None, "staging", None), None, "the first rule says it");
    assert_eq!(two(Some("a"), Some("a"), "staging", None), None);
    assert_eq!(two(None, Some("a"), "staging", None), at("rules.1.stack_name"), "it would be ignored");
    assert_eq!(two(Some("{stage}-a"), Some("{stage}-a"), "pr-{ref}", Some(1)), None);
    assert_eq!(
        two(Some("a"), Some("a"), "pr-{ref}", Some(1)),
        at("rules.0.stack_name"),
        "all previews would share it"
    );
}

#[test]
fn gates_are_bounded_in_number_and_length() {
    let many = |count: usize| (0..count).map(|n| format!("alarm-{n}")).collect::<Vec<String>>();
    let topics = |n: usize| (0..n).map(|n| format!("arn:aws:sns:eu-west-1:111122223333:t{n}")).collect();
    let notify = |notify| wrong(ProfileConfig { notify, ..doc() });
    assert_eq!(
        (notify(topics(Profile::CHANNELS_MAX)), notify(topics(Profile::CHANNELS_MAX + 1))),
        (None, at("notify"))
    );
    assert_eq!(notify(vec!["releases".into()]), at("notify"));
    assert_eq!(notify(vec!["arn:aws:sns:eu-centrall-1:111122223333:releases".into()]), at("notify"));
    let alarms = |alarms| wrong(ProfileConfig { alarms, ..doc() });
    assert_eq!((alarms(many(Gates::ALARMS_MAX)), alarms(many(Gates::ALARMS_MAX + 1))), (None, at("alarms")));
    assert_eq!(alarms(vec!["a".repeat(255)]), None);
    for name in [String::new(), "a".repeat(256), "two\nlines".to_owned()] {
        assert_eq!(alarms(vec![name]), at("alarms"));
    }
    let freeze = FreezeConfig {
        from: "2026-12-20T00:00".into(),
        to: "2027-01-04T00:00".into(),
        because: "w".repeat(200),
    };
    let freezes = |freezes| wrong(ProfileConfig { freezes, ..doc() });
    assert_eq!(freezes(vec![freeze.clone(); Windows::MAX]), None);
    assert_eq!(freezes(vec![freeze.clone(); Windows::MAX + 1]), at("freezes"));
    let empty = FreezeConfig { to: freeze.from.clone(), ..freeze.clone() };
    let wordy = FreezeConfig { because: "w".repeat(201), ..freeze };
    assert_eq!((freezes(vec![empty]), freezes(vec![wordy])), (at("freezes.0"), at("freezes.0")));
}

#[test]
fn a_check_asks_an_output_or_a_function_within_an_hour() {
    let check = CheckConfig {
        output: None,
        path: None,
        status: None,
        function: Some("f".repeat(255)),
        within: Some("1h".into()),
    };
    let checks = |checks| wrong(ProfileConfig { checks, ..doc() });
    assert_eq!(checks(vec![check.clone(); Gates::CHECKS_MAX]), None);
    assert_eq!(checks(vec![check.clone(); Gates::CHECKS_MAX + 1]), at("checks"));
    let output = |output: &str, path: &str| CheckConfig {
        output: Some(output.into()),
        path: Some(path.into()),
        function: None,
        ..check.clone()
    };
    assert_eq!(checks(vec![output("Url", "/health")]), None);
    for wrong in [
        CheckConfig { within: Some("1h 1s".into()), ..check.clone() },
        CheckConfig { function: Some("f".repeat(256)), ..check.clone() },
        CheckConfig { function: Some(String::new()), ..check.clone() },
        CheckConfig { status: Some(200), ..check.clone() },
        CheckConfig { path: Some("/health".into()), ..check.clone() },
        CheckConfig { output: Some("Url".into()), ..check.clone() },
        CheckConfig { function: None, ..check.clone() },
        output("Url", "health"),
        output("Url", &"/".repeat(256)),
        output("Ürl", "/health"),
    ] {
        assert_eq!(checks(vec![wrong]), at("checks.0"));
    }
}
