//! The properties of a rollout's states. Every property of every state is defined here and nowhere else.

use super::state::{Revert, RolloutState, Shift};

/// The effect of a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// The rollout ends at once: no deployment is running.
    Ends,
    /// Running deployments are finished, or stopped if the operator asks for that.
    Finishes,
    /// The rollout can no longer be cancelled.
    Refused,
}

/// The position of a state among the waves. Waves are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Before all waves.
    Start,
    /// At the gates of a wave.
    Before(usize),
    /// In a wave: it is deployed, verified, or bakes.
    In(usize),
    /// Past the waves, or ended.
    Past,
}

/// The properties of one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Properties {
    /// Whether the state is terminal.
    pub is_terminal: bool,
    /// The effect of a cancellation.
    pub on_cancel: OnCancel,
    /// Whether it may be paused.
    pub is_pausable: bool,
    /// Whether a newer rollout of the stage supersedes it: nothing has begun.
    pub is_supersedable: bool,
    /// Whether it may have change sets that are not executed.
    pub has_change_sets: bool,
    /// Whether it only waits for a condition. If the condition is true already, the timeline gets no entry for it.
    pub is_gate: bool,
    /// Whether an operator may retry it.
    pub is_retryable: bool,
    /// Its position among the waves.
    pub position: Position,
}

/// Nothing has begun.
const START: Properties = Properties {
    is_terminal: false,
    on_cancel: OnCancel::Ends,
    is_pausable: true,
    is_supersedable: true,
    has_change_sets: false,
    is_gate: false,
    is_retryable: false,
    position: Position::Start,
};

/// The rollout only finishes what it began.
const FINISHING: Properties = Properties {
    on_cancel: OnCancel::Refused,
    is_pausable: false,
    is_supersedable: false,
    has_change_sets: true,
    position: Position::Past,
    ..START
};

/// It has ended.
const ENDED: Properties = Properties { is_terminal: true, has_change_sets: false, ..FINISHING };

/// The properties of a wave, in which targets may have been changed.
const fn wave(position: Position) -> Properties {
    Properties { is_supersedable: false, has_change_sets: true, position, ..START }
}

impl RolloutState {
    /// The properties of this state. There is no default: a new state must define them.
    pub fn properties(&self) -> Properties {
        match *self {
            Self::Queued | Self::Replicating => START,
            Self::PolicyCheck | Self::WaitingForOutputs => Properties { is_gate: true, ..START },
            Self::Planning => Properties { has_change_sets: true, ..START },
            Self::Gated { wave: at } => {
                Properties { is_gate: true, is_supersedable: at == 0, ..wave(Position::Before(at)) }
            }
            Self::Rolling { wave: at, .. } => {
                Properties { on_cancel: OnCancel::Finishes, ..wave(Position::In(at)) }
            }
            Self::Shifting(Shift { wave: at, .. }) => {
                Properties { on_cancel: OnCancel::Finishes, ..wave(Position::In(at)) }
            }
            Self::Completing { wave: at } => {
                Properties { on_cancel: OnCancel::Refused, is_pausable: false, ..wave(Position::In(at)) }
            }
            Self::ShiftingBack { .. } => FINISHING,
            Self::Verifying { wave: at } | Self::Baking { wave: at } => wave(Position::In(at)),
            Self::Reverting(Revert::Finding(_) | Revert::Copying(_) | Revert::Rolling { .. })
            | Self::DiscardingChangeSets(_) => FINISHING,
            Self::Failed(_) | Self::Reverted(_) | Self::Cancelled => {
                Properties { is_retryable: true, ..ENDED }
            }
            Self::Succeeded | Self::Planned | Self::Superseded { .. } => ENDED,
        }
    }

    /// Whether it only finishes what it began, or has ended.
    pub fn is_past_waves(&self) -> bool {
        self.properties().position == Position::Past
    }

    /// Whether the state is terminal.
    pub fn is_terminal(&self) -> bool {
        self.properties().is_terminal
    }

