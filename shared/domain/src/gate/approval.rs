//! The approval gate: people's consent to a wave and its plan.

use super::{Blocked, Gate, Wave};
use crate::digest::Digest;
use jiff::Timestamp;

/// The four-eyes rule: whose approvals do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FourEyes {
    /// Whoever started the rollout.
    pub starter: bool,
    /// Whoever wrote what is deployed, as the [provenance](crate::release::provenance::Provenance::authors) of the release says.
    pub author: bool,
}

/// One approval of a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Principal that approved.
    pub by: String,
    /// The [person](crate::access::Identity::person) behind it, which is what counts.
    pub person: String,
    /// Reason, if one was given.
    pub because: Option<String>,
    /// Time of the approval.
    pub at: Timestamp,
    /// Approved wave, counted from 0.
    pub wave: usize,
    /// Digest of the approved package, or of the targets of a removal.
    pub package: Digest,
    /// Digest of the approved plan, if there was one.
    pub plan: Option<Digest>,
}

/// The approvals that a wave still needs.
pub(super) fn blocked(wave: &Wave<'_>) -> Vec<Blocked> {
    let Wave { number, approvals: (given, needed), .. } = *wave;
    let missing = (given < needed).then(|| format!("{given} of {needed} approvals of wave {}", number + 1));
    missing.map(|why| Blocked::by(Gate::Approval, why)).into_iter().collect()
}
