//! Reads the audit day by day, from the newest entry backwards.

use crate::EngineError;
use crate::records::{AuditRecord, audit_day, audit_query, read};
use crate::status::Status;
use flotilla_contract as view;
use flotilla_domain::{Code, Refusal, ServiceName, SignedDuration, StageName, Timestamp};

/// Most queries for one page. A page ends early if that many days have no matching entry.
const QUERIES_MAX: usize = 31;
/// Entries that one query reads.
const READ_AT_ONCE: usize = 100;
/// Default range, in hours.
const BACK_H: i64 = 7 * 24;

/// Which entries to return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRequest {
    /// Start of the range. Default: one week before `to`.
    pub from: Option<Timestamp>,
    /// End of the range. Default: now.
    pub to: Option<Timestamp>,
    /// Only entries of this service.
    pub service: Option<ServiceName>,
    /// Only entries of this stage.
    pub stage: Option<StageName>,
    /// Only entries of this principal: its ARN, or a part of it.
    pub principal: Option<String>,
    /// `next` of the previous page.
    pub cursor: Option<String>,
    /// Most entries: 1 to 100.
    pub limit: usize,
}

impl AuditRequest {
    fn wants(&self, entry: &AuditRecord) -> bool {
        self.service.as_ref().is_none_or(|service| entry.service.as_ref() == Some(service))
            && self.stage.as_ref().is_none_or(|stage| entry.stage.as_ref() == Some(stage))
            && self.principal.as_ref().is_none_or(|part| entry.principal.contains(part.as_str()))
    }
}

/// Where a page begins: a day, and the last entry of it that was read.
struct Place {
    day: Timestamp,
    after: Option<String>,
}

impl Place {
    /// Reads `<day>` or `<day>.<sort key>`.
    fn parse(cursor: &str) -> Option<Self> {
        let (day, after) = match cursor.split_once('.') {
            Some((day, after)) => (day, Some(after.to_owned())),
            None => (cursor, None),
        };
        let day: Timestamp = format!("{day}T00:00:00Z").parse().ok()?;
        Some(Self { day, after })
    }

    fn cursor(&self) -> String {
        let after = self.after.as_ref().map(|after| format!(".{after}")).unwrap_or_default();
        format!("{}{after}", audit_day(self.day))
    }
}

impl Status {
    /// The entries of the audit, newest first. The number of days that one page reads is limited, so a page may
    /// have fewer entries than requested, or none, although more follow.
    ///
    /// # Errors
    /// Errors of the state store; a refusal if the cursor is not valid.
    pub async fn audit(&self, request: &AuditRequest) -> Result<view::Page<view::AuditEntry>, EngineError> {
        let to = request.to.unwrap_or_else(|| self.clock.now());
        let week = || to.saturating_sub(SignedDuration::from_hours(BACK_H)).unwrap_or(Timestamp::MIN);
        let from = request.from.unwrap_or_else(week);
        let no_cursor =
            || Refusal::new(Code::RequestInvalid, "the cursor is not valid", "use next of the previous page");
        let mut place = match &request.cursor {
            Some(cursor) => Place::parse(cursor).ok_or_else(no_cursor)?,
            None => Place { day: to, after: None },
        };
        let mut items = Vec::new();
        for _ in 0..QUERIES_MAX {
            let day = audit_day(place.day);
            if day < audit_day(from) {
                return Ok(view::Page { items, next: None });
            }
            let found = self.store.query(audit_query(&day, place.after.clone(), READ_AT_ONCE)).await?;
            for item in found.items {
                let key = item.key.sk.clone();
                let entry = read::<AuditRecord>(item)?.value;
                if entry.at >= from && entry.at <= to && request.wants(&entry) {
                    items.push(entry_view(entry));
                }
                place.after = Some(key);
                if items.len() == request.limit {
                    return Ok(view::Page { items, next: Some(place.cursor()) });
                }
            }
            if !found.more {
                let before = place.day.saturating_sub(SignedDuration::from_hours(24));
                place = Place { day: before.unwrap_or(Timestamp::MIN), after: None };
            }
        }
        Ok(view::Page { items, next: Some(place.cursor()) })
    }
}

fn entry_view(entry: AuditRecord) -> view::AuditEntry {
    view::AuditEntry {
        at: entry.at.to_string(),
        principal: entry.principal,
        person: entry.person,
        act: entry.act,
        outcome: entry.outcome.name().into(),
        service: entry.service.map(|name| name.to_string()),
        stage: entry.stage.map(|name| name.to_string()),
        rollout: entry.rollout.map(|id| id.to_string()),
        release: entry.release.map(|id| id.to_string()),
        detail: entry.detail,
        request_id: entry.request_id,
    }
}
