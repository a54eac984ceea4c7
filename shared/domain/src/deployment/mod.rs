//! A deployment brings one release to one target: the state machine that the engine steps.
//!
//! Pure functions decide everything: [`Deployment::apply`] returns the state after an event, [`Deployment::due`]
//! the command that the saved state asks for, and [`Deployment::observation`] the one observation that the state needs.
//! The engine saves what `apply` returned before it executes the command of `due`. After a crash between the two,
//! `due` returns the same command again.
//!
//! The files: [`spec`] the specification, [`state`] the states, [`event`] the events, [`command`] the commands
//! and observations, `transition` the transition table, `planned` the checks of a plan, `traffic` aliases and their
//! versions, `mapping` API mappings of domains, `drain` weighted records, `weights` what may be done with them, [`pace`] deadlines and delays.

mod aliases;
mod apis;
mod causes;
pub mod command;
mod deletion;
mod drain;
pub mod event;
mod inspection;
pub mod lease;
mod mapping;
pub mod pace;
mod planned;
mod properties;
pub mod rate_budget;
mod records;
pub mod spec;
pub mod stack_event;
pub mod stack_status;
pub mod state;
mod traffic;
mod transition;
mod weights;

pub use aliases::{AliasVersions, TrafficAnswer};
pub use apis::{ApiMapping, ApiStage, MappedApis};
pub use command::{Command, Observation};
pub use event::{CodeMismatch, Event, Outcome, Plan};
pub use records::{Drain, RecordSeen, WeightedRecord};
pub use spec::{Access, DeploymentKind, DeploymentSpec, Drift, RestoredVersion, StackPolicy};
pub use state::{AfterCause, ChangeSetKind, Effort, StackRollback, State};
pub use transition::IllegalTransition;

use crate::digest::Digest;
use crate::ids::{DeploymentId, Direction};
use crate::plan::ChangeSummary;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Whether an operator asked to stop the running update.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stop {
    /// Nobody asked.
    #[default]
    No,
    /// This operator asked.
    Asked(String),
    /// This operator asked, and the cancellation was sent to CloudFormation.
    Sent(String),
    /// This operator asked too late.
    TooLate(String),
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// Its specification; fixed when it is opened.
    pub spec: DeploymentSpec,
    /// Its state.
    pub state: State,
    /// Whether the command of the state is known to be done.
    pub acted: bool,
    /// The number of change sets requested so far.
    pub attempt: u32,
    /// Whether the present change set creates the stack.
    pub creates: bool,
    /// Whether the stack keeps the deployment bucket of the packaging tool that deployed it before.
    pub keeps_bucket: bool,
    /// The aliases of the stack whose versions were read before the update.
    pub aliases: Vec<AliasVersions>,
    /// What the API mapping of its domain points at, once that was read.
    pub mapped: Option<MappedApis>,
    /// How far the drain of its region has come, if it drains it.
    pub drain: Option<Drain>,
    /// Whether all traffic is shifted, so that the present update lets the template say so.
    pub completes: bool,
    /// The number of operations on the stack begun so far: each has its own token.
    pub operations: u32,
    /// The number of its lease: a save is accepted only while the lease has this number.
    pub fence: u64,
    /// The stack's id, once it is known. From then on the stack is read by its id.
    pub stack_id: Option<String>,
    /// The change set's id, once it is known.
    pub change_set_id: Option<String>,
    /// The summary of the plan, once it is known.
    pub changes: Option<ChangeSummary>,
    /// The digest of the plan, which approvals are bound to.
    pub plan_digest: Option<Digest>,
    /// The stack's outputs at the last observation.
    pub outputs: BTreeMap<String, String>,
    /// Notes for operators that are not failures: retained resources, drift, warnings.
    pub notes: Vec<String>,
    /// Whether an operator asked to stop the running update.
    pub stop: Stop,
    /// How long the stack's last execution took, in seconds.
    pub expected_s: Option<u32>,
    /// Its number in the queue of the rate budget, if calls to CloudFormation are limited.
    pub number: Option<u64>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When the state was entered.
    pub entered_at: Timestamp,
}

impl Deployment {
    /// Most change sets that one deployment requests before it fails.
    pub const ATTEMPTS_MAX: u32 = 5;
    /// Most operations on the stack that one deployment begins before it fails.
    pub const OPERATIONS_MAX: u32 = 10;
    /// Most bytes of outputs that are kept, names and values: an item of DynamoDB holds at most 400 KB.
    pub const OUTPUTS_BYTES_MAX: usize = 64 * 1024;
    /// Most notes that are kept.
    pub const NOTES_MAX: usize = 20;

    /// A new deployment, which waits for its stack's lease.
    pub fn open(id: DeploymentId, spec: DeploymentSpec, now: Timestamp) -> Self {
        Self {
            id,
            spec,
            state: State::Waiting,
            acted: false,
            attempt: 0,
            creates: false,
            keeps_bucket: false,
            aliases: Vec::new(),
            mapped: None,
            drain: None,
            completes: false,
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

    /// The prefix of all its names in CloudFormation: letters, digits and hyphens only.
    fn name(&self) -> String {
        let part = self.id.target.part.as_ref().map(|part| format!("-{part}")).unwrap_or_default();
        let slot = self.id.target.slot.map(|slot| format!("-{slot}")).unwrap_or_default();
        let back = if self.id.direction == Direction::Rollback { "-back" } else { "" };
        format!("flotilla-{}{part}{slot}{back}", self.id.rollout).replace('_', "-")
    }

    /// The name of the change set of the present attempt. It is derived, so that requesting it twice creates one
    /// change set. At most 128 characters, beginning with a letter, as CloudFormation requires.
    pub fn change_set_name(&self) -> String {
        format!("{}-{}", self.name(), self.attempt)
    }

    /// The `ClientRequestToken` of the present operation: CloudFormation adds it to the stack's events.
    pub fn operation_token(&self) -> String {
        format!("{}-op{}", self.name(), self.operations)
    }
}
