//! One target's part in one rollout: the state machine that the engine steps.
//!
//! Two pure functions decide everything: [`Deployment::apply`] says what an event makes of the state,
//! [`Deployment::due`] says what the saved state asks for. Which single look at the world a state
//! needs is [`Deployment::look`]. The engine saves what `apply` returned before it does what `due`
//! asks for, so a crash between the two only means that `due` is asked again.
//!
//! The files: [`spec`] what is to be deployed, [`state`] the states, [`event`] what can be seen,
//! [`command`] what can be asked for, `transition` the table, `planned` what a plan is held to, [`pace`]
//! deadlines and delays.

mod causes;
pub mod command;
mod deletion;
pub mod event;
pub mod lease;
pub mod pace;
mod planned;
mod properties;
pub mod rate_budget;
pub mod spec;
pub mod stack_event;
pub mod stack_status;
pub mod state;
mod transition;

pub use command::{Command, Look};
pub use event::{CodeMismatch, Event, Outcome, Plan};
pub use spec::{Access, DeploymentKind, DeploymentSpec, Drift, StackPolicy};
pub use state::{AfterCause, ChangeSetKind, Effort, StackRollback, State};
pub use transition::IllegalTransition;

use crate::digest::Digest;
use crate::ids::{DeploymentId, Turn};
use crate::plan::ChangeSummary;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Whether an operator wants the running update stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stop {
    /// Nobody does.
    #[default]
    No,
    /// This one does.
    Asked(String),
    /// This one did, and CloudFormation was told.
    Sent(String),
    /// This one did, too late.
    TooLate(String),
}

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
    /// Whether the present change set makes the stack.
    pub creates: bool,
    /// Whether the stack keeps the deployment bucket of the packaging tool that has deployed it before.
    pub keeps_bucket: bool,
    /// How many operations on the stack have been begun: each has a token of its own.
    pub operations: u32,
    /// The number of its lease: what it saves, it saves only while the lease has this number.
    pub fence: u64,
    /// The stack's id, once it is known. From then on the stack is asked for by it.
    pub stack_id: Option<String>,
    /// The change set's id, once it is known.
    pub change_set_id: Option<String>,
    /// What the change set changes, once it is known.
    pub changes: Option<ChangeSummary>,
    /// The digest of all that it changes: what an approval is bound to.
    pub plan_digest: Option<Digest>,
    /// The stack's outputs, as they were seen last.
    pub outputs: BTreeMap<String, String>,
    /// What an operator should know although it is no failure: orphans, drift, warnings.
    pub notes: Vec<String>,
    /// Whether the running update is to be stopped.
    pub stop: Stop,
    /// How long the stack's last execution took, in seconds.
    pub expected_s: Option<u32>,
    /// The number with which it waits for its turn, if calls to CloudFormation are rationed.
    pub number: Option<u64>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When the state was entered.
    pub entered_at: Timestamp,
}

impl Deployment {
    /// Most change sets one deployment asks for before it gives up.
    pub const ATTEMPTS_MAX: u32 = 5;
    /// Most operations on the stack that one deployment begins before it gives up.
    pub const OPERATIONS_MAX: u32 = 10;
    /// How many bytes of outputs are kept, names and values: the item has to stay far below 400 KB.
    pub const OUTPUTS_BYTES_MAX: usize = 64 * 1024;
    /// Most notes that are kept.
    pub const NOTES_MAX: usize = 20;

    /// A deployment as a rollout opens it: it waits for its stack's lease.
    pub fn open(id: DeploymentId, spec: DeploymentSpec, now: Timestamp) -> Self {
        Self {
            id,
            spec,
            state: State::Waiting,
            acted: false,
            attempt: 0,
            creates: false,
            keeps_bucket: false,
            operations: 0,
            fence: 0,
            stack_id: None,
            change_set_id: None,
            changes: None,
            plan_digest: None,
            outputs: BTreeMap::new(),
            notes: Vec::new(),
            stop: Stop::No,
            expected_s: None,
            number: None,
            opened_at: now,
            entered_at: now,
        }
    }

    /// What all its names for CloudFormation begin with: letters, digits and hyphens only.
    fn name(&self) -> String {
        let part = self.id.target.part.as_ref().map(|part| format!("-{part}")).unwrap_or_default();
        let back = if self.id.turn == Turn::Back { "-back" } else { "" };
        format!("flotilla-{}{part}{back}", self.id.rollout).replace('_', "-")
    }

    /// The name of the change set of the present attempt: derived, so that asking twice makes one.
    /// At most 128 characters, beginning with a letter, as CloudFormation asks.
    pub fn change_set_name(&self) -> String {
        format!("{}-{}", self.name(), self.attempt)
    }

    /// The token of the present operation: CloudFormation stamps it on the stack's events.
    pub fn operation_token(&self) -> String {
        format!("{}-op{}", self.name(), self.operations)
    }
}
