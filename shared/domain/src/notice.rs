//! Notices of a rollout, derived from the saved rollout before and after a step.

use crate::gate::Gate;
use crate::rollout::{Rollout, RolloutState};
use std::collections::BTreeSet;

/// The kind of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// The rollout was accepted.
    Begun,
    /// It waits: a gate is blocked.
    Waits,
    /// Break-glass has opened all its gates.
    BrokenOpen,
    /// It failed, and it reverts.
    Reverting,
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It failed, and everything it changed is reverted.
    Reverted,
    /// It was cancelled.
    Cancelled,
}

impl NoticeKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Waits => "waits",
            Self::BrokenOpen => "broken_open",
            Self::Reverting => "reverting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Reverted => "reverted",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The notices of the step from `before` to `now`. Each notice occurs once if each save is processed once.
/// Plan-only rollouts and superseded rollouts have no notices.
pub fn notices(before: Option<&Rollout>, now: &Rollout) -> Vec<NoticeKind> {
    let mut kinds = Vec::new();
    if now.plan_only || matches!(now.state, RolloutState::Superseded { .. }) {
        return kinds;
    }
    if before.is_none() {
        kinds.push(NoticeKind::Begun);
    }
    let gates =
        |rollout: &Rollout| rollout.blocked_by.iter().map(|closed| closed.gate).collect::<BTreeSet<Gate>>();
    let known = before.map(gates).unwrap_or_default();
    if gates(now).difference(&known).next().is_some() {
        kinds.push(NoticeKind::Waits);
    }
    if now.break_glass.is_some() && before.is_none_or(|before| before.break_glass.is_none()) {
        kinds.push(NoticeKind::BrokenOpen);
    }
    let end = match &now.state {
        RolloutState::Reverting(_) => Some(NoticeKind::Reverting),
        RolloutState::Succeeded => Some(NoticeKind::Succeeded),
        RolloutState::Failed(_) => Some(NoticeKind::Failed),
        RolloutState::Reverted(_) => Some(NoticeKind::Reverted),
        RolloutState::Cancelled => Some(NoticeKind::Cancelled),
        _ => None,
    };
    kinds.extend(end.filter(|_| before.is_none_or(|before| before.state.name() != now.state.name())));
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::code::Code;
    use crate::gate::{Blocked, BreakGlass};
    use crate::rollout::{Revert, blank_for_tests};
    use jiff::Timestamp;

    fn kinds(before: Option<&Rollout>, now: &Rollout) -> Vec<&'static str> {
        notices(before, now).into_iter().map(NoticeKind::name).collect()
    }

    fn closed(gates: &[Gate]) -> Vec<Blocked> {
        gates.iter().map(|gate| Blocked { gate: *gate, why: "so".into(), until: None }).collect()
    }

    #[test]
    fn each_end_is_told_once_and_so_is_the_beginning() {
        let queued = blank_for_tests();
        assert_eq!(kinds(None, &queued), ["begun"]);
        assert!(kinds(Some(&queued), &queued).is_empty());
        let cause = Cause::new(Code::Stopped, "no", "yes");
        let ends = [
            (RolloutState::Succeeded, "succeeded"),
            (RolloutState::Failed(cause.clone()), "failed"),
            (RolloutState::Reverted(cause), "reverted"),
            (RolloutState::Cancelled, "cancelled"),
            (RolloutState::Reverting(Revert::Finding(Default::default())), "reverting"),
        ];
        for (state, name) in ends {
            let ended = Rollout { state, ..queued.clone() };
            assert_eq!(kinds(Some(&queued), &ended), [name]);
            assert!(kinds(Some(&ended), &ended).is_empty());
        }
    }

    #[test]
    fn a_gate_that_closes_is_told_and_one_that_stays_closed_is_not() {
        let open = blank_for_tests();
        let waits = Rollout { blocked_by: closed(&[Gate::Approval]), ..open.clone() };
        assert_eq!(kinds(Some(&open), &waits), ["waits"]);
        assert!(kinds(Some(&waits), &waits).is_empty());
        let more = Rollout { blocked_by: closed(&[Gate::Approval, Gate::Window]), ..open.clone() };
        assert_eq!(kinds(Some(&waits), &more), ["waits"]);
        assert!(kinds(Some(&more), &waits).is_empty(), "one of two has opened");
    }

    #[test]
    fn broken_glass_is_told() {
        let word = BreakGlass { by: "ann".into(), because: "it burns".into(), at: Timestamp::UNIX_EPOCH };
        let broken = Rollout { break_glass: Some(word), ..blank_for_tests() };
        assert_eq!(kinds(Some(&blank_for_tests()), &broken), ["broken_open"]);
    }

    #[test]
    fn plans_and_what_was_replaced_tell_nothing() {
        let plan = Rollout { plan_only: true, ..blank_for_tests() };
        assert!(kinds(None, &plan).is_empty());
        let replaced = Rollout { state: RolloutState::Superseded { by: None }, ..blank_for_tests() };
        assert!(kinds(None, &replaced).is_empty());
    }
}
