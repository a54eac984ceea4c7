//! Worlds whose rollouts shift traffic.

use super::{ACCOUNT, World, orders, service};
use crate::aliases::Alias;
use flotilla_contract::{AnalysisConfig, ProfileConfig, ServiceConfigDoc, TrafficConfig, TrafficStepConfig};
use flotilla_domain::rollout::TrafficOrder;
use flotilla_domain::{ProfileName, RolloutId, Site};
use flotilla_engine::EngineError;
use flotilla_engine::rollout::Control;
use futures::executor::block_on;

impl World {
    /// From now on, rollouts with the profile `p` shift traffic by these steps, in percent and seconds. The functions of uploads get the
    /// alias `live`.
    pub fn shifts(&mut self, profile: &ProfileConfig, steps: &[(u8, u32)]) -> &mut Self {
        self.shifts_with(profile, steps, None, [None, None])
    }

    /// Like [`World::shifts`], with functions that are invoked before and after.
    pub fn hooks(&mut self, profile: &ProfileConfig, steps: &[(u8, u32)], hooks: [&str; 2]) -> &mut Self {
        self.shifts_with(profile, steps, None, hooks.map(Some))
    }

    /// Like [`World::shifts`], with an analysis of the new versions.
    pub fn analyses(
        &mut self,
        profile: &ProfileConfig,
        steps: &[(u8, u32)],
        analysis: AnalysisConfig,
    ) -> &mut Self {
        self.shifts_with(profile, steps, Some(analysis), [None, None])
    }

    fn shifts_with(
        &mut self,
        profile: &ProfileConfig,
        steps: &[(u8, u32)],
        analysis: Option<AnalysisConfig>,
        hooks: [Option<&str>; 2],
    ) -> &mut Self {
        let step = |(percent, for_s): &(u8, u32)| TrafficStepConfig {
            percent: *percent,
            lasts: format!("{for_s}s"),
            requests: None,
        };
        let [before, after] = hooks.map(|hook| hook.map(str::to_owned));
        let traffic =
            TrafficConfig { router: None, steps: steps.iter().map(step).collect(), analysis, before, after };
        let profile = ProfileConfig { account: ACCOUNT.into(), traffic: Some(traffic), ..profile.clone() };
        let service = ServiceConfigDoc { alias: Some("live".into()), ..service() };
        let caller = self.caller("shifts");
        let commands = &self.driver.commands;
        let name = ProfileName::parse("p").expect("a name");
        block_on(commands.put_profile(&name, &profile, None, &caller)).expect("the profile");
        block_on(commands.put_service(&orders(), &service, None, &caller)).expect("the service");
        self
    }

    /// From now on, each alias is invoked so often in a minute.
    pub fn invoked(&mut self, a_minute: u64) -> &mut Self {
        self.driver.shared.lock().load.a_minute = a_minute;
        self
    }

    /// From now on, so many of a thousand invocations of a version fail, and so many are slow.
    pub fn version_is(&mut self, version: &str, failing: u64, slow: u64) -> &mut Self {
        let mut state = self.driver.shared.lock();
        state.load.errors.insert(version.to_owned(), failing);
        state.load.slow.insert(version.to_owned(), slow);
        drop(state);
        self
    }

    /// An operator's order about the traffic of a rollout.
    ///
    /// # Errors
    /// Those of the command.
    pub fn traffic(&mut self, rollout: &str, order: TrafficOrder) -> Result<(), EngineError> {
        self.requests += 1;
        let id = RolloutId::parse(rollout).expect("a rollout's id");
        let caller = self.caller("traffic");
        block_on(self.driver.commands.control(&id, Control::Traffic(order), &caller)).map(drop)
    }

    /// Deletes the aliases of a region, as another actor.
    pub fn aliases_are_deleted(&mut self, region: &str) -> &mut Self {
        self.driver.shared.lock().aliases.named.retain(|(site, _), _| site.region.as_str() != region);
        self
    }

    /// What the aliases of a region name: a version, and another one with its share in percent.
    pub fn aliases(&self, region: &str) -> Vec<(String, Option<(String, u8)>)> {
        let state = self.driver.shared.lock();
        let of = |(site, _): &&(Site, String)| site.region.as_str() == region;
        let shares = |alias: &Alias| (alias.shares.version.clone(), alias.shares.other.clone());
        state.aliases.named.iter().filter(|(at, _)| of(at)).map(|(_, alias)| shares(alias)).collect()
    }
}
