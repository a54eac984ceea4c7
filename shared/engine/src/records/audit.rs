//! The audit of commands, append-only: `AUD#<day>` / `<nanosecond>-<print>`.

use super::Record;
use super::common::{parsed, time};
use crate::ports::{Key, Query};
use flotilla_domain::{Digest, ReleaseId, RolloutId, ServiceName, StageName, Timestamp};
use serde::{Deserialize, Serialize};

/// The outcome of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted: its changes were saved in one transaction with the entry.
    Accepted,
    /// Refused: the caller lacks the permission.
    Refused,
}

impl Outcome {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }
}

/// One entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// The principal's ARN.
    pub principal: String,
    /// The person behind it, if that is not the principal itself.
    pub person: Option<String>,
    /// The id of the request.
    pub request_id: String,
    /// The command's name.
    pub act: String,
    /// The outcome.
    pub outcome: Outcome,
    /// The service it is about.
    pub service: Option<ServiceName>,
    /// The stage.
    pub stage: Option<StageName>,
    /// The rollout.
    pub rollout: Option<RolloutId>,
    /// The release.
    pub release: Option<ReleaseId>,
    /// Details: a reason, the version of a configuration, why it was refused. Never a parameter's value.
    pub detail: Option<String>,
}

/// The day of a time in UTC, as used in partition keys: `2026-11-21`.
pub fn audit_day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// A day's entries, newest first, after a sort key.
pub fn audit_query(day: &str, after: Option<String>, limit: usize) -> Query {
    Query { pk: format!("AUD#{day}"), prefix: String::new(), after, newest_first: true, limit }
}

#[derive(Serialize, Deserialize)]
pub struct StoredAudit {
    format: u32,
    at: String,
    principal: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    request_id: String,
    act: String,
    outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rollout: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Record for AuditRecord {
    type Stored = StoredAudit;

    /// Derived from all fields, so a repeated entry is stored once and two entries of the same time do not
    /// collide.
    fn key(&self) -> Key {
        let said = serde_json::to_string(&self.to_stored()).unwrap_or_default();
        let print = &Digest::of(said.as_bytes()).to_string()[..12];
        Key::new(format!("AUD#{}", audit_day(self.at)), format!("{:020}-{print}", self.at.as_nanosecond()))
    }

    fn to_stored(&self) -> StoredAudit {
        StoredAudit {
            format: 1,
            at: self.at.to_string(),
            principal: self.principal.clone(),
            person: self.person.clone(),
            request_id: self.request_id.clone(),
            act: self.act.clone(),
            outcome: self.outcome.name().into(),
            service: self.service.as_ref().map(ToString::to_string),
            stage: self.stage.as_ref().map(ToString::to_string),
            rollout: self.rollout.as_ref().map(ToString::to_string),
            release: self.release.as_ref().map(ToString::to_string),
            detail: self.detail.clone(),
        }
    }

    fn from_stored(stored: StoredAudit) -> Result<Self, String> {
        Ok(Self {
            at: time(&stored.at)?,
            principal: stored.principal,
            person: stored.person,
            request_id: stored.request_id,
            act: stored.act,
            outcome: match stored.outcome.as_str() {
                "accepted" => Outcome::Accepted,
                "refused" => Outcome::Refused,
                other => return Err(format!("outcome: {other}")),
            },
            service: stored.service.map(|s| parsed("service", ServiceName::parse(&s))).transpose()?,
            stage: stored.stage.map(|s| parsed("stage", StageName::parse(&s))).transpose()?,
            rollout: stored.rollout.map(|id| parsed("rollout", RolloutId::parse(&id))).transpose()?,
            release: stored.release.map(|id| parsed("release", ReleaseId::parse(&id))).transpose()?,
            detail: stored.detail,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{create, read};
    use flotilla_domain::SignedDuration;

    #[test]
    fn an_entry_reads_back_is_never_overwritten_and_sorts_by_time() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let entry = AuditRecord {
            at,
            principal: "arn:aws:sts::111122223333:assumed-role/release/ann".into(),
            person: Some("arn:aws:iam::111122223333:role/release".into()),
            request_id: "r".into(),
            act: "promote".into(),
            outcome: Outcome::Refused,
            service: ServiceName::parse("orders").ok(),
            stage: StageName::parse("production").ok(),
            rollout: Some(RolloutId::derive(at, &["r"])),
            release: Some(ReleaseId::derive(at, &["r"])),
            detail: Some("it is good".into()),
        };
        let write = create(&entry);
        assert_eq!(write.expect, crate::ports::Expect::Absent);
        let crate::ports::Change::Put(item) = write.change else { panic!("a put") };
        assert_eq!(read::<AuditRecord>(item).unwrap().value, entry);
        assert_eq!(entry.key().pk, "AUD#2027-01-15");
        let bare = AuditRecord { service: None, stage: None, rollout: None, release: None, ..entry.clone() };
        assert_ne!(bare.key(), entry.key(), "two of one moment are two");
        let later = AuditRecord { at: at + SignedDuration::from_nanos(1), ..bare.clone() };
        assert!(later.key() > bare.key() && later.key() > entry.key());
    }
}
