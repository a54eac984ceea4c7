//! Checks that garbage collection removes nothing that is needed. What is needed is computed independently, from the
//! table's items and CloudFormation's books.

use super::{partition, text};
use crate::stack_books::{Effect, Stack};
use crate::state::State;
use flotilla_domain::{Digest, Site, Timestamp};
use flotilla_engine::ports::{Item, Key};
use serde_json::Value;
use std::collections::BTreeSet;

/// Checks what was removed, and that everything that was saved exists.
pub fn check(state: &State, gone: &[(Option<Site>, String)], touched: &BTreeSet<Key>) {
    for (site, key) in gone {
        if let Some(site) = site {
            let mut stacks = state.stacks.live.iter().filter(|((at, _), _)| at == site);
            let stack = stacks.find(|(_, stack)| names_object(state, stack, key));
            assert!(stack.is_none(), "{key} was removed from {site}, but {:?} names it", stack.map(|s| s.0));
        }
        for release in releases(state).filter(|release| objects(release).contains(key)) {
            let there = site.as_ref().is_none_or(|site| is_proven(state, release, site));
            let why = if there { needed(state, release) } else { None };
            assert!(why.is_none(), "{key} was removed from {site:?}; {:?} needs it: {why:?}", release.key);
        }
    }
    for item in touched.iter().filter_map(|key| state.table.get(key)) {
        if item.key.sk.starts_with("REL#") {
            let missing = objects(item).into_iter().find(|key| !state.home.contains_key(key));
            assert!(
                missing.is_none(),
                "{:?} was saved, but {missing:?} is not in the ingest bucket",
                item.key
            );
        }
        if item.key.sk.starts_with("RPL#") && item.body.get("failure").is_none() {
            copies_are_there(state, item);
        }
    }
}

/// Whether the stack's template, or one that it may run soon, names the object.
fn names_object(state: &State, stack: &Stack, key: &str) -> bool {
    let coming = stack.operation.iter().filter_map(|operation| match operation.effect {
        Effect::Runs(template, _) => Some(template),
        Effect::Nothing | Effect::Gone => None,
    });
    stack.template.into_iter().chain(coming).any(|template| {
        let body = state.templates.get(&template).map(|bytes| String::from_utf8_lossy(bytes));
        let name = image_in(key).map_or_else(|| key.to_owned(), |image| format!("@sha256:{image}"));
        key == format!("templates/{template}.json") || body.is_some_and(|body| body.contains(&name))
    })
}

/// The container image whose manifest has this key.
fn image_in(key: &str) -> Option<Digest> {
    Digest::parse_hex(key.strip_prefix("assets/")?.strip_suffix(".image")?).ok()
}

fn copies_are_there(state: &State, replica: &Item) {
    let (release, site) = (text(replica, "release").unwrap_or_default(), text(replica, "target"));
    let Some(site) = site.and_then(|site| Site::parse(site).ok()) else { return };
    let Some(release) = releases(state).find(|item| text(item, "id") == Some(release)) else { return };
    let is_there = |key: &String| match image_in(key) {
        Some(image) => state.repositories.get(&site).is_some_and(|r| r.images.contains_key(&image)),
        // A repository refuses an image without its blobs.
        None if key.ends_with(".blob") => true,
        None => state.replicas.contains_key(&(site.clone(), key.clone())),
    };
    let missing = objects(release).into_iter().find(|key| !is_there(key));
    // A test may make S3 report false results of copies.
    let made_up = state.replica_proofs.contains_key(&site);
    assert!(missing.is_none() || made_up, "{:?} is proven, but {missing:?} does not exist", replica.key);
}

fn releases(state: &State) -> impl Iterator<Item = &Item> {
    let all = state.table.range(Key::new("SVC#", "")..).take_while(|(key, _)| key.pk.starts_with("SVC#"));
    all.filter(|(key, _)| key.sk.starts_with("REL#")).map(|(_, item)| item)
}

/// The keys of a release's objects.
fn objects(release: &Item) -> BTreeSet<String> {
    let assets = release.body["assets"].as_object().into_iter().flatten().map(|(key, _)| key.clone());
    let stacks = release.body["stacks"].as_array().into_iter().flatten();
    let templates =
        stacks.filter_map(|stack| Some(format!("templates/{}.json", stack["template"].as_str()?)));
    assets.chain(templates).collect()
}

fn is_proven(state: &State, release: &Item, site: &Site) -> bool {
    let id = text(release, "id").unwrap_or_default();
    let replica = Key::new(format!("REL#{id}"), format!("RPL#{}#{}", site.account, site.region));
    state.table.get(&replica).is_some_and(|replica| replica.body.get("failure").is_none())
}

/// Why a release must be kept, if it must.
fn needed(state: &State, release: &Item) -> Option<String> {
    let (id, service) = (text(release, "id")?, text(release, "service")?);
    let pk = format!("STG#{service}");
    for (key, head) in partition(&state.table, &pk, "") {
        let lists =
            ["past", "unsettled"].into_iter().filter_map(|list| head.body.get(list)?.as_array()).flatten();
        let listed = lists.filter_map(Value::as_str).chain(text(head, "stable"));
        let runs = head.body["targets"].as_object().into_iter().flatten();
        let runs = runs.filter_map(|(_, running)| running["proven"][0].as_str());
        if listed.chain(runs).any(|named| named == id) {
            return Some(format!("it is named by {}", key.sk));
        }
        for rollout in ["active", "queued"].into_iter().filter_map(|place| text(head, place)) {
            let meta = state.table.get(&Key::new(format!("RLO#{rollout}"), "META"))?;
            let brings = ["deploy.release", "revert_to.release"].map(|path| text(meta, path));
            if brings.contains(&Some(id)) {
                return Some(format!("{rollout} deploys it"));
            }
        }
    }
    let config = state.table.get(&Key::new(format!("SVC#{service}"), "CONFIG"))?;
    let config: Value = serde_json::from_str(text(config, "document")?).ok()?;
    let newer =
        partition(&state.table, &release.key.pk, "REL#").filter(|(key, _)| key.sk > release.key.sk).count();
    if (newer as u64) < config["keep_releases"].as_u64().unwrap_or(20) {
        return Some(format!("only {newer} are newer"));
    }
    let uploaded_at: Timestamp = text(release, "uploaded_at")?.parse().ok()?;
    let days = i32::try_from(config["keep_days"].as_u64().unwrap_or(30)).ok()?;
    let young = state.now().duration_since(uploaded_at) < state.pace.day * days;
    young.then(|| format!("it was uploaded at {uploaded_at}"))
}
