//! The properties of a deployment's states. Every property of every state is defined here and nowhere else.

use super::state::State;
use jiff::SignedDuration;

/// The properties of one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Properties {
    /// Whether the state is terminal.
    pub is_terminal: bool,
    /// Whether the deployment succeeded.
    pub is_success: bool,
    /// Whether an operation of ours may be running on the stack.
    pub is_operation: bool,
    /// How long it may last before the deployment fails, in minutes; 0 for a terminal state.
    limit_min: i64,
}

const HOUR: i64 = 60;

const fn under_way(limit_min: i64) -> Properties {
    Properties { is_terminal: false, is_success: false, is_operation: false, limit_min }
}

/// An operation's limit is above what CloudFormation itself needs for its slowest resources: an hour for many, and 20 to
/// 30 minutes for the deletion of a function in a VPC.
const OPERATION: Properties = Properties { is_operation: true, ..under_way(12 * HOUR) };
const FAILURE: Properties = Properties { is_terminal: true, ..under_way(0) };
const SUCCESS: Properties = Properties { is_success: true, ..FAILURE };

impl State {
    /// The properties of this state. There is no default: a new state must define them.
    pub fn properties(&self) -> Properties {
        match self {
            // The longest: others may hold the lease, and a rollout may be paused.
            Self::Waiting | Self::Planned | Self::Shifting { .. } => under_way(7 * 24 * HOUR),
            Self::Inspecting
            | Self::ReadingAliases
            | Self::ReadingMapping(_)
            | Self::PlanningRemoval
            | Self::ConfirmingRemoval
            | Self::Unmapping => under_way(3 * HOUR),
            Self::ShiftingBack(_) => under_way(24 * HOUR),
            Self::Draining | Self::Undraining(_) => under_way(3 * HOUR),
            Self::Planning(_) | Self::DiscardingChangeSet(_) | Self::RestoringTraffic => under_way(30),
            Self::Executing
            | Self::RollingBackStack { .. }
            | Self::DeletingFailedStack(_)
            | Self::Deleting(_) => OPERATION,
            Self::Verifying { .. } | Self::FindingCause { .. } | Self::FindingUndeletable => under_way(15),
            Self::EmptyingBuckets => under_way(6 * HOUR),
            Self::Succeeded { .. } | Self::Removed => SUCCESS,
            Self::RolledBack(_) | Self::Failed(_) | Self::Cancelled => FAILURE,
        }
    }

    /// Whether the state is terminal.
    pub fn is_terminal(&self) -> bool {
        self.properties().is_terminal
    }

    /// Whether the deployment succeeded.
    pub fn is_success(&self) -> bool {
        self.properties().is_success
    }

    /// Whether an operation of ours may be running on the stack.
    pub fn is_operation(&self) -> bool {
        self.properties().is_operation
    }

    /// How long it may last before the deployment fails; `None` for a terminal state.
    pub fn limit(&self) -> Option<SignedDuration> {
        let Properties { is_terminal, limit_min, .. } = self.properties();
        (!is_terminal).then(|| SignedDuration::from_mins(limit_min))
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::{AfterCause, ChangeSetKind, Effort, StackRollback};
    use super::*;
    use crate::cause::Cause;
    use crate::code::Code;

    #[test]
    fn every_state_answers_every_question() {
        use State as S;
        let cause = || Cause::new(Code::RolledBack, "because", "fix it");
        let finding = S::FindingCause { status: String::new(), then: AfterCause::Fail, before: None };
        let rolling_back = S::RollingBackStack { how: StackRollback::RollBack, cause: None };
        let rows = [
            (S::Waiting, "168 h"),
            (S::Inspecting, "3 h"),
            (S::Planning(ChangeSetKind::Create), "0.5 h"),
            (S::Planned, "168 h"),
            (S::Executing, "12 h, operation"),
            (S::Verifying { changed: true }, "0.25 h"),
            (finding, "0.25 h"),
            (rolling_back, "12 h, operation"),
            (S::DeletingFailedStack(Effort::First), "12 h, operation"),
            (S::EmptyingBuckets, "6 h"),
            (S::Deleting(Effort::First), "12 h, operation"),
            (S::FindingUndeletable, "0.25 h"),
            (S::DiscardingChangeSet(Box::new(S::Cancelled)), "0.5 h"),
            (S::Succeeded { changed: true }, "success"),
            (S::Removed, "success"),
            (S::RolledBack(cause()), "failure"),
            (S::Failed(cause()), "failure"),
            (S::Cancelled, "failure"),
            (S::ReadingAliases, "3 h"),
            (S::Shifting { percent: 5 }, "168 h"),
            (S::ShiftingBack(cause()), "24 h"),
            (S::PlanningRemoval, "3 h"),
            (S::ConfirmingRemoval, "3 h"),
            (S::ReadingMapping(ChangeSetKind::Update), "3 h"),
            (S::Unmapping, "3 h"),
            (S::Draining, "3 h"),
            (S::Undraining(Box::new(S::Cancelled)), "3 h"),
            (S::RestoringTraffic, "0.5 h"),
        ];
        for (n, (state, expected)) in rows.iter().enumerate() {
            assert_eq!(row_of(state), n, "{state:?}");
            let said = match (state.limit(), state.is_success(), state.is_operation()) {
                (Some(limit), false, operation) => {
                    let hours = limit.as_secs() as f64 / 3_600.0;
                    format!("{hours} h{}", if operation { ", operation" } else { "" })
                }
                (None, true, false) => "success".to_owned(),
                (None, false, false) => "failure".to_owned(),
                odd => format!("{odd:?}"),
            };
            assert_eq!(said, *expected, "{state:?}");
        }
    }

    /// A new state does not compile until it has its row in the table above.
    fn row_of(state: &State) -> usize {
        match state {
            State::Waiting => 0,
            State::Inspecting => 1,
            State::Planning(_) => 2,
            State::Planned => 3,
            State::Executing => 4,
            State::Verifying { .. } => 5,
            State::FindingCause { .. } => 6,
            State::RollingBackStack { .. } => 7,
            State::DeletingFailedStack(_) => 8,
            State::EmptyingBuckets => 9,
            State::Deleting(_) => 10,
            State::FindingUndeletable => 11,
            State::DiscardingChangeSet(_) => 12,
            State::Succeeded { .. } => 13,
            State::Removed => 14,
            State::RolledBack(_) => 15,
            State::Failed(_) => 16,
            State::Cancelled => 17,
            State::ReadingAliases => 18,
            State::Shifting { .. } => 19,
            State::ShiftingBack(_) => 20,
            State::PlanningRemoval => 21,
            State::ConfirmingRemoval => 22,
            State::ReadingMapping(_) => 23,
            State::Unmapping => 24,
            State::Draining => 25,
            State::Undraining(_) => 26,
            State::RestoringTraffic => 27,
        }
    }
}
