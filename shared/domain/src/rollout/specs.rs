//! The specifications of a rollout's deployments.

use super::{Rollout, RolloutKind};
use crate::deployment::{ApiMapping, DeploymentKind, DeploymentSpec, WeightedRecord};
use crate::gate::Gates;
use crate::ids::{DeploymentId, Direction};
use crate::names::StackName;
use crate::release::StackRelease;
use crate::release::package::{
    KEEP_BUCKET_PARAMETER, ROLE_BOUNDARY_PARAMETER, STAGE_MARK, STAGE_PARAMETER, stack_parameter,
};
use crate::target::Target;
use std::collections::{BTreeMap, BTreeSet};

impl Rollout {
    /// The id of the deployment to one target.
    pub fn deployment_id(&self, target: &Target, direction: Direction) -> DeploymentId {
        DeploymentId { rollout: self.id, target: target.clone(), direction }
    }

    /// The specification of one deployment; `None` for a rollback without a stable release.
    pub fn deployment_spec(&self, target: &Target, direction: Direction) -> Option<DeploymentSpec> {
        let release = match (direction, &self.kind) {
            (Direction::Forward, RolloutKind::Deploy(release)) => Some(release),
            (Direction::Forward, RolloutKind::Remove) => None,
            (Direction::Rollback, _) => Some(self.revert_to.as_ref()?),
        };
        let (mut parameters, mut tags) = (BTreeMap::new(), self.tags.clone());
        let kind = match release {
            None => DeploymentKind::Remove,
            Some(release) => {
                let stack = release.stack(target.part.as_ref())?;
                let taken = self.taken.get(&target.site).cloned().unwrap_or_default();
                let values = self.parameters.clone().into_iter().chain(taken).chain(self.given(target));
                parameters = values.filter(|(name, _)| stack.parameters.contains(name)).collect();
                for (key, value) in &stack.tags {
                    let value = value.replace(STAGE_MARK, &target.stage(&self.stage));
                    tags.entry(key.clone()).or_insert(value);
                }
                DeploymentKind::Deploy(StackRelease {
                    release: release.release,
                    package: release.package,
                    template: stack.template,
                    functions: stack.functions.clone(),
                    aliases: stack.aliases.clone(),
                    may_keep_bucket: stack.parameters.contains(KEEP_BUCKET_PARAMETER),
                })
            }
        };
        Some(DeploymentSpec {
            service: self.service.clone(),
            stage: self.stage.clone(),
            stack: self.stack(target)?,
            access: self.access.clone(),
            parameters,
            tags,
            capabilities: self.capabilities.clone(),
            policy: self.policy.clone(),
            shifts: self.shifts(direction),
            restores: BTreeMap::new(),
            mapping: self.mapping_of(target),
            record: self.record_of(target).filter(|_| release.is_some()),
            drains: self.drains(direction),
            // What is reverted may have been drained by this rollout.
            was_drained: self.drained.contains(&target.site) || direction == Direction::Rollback,
            alarms: match (
                self.gates.triggers && !self.gates.expedite && self.break_glass.is_none(),
                direction,
            ) {
                (true, Direction::Forward) => {
                    self.gates.alarms.iter().take(Gates::TRIGGERS_MAX).cloned().collect()
                }
                _ => BTreeSet::new(),
            },
            kind,
        })
    }

    /// The name of a target's stack.
    pub fn stack(&self, target: &Target) -> Option<StackName> {
        let name = self.stacks.get(&target.part)?;
        match target.slot {
            Some(slot) => slot.stack(name).ok(),
            None => Some(name.clone()),
        }
    }

    /// The API mapping of a target, if it has a slot.
    fn mapping_of(&self, target: &Target) -> Option<ApiMapping> {
        let is_wanted = target.slot.is_some() && !self.plan_only;
        let mapping = self.traffic.as_ref().filter(|_| is_wanted)?.mapping.clone()?;
        let api_stage = mapping.api_stage.map(|name| name.replace("{stage}", &target.stage(&self.stage)));
        Some(ApiMapping { api_stage, ..mapping })
    }

    /// The weighted record of a target's region.
    fn record_of(&self, target: &Target) -> Option<WeightedRecord> {
        let record = self.traffic.as_ref().filter(|_| !self.plan_only)?.record.clone()?;
        let set_identifier = record
            .set_identifier
            .replace("{region}", target.site.region.as_str())
            .replace("{account}", target.site.account.as_str());
        Some(WeightedRecord { set_identifier, ..record })
    }

    /// The parameters that Flotilla sets: the stage, the names of the package's stacks, and the boundary of roles.
    fn given(&self, target: &Target) -> impl Iterator<Item = (String, String)> {
        let stacks = self
            .stacks
            .iter()
            .filter_map(|(part, name)| part.as_ref().map(|part| (stack_parameter(part), name.to_string())));
        let boundary =
            self.access.role_boundary.iter().map(|arn| (ROLE_BOUNDARY_PARAMETER.to_owned(), arn.clone()));
        std::iter::once((STAGE_PARAMETER.to_owned(), target.stage(&self.stage))).chain(stacks).chain(boundary)
    }
}
