//! The timeline of a rollout, append-only: `RLO#<rollout>` / `EVT#<nanosecond>#<target>#<print>`.

use super::Record;
use super::common::{parsed, time};
use crate::ports::{Key, Query};
use flotilla_domain::{Digest, RolloutId, SignedDuration, Target, Timestamp};
use serde::{Deserialize, Serialize};

const SK: &str = "EVT#";

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// The rollout.
    pub rollout: RolloutId,
    /// The target, if it is about one.
    pub target: Option<Target>,
    /// The time.
    pub at: Timestamp,
    /// The principal's ARN, or `flotilla`.
    pub actor: String,
    /// The state that was entered, or the command.
    pub what: String,
    /// Details.
    pub detail: Option<String>,
}

/// The time of the `nth` of several entries of one moment: one nanosecond apart, in order.
pub fn nth_moment(now: Timestamp, nth: usize) -> Timestamp {
    let nth = SignedDuration::from_nanos(i64::try_from(nth).unwrap_or(0));
    now.saturating_add(nth).unwrap_or(now)
}

/// A page of a rollout's timeline, oldest first, after a sort key.
pub fn events_query(rollout: &RolloutId, after: Option<String>, limit: usize) -> Query {
    Query { pk: format!("RLO#{rollout}"), prefix: SK.into(), after, newest_first: false, limit }
}

#[derive(Serialize, Deserialize)]
pub struct StoredEvent {
    format: u32,
    rollout: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    at: String,
    actor: String,
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Record for EventRecord {
    type Stored = StoredEvent;

    /// Derived from all fields, so a repeated entry is stored once and two entries of the same time do not
    /// collide.
    fn key(&self) -> Key {
        let target = self.target.as_ref().map(ToString::to_string).unwrap_or_default();
        let said = [self.actor.as_str(), self.what.as_str(), self.detail.as_deref().unwrap_or_default()]
            .join("\u{0}");
        let print = &Digest::of(said.as_bytes()).to_string()[..6];
        Key::new(
            format!("RLO#{}", self.rollout),
            format!("{SK}{:020}#{target}#{print}", self.at.as_nanosecond()),
        )
    }

    fn to_stored(&self) -> StoredEvent {
        StoredEvent {
            format: 1,
            rollout: self.rollout.to_string(),
            target: self.target.as_ref().map(ToString::to_string),
            at: self.at.to_string(),
            actor: self.actor.clone(),
            what: self.what.clone(),
            detail: self.detail.clone(),
        }
    }

    fn from_stored(stored: StoredEvent) -> Result<Self, String> {
        Ok(Self {
            rollout: parsed("rollout", RolloutId::parse(&stored.rollout))?,
            target: stored.target.map(|t| parsed("target", Target::parse(&t))).transpose()?,
            at: time(&stored.at)?,
            actor: stored.actor,
            what: stored.what,
            detail: stored.detail,
        })
    }
}
