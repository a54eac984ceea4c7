//! The policy gate: what the profile's CloudFormation Guard rules say about the templates of a release.

/// What a profile's rules say of a release's templates. It depends on nothing but both of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyResult {
    /// All of them hold, or there are none any more.
    Passed,
    /// Some are broken.
    Violated {
        /// The first of them.
        first: Vec<Violation>,
        /// How many there are.
        count: usize,
    },
    /// What they say could not be found out.
    Unknown {
        /// Why.
        why: String,
        /// Whether the same question may be answered later.
        may_pass: bool,
    },
}

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule's name.
    pub rule: String,
    /// Which of several templates breaks it, in words.
    pub template: Option<String>,
    /// The logical id of the resource that breaks it, if it is one.
    pub resource: Option<String>,
    /// Where in the template.
    pub path: String,
    /// What the rule says about it.
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
