//! The mark phase: the releases of each service that are kept, their objects, and the buckets.

use super::GarbageCollector;
use crate::config::document;
use crate::ports::{AssetBucket, Key, Place, WriteError};
use crate::reads::{all, existing, names};
use crate::records::{
    ConfigRecord, KeptRecord, Versioned, account_key, kept_key, profile_key, read, release_key,
    releases_query, rollout_key, service_key, sets_query, stages_query,
};
use crate::rollout::destination::access;
use crate::{EngineError, config};
use flotilla_contract::{AccountConfig, ProfileConfig, ServiceConfigDoc};
use flotilla_domain::deployment::Access;
use flotilla_domain::release::Release;
use flotilla_domain::release::package::Asset;
use flotilla_domain::retention::{Kept, Retention, is_recent};
use flotilla_domain::rollout::Rollout;
use flotilla_domain::set::ServiceSet;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{AccountId, ProfileName, Region, ReleaseId, RolloutId, ServiceName, Site, Timestamp};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Services read concurrently.
const SERVICES_AT_ONCE: usize = 8;
/// Items of one page of a query.
const PAGE: usize = 100;
/// Attempts to write a retention record when rollouts change what is needed concurrently.
const RACES_MAX: usize = 8;

/// The result of the mark phase.
#[derive(Debug)]
pub struct Marks {
    /// When the mark phase began. Releases that were saved later are not in it.
    pub at: Timestamp,
    /// The objects of the kept releases. They are named by digest, so they need no owner.
    pub needed: BTreeSet<Asset>,
    /// The account-regions of all profiles and stages, and the roles to reach them.
    sites: BTreeMap<Site, Access>,
}

impl Marks {
    /// The bucket of an account-region, or the ingest bucket.
    pub fn bucket(&self, site: Option<&Site>) -> Option<AssetBucket> {
        let Some(site) = site else { return Some(AssetBucket::Home) };
        let access = self.sites.get(site)?.clone();
        Some(AssetBucket::At(Place { site: site.clone(), access }))
    }

    /// The account-region after another one, or the first.
    pub fn site_after(&self, site: Option<&Site>) -> Option<Site> {
        let behind = site.map_or(Bound::Unbounded, Bound::Excluded);
        self.sites.range((behind, Bound::Unbounded)).next().map(|(site, _)| site.clone())
    }
}

/// What one service keeps.
#[derive(Default)]
struct ServiceMarks {
    needed: BTreeSet<Asset>,
    sites: BTreeSet<Site>,
}

/// The releases kept by number or age, newest first, with their objects.
struct Recent {
    releases: Vec<(ReleaseId, Vec<Asset>)>,
    reached_end: bool,
}

/// The input of one mark phase.
struct MarkInput {
    now: Timestamp,
    /// No further service is started after this time.
    until: Timestamp,
    dry_run: bool,
    /// The releases that sets in progress need.
    of_sets: BTreeMap<ServiceName, BTreeSet<ReleaseId>>,
}

/// Sets that are read: those in progress are among the newest.
const SETS_MAX: usize = 200;

impl GarbageCollector {
    /// Writes the retention record of every service and returns the objects to keep; `None` if the time is not
    /// enough for all services. A dry run writes nothing.
    pub(super) async fn marks(
        &self,
        now: Timestamp,
        until: Timestamp,
        dry_run: bool,
    ) -> Result<Option<Marks>, EngineError> {
        let look = MarkInput { now, until, dry_run, of_sets: self.of_sets().await? };
        let services = names(self.store.as_ref(), "services").await?;
        // Skipping a service would remove all its objects.
        let service = |name: String| {
            ServiceName::parse(&name)
                .map_err(|e| EngineError::Defect(format!("the service name {name} is invalid: {e}")))
        };
        let services = services.into_iter().map(service).collect::<Result<Vec<_>, _>>()?;
        let each = services.into_iter().map(|service| self.service_marks(service, &look)).collect::<Vec<_>>();
        let all: Vec<Option<ServiceMarks>> =
            stream::iter(each).buffer_unordered(SERVICES_AT_ONCE).try_collect().await?;
        let Some(all) = all.into_iter().collect::<Option<Vec<ServiceMarks>>>() else { return Ok(None) };
        let (mut needed, mut sites) = (BTreeSet::new(), self.sites_of_profiles().await?);
        for marks in all {
            needed.extend(marks.needed);
            sites.extend(marks.sites);
        }
        Ok(Some(Marks { at: now, needed, sites: self.reached(sites).await? }))
    }

