//! Promises about slots. Evaluated independently, from the table and API Gateway alone.

use super::{site, target_of, text};
use crate::stack_books::api_of;
use crate::state::State;
use flotilla_domain::Site;
use flotilla_engine::ports::{Item, Key};
use serde_json::Value;

/// The id of the API that a slot's stack has now.
fn api(world: &State, at: &Site, stack: &str) -> Option<String> {
    Some(api_of(&world.stacks.live.get(&(at.clone(), stack.to_owned()))?.id))
}

/// Promise 16: the stack that gets the traffic is not updated. Returns the violation by an execution that begins, if any.
pub fn updates(world: &State, at: &Site, stack: &str, holder: &str) -> Option<String> {
    let is_live = target_of(holder).contains('@')
        && api(world, at, stack).is_some_and(|api| world.domains.point_at(at, &api));
    (is_live && !holder.ends_with("/back"))
        .then(|| format!("promise 16: {holder} updates {stack} in {at}, which gets the traffic"))
}

/// Promise 17: no stack is deleted whose API a mapping points at. Returns the violation by a deletion that begins, if any.
pub fn deletes(world: &State, (at, stack): &(Site, String)) -> Option<String> {
    let is_live = api(world, at, stack).is_some_and(|api| world.domains.point_at(at, &api));
    is_live.then(|| format!("promise 17: {stack} in {at} is deleted, and gets the traffic"))
}

/// Promise 16: only the stack of a rollout that switches gets the traffic, once all stacks of its wave are verified; what fails gives it
/// back. Returns the violation by a change of a mapping, if any.
pub fn switches(world: &State, at: &Site, domain: &str, to: &str) -> Option<String> {
    let may = |item: &&Item| {
        let its = item.body.get("mapping").is_some_and(|mapping| mapping["domain"] == domain);
        its && match text(item, "state") {
            // It is aborted, and a call that was under way may still arrive.
            Some("shifting" | "checking" | "completing" | "shifting_back") => {
                let wave =
                    item.body.get("wave").and_then(Value::as_u64).and_then(|wave| usize::try_from(wave).ok());
                let targets = wave.and_then(|wave| item.body["waves"][wave]["targets"].as_array());
                let targets = targets.into_iter().flatten().filter_map(Value::as_str);
                let mut here = targets.filter(|target| site(target) == at.to_string());
                here.any(|target| {
                    let key = Key::new(item.key.pk.as_str(), format!("DEP#{}", target.replace('/', "#")));
                    world.table.get(&key).is_some_and(|d| names(d, to))
                })
            }
            Some("reverting") => true,
            _ => false,
        }
    };
    let found = world.table.values().filter(|item| item.key.sk == "META").any(|item| may(&item));
    (!found).then(|| format!("promise 16: {domain} in {at} points at {to}, and no rollout switches to it"))
}

/// Whether a deployment that is verified may let the mapping point at this API: its own, or the one before.
fn names(deployment: &Item, api: &str) -> bool {
    let mapped = deployment.body.get("mapped");
    let is = |which: &str| mapped.is_some_and(|mapped| mapped[which][0] == api);
    match text(deployment, "state.name") {
        Some("shifting") => is("new"),
        Some("shifting_back") => is("new") || is("stable"),
        _ => false,
    }
}

/// Promise 18: when a rollout has ended, every mapping points at the stack of the slot that the stage takes for live. Returns the violation,
/// if any.
pub fn left(rollout: &Item, deployments: &[&Item], world: &State) -> Option<String> {
    let mapping = rollout.body.get("mapping")?;
    let (service, stage) = (text(rollout, "service")?, text(rollout, "stage")?);
    let head = world.table.get(&Key::new(format!("STG#{service}"), stage))?;
    // Another deployment has the stack, or API Gateway did not let the traffic go back, which the cause says.
    let is_told =
        |item: &&&Item| matches!(text(item, "state.cause.code"), Some("FL0524" | "FL0554" | "FL0556"));
    if deployments.iter().any(|item| is_told(&item)) {
        return None;
    }
    for deployment in deployments.iter().filter(|item| item.body["operations"].as_u64().unwrap_or(0) > 0) {
        let target = text(deployment, "target")?;
        let at = site(target);
        let found = world
            .domains
            .named
            .iter()
            .find(|((site, domain), _)| site.to_string() == at && mapping["domain"] == domain.as_str());
        let ((at, _), mappings) = found?;
        let live = |slot: &str| {
            head.body
                .get(slot)
                .and_then(Value::as_array)
                .is_some_and(|sites| sites.iter().any(|s| *s == at.to_string()))
        };
        let stack = text(deployment, "stack")?;
        let base = stack.rsplit_once('-')?.0;
        for slot in ["blue", "green"] {
            // Another actor has deleted the stack.
            let Some(api) = api(world, at, &format!("{base}-{slot}")) else { continue };
            let points = mappings.values().any(|mapping| mapping.points_at.api == api);
            if points != live(slot) {
                return Some(format!(
                    "promise 18: {at}: the mapping points at {mappings:?}, and live is {:?}",
                    head.body
                ));
            }
        }
    }
    None
}
