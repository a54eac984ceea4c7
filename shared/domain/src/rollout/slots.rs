//! Slots: a stage that is deployed blue/green has two stacks in each account-region, and updates the one without traffic.

use super::Rollout;
use super::state::TargetOutcome;
use crate::code::Code;
use crate::target::{Site, Slot, Target};
use std::collections::{BTreeMap, BTreeSet};

impl Rollout {
    /// Whether its stage has slots.
    pub fn has_slots(&self) -> bool {
        self.traffic.as_ref().is_some_and(super::TrafficPolicy::has_slots)
    }

    /// Chooses the slots: each target is deployed to the one that gets no traffic. A rollback leaves out the account-regions where its release
    /// gets the traffic already: it must not depend on slots that it does not need.
    pub fn choose_slots(&mut self, live: &BTreeMap<Site, Slot>, served: &BTreeSet<Site>) {
        if self.gates.expedite {
            let left = self.targets().filter(|target| !served.contains(&target.site)).cloned().collect();
            self.keep_targets(&left);
        }
        for target in self.waves.iter_mut().flat_map(|wave| &mut wave.targets) {
            target.slot = Some(live.get(&target.site).map_or(Slot::Blue, |live| live.other()));
        }
    }

    /// The target that is reverted after this outcome, if the outcome changed what gets the traffic: of two slots, the one that had it
    /// before. The other one may keep what failed.
    pub(super) fn to_revert(&self, outcome: &TargetOutcome) -> Option<Target> {
        let Some(slot) = outcome.target.slot else {
            return outcome.changed().then(|| outcome.target.clone());
        };
        let left = outcome.state.cause().is_some_and(|cause| cause.code == Code::TrafficNotRestored);
        (outcome.state.is_success() || left).then(|| outcome.target.in_slot(Some(slot.other())))
    }
}
