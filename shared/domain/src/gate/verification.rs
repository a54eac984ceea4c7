//! The verification gate: what must succeed at every target of a wave before the wave counts as done.

use std::fmt;

/// A verification of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The request or the function.
    pub probe: Probe,
    /// Time to succeed, in seconds. Until then it is retried.
    pub within_s: u32,
}

/// What a verification calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A `GET` of a URL, which is an output of the stack plus a path, returns the expected status.
    Http {
        /// Name of the stack's output.
        output: String,
        /// Path appended to the output, such as `/health`; may be empty.
        path: String,
        /// Expected status.
        status: u16,
    },
    /// An invocation of a Lambda function of the target succeeds.
    Function {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { output, path, status } => write!(f, "GET {{{output}}}{path} = {status}"),
            Self::Function { name } => write!(f, "function {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_says_what_it_is() {
        let probe = Probe::Http { output: "Url".into(), path: "/health".into(), status: 200 };
        assert_eq!(probe.to_string(), "GET {Url}/health = 200");
    }
}
