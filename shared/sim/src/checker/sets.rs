//! The invariants of a set: its order, and one outcome for all members.

use super::{edges, text};
use flotilla_engine::ports::{Item, Key};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

type Table = BTreeMap<Key, Item>;

/// The saved state of a member's rollout, forward or back.
fn rollout_of<'t>(table: &'t Table, member: &Value, way: &str) -> Option<&'t str> {
    let id = member[way]["rollout"].as_str()?;
    text(table.get(&Key::new(format!("RLO#{id}"), "META"))?, "state")
}

/// Whether a member's forward rollout has updated a stack. A plan may only have repaired one, which serves any release.
fn has_updated(executing: &BTreeSet<String>, member: &Value) -> bool {
    member["forward"]["rollout"].as_str().is_some_and(|id| executing.contains(&format!("RLO#{id}")))
}

/// Whether a member's rollout was refused, or another rollout has its stage.
fn is_not_ours(member: &Value, way: &str) -> bool {
    matches!(member[way]["end"]["name"].as_str(), Some("refused" | "overtaken"))
}

/// Checks a saved set, with the partitions of the rollouts that have updated a stack. Returns the violation, if any.
pub(super) fn set(item: &Item, table: &Table, executing: &BTreeSet<String>) -> Option<String> {
    let members = item.body["members"].as_array()?;
    let state = item.body["state"]["name"].as_str()?;
    let rolled = |member: &Value| rollout_of(table, member, "forward") == Some("succeeded");
    let level = |member: &Value| member["level"].as_u64().unwrap_or(0);
    for member in members {
        // A rollout of the member, or the command to begin one.
        let begun = member["forward"].is_object();
        if begun && members.iter().any(|other| level(other) < level(member) && !rolled(other)) {
            return Some(format!(
                "promise 10: {} begins before the services that it needs",
                member["service"]
            ));
        }
        if member["back"].is_object() && members.iter().all(rolled) && !item.body["cancelled"].is_object() {
            return Some(format!("{} is rolled back, but nothing has failed", member["service"]));
        }
        let sooner = |other: &&Value| level(other) < level(member) && other["back"].is_object();
        let open = |other: &&Value| {
            let ended = rollout_of(table, other, "back").is_some_and(|s| edges::ROLLOUT_ENDS.contains(&s));
            !ended && !is_not_ours(other, "back")
        };
        if member["back"].is_object() && members.iter().filter(sooner).any(|other| open(&other)) {
            return Some(format!("{} is rolled back before the services that it needs", member["service"]));
        }
    }
    match state {
        "succeeded" if !members.iter().all(rolled) => {
            Some("a set succeeded, but not all of its members did".into())
        }
        "reverted" => {
            let changed = |member: &&Value| {
                let ended = rollout_of(table, member, "forward");
                let touched = ended == Some("succeeded") || has_updated(executing, member);
                matches!(ended, Some("succeeded" | "failed" | "cancelled"))
                    && touched
                    && member["before"] != member["release"]
            };
            let back = |member: &Value| {
                let state = rollout_of(table, member, "back");
                is_not_ours(member, "back") || matches!(state, Some("succeeded" | "superseded"))
            };
            let astray = members.iter().filter(changed).find(|member| !back(member))?;
            Some(format!("a set is reverted, but {} was not rolled back", astray["service"]))
        }
        _ => None,
    }
}
