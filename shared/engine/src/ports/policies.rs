//! Policy checks: CloudFormation Guard rules evaluated against templates.

use super::PortError;
use async_trait::async_trait;
use flotilla_domain::Digest;
use flotilla_domain::gate::Violation;

/// The result of a policy check of one template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluation {
    /// No rule is violated.
    Passed,
    /// Some rules are violated.
    Violated {
        /// The first violations, 20 at most.
        first: Vec<Violation>,
        /// The number of violations.
        count: usize,
    },
    /// Guard cannot parse the rules.
    Invalid {
        /// The line, counted from 1, if it is known.
        line: Option<u32>,
        /// The error.
        why: String,
    },
    /// Guard can never evaluate the rules against this template.
    Unfit {
        /// The error.
        why: String,
    },
    /// The evaluation crashed or timed out.
    Crashed {
        /// The error that the function reported.
        why: String,
    },
}

/// The evaluator of rules.
#[async_trait]
pub trait Policies: Send + Sync {
    /// Evaluates rules against a template in the ingest bucket. `Missing` if the template was deleted.
    async fn evaluate(&self, rules: &str, template: &Digest) -> Result<Evaluation, PortError>;

    /// Evaluates rules against an empty template, to find rules that cannot be parsed or that crash Guard
    /// before a rollout uses them.
    async fn dry_run_rules(&self, rules: &str) -> Result<Evaluation, PortError>;
}
