//! What operators ask for. Who asks is written down in the same transaction as what changes.
//!
//! [`config`] services, profiles, accounts and access; [`start`] new rollouts; [`moves`] from stage to stage and
//! back; [`sets`] several services as one; [`control`] those under way; [`gates`] what keeps them waiting; [`allowed`] what may be lost.
//! [`authority`] is the door that all of them go through.

mod allowed;
mod authority;
mod config;
mod control;
mod gates;
mod moves;
mod plans;
mod sets;
mod start;

pub use allowed::Allowed;
pub use authority::{Caller, Ledger};
pub use control::Control;
pub use gates::Agreement;
pub use moves::{Promotion, Rollback};
pub use plans::PlanOf;
pub use sets::{SetPromotion, SetRollback};
pub use start::OperatorsWord;

use crate::ports::{Clock, Policies, StateStore, WorkQueue};
use authority::Order;
use flotilla_domain::{Code, Refusal};
use std::sync::Arc;

/// The use case and what it needs.
pub struct Commands {
    clock: Arc<dyn Clock>,
    store: Ledger,
    queue: Arc<dyn WorkQueue>,
    policies: Arc<dyn Policies>,
}

impl Commands {
    /// The use case on its ports.
    pub fn new(
        clock: Arc<dyn Clock>,
        store: Arc<dyn StateStore>,
        queue: Arc<dyn WorkQueue>,
        policies: Arc<dyn Policies>,
    ) -> Self {
        Self { clock, store: Ledger::new(store), queue, policies }
    }
}

fn missing(what: String, fix: &str) -> Refusal {
    Refusal::new(Code::NotFound, what, fix)
}

fn conflict(what: String) -> Refusal {
    Refusal::new(Code::Conflict, what, "look at its present state, then decide again")
}
