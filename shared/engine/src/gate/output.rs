//! The output gate: reads outputs of other services for parameters, and records this service's own.

use crate::EngineError;
use crate::records::{ConsumerRecord, OutputsRecord, consumers_query, outputs_key, read, stage_key};
use crate::rollout::RolloutController;
use crate::step::wake;
use flotilla_domain::Site;
use flotilla_domain::deployment::{Deployment, DeploymentKind};
use flotilla_domain::gate::output::OutputRef;
use flotilla_domain::rollout::{Rollout, RolloutEvent};
use flotilla_domain::secret::HIDDEN;
use flotilla_domain::stage::StageHead;
use std::collections::{BTreeMap, BTreeSet};

/// Most keys of one read of the state store.
const KEYS_MAX: usize = 100;

impl RolloutController {
    /// Reads the outputs that a rollout needs, and those that a revert may need. Only the former count as missing.
    pub(crate) async fn outputs_of_others(&self, rollout: &Rollout) -> Result<RolloutEvent, EngineError> {
        let sites = rollout.sites();
        let wanted: Vec<_> = sites
            .iter()
            .flat_map(|site| rollout.needs.iter().map(move |(name, of)| (site, name, of)))
            .collect();
        let needed: BTreeSet<&String> = rollout.needed().map(|(name, _)| name).collect();
        let (mut values, mut missing) = (BTreeMap::<Site, BTreeMap<String, String>>::new(), Vec::new());
        for wanted in wanted.chunks(KEYS_MAX) {
            let key = |site: &Site, of: &OutputRef| {
                outputs_key(&of.service, of.stage_for(&rollout.stage), &of.target_for(site))
            };
            let mut keys: Vec<_> = wanted.iter().map(|(site, _, of)| key(site, of)).collect();
            keys.sort();
            keys.dedup();
            let found: BTreeMap<_, _> = keys.iter().cloned().zip(self.store.get(&keys).await?).collect();
            for (site, name, of) in wanted {
                let item = found.get(&key(site, of)).cloned().flatten();
                let outputs = item.map(read::<OutputsRecord>).transpose()?;
                match outputs.and_then(|outputs| outputs.value.outputs.get(&of.output).cloned()) {
                    Some(value) if value == HIDDEN => missing.push(format!(
                        "the output {of} at {} is secret, so its value is not kept: let {} output the ARN of the secret instead",
                        of.stage_for(&rollout.stage),
                        of.service
                    )),
                    Some(value) => {
                        values.entry((*site).clone()).or_default().insert((*name).clone(), value);
                    }
                    None if !needed.contains(name) => {}
                    None => missing.push(format!(
                        "the parameter {name} waits for the output {of} at {} in {}",
                        of.stage_for(&rollout.stage),
                        of.target_for(site).site
                    )),
                }
            }
        }
        Ok(RolloutEvent::OutputsObserved { values, missing })
    }

    /// Wakes the active rollouts of all stages that use outputs of this one: one query, and one read if there are any.
    pub(crate) async fn wake_consumers(&self, rollout: &Rollout) -> Result<(), EngineError> {
        let query = consumers_query(&rollout.service, &rollout.stage, KEYS_MAX);
        let consumers = self.store.query(query).await?.items.into_iter();
        let keys = consumers.map(|item| {
            let (service, stage) = read::<ConsumerRecord>(item)?.value.by;
            Ok(stage_key(&service, &stage))
        });
        let keys = keys.collect::<Result<Vec<_>, EngineError>>()?;
        if keys.is_empty() {
            return Ok(());
        }
        let mut active = Vec::new();
        for item in self.store.get(&keys).await?.into_iter().flatten() {
            active.extend(read::<StageHead>(item)?.value.active);
        }
        wake(self.queue.as_ref(), active).await
    }
}

/// The outputs that a successful deployment provides to other services.
pub(crate) fn outputs_left(deployment: &Deployment) -> Option<OutputsRecord> {
    if !deployment.state.is_success() {
        return None;
    }
    let (release, outputs) = match &deployment.spec.kind {
        DeploymentKind::Deploy(brought) => (Some(brought.release), deployment.outputs.clone()),
        DeploymentKind::Remove => (None, BTreeMap::new()),
    };
    Some(OutputsRecord {
        service: deployment.spec.service.clone(),
        stage: deployment.spec.stage.clone(),
        // Of two slots, what ends as succeeded has the traffic.
        target: deployment.id.target.in_slot(None),
        release,
        outputs,
        at: deployment.entered_at,
    })
}
