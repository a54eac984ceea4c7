//! The course of operations on stacks, and the checks when an operation of Flotilla begins.

use crate::checker;
use crate::settling::start;
use crate::stack_books::{Behaviour, ChangeSetState, Effect, Operation};
use crate::state::State;
use flotilla_domain::deployment::Effort;
use flotilla_domain::{Digest, Site};
use std::collections::VecDeque;

/// How an operation fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fails {
    pub reason: String,
    pub nested: bool,
    /// Whether its rollback fails too.
    pub sticks: bool,
}

/// Has the checker verify that an operation of Flotilla may begin.
pub(crate) fn ours(state: &mut State, key: &(Site, String), token: &str, change_set_id: Option<&str>) {
    if let Some(breach) = checker::begins(state, key, token, change_set_id) {
        state.stacks.breaches.push(breach);
    }
    if !state.stacks.begun.insert((key.0.clone(), token.to_owned())) {
        state.stacks.breaches.push(format!("{token} is the token of two operations"));
    }
}

/// How the next operation at a target fails, if it fails.
pub(crate) fn fate_of(state: &mut State, target: &Site) -> Option<Fails> {
    let behaviour = state.stacks.behaviours.get(target).cloned().unwrap_or_default();
    let fails = |reason: &str, nested, sticks| Some(Fails { reason: reason.to_owned(), nested, sticks });
    let faults = state.faults;
    match behaviour {
        Behaviour::RollsBack(reason) => fails(&reason, false, false),
        Behaviour::RollsBackNested(reason) => fails(&reason, true, false),
        Behaviour::Sticks(reason) => fails(&reason, false, true),
        _ if state.rng.chance(faults.operation_fails) => {
            state.stacks.made += 1;
            let (sticks, nested) = (state.rng.chance(faults.rollback_fails), state.rng.chance(300));
            fails(&format!("failure number {} of the storm", state.stacks.made), nested, sticks)
        }
        _ => None,
    }
}

fn takes_ms(state: &mut State, target: &Site) -> i64 {
    match state.stacks.behaviours.get(target) {
        Some(Behaviour::Takes(ms)) => *ms,
        // Most operations are short; one in five takes up to a minute.
        _ => {
            let most_ms = if state.rng.chance(200) { 60_000 } else { 5_000 };
            500 + i64::try_from(state.rng.below(most_ms)).unwrap_or(0)
        }
    }
}

