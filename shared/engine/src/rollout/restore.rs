//! The versions that a rollback gives all traffic before it updates the stacks.

use super::RolloutController;
use crate::EngineError;
use crate::records::{deployment_key, read, rollout_key};
use flotilla_domain::deployment::{AliasVersions, Deployment, RestoredVersion};
use flotilla_domain::rollout::Rollout;
use flotilla_domain::{DeploymentId, Direction, ReleaseId, RolloutId, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Of each target: versions by the logical ids of the aliases that are to name them again.
pub(super) type Restores = BTreeMap<Target, BTreeMap<String, RestoredVersion>>;

impl RolloutController {
    /// The versions of the release that these deployments bring back, where the deployment before them has shifted traffic away from them.
    pub(super) async fn restores(
        &self,
        rollout: &Rollout,
        direction: Direction,
        targets: &[Target],
    ) -> Result<Restores, EngineError> {
        let (wanted, replaced): (Option<ReleaseId>, BTreeSet<DeploymentId>) = match direction {
            Direction::Rollback => {
                let own = targets.iter().map(|target| rollout.deployment_id(target, Direction::Forward));
                (rollout.revert_to.as_ref().map(|stable| stable.release), own.collect())
            }
            Direction::Forward => {
                let head = self.head(rollout).await?.value;
                let of = |target: &Target| {
                    let rollout = head.targets.get(target)?.rollout;
                    Some(DeploymentId { rollout, target: target.clone(), direction: Direction::Forward })
                };
                (rollout.release(), targets.iter().filter_map(of).collect())
            }
        };
        let Some(wanted) = wanted else { return Ok(Restores::new()) };
        let rollouts: BTreeSet<RolloutId> = replaced.iter().map(|id| id.rollout).collect();
        let keys: Vec<_> = rollouts.iter().map(rollout_key).collect();
        let mut replaces_it = BTreeSet::new();
        for item in self.store.get(&keys).await?.into_iter().flatten() {
            let before = read::<Rollout>(item)?.value;
            replaces_it.extend((before.replaces == Some(wanted)).then_some(before.id));
        }
        let replaced = replaced.iter().filter(|id| replaces_it.contains(&id.rollout));
        let keys: Vec<_> = replaced.map(deployment_key).collect();
        let mut restores = Restores::new();
        for item in self.store.get(&keys).await?.into_iter().flatten() {
            let before = read::<Deployment>(item)?.value;
            let version = |alias: &AliasVersions| {
                let (from, to) = (alias.new.clone()?, alias.stable.clone());
                Some((alias.alias.clone(), RestoredVersion { from, to }))
            };
            restores.insert(before.id.target.clone(), before.shared().filter_map(version).collect());
        }
        Ok(restores)
    }
}
