//! The invariants ("promises"), checked after every step.
//!
//! The checker reads the table's items and CloudFormation's books directly and shares no code with the engine.
//! [`edges`] defines the legal transitions independently.

mod edges;
mod gates;
mod kept;
pub mod records;
mod sets;
pub mod slots;
pub mod traffic;

use crate::state::State;
use flotilla_domain::Site;
use flotilla_engine::ports::{Item, Key};
use std::collections::{BTreeMap, BTreeSet};

/// What was observed so far.
#[derive(Debug, Default)]
pub struct Checker {
    seen: BTreeMap<Key, (String, u64)>,
    /// The last wave of each rollout that has begun.
    waves: BTreeMap<Key, usize>,
    /// The partitions of the rollouts that have updated or deleted a stack of their own.
    executing: BTreeSet<String>,
}

fn text<'i>(item: &'i Item, path: &str) -> Option<&'i str> {
    let mut parts = path.split('.');
    let mut value = item.body.get(parts.next()?)?;
    for part in parts {
        value = value.get(part)?;
    }
    value.as_str()
}

/// The account-region of a target, without the part and the slot.
fn site(target: &str) -> &str {
    target.split([':', '@']).next().unwrap_or_default()
}

/// The target of a lease's holder.
fn target_of(holder: &str) -> &str {
    let target = holder.split_once('/').map_or("", |(_, target)| target);
    target.strip_suffix("/back").unwrap_or(target)
}

/// The items of one partition whose sort keys have this prefix.
fn partition<'t>(
    table: &'t BTreeMap<Key, Item>,
    pk: &'t str,
    sk: &'t str,
) -> impl Iterator<Item = (&'t Key, &'t Item)> {
    table.range(Key::new(pk, sk)..).take_while(move |(key, _)| key.pk == pk && key.sk.starts_with(sk))
}

/// The prefix of a deployment's tokens in CloudFormation, derived from the holder of a lease.
fn name_of(holder: &str) -> String {
    let rollout = holder.split('/').next().unwrap_or_default().replace('_', "-");
    let (target, slot) = target_of(holder).split_once('@').unwrap_or((target_of(holder), ""));
    let part = target.split_once(':').map(|(_, part)| format!("-{part}")).unwrap_or_default();
    let slot = if slot.is_empty() { String::new() } else { format!("-{slot}") };
    let back = if holder.ends_with("/back") { "-back" } else { "" };
    format!("flotilla-{rollout}{part}{slot}{back}-op")
}

/// Checks that an operation of Flotilla may begin. Returns the violation, if any.
pub(crate) fn begins(
    state: &State,
    (at, stack): &(Site, String),
    token: &str,
    change_set_id: Option<&str>,
) -> Option<String> {
    let lease = Key::new(format!("STK#{}#{}", at.account, at.region), stack.as_str());
    let holder = state.table.get(&lease).and_then(|lease| text(lease, "holder")).unwrap_or("-");
    if !token.starts_with(&name_of(holder)) {
        return Some(format!("promise 1: {token} begins on {stack}, but {holder} holds its lease"));
    }
    let rollout = holder.split('/').next().unwrap_or_default();
    let pk = format!("RLO#{rollout}");
    let recorded =
        partition(&state.table, &pk, "EVT#").any(|(_, event)| text(event, "detail") == Some(token));
    if !recorded {
        return Some(format!("promise 11: {token} begins, but the timeline has no entry"));
    }
    let change_set_id = change_set_id?;
    let saved = partition(&state.table, &pk, "DEP#").map(|(_, item)| item).find(|deployment| {
        text(deployment, "change_set_id") == Some(change_set_id)
            && text(deployment, "state.name") == Some("executing")
    });
    let Some(saved) = saved else {
        return Some(format!("save, then act: {change_set_id} is executed, but no saved state asks for it"));
    };
    let meta = state.table.get(&Key::new(pk.as_str(), "META"))?;
    if saved.body.get("completes").is_some() {
        return (text(meta, "state") != Some("completing"))
            .then(|| format!("promise 13: {token} completes a shift, but its rollout does not"));
    }
    if let Some(updates) = slots::updates(state, at, stack, holder) {
        return Some(updates);
    }
    if let Some(updates) = records::updates(state, meta, saved) {
        return Some(updates);
    }
    if !holder.ends_with("/back") {
        if let Some(passed) = gates::execution_begins(meta, saved, target_of(holder), state) {
            return Some(passed);
        }
        return waves_before(state, &pk, meta, target_of(holder));
    }
    (text(meta, "state") != Some("reverting"))
        .then(|| format!("{token} is a rollback, but its rollout is not reverting"))
}

