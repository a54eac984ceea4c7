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
    let put = |service: &str, stack_name: Option<&str>| {
        let rules = vec![RuleConfig {
            git_ref: "branch:main".into(),
            stage: "staging".into(),
            profile: "p".into(),
            ttl_h: None,
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
    let refused = Some(("FL0301".to_owned(), "stack_name".to_owned()));
    assert_eq!(put("flotilla-demo", None), refused);
    assert_eq!(put("orders", Some("flotilla-{service}-{stage}")), refused);
    assert_eq!(put("flotillas", None), None);
    assert_eq!(put("flotilla-demo", Some("app-{service}-{stage}")), None);
}
