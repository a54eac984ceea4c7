//! Promises about regions that are drained. Evaluated independently, from the table and the records alone.

use super::{gates, site, text};
use crate::dns::Record;
use crate::state::State;
use flotilla_domain::Site;
use flotilla_domain::deployment::WeightedRecord;
use flotilla_engine::ports::Item;
use serde_json::Value;

/// The record of a region that a rollout or a deployment names.
fn record<'w>(world: &'w State, item: &Item, at: &str) -> Option<&'w Record> {
    let record = item.body.get("record")?;
    let field = |name: &str| record[name].as_str().map(str::to_owned);
    let group = world.dns.records.get(&(field("zone")?, field("name")?))?;
    group.get(&field("set_identifier")?.replace("{region}", at.rsplit('/').next()?))
}

/// Promise 19: the stack of a region is not updated while the region gets traffic, unless the rollout is quick. Returns the violation by an
/// execution that begins, if any.
pub fn updates(world: &State, rollout: &Item, deployment: &Item) -> Option<String> {
    let target = text(deployment, "target")?;
    if gates::is_quick(rollout) || deployment.body.get("back").is_some() {
        return None;
    }
    let record = record(world, deployment, site(target))?;
    let drained_for_s = (world.now_ms - record.since_ms) / 1_000;
    (record.weight > 0 || drained_for_s < i64::from(record.ttl_s))
        .then(|| format!("promise 19: {target} is updated, and resolvers may still know {record:?}"))
}

/// Promise 20: a region gets a share only from a rollout that gives it, no more than its whole weight. Returns the violation by a change of
/// a record, if any.
pub fn gives(world: &State, at: &Site, changed: &WeightedRecord, to: u8) -> Option<String> {
    if to == 0 {
        return None;
    }
    let deployments = world.table.values().filter(|item| item.key.sk.starts_with("DEP#"));
    let mut its = deployments.filter(|item| {
        let record = item.body.get("record");
        record.is_some_and(|record| {
            record["name"] == changed.name.as_str() && record["zone"] == changed.zone.as_str()
        }) && text(item, "target").map(site) == Some(at.to_string().as_str())
    });
    let may = its.any(|item| match text(item, "state.name") {
        Some("shifting") => item.body["state"]["percent"].as_u64().is_some_and(|percent| percent > 0),
        Some("undraining") => to == changed.weight,
        // A call that was under way may still arrive.
        Some("shifting_back" | "succeeded" | "rolled_back" | "failed") => world.faults.stalled > 0,
        _ => false,
    });
    (!may).then(|| format!("promise 20: {changed} gets the weight {to}, and no deployment gives it"))
}

/// Promise 21: when a rollout has ended, each region that it deployed to has its whole weight, or none if what it runs is not wanted, which its
/// deployment says. Returns the violation, if any.
pub fn left(rollout: &Item, deployments: &[&Item], world: &State) -> Option<String> {
    rollout.body.get("record")?;
    for deployment in deployments.iter().filter(|item| item.body.get("drain").is_some()) {
        let target = text(deployment, "target")?;
        let reverted = deployments.iter().any(|other| {
            other.body.get("back").is_some()
                && text(other, "target") == Some(target)
                && text(other, "state.name") == Some("succeeded")
        });
        let Some(record) = record(world, deployment, site(target)) else { continue };
        let whole = u64::from(record.weight) == deployment.body["record"]["weight"].as_u64().unwrap_or(0);
        let is_told = |code: &str| text(deployment, "state.cause.code") == Some(code);
        let notes = deployment.body.get("notes").and_then(Value::as_array);
        let says = notes
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|note| note.contains("gets no traffic"));
        let took = deployment.body.get("drain").is_some_and(|drain| drain["before"].as_u64() > Some(0));
        let right = match text(deployment, "state.name") {
            _ if is_told("FL0554") || is_told("FL0558") => true,
            _ if reverted => whole,
            Some("succeeded") => whole,
            Some("rolled_back" | "cancelled") if took => whole,
            Some("rolled_back" | "cancelled") => says,
            Some("failed") => says || whole,
            _ => true,
        };
        if !right {
            return Some(format!("promise 21: {target} is left with {record:?}"));
        }
    }
    None
}
