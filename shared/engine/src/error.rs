//! What can keep a use case from doing its work.

use crate::ports::{PortError, WriteError};
use crate::records::RecordError;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::set::ServiceSet;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Digest, Refusal, RolloutId, SetId};

/// A use case could not be carried through. Whoever called it may call it again: nothing is half done that
/// the next call would not mend.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Somebody else changed what was to be saved, again and again.
    #[error("the state kept changing while it was being changed")]
    Contended,
    /// A stored item is not what it should be.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What was asked for is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The present state does not allow what was asked for.
    #[error("{}", .0.refusal)]
    Conflict(Box<Conflict>),
    /// A decision did not fit its state: a defect of Flotilla.
    #[error("defect: {0}")]
    Defect(String),
}

/// A refusal, with the state that does not allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What is refused.
    pub refusal: Refusal,
    /// What there is.
    pub current: Current,
}

/// What there is, where something else was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Current {
    /// A rollout.
    Rollout {
        /// Which one.
        id: RolloutId,
        /// Its state, by name.
        state: &'static str,
        /// Its package.
        package: Option<Digest>,
        /// Its plan, once it is made.
        plan: Option<Digest>,
    },
    /// A stage.
    Stage {
        /// Its newest rollout.
        newest: Option<RolloutId>,
        /// The rollout under way.
        active: Option<RolloutId>,
        /// The rollout that comes next.
        queued: Option<RolloutId>,
    },
    /// A set of services.
    Set {
        /// Which one.
        id: SetId,
        /// Its state, by name.
        state: &'static str,
    },
    /// A configuration document.
    Config {
        /// Its version, 0 for none.
        version: u64,
        /// Who changed it last.
        changed_by: Option<String>,
    },
}

impl From<&Rollout> for Current {
    fn from(rollout: &Rollout) -> Self {
        let (package, plan) = (rollout.package(), rollout.plan());
        Self::Rollout { id: rollout.id, state: rollout.state.name(), package, plan }
    }
}

impl From<&ServiceSet> for Current {
    fn from(set: &ServiceSet) -> Self {
        Self::Set { id: set.id, state: set.state.name() }
    }
}

impl From<&StageHead> for Current {
    fn from(head: &StageHead) -> Self {
        Self::Stage { newest: head.newest, active: head.active, queued: head.queued }
    }
}

impl EngineError {
    /// A refusal because of what there is.
    pub fn conflict(refusal: Refusal, current: impl Into<Current>) -> Self {
        Self::Conflict(Box::new(Conflict { refusal, current: current.into() }))
    }
}

impl From<WriteError> for EngineError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict(_) => Self::Contended,
            WriteError::Port(error) => Self::Port(error),
        }
    }
}
