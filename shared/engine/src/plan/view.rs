//! The API's view of a rollout's plan: the change sets of all targets merged. Two reads.

use crate::EngineError;
use crate::records::{
    PlanRecord, action_word, leaving_word, plans_query, read, replacement_word, rollout_key,
};
use crate::status::{Status, cause_view, missing};
use flotilla_contract as view;
use flotilla_domain::plan::{FleetChange, TargetPlan, merge};
use flotilla_domain::rollout::Rollout;
use flotilla_domain::{RolloutId, Target};
use std::collections::BTreeMap;

/// Most targets whose plans are merged.
const PLANS_MAX: usize = 200;
/// Most changes that are listed. A response of Lambda is limited to 6 MB.
const CHANGES_MAX: usize = 2_000;
/// Most bytes of values, for the same reason.
const VALUES_BYTES_MAX: usize = 2_000_000;

impl Status {
    /// What a rollout's change sets change, or would change.
    ///
    /// # Errors
    /// Errors of the state store; a refusal if there is no such rollout.
    pub async fn plan(&self, id: &RolloutId) -> Result<view::PlanView, EngineError> {
        let found = self.store.get(&[rollout_key(id)]).await?.into_iter().next().flatten();
        let item = found.ok_or_else(|| missing(format!("there is no rollout {id}")))?;
        let rollout = read::<Rollout>(item)?.value;
        let found = self.store.query(plans_query(id, PLANS_MAX)).await?;
        let records = found.items.into_iter().map(|item| Ok(read::<PlanRecord>(item)?.value));
        Ok(plan_view(&rollout, records.collect::<Result<Vec<_>, EngineError>>()?))
    }
}

fn plan_view(rollout: &Rollout, records: Vec<PlanRecord>) -> view::PlanView {
    let (mut plans, mut by_target) = (BTreeMap::<Target, TargetPlan>::new(), BTreeMap::new());
    for record in records {
        plans.insert(record.target.clone(), record.plan.clone());
        by_target.insert(record.target.clone(), record);
    }
    let changes = merge(&plans);
    let waves = rollout.waves.iter().zip(1..);
    let targets = waves.flat_map(|(wave, number)| wave.targets.iter().map(move |target| (target, number)));
    let targets = targets.map(|(target, wave)| target_view(rollout, target, wave, by_target.get(target)));
    let omitted = changes.len().saturating_sub(CHANGES_MAX);
    let mut left = VALUES_BYTES_MAX;
    let changes = changes.into_iter().take(CHANGES_MAX).map(|change| change_view(change, &mut left));
    view::PlanView {
        rollout: rollout.id.to_string(),
        service: rollout.service.to_string(),
        stage: rollout.stage.to_string(),
        release: rollout.release().map(|release| release.to_string()),
        status: rollout.state.name().into(),
        ended: rollout.state.is_terminal(),
        plan: rollout.plan().map(|digest| digest.to_string()),
        targets: targets.collect(),
        changes: changes.collect(),
        omitted,
    }
}

fn target_view(
    rollout: &Rollout,
    target: &Target,
    wave: usize,
    record: Option<&PlanRecord>,
) -> view::TargetPlanView {
    view::TargetPlanView {
        account: target.site.account.to_string(),
        region: target.site.region.to_string(),
        part: target.part.as_ref().map(ToString::to_string),
        wave,
        stack: rollout.stack(target).map(|name| name.to_string()).unwrap_or_default(),
        digest: record.map(|record| record.plan.digest.to_string()),
        changes: record.map(|record| {
            let c = record.plan.summary();
            view::ChangesView { add: c.add, modify: c.modify, replace: c.replace, remove: c.remove }
        }),
        complete: record.is_some_and(|record| record.plan.complete),
        blocked: record.and_then(|record| record.blocked.as_ref()).map(cause_view),
        at: record.map(|record| record.at.to_string()),
    }
}

/// A change, without its properties once the limit of bytes is reached.
fn change_view(fleet: FleetChange, left: &mut usize) -> view::PlannedChangeView {
    let FleetChange { part, mut change, targets, everywhere } = fleet;
    let bytes = |value: &Option<String>| value.as_ref().map_or(0, String::len);
    let all: usize =
        change.properties.iter().map(|p| p.path.len() + bytes(&p.before) + bytes(&p.after)).sum();
    match left.checked_sub(all) {
        Some(rest) => *left = rest,
        None => change.omitted += std::mem::take(&mut change.properties).len(),
    }
    let properties = change.properties.into_iter().map(|property| view::PropertyView {
        path: property.path,
        before: property.before,
        after: property.after,
        hidden: property.hidden,
        recreation: replacement_word(property.recreation).into(),
    });
    view::PlannedChangeView {
        part: part.as_ref().map(ToString::to_string),
        logical_id: change.logical_id,
        resource_type: change.resource_type,
        action: action_word(change.action).into(),
        replacement: replacement_word(change.replacement).into(),
        leaving: change.leaving.map(|leaving| leaving_word(leaving).into()),
        properties: properties.collect(),
        omitted: change.omitted,
        everywhere,
        targets: targets.iter().map(|target| target.site.to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_domain::plan::{ChangeAction, PropertyChange, Replacement, ResourceChange};

    #[test]
    fn properties_are_left_out_and_counted_once_there_are_too_many_bytes_of_them() {
        let property = |path: &str| PropertyChange {
            path: path.into(),
            before: Some("12".into()),
            after: Some("345".into()),
            hidden: false,
            recreation: Replacement::Never,
        };
        let change = || FleetChange {
            part: None,
            change: ResourceChange {
                properties: vec![property("A"), property("B")],
                omitted: 3,
                ..ResourceChange::new("App", "AWS::Lambda::Function", ChangeAction::Modify)
            },
            targets: Default::default(),
            everywhere: true,
        };
        let mut left = 12 + 11;
        let whole = change_view(change(), &mut left);
        assert_eq!((whole.properties.len(), whole.omitted, left), (2, 3, 11));
        let cut = change_view(change(), &mut left);
        assert_eq!((cut.properties.len(), cut.omitted, left), (0, 5, 11), "12 bytes are one too many");
    }
}
