//! The legal transitions, defined independently of the engine from the design.

use flotilla_engine::ports::Item;

/// Whether an item may be saved in one state after another.
pub type Legal = fn(&str, &str) -> bool;

/// The states in which a deployment has ended.
pub const DEPLOYMENT_ENDS: [&str; 5] = ["succeeded", "removed", "rolled_back", "failed", "cancelled"];
/// The states in which a rollout has ended.
pub const ROLLOUT_ENDS: [&str; 6] = ["succeeded", "failed", "reverted", "cancelled", "superseded", "planned"];
/// The states in which a set has ended.
pub const SET_ENDS: [&str; 3] = ["succeeded", "reverted", "failed"];
/// The state of an item that was not seen before.
pub const NOTHING: &str = "";

/// The states that a deployment may enter next.
fn next_of_deployment(state: &str) -> &'static [&'static str] {
    match state {
        NOTHING => &["waiting"],
        "waiting" => &["inspecting", "failed", "cancelled"],
        "inspecting" => &[
            "reading_aliases",
            "reading_mapping",
            "shifting_back",
            "planning",
            "planned",
            "unwinding",
            "clearing",
            "removed",
            "failed",
            "cancelled",
        ],
        "reading_aliases" => &["restoring", "planning", "failed"],
        "reading_mapping" | "restoring" => &["planning", "failed"],
        "planning" => &["planned", "discarding", "undraining", "inspecting", "shifting_back", "failed"],
        "planned" => &[
            "executing",
            "draining",
            "undraining",
            "emptying",
            "discarding",
            "shifting_back",
            "failed",
            "cancelled",
        ],
        "draining" => &["planned", "undraining", "discarding", "failed"],
        "undraining" => &["discarding", "rolled_back", "failed", "cancelled"],
        "executing" => {
            &["undraining", "verifying", "explaining", "inspecting", "shifting_back", "rolled_back", "failed"]
        }
        "verifying" => &["shifting", "shifting_back", "succeeded", "failed"],
        "shifting" => &["inspecting", "shifting_back", "succeeded", "failed"],
        "shifting_back" => &["failed"],
        "explaining" => &["undraining", "unwinding", "shifting_back", "rolled_back", "failed"],
        "unwinding" => &["undraining", "inspecting", "explaining", "shifting_back", "rolled_back", "failed"],
        "clearing" => &["inspecting", "explaining", "failed"],
        "emptying" => &["deleting", "failed"],
        "deleting" => &["salvaging", "explaining", "removed", "failed"],
        "salvaging" => &["deleting", "explaining", "failed"],
        "discarding" => &["undraining", "verifying", "inspecting", "shifting_back", "failed", "cancelled"],
        _ => &[],
    }
}

/// The states that the removal of a stack may enter next if the safeguards keep its data: it deletes only what it has read twice.
fn next_of_guarded_removal(state: &str) -> &'static [&'static str] {
    match state {
        NOTHING => &["waiting"],
        "waiting" => &["inspecting", "failed", "cancelled"],
        "inspecting" => &["planning_removal", "removed", "failed", "cancelled"],
        "planning_removal" => &["planned", "failed"],
        "planned" => &["confirming_removal", "inspecting", "failed", "cancelled"],
        "confirming_removal" => &["unmapping", "deleting", "failed"],
        "unmapping" => &["deleting", "failed"],
        "deleting" => &["salvaging", "explaining", "removed", "failed"],
        "salvaging" => &["deleting", "explaining", "failed"],
        "explaining" => &["failed"],
        _ => &[],
    }
}

/// The states of a rollout with commands. If all copies exist already, no command asks for them.
const ROLLOUT_ACTS: [&str; 6] =
    ["planning", "rolling", "shifting", "completing", "shifting_back", "withdrawing"];

/// The states that a rollout may enter next.
fn next_of_rollout(state: &str) -> &'static [&'static str] {
    match state {
        NOTHING => &["queued", "vetting", "replicating", "superseded"],
        "queued" => &["vetting", "replicating", "gated", "cancelled", "superseded"],
        "vetting" => &["replicating", "failed", "cancelled", "superseded"],
        "awaiting" => &["planning", "gated", "failed", "cancelled", "superseded"],
        "replicating" => &["awaiting", "planning", "gated", "failed", "cancelled", "superseded"],
        "planning" => &["gated", "withdrawing"],
        "gated" => &["rolling", "reverting", "withdrawing", "failed", "cancelled", "superseded"],
        "rolling" => &[
            "checking",
            "shifting",
            "completing",
            "shifting_back",
            "baking",
            "gated",
            "reverting",
            "withdrawing",
            "succeeded",
            "failed",
            "cancelled",
        ],
        "checking" => &[
            "shifting",
            "completing",
            "shifting_back",
            "baking",
            "gated",
            "reverting",
            "withdrawing",
            "succeeded",
            "failed",
            "cancelled",
        ],
        "shifting" => {
            &["checking", "completing", "shifting_back", "reverting", "withdrawing", "failed", "cancelled"]
        }
        "completing" => {
            &["checking", "baking", "gated", "reverting", "withdrawing", "succeeded", "failed", "cancelled"]
        }
        "shifting_back" => &["reverting", "withdrawing", "failed", "cancelled"],
        "baking" => &["gated", "reverting", "withdrawing", "succeeded", "failed", "cancelled"],
        "reverting" => &["reverted", "withdrawing", "failed", "cancelled"],
        "withdrawing" => &["planned", "reverted", "failed", "cancelled", "superseded"],
        _ => &[],
    }
}

