//! The approval gate: people who have seen the plan of a wave, and consent to it.

use super::{Blocked, Gate, Wave};
use crate::digest::Digest;
use jiff::Timestamp;

/// One approval of a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// Why, if they said so.
    pub because: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Of which wave, counted from 0.
    pub wave: usize,
    /// Of which package.
    pub package: Digest,
    /// Of which plan, if there was one.
    pub plan: Option<Digest>,
}

/// The approvals that a wave still needs.
pub(super) fn blocked(wave: &Wave<'_>) -> Vec<Blocked> {
    let Wave { number, approvals: (given, needed), .. } = *wave;
    let missing = (given < needed).then(|| format!("{given} of {needed} approvals of wave {}", number + 1));
    missing.map(|why| Blocked::by(Gate::Approval, why)).into_iter().collect()
}
