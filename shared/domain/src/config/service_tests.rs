use super::*;
use crate::digest::Digest;
use crate::release::limited_name::LimitedName;
use crate::release::package::{PackageFormat, PackagedStack};
use std::collections::BTreeMap;

fn config(rules: &[(&str, &str)]) -> ServiceConfig {
    let rules = rules.iter().map(|(pattern, stage)| Rule {
        pattern: RefPattern::parse(pattern).unwrap(),
        stage: StageTemplate::parse(stage).unwrap(),
        profile: ProfileName::parse("p").unwrap(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    });
    ServiceConfig {
        service: ServiceName::parse("orders").unwrap(),
        rules: rules.collect(),
        stack_name: StackPattern::default(),
        retention: Retention::default(),
        shared_outputs: BTreeSet::new(),
        alias: None,
        external_code: Vec::new(),
        external_images: Vec::new(),
    }
}

fn stage(config: &ServiceConfig, git_ref: &str) -> Result<String, Code> {
    config.route(&GitRef::parse(git_ref).unwrap()).map(|r| r.stage.to_string()).map_err(|r| r.code)
}

#[test]
fn the_first_rule_that_matches_wins() {
    let config = config(&[
        ("branch:main", "staging"),
        ("tag:v*", "production"),
        ("pr:*", "pr-{ref}"),
        ("branch:*", "b-{ref}"),
    ]);
    assert_eq!(stage(&config, "branch:main").unwrap(), "staging");
    assert_eq!(stage(&config, "tag:v1.0").unwrap(), "production");
    assert_eq!(stage(&config, "pr:42").unwrap(), "pr-42");
    assert!(stage(&config, "branch:feature/x").unwrap().starts_with("b-feature-x-"));
    assert_eq!(stage(&config, "tag:1.0"), Err(Code::RefUnmatched));
}

#[test]
fn a_name_is_short_enough_at_every_stage_that_a_rule_names() {
    let long = LimitedName {
        path: "Resources.Role.Properties.RoleName".into(),
        max: 64,
        literal: 55,
        stages: 1,
        regions: 0,
        stacks: 0,
    };
    let stack = PackagedStack {
        part: None,
        after: BTreeSet::new(),
        template: Digest::of(b"t"),
        stage_templates: BTreeMap::new(),
        functions: Vec::new(),
        aliases: Vec::new(),
        capabilities: BTreeSet::new(),
        parameters: BTreeMap::new(),
        secret_parameters: BTreeSet::new(),
        global_names: Vec::new(),
        long_names: vec![long],
        resources: 1,
        tags: BTreeMap::new(),
    };
    let package = Package {
        digest: Digest::of(b"p"),
        format: PackageFormat::Native,
        stacks: vec![stack],
        assets: BTreeMap::new(),
        made_for: None,
        rewrites: Vec::new(),
        warnings: Vec::new(),
    };
    let checked =
        |rules: &[(&str, &str)]| config(rules).check_names(&package).map_err(|refused| refused.message);
    assert_eq!(checked(&[("branch:main", "staging"), ("pr:*", "long-preview-{ref}")]), Ok(()));
    let refused = checked(&[("branch:main", "staging"), ("tag:*", "production")]).unwrap_err();
    assert!(refused.starts_with("at the stage production the name has 65 characters"), "{refused}");
    let made_for = Package { made_for: StageName::parse("staging").ok(), ..package };
    let routes = config(&[("branch:main", "staging"), ("tag:*", "production")]);
    assert_eq!(routes.check_names(&made_for), Ok(()), "it goes to no other stage");
}

#[test]
fn a_preview_ends_with_its_ref_unless_others_share_it() {
    let mut config = config(&[
        ("branch:main", "staging"),
        ("branch:demo", "demo"),
        ("branch:one", "both"),
        ("branch:two", "both"),
        ("pr:*", "pr-{ref}"),
        ("branch:*", "shared"),
        ("tag:rc*", "candidates"),
    ]);
    for rule in &mut config.rules[1..] {
        rule.ttl_h = Some(24);
    }
    let closed = |git_ref: &str| {
        let route = config.route_of_closed(&GitRef::parse(git_ref).unwrap());
        route.map(|route| route.stage.to_string()).map_err(|refusal| refusal.code)
    };
    assert_eq!(closed("pr:42").unwrap(), "pr-42");
    assert_eq!(closed("branch:demo").unwrap(), "demo");
    for stays in ["branch:main", "branch:one", "branch:two", "branch:feature", "tag:rc1"] {
        assert_eq!(closed(stays), Err(Code::StageOutlivesRef), "{stays}");
    }
    assert_eq!(closed("tag:v1"), Err(Code::RefUnmatched));
}

#[test]
fn promise_9_a_pull_request_never_matches_a_branch_rule() {
    let config = config(&[("branch:*", "production")]);
    assert_eq!(stage(&config, "pr:1"), Err(Code::RefUnmatched));
}

#[test]
fn patterns_and_stages_are_checked() {
    for bad in ["main", "branch:", "commit:x", "branch:[", &format!("branch:{}", "x".repeat(300))] {
        assert!(RefPattern::parse(bad).is_err(), "{bad}");
    }
    for bad in ["", "Prod", "{ref}-", "x-{ref}-with-a-very-long-tail-behind-it", "a/b"] {
        assert!(StageTemplate::parse(bad).is_err(), "{bad}");
    }
    let longest = format!("branch:{}", "x".repeat(crate::git_ref::REF_NAME_BYTES_MAX));
    let pattern = RefPattern::parse(&longest).unwrap();
    assert_eq!(pattern.as_str(), longest);
    assert!(pattern == pattern.clone() && pattern != RefPattern::parse("branch:x").unwrap());
}

#[test]
fn a_rule_names_the_stacks_of_its_stage_for_all_rules_that_lead_there() {
    let mut config =
        config(&[("branch:main", "prod"), ("tag:v*", "prod"), ("branch:dev", "dev"), ("pr:*", "pr-{ref}")]);
    let own = StackPattern::parse("orders-PROD").unwrap();
    config.rules[0].stack_name = Some(own.clone());
    let of_previews = StackPattern::parse("preview-{stage}").unwrap();
    config.rules[3].stack_name = Some(of_previews.clone());
    let pattern = |git_ref: &str| config.route(&GitRef::parse(git_ref).unwrap()).unwrap().stack_name;
    assert_eq!(pattern("branch:main"), own);
    assert_eq!(pattern("tag:v1"), own, "the stage has one name");
    assert_eq!(pattern("branch:dev"), StackPattern::default());
    assert_eq!(pattern("pr:7"), of_previews);
    assert_eq!(config.stack_name_at(&StageName::parse("prod").unwrap()), &own);
}
