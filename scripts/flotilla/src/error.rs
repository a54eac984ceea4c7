//! How the command ends.

use flotilla_contract::Problem;
use flotilla_domain::Refusal;

/// Exit codes. They are part of the command's contract: see `docs/cli.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; a rollout that was followed succeeded everywhere.
    Success = 0,
    /// It could not be done: AWS or the network failed.
    Failure = 1,
    /// The request was refused, or the command line is wrong.
    Refused = 2,
    /// The upload was refused.
    UploadRefused = 3,
    /// The rollout failed.
    RolloutFailed = 4,
    /// The rollout was cancelled or superseded.
    RolloutStopped = 5,
}

/// Why the command ends early.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The API refused.
    #[error("{}: {}", .0.code, .0.detail)]
    Problem(Box<Problem>),
    /// The package cannot be deployed.
    #[error("{0}")]
    Package(Box<Refusal>),
    /// Something the user gave is wrong.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What to do.
        fix: String,
    },
    /// AWS, the network or a file failed.
    #[error("{what}: {source}")]
    Failed {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CliError {
    /// Something the user gave is wrong.
    pub fn usage(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), fix: fix.into() }
    }

    /// Something failed while `what` was being done.
    pub fn failed(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { what: what.into(), source: source.into() }
    }

    /// The code it ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Problem(_) | Self::Package(_) | Self::Usage { .. } => Exit::Refused,
            Self::Failed { .. } => Exit::Failure,
        }
    }

    /// What there is instead, if the API has said it.
    pub fn now(&self) -> Option<String> {
        let Self::Problem(problem) = self else { return None };
        let current = problem.current.as_ref()?;
        let said = [
            ("rollout", &current.rollout),
            ("status", &current.status),
            ("under way", &current.active),
            ("next", &current.queued),
            ("package", &current.package),
            ("plan", &current.plan),
            ("version", &current.version.map(|version| version.to_string())),
            ("changed by", &current.changed_by),
        ];
        let said = said.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
        Some(said.collect::<Vec<_>>().join(", "))
    }

    /// What to do about it, if that is known.
    pub fn fix(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.fix),
            Self::Package(refusal) => Some(&refusal.fix),
            Self::Usage { fix, .. } => Some(fix),
            Self::Failed { .. } => None,
        }
    }
}
