//! The life of a shop whose services are promoted to production as a set.

use super::{REGIONS, storm};
use crate::{Behaviour, Faults, SHOP, World};
use flotilla_engine::rollout::Control;

/// Runs one life: a set is promoted with faults and other rollouts; then, without faults, everything must succeed.
pub(super) fn live(world: &mut World, seed: u64) {
    let life = seed / super::SETS_EVERY;
    world.shop(&REGIONS[..2]).stock("one");
    let mut sets = Vec::new();
    if life.is_multiple_of(2) {
        let first = world.promote_set(&SHOP).expect("all of it runs at staging");
        assert_eq!(world.end_of_set(&first).status, "succeeded", "in calm");
        sets.push(first);
    }
    world.stock("two");
    world.faults(storm(seed));
    sets.push(world.promote_set(&SHOP).expect("nothing is in progress"));
    let some = u32::try_from(world.random(250)).unwrap_or(0);
    world.steps(some);
    meddle(world, life, &mut sets);
    world.steps(250);
    for region in REGIONS {
        world.behaves(region, Behaviour::Works);
    }
    world.faults(Faults::NONE);
    for set in &sets {
        world.end_of_set(set);
    }
    world.finish_operations().mend_half_deleted();
    // Holds of another rollback remain.
    let Ok(last) = world.promote_set(&SHOP) else { return };
    assert_eq!(world.end_of_set(&last).status, "succeeded", "in calm");
    // One of the services may have had no stable release before.
    if let Ok(back) = world.roll_back_set(&last, true) {
        assert_eq!(world.end_of_set(&back).status, "succeeded", "in calm");
    }
    if seed.is_multiple_of(2) {
        let left = world.leftovers();
        assert_eq!(left, Vec::<String>::new(), "unneeded change sets and stacks remain");
    }
}

/// Events during a set; each may be too early or too late.
fn meddle(world: &mut World, life: u64, sets: &mut Vec<String>) {
    let under_way = sets.last().cloned().unwrap_or_default();
    let member_rollouts = world.set(&under_way).members.into_iter().filter_map(|member| member.forward);
    let rollouts: Vec<String> = member_rollouts.map(|member_rollout| member_rollout.rollout).collect();
    match life % 7 {
        0 => drop(world.behaves("us-east-1", Behaviour::RollsBack("the resource says no".into()))),
        // Alone, they would wait for outputs that do not exist yet.
        1 if sets.len() > 1 => sets.extend(world.promote_set(&["jobs"])),
        // It may already be reverting, or be between two of its rollouts.
        2 if life % 2 == 1 => drop(world.cancel_set(&under_way)),
        2 => {
            // The newest rollout may not be admitted yet.
            let saved = rollouts.iter().rev().find(|id| world.open_rollouts().contains(id));
            if let Some(id) = saved.cloned() {
                drop(world.control(&id, Control::Cancel { stop_running: true }));
            }
        }
        3 => sets.extend(world.redeploy_consumers("database")),
        4 => sets.extend(world.promote_set(&SHOP)),
        5 => {
            let before = sets.first().cloned().unwrap_or_default();
            sets.extend(world.roll_back_set(&before, false));
        }
        _ => {}
    }
}