/// Whether a deployment has begun and not ended. A deployment that is only planned has not begun.
fn is_under_way(name: &str) -> bool {
    !edges::DEPLOYMENT_ENDS.contains(&name)
        && !matches!(
            name,
            "waiting"
                | "inspecting"
                | "reading_aliases"
                | "reading_mapping"
                | "restoring"
                | "planning_removal"
                | "planning"
                | "planned"
                | "draining"
                | "undraining"
                | "shifting"
                | "discarding"
        )
}

/// Checks that the waves before the target's wave allow the target to be deployed.
fn waves_before(state: &State, pk: &str, meta: &Item, target: &str) -> Option<String> {
    let waves = meta.body.get("waves")?.as_array()?;
    for wave in waves {
        let targets: Vec<&str> =
            wave["targets"].as_array()?.iter().filter_map(|target| target.as_str()).collect();
        let outcomes: Vec<&Item> = targets
            .iter()
            .filter_map(|target| state.table.get(&Key::new(pk, format!("DEP#{}", target.replace('/', "#")))))
            .collect();
        let names: Vec<&str> = outcomes.iter().filter_map(|item| text(item, "state.name")).collect();
        let failed = names.iter().filter(|name| matches!(**name, "failed" | "rolled_back")).count() as u64;
        if failed > wave["tolerate_failures"].as_u64()? && !targets.contains(&target) {
            return Some(format!("promise 10: {target} is deployed, but a wave before it has failed"));
        }
        if targets.contains(&target) {
            // The second update of a shift changes only what the template says.
            let updates = outcomes.iter().filter(|item| item.body.get("completes").is_none());
            let updates = updates.filter_map(|item| text(item, "state.name"));
            let open = updates.filter(|name| is_under_way(name)).count() as u64;
            let most = wave["max_concurrent"].as_u64()?;
            return (open > most).then(|| {
                format!("promise 10: {open} deployments of a wave are open, but only {most} may be")
            });
        }
        if names.len() < targets.len() || names.iter().any(|name| !edges::DEPLOYMENT_ENDS.contains(name)) {
            return Some(format!("promise 10: {target} is deployed, but the wave before it has not ended"));
        }
        let bake_s = i64::try_from(wave["bake_s"].as_u64()?).ok()?;
        let last = outcomes.iter().filter_map(|item| text(item, "entered_at")).max()?;
        let last: flotilla_domain::Timestamp = last.parse().ok()?;
        if state.now().duration_since(last).as_secs() < bake_s {
            return Some(format!("promise 10: {target} is deployed, but the wave before it has not baked"));
        }
    }
    Some(format!("promise 9: {target} is deployed, but its rollout does not name it"))
}

impl Checker {
    /// Checks what was changed. Panics with the promise that is violated.
    pub fn check(&mut self, state: &mut State) {
        let breach = state.stacks.breaches.first();
        assert!(breach.is_none(), "{}", breach.map_or("", String::as_str));
        let twice = state.stacks.executions.iter().find(|(_, count)| **count > 1);
        assert!(twice.is_none(), "promise 2: a change set was executed twice: {twice:?}");
        let touched: BTreeSet<Key> = std::mem::take(&mut state.touched).into_iter().collect();
        let gone = std::mem::take(&mut state.objects.gone);
        kept::check(state, &gone, &touched);
        for key in &touched {
            let Some(item) = state.table.get(key) else { continue };
            if key.sk.starts_with("DEP#") {
                self.deployment(key, item, state);
                self.rollout(&Key::new(key.pk.clone(), "META"), state);
            } else if key.sk == "META" {
                self.rollout(key, state);
            } else if key.pk.starts_with("STG#") {
                Self::stage(key, item, &state.table);
            } else if key.pk.starts_with("STK#") {
                self.grows(key, item);
            } else if key.pk == "SETS" {
                self.set(key, item, &state.table);
            }
        }
    }

    fn set(&mut self, key: &Key, item: &Item, table: &BTreeMap<Key, Item>) {
        let state = text(item, "state.name").expect("a set has a state");
        let level = item.body["state"]["level"].as_u64().map(|level| level.to_string()).unwrap_or_default();
        self.moves(key, item, &format!("{state}{level}"), edges::set);
        let ended = edges::SET_ENDS.contains(&state);
        assert_eq!(item.due_at.is_some(), !ended, "promise 5: {key:?} is {state}");
        let wrong = sets::set(item, table, &self.executing);
        assert!(wrong.is_none(), "{}: {key:?}", wrong.unwrap_or_default());
    }

