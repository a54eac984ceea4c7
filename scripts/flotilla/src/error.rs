//! Exit codes and errors of the command.

use flotilla_contract::Problem;
use flotilla_domain::Refusal;

/// Exit codes: a stable interface, documented in `docs/cli.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; a followed rollout succeeded at all targets.
    Success = 0,
    /// AWS, the network or a file failed.
    Failure = 1,
    /// The request was refused, or the command line is invalid.
    Refused = 2,
    /// The upload was refused.
    UploadRefused = 3,
    /// The rollout failed or was reverted.
    RolloutFailed = 4,
    /// The rollout was cancelled or superseded.
    RolloutStopped = 5,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The API refused.
    #[error("{}: {}", .0.code, .0.detail)]
    Problem(Box<Problem>),
    /// The package cannot be deployed.
    #[error("{0}")]
    Package(Box<Refusal>),
    /// The input of the user is invalid, or its environment is not ready.
    #[error("{what}")]
    Usage {
        /// What is wrong, and why.
        what: String,
        /// What to do.
        fix: String,
    },
    /// AWS, the network or a file failed.
    #[error("{what}: {source}")]
    Failed {
        /// What failed, such as `cannot read app.zip`.
        what: String,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CliError {
    /// An error in the input or the environment of the user: what is wrong, and what to do.
    pub fn usage(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), fix: fix.into() }
    }

    /// A failure of AWS, the network or a file: what failed, such as `cannot read app.zip`, and why.
    pub fn failed(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { what: what.into(), source: source.into() }
    }

    /// The exit code for this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Problem(_) | Self::Package(_) | Self::Usage { .. } => Exit::Refused,
            Self::Failed { .. } => Exit::Failure,
        }
    }

    /// The current state that the API reports with a conflict.
    pub fn now(&self) -> Option<String> {
        let Self::Problem(problem) = self else { return None };
        let current = problem.current.as_ref()?;
        let said = [
            ("rollout", &current.rollout),
            ("status", &current.status),
            ("active", &current.active),
            ("queued", &current.queued),
            ("package", &current.package),
            ("plan", &current.plan),
            ("version", &current.version.map(|version| version.to_string())),
            ("changed by", &current.changed_by),
        ];
        let said = said.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
        Some(said.collect::<Vec<_>>().join(", "))
    }

    /// The field or place that the error is about.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => problem.path.as_deref(),
            Self::Package(refusal) => refusal.path.as_deref(),
            Self::Usage { .. } | Self::Failed { .. } => None,
        }
    }

    /// What to do, if that is known.
    pub fn fix(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.fix),
            Self::Package(refusal) => Some(&refusal.fix),
            Self::Usage { fix, .. } => Some(fix),
            Self::Failed { .. } => None,
        }
    }
}
