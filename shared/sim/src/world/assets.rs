//! The objects in the buckets, and garbage collection.

use super::{World, image_of, orders, target};
use crate::driver::collect;
use flotilla_contract::{ExternalCodeConfig, Page, ReleaseView, ServiceConfigDoc, VersionedServiceConfig};
use flotilla_domain::Digest;
use flotilla_domain::release::package::asset_key;
use flotilla_domain::retention::Pace;
use flotilla_engine::retention::{CollectorLimits, CollectorReport, GarbageCollector};
use flotilla_engine::status::PageRequest;
use futures::executor::block_on;

impl World {
    /// From now on, scheduled runs include garbage collection at this pace.
    pub fn collects(&mut self, pace: Pace) -> &mut Self {
        self.driver.collects(pace);
        self
    }

    /// Runs garbage collection now: a whole round, if one is due.
    pub fn collect(&mut self) -> CollectorReport {
        self.collect_within(CollectorLimits { pages_max: 1_000, ..CollectorLimits::default() })
    }

    /// Runs garbage collection now, with limits.
    pub fn collect_within(&mut self, limits: CollectorLimits) -> CollectorReport {
        self.driver.collect_now(limits)
    }

    /// The garbage collector.
    pub fn collector(&self) -> GarbageCollector {
        collect(&self.driver.shared)
    }

    /// Sets how long releases of the service are kept.
    pub fn keeps(&mut self, releases: usize, days: u32) -> &mut Self {
        self.configure(|config| {
            config.keep_releases = Some(releases);
            config.keep_days = Some(days);
        })
    }

    /// Lets templates of the service take this code from other buckets.
    pub fn takes_external(&mut self, code: Vec<ExternalCodeConfig>) -> &mut Self {
        self.configure(|config| config.external_code = code)
    }

    /// Lets packages of the service take images from these repositories.
    pub fn takes_images(&mut self, repositories: &[&str]) -> &mut Self {
        self.configure(|config| {
            config.external_images = repositories.iter().map(|uri| (*uri).to_owned()).collect();
        })
    }

    /// Names the stacks of the service's first rule.
    pub fn names_stacks(&mut self, stack_name: &str) -> &mut Self {
        self.configure(|config| config.rules[0].stack_name = Some(stack_name.into()))
    }

    /// Lets what succeeds at `staging` be promoted to `eu-staging`.
    pub fn promotes(&mut self) -> &mut Self {
        self.configure(|config| config.rules[0].promote_to = Some("eu-staging".into()))
    }

    /// Ends what [`World::promotes`] began.
    pub fn promotes_nothing(&mut self) -> &mut Self {
        self.configure(|config| config.rules[0].promote_to = None)
    }

    fn configure(&mut self, change: impl FnOnce(&mut ServiceConfigDoc)) -> &mut Self {
        self.requests += 1;
        let VersionedServiceConfig { mut config, version, .. } =
            block_on(self.driver.status.service_config(&orders())).expect("the service");
        change(&mut config);
        let caller = self.caller("configure");
        let commands = &self.driver.commands;
        block_on(commands.put_service(&orders(), &config, Some(version), &caller)).expect("the service");
        self
    }

    /// The service's releases, newest first.
    pub fn releases(&self) -> Vec<ReleaseView> {
        let page = PageRequest { cursor: None, limit: 100 };
        let page: Page<ReleaseView> = self.calm(|w| block_on(w.driver.status.releases(&orders(), page)));
        page.items
    }

    /// The number of versions of a function's code in the ingest bucket, or in a region's bucket.
    pub fn versions_of(&self, code: &str, region: Option<&str>) -> usize {
        let key = asset_key(&Digest::of(code.as_bytes()));
        let site = region.map(target);
        self.driver.shared.lock().objects.count(site.as_ref(), &key)
    }

    /// The container images in a region's repository, and how many blobs were sent to it.
    pub fn images_in(&self, region: &str) -> (Vec<Digest>, u64) {
        let state = self.driver.shared.lock();
        let repository = state.repositories.get(&target(region));
        repository.map_or_else(Default::default, |r| (r.images.keys().copied().collect(), r.sent))
    }

    /// Tags an image in a region's repository, as somebody else does.
    pub fn tag_image(&mut self, code: &str, region: &str, tag: &str) -> &mut Self {
        let mut state = self.driver.shared.lock();
        let repository = state.repositories.entry(target(region)).or_default();
        repository.images.entry(image_of(code)).or_default().insert(tag.to_owned());
        drop(state);
        self
    }

    /// Deletes a function's code from a region's bucket as a person does: a delete marker hides it.
    pub fn hide(&mut self, code: &str, region: &str) -> &mut Self {
        let key = asset_key(&Digest::of(code.as_bytes()));
        self.driver.shared.lock().hide(Some(&target(region)), &key);
        self
    }
}
