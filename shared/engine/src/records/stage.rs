//! A stage's head: `STG#<service>` / `<stage>`.

use super::Record;
use super::common::{ONLY, digest, parsed, part_name, read_stack, time};
use super::routes::StoredMapping;
use crate::ports::{Key, Query};
use flotilla_domain::stage::{Hold, KnownStack, Running, StageHead, UploadCount};
use flotilla_domain::{
    GitRef, ProfileName, ReleaseId, RolloutId, ServiceName, SignedDuration, Site, Slot, StageName, Target,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const PK: &str = "STG#";

/// The key of a stage's head.
pub fn stage_key(service: &ServiceName, stage: &StageName) -> Key {
    Key::new(format!("{PK}{service}"), stage.as_str())
}

/// All stages of a service.
pub fn stages_query(service: &ServiceName, after: Option<String>, limit: usize) -> Query {
    Query { pk: format!("{PK}{service}"), prefix: String::new(), after, newest_first: false, limit }
}

#[derive(Serialize, Deserialize)]
pub struct StoredStage {
    format: u32,
    service: String,
    stage: String,
    profile: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queued: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stable: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    past: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unsettled: Vec<String>,
    /// Holds by package: who, why and when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    holds: BTreeMap<String, [String; 3]>,
    targets: BTreeMap<String, StoredRunning>,
    /// The account-regions where each slot gets the traffic.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    blue: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    green: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mapping: Option<StoredMapping>,
    /// The account-regions without traffic.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    drained: BTreeSet<String>,
    /// Name and level by part, `-` for the only stack. Format 1 had one stack, `<service>-<stage>`.
    #[serde(default)]
    stacks: BTreeMap<String, (String, usize)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preview_ends_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extended_to: Option<String>,
    /// When the hour of the last uploads to a preview began, and their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uploads: Option<(String, u32)>,
    /// The ref of the newest upload to a preview, and when it was uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uploaded: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed_at: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub struct StoredRunning {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proven: Option<[String; 2]>,
    rollout: String,
    status: String,
    at: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    has_traffic: bool,
}

impl Record for StageHead {
    type Stored = StoredStage;

    fn key(&self) -> Key {
        stage_key(&self.service, &self.stage)
    }

    /// A stage without stacks, such as a removed preview, expires a month after its last rollout. Uploads are kept for a shorter time,
    /// so no older upload can be deployed to it again. One that knows only that its ref was closed expires after a week: messages are
    /// kept for less.
    fn expires_at(&self) -> Option<Timestamp> {
        let days = |at: Timestamp, days: i64| at.saturating_add(SignedDuration::from_hours(24 * days)).ok();
        let rolled_out = self.newest.and_then(|newest| days(newest.time(), 31));
        let closed = self.closed_at.and_then(|closed_at| days(closed_at, 7));
        rolled_out.max(closed).filter(|_| self.is_idle())
    }

    fn to_stored(&self) -> StoredStage {
        let running = |running: &Running| StoredRunning {
            proven: running.proven.map(|(release, package)| [release.to_string(), package.to_string()]),
            rollout: running.rollout.to_string(),
            status: running.status.clone(),
            at: running.at.to_string(),
            has_traffic: running.has_traffic,
        };
        StoredStage {
            format: 2,
            service: self.service.to_string(),
            stage: self.stage.to_string(),
            profile: self.profile.to_string(),
            active: self.active.map(|id| id.to_string()),
            queued: self.queued.map(|id| id.to_string()),
            newest: self.newest.map(|id| id.to_string()),
            stable: self.stable.map(|id| id.to_string()),
            past: self.past.iter().map(ToString::to_string).collect(),
            unsettled: self.unsettled.iter().map(ToString::to_string).collect(),
            holds: self
                .holds
                .iter()
                .map(|(package, hold)| {
                    (package.to_string(), [hold.by.clone(), hold.because.clone(), hold.at.to_string()])
                })
                .collect(),
            targets: self.targets.iter().map(|(target, r)| (target.to_string(), running(r))).collect(),
            blue: live_in(self, Slot::Blue),
            green: live_in(self, Slot::Green),
            mapping: self.mapping.as_ref().map(StoredMapping::of),
            drained: self.drained.iter().map(ToString::to_string).collect(),
            stacks: self
                .stacks
                .iter()
                .map(|(part, stack)| (part_name(part), (stack.name.to_string(), stack.level)))
                .collect(),
            preview_ends_at: self.expires_at.map(|at| at.to_string()),
            extended_to: self.extended_to.map(|at| at.to_string()),
            uploads: self.uploads.stored().map(|(began_at, count)| (began_at.to_string(), count)),
            uploaded: self.uploaded.as_ref().map(|(git_ref, at)| (git_ref.to_string(), at.to_string())),
            closed_at: self.closed_at.map(|at| at.to_string()),
        }
    }

    fn from_stored(stored: StoredStage) -> Result<Self, String> {
        let rollout = |id: Option<String>| id.map(|id| parsed("rollout", RolloutId::parse(&id))).transpose();
        let running = |stored: StoredRunning| -> Result<Running, String> {
            let proven = stored.proven.map(|[release, package]| {
                Ok::<_, String>((parsed("release", ReleaseId::parse(&release))?, digest(&package)?))
            });
            Ok(Running {
                proven: proven.transpose()?,
                rollout: parsed("rollout", RolloutId::parse(&stored.rollout))?,
                status: stored.status,
                at: time(&stored.at)?,
                has_traffic: stored.has_traffic,
            })
        };
        let targets: Result<_, String> = stored
            .targets
            .into_iter()
            .map(|(target, stored)| Ok((parsed("target", Target::parse(&target))?, running(stored)?)))
            .collect();
        let service = parsed("service", ServiceName::parse(&stored.service))?;
        let stage = parsed("stage", StageName::parse(&stored.stage))?;
        let mut stacks = BTreeMap::new();
        for (part, (name, level)) in stored.stacks {
            let (part, name) = read_stack(&part, &name)?;
            stacks.insert(part, KnownStack { name, level });
        }
        if stored.format == 1 {
            let name = read_stack(ONLY, &format!("{service}-{stage}"))?.1;
            stacks.insert(None, KnownStack { name, level: 0 });
        }
        Ok(Self {
            service,
            stage,
            stacks,
            profile: parsed("profile", ProfileName::parse(&stored.profile))?,
            active: rollout(stored.active)?,
            queued: rollout(stored.queued)?,
            newest: rollout(stored.newest)?,
            stable: stored.stable.map(|id| parsed("stable", ReleaseId::parse(&id))).transpose()?,
            past: releases("past", &stored.past)?,
            unsettled: releases("unsettled", &stored.unsettled)?,
            holds: stored
                .holds
                .into_iter()
                .map(|(package, [by, because, at])| {
                    Ok((digest(&package)?, Hold { by, because, at: time(&at)? }))
                })
                .collect::<Result<_, String>>()?,
            targets: targets?,
            mapping: stored.mapping.map(StoredMapping::read),
            drained: sites(stored.drained)?,
            live: live(Slot::Blue, stored.blue)
                .chain(live(Slot::Green, stored.green))
                .collect::<Result<_, String>>()?,
            expires_at: stored.preview_ends_at.map(|at| time(&at)).transpose()?,
            extended_to: stored.extended_to.map(|at| time(&at)).transpose()?,
            uploads: match stored.uploads {
                Some((began_at, count)) => UploadCount::new(time(&began_at)?, count),
                None => UploadCount::default(),
            },
            uploaded: stored.uploaded.map(|(git_ref, at)| uploaded(&git_ref, &at)).transpose()?,
            closed_at: stored.closed_at.map(|at| time(&at)).transpose()?,
        })
    }
}

/// The account-regions in which a slot gets the traffic.
fn live_in(head: &StageHead, slot: Slot) -> BTreeSet<String> {
    head.live.iter().filter(|(_, live)| **live == slot).map(|(site, _)| site.to_string()).collect()
}

fn sites(sites: BTreeSet<String>) -> Result<BTreeSet<Site>, String> {
    sites.iter().map(|site| parsed("site", Site::parse(site))).collect()
}

fn live(slot: Slot, sites: BTreeSet<String>) -> impl Iterator<Item = Result<(Site, Slot), String>> {
    sites.into_iter().map(move |site| Ok((parsed("site", Site::parse(&site))?, slot)))
}

fn uploaded(git_ref: &str, at: &str) -> Result<(GitRef, Timestamp), String> {
    Ok((GitRef::parse(git_ref).ok_or("a stage's ref is malformed")?, time(at)?))
}

fn releases(what: &str, ids: &[String]) -> Result<Vec<ReleaseId>, String> {
    ids.iter().map(|id| parsed(what, ReleaseId::parse(id))).collect()
}
