//! Requests and replies of the `guard` function. They are not part of the HTTP API.

use serde::{Deserialize, Serialize};

/// Asks for the evaluation of rules against a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardRequest {
    /// The rules of CloudFormation Guard, as text.
    pub rules: String,
    /// The template, as JSON text.
    pub template: String,
}

impl GuardRequest {
    /// Maximum size of the rules, in bytes.
    pub const RULES_BYTES_MAX: usize = 64 * 1024;
    /// Maximum size of the template, in bytes: CloudFormation accepts 1 MB.
    pub const TEMPLATE_BYTES_MAX: usize = 1_000_000;
}

/// The result of evaluating rules against a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardReply {
    /// Every rule passes or does not apply to the template.
    Holds,
    /// Some rules are violated.
    Broken {
        /// The first violations.
        first: Vec<BrokenRule>,
        /// The number of all violations.
        count: usize,
    },
    /// The rules cannot be parsed and must be fixed.
    Invalid {
        /// The line of the error, counted from 1, if known.
        line: Option<u32>,
        /// The parse error.
        why: String,
    },
    /// The rules can be parsed but not evaluated against this template.
    Unfit {
        /// The evaluation error.
        why: String,
    },
}

/// A violation of a rule. It contains no value of the template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenRule {
    /// The rule's name; `default` for clauses outside of named rules.
    pub rule: String,
    /// The logical id of the resource that violates the rule, if it is a resource.
    pub resource: Option<String>,
    /// The place in the template, such as `Resources.Orders.Properties`.
    pub path: String,
    /// The rule's own message, else the violated clause.
    pub message: String,
}
