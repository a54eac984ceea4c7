//! Promise 10: no wave begins before its gates are open. Evaluated independently, from the table alone.

use super::text;
use crate::state::State;
use flotilla_domain::{Digest, SignedDuration, Timestamp};
use flotilla_engine::ports::{Item, Key};
use serde_json::Value;
use std::collections::BTreeSet;

/// How old an observation may be when it is acted on: longer than a function stalls.
const STALE: SignedDuration = SignedDuration::from_secs(70);

fn is_overridden(meta: &Item) -> bool {
    meta.body.get("break_glass").is_some()
}

fn hurries(meta: &Item) -> bool {
    meta.body.get("gates").is_some_and(|gates| gates["hurry"] == Value::Bool(true))
}

/// Whether it takes no steps: it is expedited, or break-glass has opened it.
pub(super) fn is_quick(meta: &Item) -> bool {
    is_overridden(meta) || hurries(meta)
}

/// Checks that a package that is being copied passes the profile's rules. Returns the violation, if any. The simulated
/// rules forbid types.
pub(super) fn vetted(meta: &Item, world: &State) -> Option<String> {
    if is_overridden(meta) || hurries(meta) {
        return None;
    }
    let profile = Key::new(format!("PRF#{}", text(meta, "profile")?), "CONFIG");
    let document: Value = serde_json::from_str(text(world.table.get(&profile)?, "document")?).ok()?;
    let rules = document["safeguards"]["guard"].as_str()?;
    for stack in meta.body["deploy"]["stacks"].as_array()? {
        let digest = Digest::parse_hex(stack["template"].as_str()?).ok()?;
        let template: Value = serde_json::from_slice(world.templates.get(&digest)?).ok()?;
        let mut kinds = template["Resources"].as_object()?.values().filter_map(|r| r["Type"].as_str());
        if let Some(kind) = kinds.find(|kind| rules.contains(&format!("'{kind}'"))) {
            return Some(format!("promise 10: a template with {kind} is copied, which a rule forbids"));
        }
    }
    None
}

/// Checks that a wave that has begun was allowed to. Returns the violation, if any.
pub(super) fn wave_begins(meta: &Item, wave: usize, world: &State) -> Option<String> {
    if is_overridden(meta) || hurries(meta) {
        return None;
    }
    not_approved(meta, wave).or_else(|| frozen(meta, world))
}

/// Checks the approvals of a wave: they must be by different people, and of this package, or the targets of this removal, and these plans.
fn not_approved(meta: &Item, wave: usize) -> Option<String> {
    let needed = meta.body["waves"][wave]["approvals"].as_u64().unwrap_or(0) as usize;
    let plans = meta.body.get("plans").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut lines: Vec<String> = plans
        .iter()
        .map(|(target, plan)| format!("{target} {}\n", plan.as_str().unwrap_or_default()))
        .collect();
    lines.sort();
    let plan = (!lines.is_empty()).then(|| Digest::of(lines.concat().as_bytes()).to_string());
    let targets = meta.body["waves"].as_array().into_iter().flatten();
    let targets = targets.filter_map(|wave| wave["targets"].as_array()).flatten().filter_map(Value::as_str);
    let removed = || Digest::of(targets.collect::<Vec<_>>().join("\n").as_bytes()).to_string();
    let subject = text(meta, "deploy.package").map_or_else(removed, str::to_owned);
    let given = meta.body.get("approvals").and_then(Value::as_array).cloned().unwrap_or_default();
    let valid = given.iter().filter(|approval| {
        approval["wave"].as_u64() == Some(wave as u64)
            && approval["package"].as_str() == Some(&subject)
            && approval["plan"].as_str() == plan.as_deref()
    });
    let people: BTreeSet<&str> = valid.filter_map(|approval| approval["by"].as_str()).collect();
    (people.len() < needed)
        .then(|| format!("promise 10: wave {wave} began with {} of {needed} approvals", people.len()))
}

/// Checks that a wave began outside of scheduled freezes. The simulated profiles use UTC.
fn frozen(meta: &Item, world: &State) -> Option<String> {
    let profile = Key::new(format!("PRF#{}", text(meta, "profile")?), "CONFIG");
    let document: Value = serde_json::from_str(text(world.table.get(&profile)?, "document")?).ok()?;
    let moment = |value: &Value| -> Option<Timestamp> {
        let text = format!("{}:00Z", value.as_str()?);
        text.parse().ok()
    };
    let now = world.now();
    for freeze in document.get("freezes").and_then(Value::as_array)? {
        let (from, to) = (moment(&freeze["from"])?, moment(&freeze["to"])?);
        if from.saturating_add(STALE).ok()? < now && now < to {
            return Some(format!("promise 10: a wave began at {now}, during the freeze until {to}"));
        }
    }
    None
}

/// Checks that a deployment was allowed to begin its execution. Returns the violation, if any.
pub(super) fn execution_begins(
    meta: &Item,
    deployment: &Item,
    target: &str,
    world: &State,
) -> Option<String> {
    if is_overridden(meta) {
        return None;
    }
    let approved = meta.body["waves"].as_array()?.iter().any(|wave| wave["approvals"].as_u64() > Some(0));
    let plan = meta.body.get("plans").and_then(|plans| plans[target].as_str());
    if approved && !hurries(meta) && plan.is_some() && plan != text(deployment, "plan") {
        return Some(format!("promise 10: {target} executes a plan other than the approved one"));
    }
    let decided: Timestamp = text(deployment, "entered_at")?.parse().ok()?;
    let stops = world.table.get(&Key::new("LINE", "STOPS"))?;
    let own = format!("profiles.{}.at", text(meta, "profile")?);
    for at in ["everything.at", own.as_str()].into_iter().filter_map(|path| text(stops, path)) {
        let stopped: Timestamp = at.parse().ok()?;
        if stopped.saturating_add(STALE).ok()? < decided {
            return Some(format!(
                "promise 10: {target} began at {decided}, during the freeze since {stopped}"
            ));
        }
    }
    None
}
