//! Composes a rollout from a release, or for a removal, and the current configuration.

mod fits;
mod waves;

use super::destination::{Destination, access_with};
use fits::{check_preview, check_router, check_stack, check_stage};
use flotilla_domain::config::profile::Profile;
use flotilla_domain::config::service::Route;
use flotilla_domain::deployment::{Access, ApiMapping, StackPolicy, WeightedRecord};
use flotilla_domain::gate::{Gates, Probe};
use flotilla_domain::plan::Safeguards;
use flotilla_domain::release::Release;
use flotilla_domain::release::package::Package;
use flotilla_domain::replica::Copies;
use flotilla_domain::rollout::{
    OnFailure, Rollout, RolloutKind, RolloutState, TrafficHooks, TrafficPolicy, Wave,
};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{
    Code, ProfileName, Refusal, RolloutId, ServiceName, StackName, StackPart, StageName, Target, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use waves::planned_waves;

/// Composes the rollout of a release to the stage of its route.
///
/// # Errors
/// A refusal if the package does not fit the stage or the profile.
pub fn compose_rollout(
    id: RolloutId,
    release: &Release,
    route: &Route,
    destination: &Destination,
    requested_by: &str,
    now: Timestamp,
) -> Result<Rollout, Refusal> {
    let package = &release.package;
    let Destination { profile, account } = destination;
    check_stage(package, route)?;
    let stacks = stack_names(package, &release.service, route)?;
    let access = access_with(profile, account)?;
    profile.check_lifetime(route.ttl_h)?;
    profile.check_signature(release)?;
    check_preview(package, &route.stage, &stacks, destination)?;
    check_router(package, &route.stage, &stacks, profile)?;
    for stack in &package.stacks {
        check_stack(stack, &stacks, &route.stage, profile)?;
    }
    let waves = planned_waves(&package.stacks, profile, account)?;
    let targets = waves.iter().map(|wave| wave.targets.len()).sum::<usize>();
    if targets > Rollout::TARGETS_MAX {
        let what = format!("{} stacks in {} regions", package.stacks.len(), profile.regions().count());
        let fix = format!(
            "split the service or the profile: a rollout has at most {} targets",
            Rollout::TARGETS_MAX
        );
        return Err(Refusal::new(Code::LimitExceeded, what, fix));
    }
    let value = |value: &String| value.replace("{stage}", route.stage.as_str());
    Ok(Rollout {
        kind: RolloutKind::Deploy(release.to_ref(&route.stage)),
        waves,
        stacks,
        on_failure: profile.on_failure,
        copies: profile.copies,
        parameters: profile.parameters.iter().map(|(name, text)| (name.clone(), value(text))).collect(),
        needs: profile.outputs.clone(),
        tags: tags(profile, &release.service, &route.stage),
        capabilities: profile.capabilities.clone(),
        notify: profile.notify.clone(),
        gates: named_gates(profile, &release.service, &route.stage),
        traffic: profile
            .traffic
            .clone()
            .map(|traffic| named_traffic(traffic, &release.service, &route.stage)),
        requested_by: requested_by.to_owned(),
        ..blank(
            id,
            (&release.service, &route.stage, &profile.name),
            access,
            profile.policy(route.ttl_h.is_some()),
            now,
        )
    })
}

/// A name with service and stage filled in.
fn named(text: &str, service: &ServiceName, stage: &StageName) -> String {
    text.replace("{service}", service.as_str()).replace("{stage}", stage.as_str())
}

/// The name of a function. With slots, each has its own functions: the stage is filled in when they are invoked.
fn named_function(text: &str, service: &ServiceName, stage: &StageName, has_slots: bool) -> String {
    if has_slots { text.replace("{service}", service.as_str()) } else { named(text, service, stage) }
}

/// The profile's gates, with the names of alarms and functions.
fn named_gates(profile: &Profile, service: &ServiceName, stage: &StageName) -> Gates {
    let mut gates = profile.gates.clone();
    let has_slots = profile.traffic.as_ref().is_some_and(TrafficPolicy::has_slots);
    gates.alarms = gates.alarms.iter().map(|name| named(name, service, stage)).collect();
    for check in &mut gates.checks {
        if let Probe::Function { name } = &mut check.probe {
            *name = named_function(name, service, stage, has_slots);
        }
    }
    gates
}

/// How the profile shifts traffic, with the names of functions and of the domain.
fn named_traffic(mut traffic: TrafficPolicy, service: &ServiceName, stage: &StageName) -> TrafficPolicy {
    let has_slots = traffic.has_slots();
    let TrafficHooks { before, after } = &mut traffic.hooks;
    for name in [before, after].into_iter().flatten() {
        *name = named_function(name, service, stage, has_slots);
    }
    if let Some(WeightedRecord { name, set_identifier, .. }) = &mut traffic.record {
        (*name, *set_identifier) = (named(name, service, stage), named(set_identifier, service, stage));
    }
    if let Some(ApiMapping { domain, path, .. }) = &mut traffic.mapping {
        (*domain, *path) = (named(domain, service, stage), named(path, service, stage));
    }
    traffic
}

/// A rollout to a stage, without stacks and waves.
fn blank(
    id: RolloutId,
    (service, stage, profile): (&ServiceName, &StageName, &ProfileName),
    access: Access,
    policy: StackPolicy,
    now: Timestamp,
) -> Rollout {
    Rollout {
        id,
        service: service.clone(),
        stage: stage.clone(),
        profile: profile.clone(),
        kind: RolloutKind::Remove,
        waves: Vec::new(),
        on_failure: OnFailure::Halt,
        copies: Copies::S3,
        stacks: BTreeMap::new(),
        access,
        parameters: BTreeMap::new(),
        needs: BTreeMap::new(),
        taken: BTreeMap::new(),
        tags: BTreeMap::new(),
        capabilities: Default::default(),
        policy,
        gates: Gates::default(),
        drained: BTreeSet::new(),
        replaces: None,
        traffic: None,
        plan_only: false,
        plans: BTreeMap::new(),
        approvals: Vec::new(),
        break_glass: None,
        blocked_by: Vec::new(),
        promote_to: None,
        retry_of: None,
        set: None,
        notify: BTreeSet::new(),
        state: RolloutState::Queued,
        acted: false,
        acted_at: None,
        cancelled: None,
        stop_sent: false,
        paused_by: None,
        failure: None,
        revert_to: None,
        requested_by: String::new(),
        because: None,
        created_at: now,
        entered_at: now,
    }
}

/// The names of the package's stacks at the stage.
fn stack_names(
    package: &Package,
    service: &ServiceName,
    route: &Route,
) -> Result<BTreeMap<Option<StackPart>, StackName>, Refusal> {
    let mut names = BTreeMap::new();
    for stack in &package.stacks {
        let name = route.stack_name.name(service, &route.stage, stack.part.as_ref()).map_err(|e| {
            Refusal::new(Code::ConfigInvalid, e.to_string(), "correct the service's stack_name")
                .at("stack_name")
        })?;
        names.insert(stack.part.clone(), name);
    }
    Ok(names)
}

/// Expedites a rollback: one wave for each level, without windows, alarms and approvals. The release has run at
/// the stage before. The order of the levels is kept.
pub fn expedite(rollout: &mut Rollout, by_waves: bool) {
    rollout.gates = Gates { expedite: true, plan_first: false, ..rollout.gates.clone() };
    if by_waves {
        return;
    }
    let mut levels: BTreeMap<usize, Vec<Target>> = BTreeMap::new();
    for wave in std::mem::take(&mut rollout.waves) {
        levels.entry(wave.level).or_default().extend(wave.targets);
    }
    rollout.waves = levels.into_iter().map(|(level, targets)| Wave { level, ..Wave::of(targets) }).collect();
}

/// Composes the removal of all stacks of a stage, from the highest level down. That of a permanent stage needs as many approvals as a
/// wave of the profile, and never deletes what holds data unless an operator allows it.
///
/// # Errors
/// [`Code::PreviewsNotPrepared`].
pub fn compose_removal(
    id: RolloutId,
    head: &StageHead,
    destination: &Destination,
    requested_by: &str,
    now: Timestamp,
) -> Result<Rollout, Refusal> {
    let Destination { profile, account } = destination;
    let of = (&head.service, &head.stage, &head.profile);
    let is_preview = is_preview(head, profile);
    let mut policy = profile.policy(is_preview);
    // The mapping is removed first, also if the profile says another one by now.
    let traffic = head.mapping.clone().map(|mapping| TrafficPolicy {
        mapping: Some(mapping),
        record: None,
        steps: Vec::new(),
        analysis: None,
        hooks: TrafficHooks::default(),
    });
    let mut waves = removal_waves(head);
    let mut gates = Gates::default();
    if !is_preview {
        policy.safeguards = Safeguards { block_stateful: true, max_deletions: None, ..policy.safeguards };
        let approvals = profile.waves.iter().map(|wave| wave.approvals).max().unwrap_or(0);
        if waves.is_empty() {
            // What there is to remove is known when it begins.
            waves.push(Wave::of(Vec::new()));
        }
        waves.iter_mut().take(1).for_each(|wave| wave.approvals = approvals);
        gates = Gates { four_eyes: profile.gates.four_eyes, plan_first: true, ..gates };
    }
    Ok(Rollout {
        waves,
        gates,
        stacks: stacks_of(head),
        traffic,
        requested_by: requested_by.to_owned(),
        notify: profile.notify.clone(),
        ..blank(id, of, access_with(profile, account)?, policy, now)
    })
}

/// Whether a stage is a preview. One that is being removed no longer has an expiry.
pub(crate) fn is_preview(head: &StageHead, profile: &Profile) -> bool {
    head.expires_at.is_some() || profile.previews.is_some()
}

/// The targets of a stage, from the highest level down.
pub(super) fn removal_waves(head: &StageHead) -> Vec<Wave> {
    let level = |target: &Target| head.stacks.get(&target.part).map_or(0, |stack| stack.level);
    let levels: BTreeSet<usize> = head.targets.keys().map(level).collect();
    let wave = |at: &usize| {
        let targets = head.targets.keys().filter(|target| level(target) == *at);
        Wave { level: *at, ..Wave::of(targets.cloned().collect()) }
    };
    levels.iter().rev().map(wave).collect()
}

/// The names of a stage's stacks.
pub(super) fn stacks_of(head: &StageHead) -> BTreeMap<Option<StackPart>, StackName> {
    head.stacks.iter().map(|(part, stack)| (part.clone(), stack.name.clone())).collect()
}

fn tags(profile: &Profile, service: &ServiceName, stage: &StageName) -> BTreeMap<String, String> {
    let own = [
        ("flotilla:service".to_owned(), service.to_string()),
        ("flotilla:stage".to_owned(), stage.to_string()),
    ];
    profile.tags.clone().into_iter().chain(own).collect()
}

/// An empty rollout, for the tests of this crate to fill in.
#[cfg(test)]
pub(crate) fn blank_for_tests() -> Rollout {
    let whose = (
        &ServiceName::parse("orders").expect("a name"),
        &StageName::parse("production").expect("a name"),
        &ProfileName::parse("standard").expect("a name"),
    );
    let id = RolloutId::parse("rlo_00000000000000000000000000").expect("an id");
    let access = Access {
        role_arn: String::new(),
        external_id: String::new(),
        service_role_arn: String::new(),
        role_boundary: None,
    };
    blank(id, whose, access, StackPolicy::default(), Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
