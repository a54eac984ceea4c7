//! Errors of use cases.

use crate::ports::{PortError, WriteError};
use crate::records::RecordError;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::set::ServiceSet;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Digest, Refusal, RolloutId, SetId};

/// The error of a use case. The call can be repeated: the next one completes whatever was left half done.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Other writers kept changing the item.
    #[error("other writers kept changing the state")]
    Contended,
    /// A stored item cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The request is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The current state does not allow the request.
    #[error("{}", .0.refusal)]
    Conflict(Box<Conflict>),
    /// A defect of Flotilla, such as an event that does not fit its state.
    #[error("defect: {0}")]
    Defect(String),
}

/// A refusal, with the state that does not allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The refusal.
    pub refusal: Refusal,
    /// The current state.
    pub current: Current,
}

/// The current state, where another one was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Current {
    /// A rollout.
    Rollout {
        /// The id.
        id: RolloutId,
        /// Its state, by name.
        state: &'static str,
        /// Its package.
        package: Option<Digest>,
        /// Its plan, once it exists.
        plan: Option<Digest>,
    },
    /// A stage.
    Stage {
        /// Its newest rollout.
        newest: Option<RolloutId>,
        /// The active rollout.
        active: Option<RolloutId>,
        /// The queued rollout.
        queued: Option<RolloutId>,
    },
    /// A set of services.
    Set {
        /// The id.
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
    /// A refusal because of the current state.
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
