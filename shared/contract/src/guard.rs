//! What the `guard` function is asked, and what it answers. Nothing of it goes through the HTTP API.

use serde::{Deserialize, Serialize};

/// Asks what rules say of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardRequest {
    /// The rules of CloudFormation Guard, as text.
    pub rules: String,
    /// The template, as the text of its JSON.
    pub template: String,
}

impl GuardRequest {
    /// Longest rules, in bytes.
    pub const RULES_BYTES_MAX: usize = 64 * 1024;
    /// Longest template, in bytes: CloudFormation takes 1 MB.
    pub const TEMPLATE_BYTES_MAX: usize = 1_000_000;
}

/// What rules say of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardReply {
    /// All of them hold, or are about nothing that is in it.
    Holds,
    /// Some are broken.
    Broken {
        /// The first of them.
        first: Vec<BrokenRule>,
        /// How many there are, counted by what breaks them.
        count: usize,
    },
    /// They cannot be read: it is the rules that have to be mended.
    Invalid {
        /// In which line, counted from 1, if that is known.
        line: Option<u32>,
        /// What is wrong.
        why: String,
    },
    /// They can be read but cannot be applied to this template.
    Unfit {
        /// What is wrong.
        why: String,
    },
}

/// A rule that does not hold, and what breaks it. It has no value of the template in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenRule {
    /// The rule's name; `default` for clauses outside of rules.
    pub rule: String,
    /// The logical id of the resource, if it is one.
    pub resource: Option<String>,
    /// Where in the template, such as `Resources.Orders.Properties`.
    pub path: String,
    /// What the rule says about it: its own message, else the clause.
    pub message: String,
}
