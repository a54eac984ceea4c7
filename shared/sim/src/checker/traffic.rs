//! Promises about traffic. Evaluated independently, from the table and the aliases alone.

use super::text;
use crate::aliases::Alias;
use crate::state::State;
use flotilla_domain::{Digest, Site};
use flotilla_engine::ports::{AliasShares, Item};
use serde_json::Value;

/// The share of an alias that goes to another version than the one its template says.
fn share(alias: &Alias, shares: &AliasShares) -> u8 {
    match &shares.other {
        _ if shares.version != alias.said => 100,
        Some((_, percent)) => *percent,
        None => 0,
    }
}

/// Promise 13: no version gets more than the step of its rollout allows. Returns the violation by a change of an alias, if any.
pub fn exceeds(world: &State, key: &(Site, String), alias: &Alias, wanted: &AliasShares) -> Option<String> {
    let (before, after) = (share(alias, &alias.shares), share(alias, wanted));
    if after <= before {
        return None;
    }
    if wanted.other.is_none() && restores(world, key, &wanted.version) {
        return None;
    }
    let stack = key.1.split('/').next().unwrap_or_default();
    let allowed = world.table.values().filter(|item| item.key.sk == "META").filter_map(|item| {
        let stacks = item.body.get("stacks")?.as_object()?;
        let is_its = stacks.values().any(|name| name == stack);
        let wave = usize::try_from(item.body.get("wave")?.as_u64()?).ok()?;
        let targets = item.body["waves"].get(wave)?["targets"].as_array()?;
        let is_there =
            targets.iter().filter_map(Value::as_str).any(|target| super::site(target) == key.0.to_string());
        let share = match text(item, "state")? {
            "shifting" => item.body["percent"].as_u64()?,
            "completing" => 100,
            // A call that was under way when the rollout failed may still arrive; then the alias is set back.
            "shifting_back" => {
                item.body["traffic"].as_array()?.iter().filter_map(|step| step[0].as_u64()).max()?
            }
            _ => 0,
        };
        (is_its && is_there).then_some(share)
    });
    let allowed = allowed.max().unwrap_or(0);
    (u64::from(after) > allowed)
        .then(|| format!("promise 13: {key:?} gets {after} % of the traffic, and {allowed} % are allowed"))
}

/// Whether a rollback gives a version all traffic that the release which it deploys has published there.
fn restores(world: &State, (site, alias): &(Site, String), version: &str) -> bool {
    let stack = alias.split('/').next().unwrap_or_default();
    let Ok(number) = version.parse::<u64>() else { return false };
    let published = |item: &Item| {
        let template = text(item, "deploy.template").and_then(|digest| Digest::parse_hex(digest).ok());
        template.is_some_and(|template| {
            world.aliases.published.contains(&(site.clone(), stack.to_owned(), number, template))
        })
    };
    world.table.values().filter(|item| item.key.sk.starts_with("DEP#")).any(|item| {
        let is_its = text(item, "stack") == Some(stack)
            && text(item, "target").is_some_and(|target| super::site(target) == site.to_string());
        is_its && text(item, "state.name") == Some("restoring") && published(item)
    })
}

/// Of a thousand invocations of a bad version, so many fail at least; those of a good one do not.
const BAD: u64 = 500;

/// Promise 15: with an analysis, a bad version gets no more than the first step's share, unless an operator wants it to. Returns the violation by
/// a change of an alias, if any. Each step has to need enough invocations to be sure.
pub fn trusts(world: &State, key: &(Site, String), alias: &Alias, wanted: &AliasShares) -> Option<String> {
    let percent = share(alias, wanted);
    let version = wanted.other.as_ref().map_or(&wanted.version, |(version, _)| version);
    if world.load.errors.get(version).is_none_or(|failing| *failing < BAD) {
        return None;
    }
    let stack = key.1.split('/').next().unwrap_or_default();
    let judges = |item: &&Item| {
        let stacks = item.body.get("stacks").and_then(Value::as_object);
        stacks.is_some_and(|stacks| stacks.values().any(|name| name == stack))
            && item.body["analysis"]["judged"] == true
            && matches!(text(item, "state"), Some("shifting" | "completing"))
            && !super::gates::is_quick(item)
    };
    let rollout = world.table.values().filter(|item| item.key.sk == "META").find(judges)?;
    let first = rollout.body["traffic"].as_array()?.iter().filter_map(|step| step[0].as_u64()).min()?;
    (u64::from(percent) > first).then(|| {
        format!("promise 15: {key:?} gives {percent} % to version {version}, of which every second invocation fails")
    })
}

/// Promise 13: an update does not send all traffic to a new version. Returns the violation by an update that has moved an alias, if any.
pub fn hurried(world: &State, key: &(Site, String)) -> Option<String> {
    let stack = key.1.split('/').next().unwrap_or_default();
    let rolls = |item: &&Item| {
        let stacks = item.body.get("stacks").and_then(Value::as_object);
        let is_its = stacks.is_some_and(|stacks| stacks.values().any(|name| name == stack));
        let takes_steps = item.body.get("traffic").is_some() && !super::gates::is_quick(item);
        is_its && takes_steps && matches!(text(item, "state"), Some("rolling" | "checking" | "shifting"))
    };
    let rollout = world.table.values().filter(|item| item.key.sk == "META").find(rolls)?;
    Some(format!("promise 13: an update of {:?} sends all traffic of {key:?} to a new version", rollout.key))
}

/// Promise 14: a rollout that has ended leaves no weights, and its aliases name what their templates say. Returns the violation, if any.
pub fn left(rollout: &Item, deployments: Vec<&Item>, world: &State) -> Option<String> {
    rollout.body.get("traffic")?;
    // Another deployment has the stack, or Lambda did not let the traffic go back, which the cause says.
    let is_told = |code: Option<&str>| matches!(code, Some("FL0524" | "FL0554"));
    // A rollback that was not completed leaves the traffic where it should be.
    let is_restored =
        |d: &&Item| d.body.get("restores").is_some() && text(d, "state.name") != Some("succeeded");
    // One that only made its plan changed nothing, and another rollout may be shifting.
    let began = |d: &&Item| d.body["operations"].as_u64().unwrap_or(0) > 0;
    let untold = deployments.into_iter().filter(began).filter(|d| !is_told(text(d, "state.cause.code")));
    let untold = untold.filter(|d| !is_restored(d));
    for deployment in untold {
        let (Some(target), Some(stack)) = (text(deployment, "target"), text(deployment, "stack")) else {
            continue;
        };
        let prefix = format!("{stack}/");
        let of = |at: &(Site, String)| at.0.to_string() == super::site(target) && at.1.starts_with(&prefix);
        let wrong = world.aliases.named.iter().find(|(at, alias)| {
            of(at) && (alias.shares.other.is_some() || alias.shares.version != alias.said)
        });
        if let Some((at, alias)) = wrong {
            return Some(format!("promise 14: {at:?} is left as {alias:?}"));
        }
    }
    None
}