/// Begins the execution of a change set, of Flotilla or of another actor.
pub(crate) fn begin_execution(
    state: &mut State,
    key: &(Site, String),
    (template, stable): (Digest, String),
    token: &str,
    fails: Option<Fails>,
) {
    let first = state.stacks.live.get(key).is_none_or(|stack| stack.template.is_none());
    let watched = state.stacks.live.get(key).map_or(0, |stack| i64::from(stack.watched.monitoring_min));
    let ends = state.now_ms + takes_ms(state, &key.0) + watched * 60_000;
    let exact = matches!(state.stacks.behaviours.get(&key.0), Some(Behaviour::Takes(_)));
    let orphans = state.stacks.behaviours.get(&key.0) == Some(&Behaviour::Orphans);
    let sticks = fails.as_ref().is_some_and(|fails| fails.sticks);
    let phases: &[(i64, &'static str)] = match (first, fails.is_some(), sticks) {
        (true, false, _) => &[(0, "CREATE_COMPLETE")],
        (true, true, false) => &[(0, "ROLLBACK_IN_PROGRESS"), (4_000, "ROLLBACK_COMPLETE")],
        (true, true, true) => &[(0, "ROLLBACK_IN_PROGRESS"), (4_000, "ROLLBACK_FAILED")],
        (false, false, _) if exact => &[(0, "UPDATE_COMPLETE")],
        (false, false, _) => &[(0, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), (2_000, "UPDATE_COMPLETE")],
        (false, true, false) => &[
            (0, "UPDATE_ROLLBACK_IN_PROGRESS"),
            (3_000, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"),
            (5_000, "UPDATE_ROLLBACK_COMPLETE"),
        ],
        (false, true, true) => &[(0, "UPDATE_ROLLBACK_IN_PROGRESS"), (3_000, "UPDATE_ROLLBACK_FAILED")],
    };
    let operation = Operation {
        phases: phases.iter().map(|(after, status)| (ends + after, *status)).collect(),
        effect: if fails.is_some() { Effect::Nothing } else { Effect::Runs(template, stable) },
        nested: fails.as_ref().is_some_and(|fails| fails.nested),
        reason: fails.map(|fails| fails.reason),
        last_reason: orphans.then_some("Update successful. One or more resources could not be deleted."),
        token: token.to_owned(),
    };
    start(state, key, operation, if first { "CREATE_IN_PROGRESS" } else { "UPDATE_IN_PROGRESS" });
}

/// Begins a requested rollback.
pub(crate) fn begin_rollback(state: &mut State, key: &(Site, String), token: &str, fails: Option<Fails>) {
    let ends = state.now_ms + 3_000;
    let status = if fails.is_some() { "UPDATE_ROLLBACK_FAILED" } else { "UPDATE_ROLLBACK_COMPLETE" };
    let operation = Operation {
        phases: VecDeque::from([(ends, status)]),
        effect: Effect::Nothing,
        nested: false,
        reason: fails.map(|fails| fails.reason),
        last_reason: None,
        token: token.to_owned(),
    };
    start(state, key, operation, "UPDATE_ROLLBACK_IN_PROGRESS");
}

/// Begins a deletion.
pub(crate) fn begin_deletion(
    state: &mut State,
    key: &(Site, String),
    token: &str,
    effort: &Effort,
    behaviour: &Behaviour,
) {
    let chance = state.faults.rollback_fails;
    let unlucky = matches!(effort, Effort::First | Effort::Again) && state.rng.chance(chance);
    let ends = state.now_ms + takes_ms(state, &key.0) / 2;
    let Some(stack) = state.stacks.live.get_mut(key) else { return };
    stack.deletions += 1;
    let has_resources = stack.status != "REVIEW_IN_PROGRESS";
    let resists = has_resources
        && match behaviour {
            Behaviour::DeleteResists(times) => stack.deletions <= *times && *effort != Effort::Force,
            _ => unlucky,
        };
    let before = stack.status;
    let in_use = matches!(behaviour, Behaviour::ExportInUse(_));
    let (status, effect, reason) = match (in_use, resists) {
        (true, _) => {
            let reason = format!("Export {}-Out cannot be deleted as it is in use by others", key.1);
            (before, Effect::Nothing, Some(reason))
        }
        (false, true) => ("DELETE_FAILED", Effect::Nothing, Some("it resists".to_owned())),
        (false, false) => ("DELETE_COMPLETE", Effect::Gone, None),
    };
    let operation = Operation {
        phases: VecDeque::from([(ends, status)]),
        effect,
        nested: false,
        reason,
        last_reason: None,
        token: token.to_owned(),
    };
    start(state, key, operation, "DELETE_IN_PROGRESS");
}

/// Another actor changes a stack on which no operation runs.
pub(crate) fn meddle(state: &mut State) {
    let idle: Vec<_> =
        state.stacks.live.iter().filter(|(_, s)| s.operation.is_none()).map(|(key, _)| key.clone()).collect();
    let pick = usize::try_from(state.rng.below(idle.len() as u64)).unwrap_or(0);
    let Some(key) = idle.get(pick).cloned() else { return };
    state.stacks.made += 1;
    let token = format!("foreign-{}", state.stacks.made);
    let what = state.rng.below(10);
    let executes = state.rng.chance(500);
    let Some(stack) = state.stacks.live.get_mut(&key) else { return };
    let (status, template, stable) = (stack.status, stack.template, stack.stable.clone());
    if what < 7 {
        let Some(template) = template.filter(|_| status.ends_with("E_COMPLETE")) else { return };
        if executes {
            stack.change_sets.clear();
        } else {
            let ready = stack.change_sets.iter_mut().filter(|set| set.state == ChangeSetState::Ready);
            ready.for_each(|set| set.state = ChangeSetState::Obsolete);
        }
        state.note(|| format!("another actor updates {key:?}"));
        let fails = fate_of(state, &key.0);
        begin_execution(state, &key, (template, stable), &token, fails);
    } else if what < 8 {
        state.note(|| format!("another actor deletes {key:?}"));
        begin_deletion(state, &key, &token, &Effort::First, &Behaviour::Works);
    }
}
