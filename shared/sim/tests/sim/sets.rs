//! Several services brought somewhere as one unit.

use flotilla_contract::SetView;
use flotilla_domain::Code;
use flotilla_engine::EngineError;
use flotilla_sim::{Behaviour, SHOP, World};

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

/// A shop whose services run at staging and production, with newer ones at staging.
fn shop(seed: u64) -> World {
    let mut world = World::new(seed, &[&["eu-west-1"]]);
    world.shop(&REGIONS).stock("one");
    let first = world.promote_set(&SHOP).unwrap();
    assert_eq!(world.end_of_set(&first).status, "succeeded");
    world.stock("two");
    world
}

fn stable(world: &World, stage: &str) -> Vec<Option<String>> {
    SHOP.iter().map(|service| world.stable(service, stage)).collect()
}

fn code(error: EngineError) -> Code {
    match error {
        EngineError::Refused(refusal) => refusal.code,
        EngineError::Conflict(conflict) => conflict.refusal.code,
        other => panic!("{other}"),
    }
}

#[test]
fn services_are_promoted_as_one_unit_each_after_those_whose_outputs_it_takes() {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    world.shop(&REGIONS).stock("one");
    let copies = world.copies();
    // In any order, and one twice.
    let id = world.promote_set(&["jobs", "api", "database", "api"]).unwrap();
    let mut orders = Vec::new();
    while !world.set(&id).ended {
        world.steps(1);
        let begun = world.set(&id).members.into_iter().filter(|member| member.forward.is_some()).count();
        if orders.last() != Some(&begun) {
            orders.push(begun);
        }
    }
    assert_eq!(orders, [1, 2, 3], "one after the other");
    let set = world.set(&id);
    assert_eq!(
        (set.status.as_str(), set.kind.as_str(), set.of.as_str()),
        ("succeeded", "promotion", "staging")
    );
    let services: Vec<_> = set.members.iter().map(|member| (member.order, member.service.as_str())).collect();
    assert_eq!(services, [(1, "database"), (2, "api"), (3, "jobs")]);
    assert_eq!(stable(&world, "production"), stable(&world, "staging"));
    assert_eq!(world.copies(), copies, "the same bytes are there already");
    for region in REGIONS {
        let endpoint = world.parameter(region, "jobs-production", "Endpoint").unwrap();
        assert_eq!(endpoint, format!("https://api-production/App.{region}.example/"));
    }
    for member in &set.members {
        let rollout = world.rollout_by_id(&member.forward.as_ref().unwrap().rollout);
        assert_eq!(rollout.set.as_deref(), Some(id.as_str()));
        assert_eq!(rollout.because, Some(format!("{id}: the sale")));
    }
}

/// Promotes the shop and lets the API's stack roll back in one region; answers how the set has ended.
fn api_rolls_back(world: &mut World) -> SetView {
    let before = world.stable("database", "production");
    let id = world.promote_set(&SHOP).unwrap();
    world.until("the database", |world| world.stable("database", "production") != before);
    world.behaves("us-east-1", Behaviour::RollsBack("the resource says no".into()));
    // Step by step, so that the revert finds a region that works again.
    world.until("the failure", |world| world.set(&id).status == "reverting");
    world.behaves("us-east-1", Behaviour::Works);
    world.end_of_set(&id)
}

#[test]
fn if_one_does_not_arrive_all_go_back_and_the_cause_is_its_own() {
    let mut world = shop(2);
    let before = stable(&world, "production");
    let set = api_rolls_back(&mut world);
    assert_eq!((set.status.as_str(), stable(&world, "production")), ("reverted", before));
    assert_eq!(
        code(world.roll_back_set(&set.id, false).unwrap_err()),
        Code::Conflict,
        "it never ran as a whole"
    );
    let cause = set.cause.unwrap();
    assert!(cause.message.starts_with("api/production: "), "{}", cause.message);
    assert!(cause.message.contains("the resource says no"), "{}", cause.message);
    let member_rollouts: Vec<_> =
        set.members.iter().map(|m| (m.forward.is_some(), m.back.is_some())).collect();
    assert_eq!(member_rollouts, [(true, true), (true, true), (false, false)]);
}

#[test]
fn a_set_is_rolled_back_to_what_it_brought_or_to_what_ran_before_in_the_order_of_the_outputs() {
    let mut world = shop(3);
    let one = stable(&world, "production");
    let id = world.promote_set(&SHOP).unwrap();
    assert_eq!(code(world.roll_back_set(&id, true).unwrap_err()), Code::Conflict, "it has not ended");
    world.end_of_set(&id);
    let two = stable(&world, "production");
    assert_ne!(one, two);
    let back = world.roll_back_set(&id, true).unwrap();
    let set = world.end_of_set(&back);
    assert_eq!((set.status.as_str(), stable(&world, "production")), ("succeeded", one));
    let services: Vec<_> = set.members.iter().map(|member| member.service.as_str()).collect();
    assert_eq!(services, ["database", "api", "jobs"]);
    // What ran is held: nothing brings it back by the way.
    assert_eq!(code(world.promote_set(&SHOP).unwrap_err()), Code::PackageHeld);
    assert_eq!(code(world.roll_back_set(&id, false).unwrap_err()), Code::PackageHeld);
}