    /// The releases that members of sets in progress deploy or may revert to, by service.
    async fn of_sets(&self) -> Result<BTreeMap<ServiceName, BTreeSet<ReleaseId>>, EngineError> {
        let mut of_sets = BTreeMap::<ServiceName, BTreeSet<ReleaseId>>::new();
        for item in self.store.query(sets_query(None, SETS_MAX)).await?.items {
            let set = read::<ServiceSet>(item)?.value;
            for member in set.members.into_iter().filter(|_| !set.state.is_terminal()) {
                of_sets
                    .entry(member.service)
                    .or_default()
                    .extend(member.before.into_iter().chain([member.release]));
            }
        }
        Ok(of_sets)
    }

    /// Writes the retention record of a service until it matches what is needed. A rollout is admitted only on
    /// the condition that its release is kept, so a rollout admitted before the write is seen by the next read,
    /// and none is admitted after it.
    async fn service_marks(
        &self,
        service: ServiceName,
        look: &MarkInput,
    ) -> Result<Option<ServiceMarks>, EngineError> {
        for _ in 0..RACES_MAX {
            if self.clock.now() > look.until {
                return Ok(None);
            }
            let mut found = self.store.get(&[service_key(&service), kept_key(&service)]).await?.into_iter();
            let (config, kept) = (found.next().flatten(), found.next().flatten());
            let retention = match config {
                None => Retention::default(),
                Some(item) => {
                    let doc = document::<ServiceConfigDoc>(read::<ConfigRecord>(item)?.value)?;
                    config::service_config(service.clone(), &doc)?.retention
                }
            };
            let blank = KeptRecord { service: service.clone(), kept: Kept::default() };
            let saved = kept.map(read::<KeptRecord>).transpose()?.unwrap_or_else(|| Versioned::new(blank));
            let heads = self.heads(&service).await?;
            let mut needed = self.needed(&heads).await?;
            needed.extend(look.of_sets.get(&service).into_iter().flatten());
            let recent = self.recent(&service, retention, look.now).await?;
            let newest: Vec<ReleaseId> = recent.releases.iter().map(|(id, _)| *id).collect();
            let next = saved.value.kept.next(&newest, recent.reached_end, &needed);
            if next != saved.value.kept && !look.dry_run {
                let record = KeptRecord { service: service.clone(), kept: next };
                match self.store.write(vec![saved.write(&record, None)]).await {
                    Ok(()) | Err(WriteError::Conflict(_)) => continue,
                    Err(WriteError::Port(error)) => return Err(error.into()),
                }
            }
            let older = self.releases(&service, &next.older).await?;
            let recent = recent.releases.into_iter().filter(|(id, _)| next.holds(id));
            return Ok(Some(ServiceMarks {
                needed: recent.flat_map(|(_, assets)| assets).chain(older.iter().flat_map(assets)).collect(),
                sites: heads.iter().flat_map(|head| head.targets.keys().map(|t| t.site.clone())).collect(),
            }));
        }
        Err(EngineError::Contended)
    }

    /// The service's stages.
    async fn heads(&self, service: &ServiceName) -> Result<Vec<StageHead>, EngineError> {
        let items = all(self.store.as_ref(), stages_query(service, None, PAGE)).await?;
        items.into_iter().map(|item| Ok(read::<StageHead>(item)?.value)).collect()
    }

