//! The names of services, and what may not be named so.

use flotilla_contract::{RuleConfig, ServiceConfigDoc};
use flotilla_domain::ServiceName;
use flotilla_engine::EngineError;
use flotilla_sim::World;
use futures::executor::block_on;

#[test]
fn no_service_may_have_stacks_with_names_like_flotillas_parts() {
    let world = World::new(1, &[&["eu-west-1"]]);
    let commands = world.api().0;
    let bob =
        block_on(commands.caller("arn:aws:iam::111122223333:user/bob".into(), "a request".into())).unwrap();
    let put_rule = |service: &str, stack_name: Option<&str>, of_rule: Option<&str>| {
        let rules = vec![RuleConfig {
            git_ref: "branch:main".into(),
            stage: "staging".into(),
            profile: "p".into(),
            ttl_h: None,
            stack_name: of_rule.map(str::to_owned),
            promote_to: None,
        }];
        let doc = ServiceConfigDoc {
            rules,
            stack_name: stack_name.map(str::to_owned),
            ..ServiceConfigDoc::default()
        };
        let service = ServiceName::parse(service).unwrap();
        match block_on(commands.put_service(&service, &doc, None, &bob)) {
            Err(EngineError::Refused(refusal)) => Some((refusal.code.to_string(), refusal.path.unwrap())),
            other => other.map(|_| None).unwrap(),
        }
    };
    let put = |service: &str, stack_name: Option<&str>| put_rule(service, stack_name, None);
    let refused = Some(("FL0301".to_owned(), "stack_name".to_owned()));
    assert_eq!(put("flotilla-demo", None), refused);
    assert_eq!(put("orders", Some("flotilla-{service}-{stage}")), refused);
    assert_eq!(put_rule("orders", None, Some("flotilla-{stage}")), refused);
    assert_eq!(put("flotillas", None), None);
    assert_eq!(put("flotilla-demo", Some("app-{service}-{stage}")), None);
}

#[test]
fn a_stage_keeps_the_stack_name_of_its_rule_in_every_rollout() {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    world.names_stacks("orders-STG");
    let first = world.upload("branch/main", "one");
    let first = world.end_of(&first);
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    let back = world.start(&first.release.clone().unwrap(), "staging").unwrap();
    for rollout in [first, world.end_of_rollout(&back)] {
        assert_eq!(
            (rollout.status.as_str(), rollout.deployments[0].stack.as_str()),
            ("succeeded", "orders-STG")
        );
    }
    let other = world.upload("branch/eu", "one");
    assert_eq!(world.end_of(&other).deployments[0].stack, "orders-eu-staging");
}
