//! Worlds whose rollouts shift traffic.

use super::{ACCOUNT, World, orders, service, target};
use crate::aliases::Alias;
use crate::dns::Record;
use flotilla_contract::{AnalysisConfig, ProfileConfig, ServiceConfigDoc, TrafficConfig, TrafficStepConfig};
use flotilla_domain::rollout::TrafficOrder;
use flotilla_domain::{ProfileName, RolloutId, Site, StageName};
use flotilla_engine::EngineError;
use flotilla_engine::records::stage_key;
use flotilla_engine::rollout::Control;
use futures::executor::block_on;
use serde_json::Value;

/// The hosted zone of the weighted records.
const ZONE: &str = "Z0123456789";
/// The domain of the stage `staging`, if it has slots or weighted records.
const DOMAIN: &str = "staging.orders.example.com";
/// The domains of all stages that a world may deploy.
const DOMAINS: [&str; 3] = [DOMAIN, "eu-staging.orders.example.com", "staging.orders-eu.example.com"];

/// Steps, given in percent and seconds.
fn steps_of(steps: &[(u8, u32)]) -> Vec<TrafficStepConfig> {
    let step = |(percent, for_s): &(u8, u32)| TrafficStepConfig {
        percent: *percent,
        lasts: format!("{for_s}s"),
        requests: None,
    };
    steps.iter().map(step).collect()
}

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
        let [before, after] = hooks.map(|hook| hook.map(str::to_owned));
        let traffic =
            TrafficConfig { steps: steps_of(steps), analysis, before, after, ..TrafficConfig::default() };
        self.put_traffic(profile, traffic);
        let service = ServiceConfigDoc { alias: Some("live".into()), ..service() };
        let caller = self.caller("shifts");
        block_on(self.driver.commands.put_service(&orders(), &service, None, &caller)).expect("the service");
        self
    }

    /// Saves the profile `p` with this traffic.
    fn put_traffic(&self, profile: &ProfileConfig, traffic: TrafficConfig) {
        let profile = ProfileConfig { account: ACCOUNT.into(), traffic: Some(traffic), ..profile.clone() };
        let name = ProfileName::parse("p").expect("a name");
        let caller = self.caller("put-traffic");
        block_on(self.driver.commands.put_profile(&name, &profile, None, &caller)).expect("the profile");
    }

    /// From now on, rollouts with the profile `p` deploy blue/green: the domains of their stages exist in these regions.
    pub fn slots(
        &mut self,
        profile: &ProfileConfig,
        regions: &[&str],
        hooks: [Option<&str>; 2],
    ) -> &mut Self {
        let [before, after] = hooks.map(|hook| hook.map(str::to_owned));
        let traffic = TrafficConfig {
            router: Some("api-mapping".into()),
            domain: Some("{stage}.{service}.example.com".into()),
            before,
            after,
            ..TrafficConfig::default()
        };
        self.put_traffic(profile, traffic);
        let mut state = self.driver.shared.lock();
        for region in regions {
            for domain in DOMAINS {
                state.domains.named.entry((target(region), domain.to_owned())).or_default();
            }
        }
        drop(state);
        self
    }

    /// From now on, rollouts with the profile `p` drain the regions of a wave before they update them: each has a weighted record, with the
    /// weight 100 and a TTL of a minute.
    pub fn drains(
        &mut self,
        profile: &ProfileConfig,
        regions: &[&str],
        steps: &[(u8, u32)],
        hooks: [Option<&str>; 2],
    ) -> &mut Self {
        let [before, after] = hooks.map(|hook| hook.map(str::to_owned));
        let traffic = TrafficConfig {
            router: Some("route53".into()),
            hosted_zone: Some(ZONE.into()),
            record: Some("{stage}.{service}.example.com".into()),
            steps: steps_of(steps),
            before,
            after,
            ..TrafficConfig::default()
        };
        self.put_traffic(profile, traffic);
        let mut state = self.driver.shared.lock();
        let since_ms = state.now_ms;
        for name in DOMAINS {
            let group = state.dns.records.entry((ZONE.to_owned(), name.to_owned())).or_default();
            for region in regions {
                group.entry((*region).to_owned()).or_insert(Record { weight: 100, ttl_s: 60, since_ms });
            }
        }
        drop(state);
        self
    }

    /// The weight of a region's record.
    pub fn weight(&self, region: &str) -> Option<u8> {
        let state = self.driver.shared.lock();
        Some(state.dns.records.get(&(ZONE.to_owned(), DOMAIN.to_owned()))?.get(region)?.weight)
    }

    /// The regions of the stage `staging` that a rollout has left without traffic.
    pub fn left_drained(&self) -> Vec<String> {
        let stage = StageName::parse("staging").expect("a name");
        let state = self.driver.shared.lock();
        let head =
            state.table.get(&stage_key(&orders(), &stage)).and_then(|head| head.body.get("drained").cloned());
        let sites = head.as_ref().and_then(Value::as_array).into_iter().flatten();
        sites.filter_map(|site| Some(site.as_str()?.rsplit('/').next()?.to_owned())).collect()
    }

    /// Sets the weight of a region's record, as another actor does; `None` deletes the record.
    pub fn weigh(&mut self, region: &str, weight: Option<u8>) -> &mut Self {
        let mut state = self.driver.shared.lock();
        let since_ms = state.now_ms;
        let group = state.dns.records.entry((ZONE.to_owned(), DOMAIN.to_owned())).or_default();
        match weight {
            Some(weight) => drop(group.insert(region.to_owned(), Record { weight, ttl_s: 60, since_ms })),
            None => drop(group.remove(region)),
        }
        drop(state);
        self
    }

    /// The slot that the domain of a region points at.
    pub fn live_slot(&self, region: &str) -> Option<String> {
        let state = self.driver.shared.lock();
        let mappings = state.domains.named.get(&(target(region), DOMAIN.into()))?;
        let api = &mappings.values().next()?.points_at.api;
        let stacks = state.stacks.live.iter().filter(|((at, _), _)| at.region.as_str() == region);
        let mut stacks = stacks.filter(|(_, stack)| crate::stack_books::api_of(&stack.id) == *api);
        Some(stacks.next().map_or("another API", |((_, name), _)| name).rsplit('-').next()?.to_owned())
    }

    /// Lets the domain of a region point at another API, as another actor does; `None` deletes the mapping.
    pub fn domain_points_at(&mut self, region: &str, slot: Option<&str>) -> &mut Self {
        let mut state = self.driver.shared.lock();
        let id = slot.map(|slot| {
            let key = (target(region), format!("orders-staging-{slot}"));
            state
                .stacks
                .live
                .get(&key)
                .map_or("other".to_owned(), |stack| crate::stack_books::api_of(&stack.id))
        });
        let key = (target(region), DOMAIN.to_owned());
        if let Some(mappings) = state.domains.named.get_mut(&key) {
            match id {
                Some(id) => mappings.values_mut().for_each(|mapping| mapping.points_at.api.clone_from(&id)),
                None => mappings.clear(),
            }
        }
        drop(state);
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
