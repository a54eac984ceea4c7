//! The promises, looked at after every step.
//!
//! It reads the table's items and CloudFormation's books as they are; nothing here is shared with the
//! engine.

use crate::stack_books::Stacks;
use flotilla_engine::ports::{Item, Key};
use std::collections::BTreeMap;

const DEPLOYMENT_ENDS: [&str; 5] = ["succeeded", "removed", "rolled_back", "failed", "cancelled"];
const ROLLOUT_ENDS: [&str; 4] = ["succeeded", "failed", "cancelled", "superseded"];

/// What has been seen so far.
#[derive(Debug, Default)]
pub struct Checker {
    ended: BTreeMap<Key, String>,
}

fn text<'i>(item: &'i Item, path: &str) -> Option<&'i str> {
    let (field, rest) = path.split_once('.').unwrap_or((path, ""));
    let value = item.body.get(field)?;
    if rest.is_empty() { value.as_str() } else { value.get(rest)?.as_str() }
}

impl Checker {
    /// Panics with the promise that is broken.
    pub fn check(&mut self, table: &BTreeMap<Key, Item>, stacks: &Stacks) {
        assert!(
            stacks.collisions.is_empty(),
            "promise 1: two operations on one stack: {:?}",
            stacks.collisions
        );
        assert!(
            stacks.unsaved.is_empty(),
            "save, then act: executed before it was saved: {:?}",
            stacks.unsaved
        );
        let twice = stacks.executions.iter().find(|(_, count)| **count > 1);
        assert!(twice.is_none(), "promise 2: a change set was executed twice: {twice:?}");
        for (key, item) in table {
            if key.sk.starts_with("DEP#") {
                self.deployment(key, item, table);
            } else if key.sk == "META" {
                self.rollout(key, item, table);
            } else if key.pk.starts_with("STG#") {
                Self::stage(key, item, table);
            }
        }
    }

    fn sticks(&mut self, key: &Key, state: &str, ended: bool) {
        if let Some(before) = self.ended.get(key) {
            assert_eq!(before, state, "promise 7: the terminal state of {key:?} did not stick");
        } else if ended {
            self.ended.insert(key.clone(), state.to_owned());
        }
    }

    fn deployment(&mut self, key: &Key, item: &Item, table: &BTreeMap<Key, Item>) {
        let state = text(item, "state.name").expect("a deployment has a state");
        let ended = DEPLOYMENT_ENDS.contains(&state);
        self.sticks(key, state, ended);
        let rollout = text(item, "rollout").expect("a deployment has a rollout");
        let target = text(item, "target").expect("a deployment has a target");
        let stack = text(item, "stack").expect("a deployment has a stack");
        let lease_key = Key::new(format!("STK#{}", target.replace('/', "#")), stack);
        let holder = table.get(&lease_key).and_then(|lease| text(lease, "holder"));
        let own = format!("{rollout}/{target}");
        if ended {
            assert_ne!(
                holder,
                Some(own.as_str()),
                "a deployment that ended holds its stack's lease: {key:?}"
            );
        } else if state != "waiting" {
            assert_eq!(holder, Some(own.as_str()), "promise 1: {key:?} is {state} without its stack's lease");
        }
        let due = item.due_at.is_some();
        assert_eq!(due, !ended, "promise 5: {key:?} is {state} and due is {due}");
        if state == "failed" || state == "rolled_back" {
            let fix = item.body["state"]["cause"]["fix"].as_str().unwrap_or_default();
            assert!(!fix.is_empty(), "promise 4: {key:?} failed without saying what to do");
        }
        let meta =
            table.get(&Key::new(key.pk.clone(), "META")).expect("promise 9: a deployment has its rollout");
        let waves = meta.body["waves"].as_array().cloned().unwrap_or_default();
        let planned =
            waves.iter().flat_map(|wave| wave.as_array().cloned().unwrap_or_default()).any(|t| t == target);
        assert!(planned, "promise 9: {key:?} is at a target that its rollout does not name");
    }

    fn rollout(&mut self, key: &Key, item: &Item, table: &BTreeMap<Key, Item>) {
        let state = text(item, "state").expect("a rollout has a state");
        let ended = ROLLOUT_ENDS.contains(&state);
        self.sticks(key, state, ended);
        assert_eq!(item.due_at.is_some(), !ended, "promise 5: {key:?} is {state}");
        let deployments =
            || table.iter().filter(|(k, _)| k.pk == key.pk && k.sk.starts_with("DEP#")).map(|(_, item)| item);
        if ended {
            let open =
                deployments().find(|d| !DEPLOYMENT_ENDS.contains(&text(d, "state.name").unwrap_or_default()));
            assert!(open.is_none(), "{key:?} is {state} and a deployment is open: {open:?}");
        }
        if state == "succeeded" {
            let waves = item.body["waves"].as_array().cloned().unwrap_or_default();
            let targets: usize = waves.iter().map(|wave| wave.as_array().map_or(0, Vec::len)).sum();
            let good = deployments()
                .filter(|d| matches!(text(d, "state.name"), Some("succeeded" | "removed")))
                .count();
            assert_eq!(good, targets, "{key:?} succeeded and not all of its targets did");
        }
        if state == "superseded" {
            assert_eq!(deployments().count(), 0, "{key:?} was superseded after it had begun");
        }
        let events = table.keys().any(|k| k.pk == key.pk && k.sk.starts_with("EVT#"));
        assert!(events, "promise 11: {key:?} has no entry in its timeline");
    }

    fn stage(key: &Key, item: &Item, table: &BTreeMap<Key, Item>) {
        for place in ["active", "queued"] {
            let Some(rollout) = text(item, place) else { continue };
            let meta = table.get(&Key::new(format!("RLO#{rollout}"), "META"));
            let state = meta.and_then(|meta| text(meta, "state")).expect("a stage names saved rollouts");
            assert!(!ROLLOUT_ENDS.contains(&state), "{key:?} names {rollout} as {place}, which is {state}");
        }
    }
}
