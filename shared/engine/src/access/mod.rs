//! Permissions, and the audit.
//!
//! Every command of an operator goes through [`authority`]; [`audit`] shows what was recorded.

mod audit;
mod authority;

pub use audit::AuditRequest;
pub(crate) use authority::Order;
pub use authority::{Caller, Ledger};

use crate::ports::{Clock, Policies, StateStore, WorkQueue};
use flotilla_domain::access::Authority;
use flotilla_domain::{Code, Refusal};
use std::sync::Arc;

/// The commands of operators, and the ports that they need.
pub struct Commands {
    /// The installation's prefix: stacks may not change what has a name that begins with it.
    pub(crate) prefix: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Ledger,
    pub(crate) queue: Arc<dyn WorkQueue>,
    pub(crate) policies: Arc<dyn Policies>,
    /// Who may do what as long as no access is granted.
    pub(crate) bootstrap: Arc<Authority>,
}

impl Commands {
    /// Creates the commands on their ports.
    pub fn new(
        prefix: String,
        clock: Arc<dyn Clock>,
        store: Arc<dyn StateStore>,
        queue: Arc<dyn WorkQueue>,
        policies: Arc<dyn Policies>,
    ) -> Self {
        Self {
            prefix,
            clock,
            store: Ledger::new(store),
            queue,
            policies,
            bootstrap: Arc::new(Authority::Open),
        }
    }

    /// As long as no access is granted, only these principals may do anything. Without any, everybody whom IAM lets call the API may.
    ///
    /// # Errors
    /// [`flotilla_domain::Code::ConfigInvalid`] if one is not a principal's ARN.
    pub fn administered_by(mut self, principals: &[String]) -> Result<Self, Refusal> {
        if !principals.is_empty() {
            self.bootstrap = Arc::new(crate::config::administrators(principals)?);
        }
        Ok(self)
    }

    /// Whether anybody may do anything as long as no access is granted.
    pub fn is_open(&self) -> bool {
        matches!(*self.bootstrap, Authority::Open)
    }
}

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 500;

pub(crate) fn missing(what: String, fix: &str) -> Refusal {
    Refusal::new(Code::NotFound, what, fix)
}

pub(crate) fn conflict(what: String) -> Refusal {
    Refusal::new(Code::Conflict, what, "check its current state, then repeat the command")
}

/// The reason in its stored form: trimmed and bounded, `None` if it is empty.
pub(crate) fn reason(text: Option<&str>) -> Result<Option<String>, Refusal> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.len() > REASON_BYTES_MAX || text.chars().any(char::is_control)) {
        let what = format!("the reason is over {REASON_BYTES_MAX} bytes, or has control characters");
        return Err(Refusal::new(Code::RequestInvalid, what, "give it in one short line").at("because"));
    }
    Ok(text.map(str::to_owned))
}

/// A required reason.
pub(crate) fn needed(because: &str) -> Result<String, Refusal> {
    reason(Some(because))?.ok_or_else(|| {
        Refusal::new(Code::RequestInvalid, "the reason is missing", "give a reason").at("because")
    })
}