#[test]
fn a_set_that_is_called_off_begins_nothing_more_and_goes_back() {
    let mut world = shop(8);
    let before = stable(&world, "production");
    let id = world.promote_set(&SHOP).unwrap();
    world.until("the second one", |world| {
        let api = world.set(&id).members.swap_remove(1);
        api.forward.is_some_and(|member_rollout| world.open_rollouts().contains(&member_rollout.rollout))
    });
    world.cancel_set(&id).unwrap();
    let set = world.end_of_set(&id);
    assert_eq!((set.status.as_str(), stable(&world, "production")), ("reverted", before));
    let told = world.rollout_by_id(&set.members[1].forward.as_ref().unwrap().rollout);
    assert_eq!(told.status, "cancelled", "what is in progress is cancelled too");
    assert_eq!(set.cause.unwrap().code, "FL0525");
    assert!(set.members[2].forward.is_none(), "the jobs have not begun");
    assert_eq!(code(world.cancel_set(&id).unwrap_err()), Code::Conflict, "it has ended");
}

#[test]
fn a_set_that_is_the_first_one_at_a_stage_has_nothing_before_it() {
    let mut world = World::new(4, &[&["eu-west-1"]]);
    world.shop(&REGIONS).stock("one");
    let id = world.promote_set(&SHOP).unwrap();
    world.end_of_set(&id);
    assert_eq!(code(world.roll_back_set(&id, true).unwrap_err()), Code::NothingToRevertTo);
    let again = world.roll_back_set(&id, false).unwrap();
    assert_eq!(world.end_of_set(&again).status, "succeeded", "it runs what it ran");
}

#[test]
fn who_takes_outputs_is_deployed_again_in_order_and_nobody_else() {
    let mut world = shop(5);
    let id = world.redeploy_consumers("database").unwrap();
    let set = world.end_of_set(&id);
    assert_eq!(
        (set.status.as_str(), set.kind.as_str(), set.of.as_str()),
        ("succeeded", "redeploy", "database")
    );
    let services: Vec<_> = set.members.iter().map(|member| (member.order, member.service.as_str())).collect();
    assert_eq!(services, [(1, "api"), (2, "jobs")]);
    assert!(set.members.iter().all(|member| member.before.as_ref() == Some(&member.release)));
    assert_eq!(code(world.redeploy_consumers("jobs").unwrap_err()), Code::NotFound);
}

#[test]
fn a_set_is_not_decided_upon_a_stage_where_something_is_under_way() {
    let mut world = shop(9);
    let id = world.promote_set(&SHOP).unwrap();
    world.until_at_last("the database", |world| {
        let first = world.set(&id).members.swap_remove(0).forward.unwrap();
        world.open_rollouts().contains(&first.rollout)
    });
    assert_eq!(code(world.promote_set(&SHOP).unwrap_err()), Code::Conflict);
    assert_eq!(world.end_of_set(&id).status, "succeeded");
}

#[test]
fn whoever_was_faster_at_a_stage_keeps_it_and_the_others_go_back() {
    let mut world = shop(6);
    let before = stable(&world, "production");
    let id = world.promote_set(&SHOP).unwrap();
    // Jobs are promoted alone while the database is under way.
    let alone = world.promote_set(&["jobs"]).unwrap();
    assert_eq!(world.end_of_set(&alone).status, "succeeded");
    let set = world.end_of_set(&id);
    assert_eq!(set.status, "reverted");
    assert_eq!(set.members[2].forward.as_ref().unwrap().status, "overtaken");
    let now = stable(&world, "production");
    assert_eq!(now[..2], before[..2]);
    assert_ne!(now[2], before[2], "what the other one brought stays");
}

#[test]
fn what_cannot_be_done_for_one_is_refused_before_anything_begins() {
    let mut world = World::new(7, &[&["eu-west-1"]]);
    world.shop(&REGIONS);
    assert_eq!(code(world.promote_set(&[]).unwrap_err()), Code::RequestInvalid);
    assert_eq!(code(world.promote_set(&SHOP).unwrap_err()), Code::NotFound, "nothing was uploaded");
    world.stock("one");
    let items = world.items();
    assert_eq!(code(world.promote_set(&["api", "orders"]).unwrap_err()), Code::NotFound);
    assert_eq!(world.items(), items);
}

#[test]
fn one_that_was_called_off_before_it_changed_anything_does_not_go_back() {
    let mut world = shop(10);
    let before = stable(&world, "production");
    let id = world.promote_set(&SHOP).unwrap();
    let is_open = |world: &World| {
        let database = world.set(&id).members.swap_remove(0).forward;
        database.is_some_and(|member_rollout| world.open_rollouts().contains(&member_rollout.rollout))
    };
    world.until("the database", is_open);
    world.cancel_set(&id).unwrap();
    let set = world.end_of_set(&id);
    assert_eq!((set.status.as_str(), stable(&world, "production")), ("reverted", before));
    let member_rollouts: Vec<_> =
        set.members.iter().map(|m| (m.forward.is_some(), m.back.is_some())).collect();
    assert_eq!(member_rollouts, [(true, false), (false, false), (false, false)]);
}

#[test]
fn a_member_that_went_back_by_itself_takes_the_whole_set_with_it() {
    let mut world = World::new(11, &[&["eu-west-1"]]);
    world.shop_with(&REGIONS, Some("revert")).stock("one");
    let first = world.promote_set(&SHOP).unwrap();
    assert_eq!(world.end_of_set(&first).status, "succeeded");
    world.stock("two");
    let before = stable(&world, "production");
    let set = api_rolls_back(&mut world);
    assert_eq!((set.status.as_str(), stable(&world, "production")), ("reverted", before));
    assert_eq!(set.members[1].forward.as_ref().unwrap().status, "reverted");
    assert!(set.cause.unwrap().message.starts_with("api/production: "));
}
