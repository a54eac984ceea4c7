//! One target's part in one rollout: the state machine that the engine steps.
//!
//! Two pure functions decide everything: [`Deployment::apply`] says what an event makes of the state,
//! [`Deployment::due`] says what the saved state asks for. Which single look at the world a state
//! needs is [`Deployment::look`]. The engine saves what `apply` returned before it does what `due`
//! asks for, so a crash between the two only means that `due` is asked again.
//!
//! The files: [`spec`] what is to be deployed, [`state`] the states, [`event`] what can be seen,
//! [`command`] what can be asked for, `transition` the table, [`pace`] deadlines and delays.

pub mod command;
pub mod event;
pub mod pace;
pub mod spec;
pub mod state;
mod transition;

pub use command::{Command, Look};
pub use event::{ChangeSummary, CodeMismatch, Event};
pub use spec::{Access, DeploymentKind, DeploymentSpec};
pub use state::{ChangeSetKind, State};
pub use transition::IllegalTransition;

use crate::ids::DeploymentId;
use jiff::Timestamp;

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Which one.
    pub id: DeploymentId,
    /// What it is to bring about; fixed when it is opened.
    pub spec: DeploymentSpec,
    /// Where it stands.
    pub state: State,
    /// Whether the commands of this state are known to have been carried out.
    pub acted: bool,
    /// How many change sets have been asked for.
    pub attempt: u32,
    /// The stack's id, once it is known. From then on the stack is asked for by it.
    pub stack_id: Option<String>,
    /// The change set's id, once it is known.
    pub change_set_id: Option<String>,
    /// What the change set changes, once it is known.
    pub changes: Option<ChangeSummary>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When the state was entered.
    pub entered_at: Timestamp,
}

impl Deployment {
    /// Most change sets one deployment asks for before it gives up.
    pub const ATTEMPTS_MAX: u32 = 5;

    /// A deployment as a rollout opens it: it waits for its stack's lease.
    pub fn open(id: DeploymentId, spec: DeploymentSpec, now: Timestamp) -> Self {
        Self {
            id,
            spec,
            state: State::Waiting,
            acted: false,
            attempt: 0,
            stack_id: None,
            change_set_id: None,
            changes: None,
            opened_at: now,
            entered_at: now,
        }
    }

    /// The name of the change set of the present attempt: derived, so that asking twice makes one.
    /// At most 128 characters, beginning with a letter, as CloudFormation asks.
    pub fn change_set_name(&self) -> String {
        format!("flotilla-{}-{}", self.id.rollout, self.attempt).replace('_', "-")
    }

    /// The token of the present attempt's execution: CloudFormation stamps it on the stack's events.
    pub fn execution_token(&self) -> String {
        format!("{}-exec", self.change_set_name())
    }

    /// The token of the present attempt's deletion.
    pub fn deletion_token(&self) -> String {
        format!("{}-delete", self.change_set_name())
    }
}