    /// A version grows by one with each save.
    fn grows(&mut self, key: &Key, item: &Item) {
        let before = self.seen.get(key).map_or(0, |(_, version)| *version);
        assert!(
            item.version > before,
            "promise 6: {key:?} changed from version {before} to {}",
            item.version
        );
        self.seen.insert(key.clone(), (String::new(), item.version));
    }

    fn moves(&mut self, key: &Key, item: &Item, state: &str, legal: fn(&str, &str) -> bool) {
        let (before, version) = self.seen.get(key).cloned().unwrap_or_else(|| (edges::NOTHING.to_owned(), 0));
        if version == item.version {
            assert_eq!(before, state, "promise 7: {key:?} changed without a new version");
            return;
        }
        assert!(item.version > version, "promise 6: {key:?} returned to version {}", item.version);
        assert!(
            before == state || legal(&before, state),
            "promise 7: {key:?} changed from {before} to {state}"
        );
        self.seen.insert(key.clone(), (state.to_owned(), item.version));
    }

    fn deployment(&mut self, key: &Key, item: &Item, world: &State) {
        let table = &world.table;
        let state = text(item, "state.name").expect("a deployment has a state");
        if matches!(state, "executing" | "emptying" | "deleting") {
            self.executing.insert(key.pk.clone());
        }
        let ended = edges::DEPLOYMENT_ENDS.contains(&state);
        let removes = item.body.get("deploy").is_none();
        let is_guarded = removes && item.body["policy"]["safeguards"]["block_stateful"] == true;
        let legal = if is_guarded { edges::guarded_removal } else { edges::deployment };
        self.moves(key, item, state, legal);
        let rollout = text(item, "rollout").expect("a deployment has a rollout");
        let target = text(item, "target").expect("a deployment has a target");
        let stack = text(item, "stack").expect("a deployment has a stack");
        let lease_key = Key::new(format!("STK#{}", site(target).replace('/', "#")), stack);
        let lease = table.get(&lease_key);
        let back = if item.body.get("back").is_some() { "/back" } else { "" };
        let own = format!("{rollout}/{target}{back}");
        let holds = lease.and_then(|lease| text(lease, "holder")) == Some(own.as_str());
        if ended {
            assert!(!holds, "a deployment that has ended holds its stack's lease: {key:?}");
        } else if state != "waiting" {
            assert!(holds, "promise 1: {key:?} is {state} without its stack's lease");
            let fence = item.body.get("fence").and_then(serde_json::Value::as_u64);
            assert_eq!(
                fence,
                lease.map(|lease| lease.version),
                "promise 1: {key:?} has another lease's number"
            );
        }
        assert_eq!(item.due_at.is_some(), !ended, "promise 5: {key:?} is {state}");
        if state == "failed" || state == "rolled_back" {
            let fix = text(item, "state.cause.fix").unwrap_or_default();
            assert!(!fix.is_empty(), "promise 4: {key:?} failed without a fix");
        }
        if state == "rolled_back" {
            Self::cause_is_true(key, item, world);
        }
        if state == "succeeded" {
            Self::bytes_are_proven(key, item, world, target, stack);
        }
        let meta =
            table.get(&Key::new(key.pk.clone(), "META")).expect("promise 9: a deployment has its rollout");
        let waves = meta.body["waves"].as_array().expect("a rollout has waves");
        // Of two slots, a rollback goes to the other one.
        let known = |t: &serde_json::Value| {
            t == target || (!back.is_empty() && t.as_str().map(site) == Some(site(target)))
        };
        let planned = waves.iter().filter_map(|w| w["targets"].as_array()).flatten().any(known);
        assert!(planned, "promise 9: {key:?} is at a target that its rollout does not name");
    }

    /// Promise 8: the reported reason is the one for which one of its own operations failed.
    fn cause_is_true(key: &Key, item: &Item, world: &State) {
        let message = text(item, "state.cause.message").unwrap_or_default();
        let code = text(item, "state.cause.code").unwrap_or_default();
        if code == "FL0525" {
            return;
        }
        let rollout = text(item, "rollout").unwrap_or_default();
        let back = if item.body.get("back").is_some() { "/back" } else { "" };
        let target = text(item, "target").unwrap_or_default();
        let own = name_of(&format!("{rollout}/{target}{back}"));
        let known = world
            .stacks
            .true_reasons
            .iter()
            .filter(|((at, token), _)| token.starts_with(&own) && at.to_string() == site(target));
        let recorded = known.map(|(_, reason)| reason).any(|reason| message.contains(reason.as_str()));
        assert!(
            recorded,
            "promise 8: {key:?} was rolled back and reports {message:?}; the true reasons are {:?}",
            world.stacks.true_reasons
        );
    }