/// The states that a rollout that removes a stage may enter next: it copies nothing, and one that finds nothing has succeeded.
fn next_of_removal(state: &str) -> &'static [&'static str] {
    match state {
        "queued" => &["planning", "gated", "succeeded", "cancelled", "superseded"],
        state => next_of_rollout(state),
    }
}

/// Whether a state can be reached. Several transitions may be saved at once if those between them run no command.
fn reaches(
    from: &str,
    to: &str,
    next: fn(&str) -> &'static [&'static str],
    acts: &[&str],
    depth: u32,
) -> bool {
    next(from).iter().any(|state| {
        *state == to || (depth > 0 && !acts.contains(state) && reaches(state, to, next, acts, depth - 1))
    })
}

/// Whether a deployment may be saved in one state after another.
pub fn deployment(from: &str, to: &str) -> bool {
    const ACTS: [&str; 12] = [
        "planning",
        "executing",
        "unwinding",
        "clearing",
        "deleting",
        "discarding",
        "emptying",
        "shifting",
        "shifting_back",
        "draining",
        "undraining",
        "restoring",
    ];
    reaches(from, to, next_of_deployment, &ACTS, 3)
}

/// Whether the removal of a stack whose data the safeguards keep may be saved in one state after another.
pub fn guarded_removal(from: &str, to: &str) -> bool {
    reaches(from, to, next_of_guarded_removal, &["unmapping", "deleting"], 3)
}

/// The legal transitions of a rollout.
pub fn of_rollout(rollout: &Item) -> Legal {
    match (rollout.body.get("deploy"), rollout.body["waves"].as_array().is_some_and(Vec::is_empty)) {
        (None, _) => removal,
        (Some(_), true) => empty_rollback,
        (Some(_), false) => self::rollout,
    }
}

/// Whether a rollback may be saved in one state after another whose release gets the traffic in every account-region already.
fn empty_rollback(from: &str, to: &str) -> bool {
    rollout(from, to) || (from, to) == ("queued", "succeeded")
}

/// Whether a rollout may be saved in one state after another.
pub fn rollout(from: &str, to: &str) -> bool {
    reaches(from, to, next_of_rollout, &ROLLOUT_ACTS, 4)
}

/// Whether a rollout that removes a stage may be saved in one state after another.
pub fn removal(from: &str, to: &str) -> bool {
    reaches(from, to, next_of_removal, &ROLLOUT_ACTS, 4)
}

/// Whether a set may change from one state, with its level, to another: levels only increase, in either direction.
pub fn set(from: &str, to: &str) -> bool {
    let level = |state: &str, name: &str| state.strip_prefix(name)?.parse::<u64>().ok();
    match (level(from, "rolling"), level(from, "reverting")) {
        (Some(at), _) => level(to, "rolling")
            .map_or(SET_ENDS.contains(&to) || to.starts_with("reverting"), |next| next > at),
        (_, Some(at)) => level(to, "reverting").map_or(matches!(to, "reverted" | "failed"), |next| next > at),
        _ => from == NOTHING && to == "rolling0",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_ends_and_nothing_is_executed_unplanned() {
        for end in DEPLOYMENT_ENDS {
            assert!(!deployment(end, "waiting") && !deployment(end, "failed"));
        }
        for end in ROLLOUT_ENDS {
            assert!(!rollout(end, "rolling") && !rollout(end, "failed"));
        }
        assert!(removal("queued", "succeeded"), "nothing was there");
        assert!(!rollout("queued", "succeeded"), "rolling acts");
        assert!(deployment("planning", "executing"), "planned in between, and saved once");
        assert!(!deployment("planning", "verifying"), "executing acts");
        assert!(!deployment("inspecting", "deleting"), "emptying acts");
        assert!(!deployment("emptying", "removed"), "deleting acts");
        assert!(!guarded_removal("planned", "emptying"), "no bucket of data is emptied");
        assert!(!guarded_removal("confirming_removal", "removed"), "deleting acts");
        assert!(!deployment("executing", "waiting") && !deployment("verifying", "executing"));
    }
}
