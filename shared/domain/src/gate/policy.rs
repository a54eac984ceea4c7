//! The policy gate: what the profile's CloudFormation Guard rules say about the templates of a release.

/// The result of a policy check. It depends only on the profile's rules and the release's templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyResult {
    /// All rules are satisfied, or the profile has no rules.
    Passed,
    /// Rules are violated.
    Violated {
        /// The first violations.
        first: Vec<Violation>,
        /// Number of all violations.
        count: usize,
    },
    /// The rules could not be evaluated.
    Unknown {
        /// Why.
        why: String,
        /// Whether a later attempt may succeed.
        may_pass: bool,
    },
}

/// One violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule's name.
    pub rule: String,
    /// Which of several templates violates it, as text.
    pub template: Option<String>,
    /// Logical id of the resource that violates it, if it is a resource.
    pub resource: Option<String>,
    /// Path in the template.
    pub path: String,
    /// The rule's own message.
    pub message: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rule, template, path, message, .. } = self;
        write!(f, "{rule}")?;
        for place in template.iter().chain(Some(path).filter(|path| !path.is_empty())) {
            write!(f, ", {place}")?;
        }
        write!(f, ": {message}")
    }
}