    /// Promise 3: every function has run the bytes of the release.
    fn bytes_are_proven(key: &Key, item: &Item, world: &State, target: &str, stack: &str) {
        let Some(functions) = item.body.get("deploy").and_then(|deploy| deploy["functions"].as_array())
        else {
            return;
        };
        for function in functions {
            let (id, asset) = (function["id"].as_str().unwrap_or_default(), function["asset"].as_str());
            let name = format!("{stack}/{id}");
            let ran = world.ran.iter().any(|(at, function, digest)| {
                function == &name
                    && at.to_string() == site(target)
                    && Some(digest.to_string().as_str()) == asset
            });
            assert!(ran, "promise 3: {key:?} succeeded, but {name} never ran {asset:?}");
        }
    }

    fn rollout(&mut self, key: &Key, world: &State) {
        let table = &world.table;
        let Some(item) = table.get(key) else { return };
        let state = text(item, "state").expect("a rollout has a state");
        let ended = edges::ROLLOUT_ENDS.contains(&state);
        self.moves(key, item, state, edges::of_rollout(item));
        assert_eq!(item.due_at.is_some(), !ended, "promise 5: {key:?} is {state}");
        let deployments = || partition(table, &key.pk, "DEP#").map(|(_, item)| item);
        let of = |item: &Item| text(item, "state.name").unwrap_or_default().to_owned();
        if ended {
            let open = deployments().find(|d| !edges::DEPLOYMENT_ENDS.contains(&of(d).as_str()));
            assert!(
                open.is_none(),
                "{key:?} is {state}, but a deployment is open: {:?}",
                open.map(|d| &d.key)
            );
        }
        let begun = item.body.get("wave").and_then(serde_json::Value::as_u64).filter(|_| state == "rolling");
        if let Some(wave) = begun.and_then(|wave| usize::try_from(wave).ok())
            && self.waves.insert(key.clone(), wave) != Some(wave)
        {
            let passed = gates::wave_begins(item, wave, world);
            assert!(passed.is_none(), "{}: {key:?}", passed.unwrap_or_default());
        }
        if ended {
            let wrong = traffic::left(item, deployments().collect(), world);
            let all: Vec<&Item> = deployments().collect();
            let wrong =
                wrong.or_else(|| slots::left(item, &all, world)).or_else(|| records::left(item, &all, world));
            assert!(wrong.is_none(), "{}: {key:?} is {state}", wrong.unwrap_or_default());
        }
        if state == "replicating" {
            let passed = gates::vetted(item, world);
            assert!(passed.is_none(), "{}: {key:?}", passed.unwrap_or_default());
        }
        let waves = item.body["waves"].as_array().expect("a rollout has waves");
        let targets: usize = waves.iter().map(|w| w["targets"].as_array().map_or(0, Vec::len)).sum();
        let good = deployments()
            .filter(|d| d.body.get("back").is_none() && matches!(of(d).as_str(), "succeeded" | "removed"))
            .count();
        if state == "succeeded" {
            assert_eq!(good, targets, "{key:?} succeeded, but not all of its targets did");
        }
        if state == "reverted" {
            let back = |d: &&Item| d.body.get("back").is_some();
            let astray = deployments().filter(back).find(|d| of(d) != "succeeded");
            assert!(astray.is_none(), "{key:?} is reverted, but a target was not rolled back");
            assert!(deployments().any(|d| d.body.get("back").is_some()), "{key:?} reverted nothing");
        }
        if state == "superseded" {
            // A plan may repair a stack first, which serves any release.
            let changed = self.executing.contains(&key.pk);
            assert!(!changed, "{key:?} was superseded after it had begun");
        }
        let recorded = partition(table, &key.pk, "EVT#").next().is_some();
        assert!(recorded, "promise 11: {key:?} has no entry in its timeline");
    }

    fn stage(key: &Key, item: &Item, table: &BTreeMap<Key, Item>) {
        for place in ["active", "queued"] {
            let Some(rollout) = text(item, place) else { continue };
            let meta = table.get(&Key::new(format!("RLO#{rollout}"), "META"));
            let state = meta.and_then(|meta| text(meta, "state")).expect("a stage names saved rollouts");
            assert!(
                !edges::ROLLOUT_ENDS.contains(&state),
                "{key:?} names {rollout} as {place}, which is {state}"
            );
        }
    }
}