    /// The releases that stages need: those in their heads, and those that their rollouts deploy or revert to.
    async fn needed(&self, heads: &[StageHead]) -> Result<BTreeSet<ReleaseId>, EngineError> {
        let mut needed: BTreeSet<ReleaseId> = heads.iter().flat_map(StageHead::needed).collect();
        let rollouts: BTreeSet<RolloutId> = heads.iter().flat_map(StageHead::unended).collect();
        let items = existing(self.store.as_ref(), rollouts.iter().map(rollout_key).collect()).await?;
        if items.len() < rollouts.len() {
            return Err(EngineError::Defect("a stage has a rollout that does not exist".into()));
        }
        for item in items {
            let rollout = read::<Rollout>(item)?.value;
            needed.extend(rollout.release());
            needed.extend(rollout.revert_to.map(|release| release.release));
        }
        Ok(needed)
    }

    async fn recent(
        &self,
        service: &ServiceName,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Recent, EngineError> {
        let mut releases: Vec<(ReleaseId, Vec<Asset>)> = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.query(releases_query(service, after, PAGE)).await?;
            after = page.items.last().map(|item| item.key.sk.clone());
            for item in page.items {
                let release = read::<Release>(item)?.value;
                let uploaded_at = release.object.uploaded_at;
                if !is_recent(releases.len(), uploaded_at, retention, self.pace.day, now) {
                    return Ok(Recent { releases, reached_end: false });
                }
                releases.push((release.id, assets(&release).collect()));
            }
            if !page.more {
                return Ok(Recent { releases, reached_end: true });
            }
        }
    }

    /// Loads releases of a service. A release that cannot be loaded ends the run, because its objects are
    /// unknown.
    async fn releases(
        &self,
        service: &ServiceName,
        ids: &BTreeSet<ReleaseId>,
    ) -> Result<Vec<Release>, EngineError> {
        let items =
            existing(self.store.as_ref(), ids.iter().map(|id| release_key(service, id)).collect()).await?;
        if items.len() < ids.len() {
            return Err(EngineError::Defect(format!(
                "a stage of {service} needs a release that does not exist"
            )));
        }
        items.into_iter().map(|item| Ok(read::<Release>(item)?.value)).collect()
    }

    async fn sites_of_profiles(&self) -> Result<BTreeSet<Site>, EngineError> {
        let names = names(self.store.as_ref(), "profiles").await?;
        let names = names.iter().filter_map(|name| ProfileName::parse(name).ok());
        let profiles: BTreeMap<Key, ProfileName> = names.map(|name| (profile_key(&name), name)).collect();
        let mut sites = BTreeSet::new();
        for item in existing(self.store.as_ref(), profiles.keys().cloned().collect()).await? {
            let Some(name) = profiles.get(&item.key) else { continue };
            let doc = document::<ProfileConfig>(read::<ConfigRecord>(item)?.value)?;
            let profile = config::profile(name.clone(), &doc)?;
            let at = |region: &Region| Site { account: profile.account.clone(), region: region.clone() };
            sites.extend(profile.regions().map(at));
        }
        Ok(sites)
    }

    /// The account-regions whose accounts are registered. Others cannot be reached.
    async fn reached(&self, sites: BTreeSet<Site>) -> Result<BTreeMap<Site, Access>, EngineError> {
        let accounts: BTreeSet<AccountId> = sites.iter().map(|site| site.account.clone()).collect();
        let accounts: BTreeMap<Key, AccountId> =
            accounts.into_iter().map(|id| (account_key(&id), id)).collect();
        let mut known = BTreeMap::new();
        for item in existing(self.store.as_ref(), accounts.keys().cloned().collect()).await? {
            let Some(id) = accounts.get(&item.key) else { continue };
            let doc = document::<AccountConfig>(read::<ConfigRecord>(item)?.value)?;
            known.insert(id.clone(), access(&config::account(id.clone(), &doc)?));
        }
        let reached = |site: Site| Some((site.clone(), known.get(&site.account)?.clone()));
        Ok(sites.into_iter().filter_map(reached).collect())
    }
}

/// The objects of a release.
fn assets(release: &Release) -> impl Iterator<Item = Asset> {
    release.package.objects().into_iter()
}
