//! Persons: whom approvals count.

use crate::gates::{approved_by, gated};
use flotilla_engine::gate::ApprovalRequest;
use flotilla_sim::World;

#[test]
fn two_sessions_of_a_role_are_one_person_unless_their_names_are_pinned() {
    let session = |name: &str| format!("arn:aws:sts::111122223333:assumed-role/release/{name}");
    let mut world = World::with(21, approved_by(2));
    let version = world.upload("branch/main", "one");
    let id = gated(&mut world, &version);
    let any = ApprovalRequest::default();
    for name in ["ann", "bob", "eve"] {
        world.approve(&id, &session(name), &any).unwrap();
    }
    world.pass(24);
    let given = world.rollout_by_id(&id).gates.unwrap();
    assert_eq!(given.closed[0].why, "1 of 2 approvals of wave 1");
    assert_eq!(given.approvals[0].person.as_deref(), Some("arn:aws:iam::111122223333:role/release"));
    // Once the role pins the names, each is a person of its own.
    world.pins("arn:aws:iam::111122223333:role/release");
    world.approve(&id, &session("bob"), &any).unwrap();
    assert_eq!(world.end_of(&version).status, "succeeded");
}
