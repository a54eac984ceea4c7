//! Rules of CloudFormation Guard, applied to templates.

use super::PortError;
use async_trait::async_trait;
use flotilla_domain::Digest;
use flotilla_domain::rollout::Broken;

/// What became of applying rules to a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// All of them hold, or are about nothing that is in it.
    Holds,
    /// Some are broken.
    Broken {
        /// The first of them, 20 at most.
        first: Vec<Broken>,
        /// How many there are.
        count: usize,
    },
    /// The rules cannot be read.
    Invalid {
        /// In which line, counted from 1, if that is known.
        line: Option<u32>,
        /// What is wrong.
        why: String,
    },
    /// The rules cannot be applied to this template, now and ever.
    Unfit {
        /// What is wrong.
        why: String,
    },
    /// Whoever applied them has come to no end: it crashed, or its time was over.
    Crashed {
        /// In its own words.
        why: String,
    },
}

/// Whoever applies rules.
#[async_trait]
pub trait Policies: Send + Sync {
    /// Applies rules to a template that is kept in the ingest bucket. `Missing` if it is not there any more.
    async fn judge(&self, rules: &str, template: &Digest) -> Result<Judged, PortError>;

    /// Applies rules to a template with nothing in it: what cannot be read, or brings down whoever applies it, is
    /// found before anybody deploys.
    async fn try_out(&self, rules: &str) -> Result<Judged, PortError>;
}
