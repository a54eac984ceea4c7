//! What operators ask for. Who asks is written down in the same transaction as what changes.
//!
//! [`config`] services, profiles and accounts; [`start`] new rollouts; [`moves`] from stage to stage and back;
//! [`control`] those under way; [`gates`] what keeps them waiting; [`allowed`] what may be lost.

mod allowed;
mod config;
mod control;
mod gates;
mod moves;
mod plans;
mod start;

pub use allowed::Allowed;
pub use control::Control;
pub use gates::Agreement;
pub use moves::{Promotion, Rollback};
pub use plans::PlanOf;
pub use start::OperatorsWord;

use crate::ports::{Clock, StateStore, WorkQueue};
use flotilla_domain::{Code, Refusal};
use std::sync::Arc;

/// The use case and what it needs.
pub struct Commands {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The table.
    pub store: Arc<dyn StateStore>,
    /// The queues.
    pub queue: Arc<dyn WorkQueue>,
}

/// Who asks, and with which request: the same request again is the same command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The principal's ARN.
    pub principal: String,
    /// Unique to the request.
    pub request_id: String,
}

fn missing(what: String, fix: &str) -> Refusal {
    Refusal::new(Code::NotFound, what, fix)
}

fn conflict(what: String) -> Refusal {
    Refusal::new(Code::Conflict, what, "look at its present state, then decide again")
}
