//! Sets: `SETS` / `<set id>`. One partition is enough, because operators start each set by hand.

use super::Record;
use super::common::{StoredCause, parsed, time};
use crate::ports::{Key, Query};
use flotilla_domain::rollout::Cancellation;
use flotilla_domain::set::{Member, MemberOutcome, MemberRollout, ServiceSet, SetKind, SetState};
use flotilla_domain::{ReleaseId, RolloutId, ServiceName, SetId, StageName};
use serde::{Deserialize, Serialize};

const PK: &str = "SETS";

/// The key of a set.
pub fn set_key(id: &SetId) -> Key {
    Key::new(PK, id.to_string())
}

/// A page of sets, newest first.
pub fn sets_query(after: Option<String>, limit: usize) -> Query {
    Query { pk: PK.into(), prefix: "set_".into(), after, newest_first: true, limit }
}

pub(super) fn parse_key(key: &Key) -> Option<SetId> {
    if key.pk == PK { SetId::parse(&key.sk).ok() } else { None }
}

#[derive(Serialize, Deserialize)]
pub struct StoredSet {
    format: u32,
    id: String,
    kind: StoredKind,
    members: Vec<StoredMember>,
    state: StoredState,
    acted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelled: Option<StoredCancellation>,
    requested_by: String,
    because: String,
    created_at: String,
    entered_at: String,
}

#[derive(Serialize, Deserialize)]
struct StoredCancellation {
    by: String,
    stop_running: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
enum StoredKind {
    Promotion { from: String },
    Rollback { of: String, by_waves: bool },
    Redeploy { of: String },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
enum StoredState {
    Rolling { level: usize },
    Reverting { level: usize, cause: StoredCause },
    Succeeded,
    Reverted { cause: StoredCause },
    Failed { cause: StoredCause },
}

#[derive(Serialize, Deserialize)]
struct StoredMember {
    service: String,
    stage: String,
    level: usize,
    release: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forward: Option<StoredLeg>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    back: Option<StoredLeg>,
}

#[derive(Serialize, Deserialize)]
struct StoredLeg {
    rollout: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<StoredEnd>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
enum StoredEnd {
    Succeeded,
    Reverted { cause: StoredCause },
    Failed { cause: StoredCause },
    Overtaken { cause: StoredCause },
    Refused { cause: StoredCause },
}

impl StoredKind {
    fn of(kind: &SetKind) -> Self {
        match kind {
            SetKind::Promotion { from } => Self::Promotion { from: from.to_string() },
            SetKind::Rollback { of, by_waves } => Self::Rollback { of: of.to_string(), by_waves: *by_waves },
            SetKind::Redeploy { of } => Self::Redeploy { of: of.to_string() },
        }
    }

    fn read(self) -> Result<SetKind, String> {
        Ok(match self {
            Self::Promotion { from } => SetKind::Promotion { from: parsed("from", StageName::parse(&from))? },
            Self::Rollback { of, by_waves } => {
                SetKind::Rollback { of: parsed("of", SetId::parse(&of))?, by_waves }
            }
            Self::Redeploy { of } => SetKind::Redeploy { of: parsed("of", ServiceName::parse(&of))? },
        })
    }
}

impl StoredState {
    fn of(state: &SetState) -> Self {
        let cause = StoredCause::of_cause;
        match state {
            SetState::Rolling { level } => Self::Rolling { level: *level },
            SetState::Reverting { level, cause: why } => Self::Reverting { level: *level, cause: cause(why) },
            SetState::Succeeded => Self::Succeeded,
            SetState::Reverted(why) => Self::Reverted { cause: cause(why) },
            SetState::Failed(why) => Self::Failed { cause: cause(why) },
        }
    }

    fn read(self) -> Result<SetState, String> {
        Ok(match self {
            Self::Rolling { level } => SetState::Rolling { level },
            Self::Reverting { level, cause } => SetState::Reverting { level, cause: cause.to_cause()? },
            Self::Succeeded => SetState::Succeeded,
            Self::Reverted { cause } => SetState::Reverted(cause.to_cause()?),
            Self::Failed { cause } => SetState::Failed(cause.to_cause()?),
        })
    }
}

impl StoredLeg {
    fn of(member_rollout: &MemberRollout) -> Self {
        let cause = StoredCause::of_cause;
        let end = |end: &MemberOutcome| match end {
            MemberOutcome::Succeeded => StoredEnd::Succeeded,
            MemberOutcome::Reverted(why) => StoredEnd::Reverted { cause: cause(why) },
            MemberOutcome::Failed(why) => StoredEnd::Failed { cause: cause(why) },
            MemberOutcome::Overtaken(why) => StoredEnd::Overtaken { cause: cause(why) },
            MemberOutcome::Refused(why) => StoredEnd::Refused { cause: cause(why) },
        };
        Self { rollout: member_rollout.rollout.to_string(), end: member_rollout.end.as_ref().map(end) }
    }