    /// The wave it is at, counted from 0.
    pub fn wave(&self) -> Option<usize> {
        match self.properties().position {
            Position::Before(wave) | Position::In(wave) => Some(wave),
            Position::Start | Position::Past => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::code::Code;

    /// A new state does not compile until it has its row here.
    fn row_of(state: &RolloutState) -> usize {
        use RolloutState as S;
        match state {
            S::Queued => 0,
            S::PolicyCheck => 1,
            S::Replicating => 2,
            S::WaitingForOutputs => 3,
            S::Planning => 4,
            S::Gated { .. } => 5,
            S::Rolling { .. } => 6,
            S::Verifying { .. } => 7,
            S::Baking { .. } => 8,
            S::Reverting(_) => 9,
            S::DiscardingChangeSets(_) => 10,
            S::Succeeded => 11,
            S::Failed(_) => 12,
            S::Reverted(_) => 13,
            S::Cancelled => 14,
            S::Planned => 15,
            S::Superseded { .. } => 16,
            S::Shifting(_) => 17,
            S::Completing { .. } => 18,
            S::ShiftingBack { .. } => 19,
        }
    }

    /// At least one of every state.
    fn every_state() -> Vec<RolloutState> {
        use RolloutState as S;
        let cause = || Cause::new(Code::RolledBack, "because", "fix it");
        let states = vec![
            S::Queued,
            S::PolicyCheck,
            S::Replicating,
            S::WaitingForOutputs,
            S::Planning,
            S::Gated { wave: 0 },
            S::Gated { wave: 1 },
            S::Rolling { wave: 1, from: 0, opened: 1 },
            S::Verifying { wave: 1 },
            S::Baking { wave: 1 },
            S::Reverting(Revert::Finding(Vec::new())),
            S::DiscardingChangeSets(Box::new(S::Cancelled)),
            S::Succeeded,
            S::Failed(cause()),
            S::Reverted(cause()),
            S::Cancelled,
            S::Planned,
            S::Superseded { by: None },
            S::Shifting(Shift { wave: 1, step: 0, percent: 5, since: None, reading: None }),
            S::Completing { wave: 1 },
            S::ShiftingBack { wave: 1 },
        ];
        let rows: std::collections::BTreeSet<usize> = states.iter().map(row_of).collect();
        assert!(rows.into_iter().eq(0..20), "a state is missing here");
        states
    }

    #[test]
    fn every_state_answers_every_question() {
        let row = |state: &RolloutState| {
            let p = state.properties();
            let flags = [
                (p.is_terminal, "terminal"),
                (p.is_pausable, "pausable"),
                (p.is_supersedable, "supersedable"),
                (p.has_change_sets, "change sets"),
                (p.is_gate, "gate"),
                (p.is_retryable, "retryable"),
            ];
            let flags: Vec<_> = flags.into_iter().filter_map(|(is, name)| is.then_some(name)).collect();
            format!("{} | {:?} | {:?} | {}", state.name(), p.on_cancel, p.position, flags.join(", "))
        };
        let rows: Vec<String> = every_state().iter().map(row).collect();
        let expected = [
            "queued | Ends | Start | pausable, supersedable",
            "vetting | Ends | Start | pausable, supersedable, gate",
            "replicating | Ends | Start | pausable, supersedable",
            "awaiting | Ends | Start | pausable, supersedable, gate",
            "planning | Ends | Start | pausable, supersedable, change sets",
            "gated | Ends | Before(0) | pausable, supersedable, change sets, gate",
            "gated | Ends | Before(1) | pausable, change sets, gate",
            "rolling | Finishes | In(1) | pausable, change sets",
            "checking | Ends | In(1) | pausable, change sets",
            "baking | Ends | In(1) | pausable, change sets",
            "reverting | Refused | Past | change sets",
            "withdrawing | Refused | Past | change sets",
            "succeeded | Refused | Past | terminal",
            "failed | Refused | Past | terminal, retryable",
            "reverted | Refused | Past | terminal, retryable",
            "cancelled | Refused | Past | terminal, retryable",
            "planned | Refused | Past | terminal",
            "superseded | Refused | Past | terminal",
            "shifting | Finishes | In(1) | pausable, change sets",
            "completing | Refused | In(1) | change sets",
            "shifting_back | Refused | Past | change sets",
        ];
        assert_eq!(rows, expected);
    }
}
