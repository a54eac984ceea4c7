//! The verification gate: what must succeed at every target of a wave before the wave counts as done.

use std::fmt;

/// A verification of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// How long it may take until it succeeds, in seconds: it is tried again until then.
    pub within_s: u32,
}

/// What a verification asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A `GET` of the URL that is an output of the stack, with this path behind it, is answered by this status.
    Http {
        /// The stack's output.
        output: String,
        /// What is added to it, such as `/health`; may be empty.
        path: String,
        /// The status it must answer.
        status: u16,
    },
    /// A Lambda function of the target succeeds.
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