    fn read(self) -> Result<MemberRollout, String> {
        let end = |end: StoredEnd| {
            Ok::<_, String>(match end {
                StoredEnd::Succeeded => MemberOutcome::Succeeded,
                StoredEnd::Reverted { cause } => MemberOutcome::Reverted(cause.to_cause()?),
                StoredEnd::Failed { cause } => MemberOutcome::Failed(cause.to_cause()?),
                StoredEnd::Overtaken { cause } => MemberOutcome::Overtaken(cause.to_cause()?),
                StoredEnd::Refused { cause } => MemberOutcome::Refused(cause.to_cause()?),
            })
        };
        let rollout = parsed("rollout", RolloutId::parse(&self.rollout))?;
        Ok(MemberRollout { rollout, end: self.end.map(end).transpose()? })
    }
}

impl StoredMember {
    fn of(member: &Member) -> Self {
        Self {
            service: member.service.to_string(),
            stage: member.stage.to_string(),
            level: member.level,
            release: member.release.to_string(),
            before: member.before.map(|id| id.to_string()),
            newest: member.newest.map(|id| id.to_string()),
            forward: member.forward.as_ref().map(StoredLeg::of),
            back: member.back.as_ref().map(StoredLeg::of),
        }
    }

    fn read(self) -> Result<Member, String> {
        Ok(Member {
            service: parsed("service", ServiceName::parse(&self.service))?,
            stage: parsed("stage", StageName::parse(&self.stage))?,
            level: self.level,
            release: parsed("release", ReleaseId::parse(&self.release))?,
            before: self.before.map(|id| parsed("before", ReleaseId::parse(&id))).transpose()?,
            newest: self.newest.map(|id| parsed("newest", RolloutId::parse(&id))).transpose()?,
            forward: self.forward.map(StoredLeg::read).transpose()?,
            back: self.back.map(StoredLeg::read).transpose()?,
        })
    }
}

impl Record for ServiceSet {
    type Stored = StoredSet;

    fn key(&self) -> Key {
        set_key(&self.id)
    }

    fn to_stored(&self) -> StoredSet {
        StoredSet {
            format: 1,
            id: self.id.to_string(),
            kind: StoredKind::of(&self.kind),
            members: self.members.iter().map(StoredMember::of).collect(),
            state: StoredState::of(&self.state),
            acted: self.acted,
            cancelled: self
                .cancelled
                .as_ref()
                .map(|off| StoredCancellation { by: off.by.clone(), stop_running: off.stop_running }),
            requested_by: self.requested_by.clone(),
            because: self.because.clone(),
            created_at: self.created_at.to_string(),
            entered_at: self.entered_at.to_string(),
        }
    }

    fn from_stored(stored: StoredSet) -> Result<Self, String> {
        Ok(Self {
            id: parsed("id", SetId::parse(&stored.id))?,
            kind: stored.kind.read()?,
            members: stored.members.into_iter().map(StoredMember::read).collect::<Result<_, _>>()?,
            state: stored.state.read()?,
            acted: stored.acted,
            cancelled: stored
                .cancelled
                .map(|StoredCancellation { by, stop_running }| Cancellation { by, stop_running }),
            requested_by: stored.requested_by,
            because: stored.because,
            created_at: time(&stored.created_at)?,
            entered_at: time(&stored.entered_at)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Versioned, create, read};
    use super::*;
    use crate::ports::Change;
    use flotilla_domain::{Cause, Code, Timestamp};

    #[test]
    fn a_set_is_read_as_it_was_written_in_every_state() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let cause = || Cause::new(Code::Stopped, "it is red", "make it green").of("Orders");
        let member_rollout =
            |name: &str, end| Some(MemberRollout { rollout: RolloutId::derive(at, &[name]), end });
        let member = |end: MemberOutcome| Member {
            service: ServiceName::parse("orders").unwrap(),
            stage: StageName::parse("production").unwrap(),
            level: 1,
            release: ReleaseId::derive(at, &["new"]),
            before: Some(ReleaseId::derive(at, &["old"])),
            newest: Some(RolloutId::derive(at, &["n"])),
            forward: member_rollout("f", Some(end)),
            back: member_rollout("b", None),
        };
        let kinds = [
            SetKind::Promotion { from: StageName::parse("staging").unwrap() },
            SetKind::Rollback { of: SetId::derive(at, &["s"]), by_waves: true },
            SetKind::Redeploy { of: ServiceName::parse("database").unwrap() },
        ];
        let ends = [
            MemberOutcome::Succeeded,
            MemberOutcome::Reverted(cause()),
            MemberOutcome::Failed(cause()),
            MemberOutcome::Overtaken(cause()),
            MemberOutcome::Refused(cause()),
        ];
        let states = [
            SetState::Rolling { level: 2 },
            SetState::Reverting { level: 1, cause: cause() },
            SetState::Succeeded,
            SetState::Reverted(cause()),
            SetState::Failed(cause()),
        ];
        for (n, state) in states.into_iter().enumerate() {
            let set = ServiceSet {
                id: SetId::derive(at, &["a"]),
                kind: kinds[n % kinds.len()].clone(),
                members: ends.clone().map(member).into(),
                state,
                acted: n == 0,
                cancelled: (n == 1).then(|| Cancellation { by: "ann".into(), stop_running: true }),
                requested_by: "ann".into(),
                because: "the sale".into(),
                created_at: at,
                entered_at: at,
            };
            let Change::Put(item) = create(&set).change else { panic!("a put") };
            assert_eq!(parse_key(&item.key), Some(set.id));
            assert_eq!(read::<ServiceSet>(item).unwrap(), Versioned { value: set, version: 1, due_at: None });
        }
    }
}
