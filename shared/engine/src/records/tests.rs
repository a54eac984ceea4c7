use super::*;

#[test]
fn due_items_are_told_by_their_keys() {
    let rollout = flotilla_domain::RolloutId::derive(Timestamp::UNIX_EPOCH, &["r"]);
    let target = flotilla_domain::Target::parse("111122223333/eu-west-1").unwrap();
    let deployment = flotilla_domain::DeploymentId { rollout, target };
    assert_eq!(due_item(&rollout_key(&rollout)), DueItem::Tick(Subject::Rollout(rollout)));
    assert_eq!(due_item(&deployment_key(&deployment)), DueItem::Tick(Subject::Deployment(deployment)));
    let stage = Key::new("STG#orders", "pr-1");
    assert_eq!(due_item(&stage), DueItem::Stage(stage));
    assert_eq!(due_item(&Key::new("SVC#orders", "CONFIG")), DueItem::Unknown);
}
