//! Admission of a rollout to its stage: it becomes active, queued or superseded at the stage's head, or is
//! refused.

use crate::EngineError;
use crate::ports::{Clock, Expect, Item, StateStore, WorkQueue, Write, WriteError};
use crate::records::{
    ConsumerRecord, EventRecord, KeptRecord, Versioned, keep, kept_key, read, rollout_key, stage_key,
};
use crate::step::wake;
use flotilla_domain::code::storable;
use flotilla_domain::config::preview::PreviewTerms;
use flotilla_domain::release::Release;
use flotilla_domain::rollout::{Rollout, RolloutKind, RolloutState};
use flotilla_domain::stage::{Admission, Hold, KnownStack, StageHead};
use flotilla_domain::{Code, Digest, Refusal, ReleaseId, RolloutId, ServiceName, Timestamp};
use std::collections::BTreeMap;

/// Attempts to save a stage's head when other writers change it concurrently.
const RACES_MAX: usize = 8;

/// What the decision to start a rollout knew of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing. The newer rollout wins.
    None,
    /// Its newest rollout was this one. If another came since, the rollout is refused with a conflict.
    NewestIs(Option<RolloutId>),
    /// The preview had expired. If it was extended since, the rollout is refused with a conflict.
    Expired,
}

/// A rollout to admit, and what belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionRequest<'a> {
    /// The rollout.
    pub rollout: &'a Rollout,
    /// What applies to a preview; `None` for a stage that stays, and for a removal.
    pub preview: Option<PreviewTerms>,
    /// The release, if the rollout is that of its upload.
    pub uploaded: Option<&'a Release>,
    /// For a removal: when the ref of the preview was closed.
    pub closed_at: Option<Timestamp>,
    /// If set: hold every other package that runs at the stage now.
    pub hold: Option<HoldOthers<'a>>,
    /// The state of the stage that the decision was based on.
    pub precondition: Precondition,
    /// Further writes of the same transaction.
    pub beside: &'a [Write],
}

/// What a rollback puts on hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldOthers<'a> {
    /// The reason.
    pub because: &'a str,
    /// The package of the rollout in progress, which may run nowhere so far.
    pub in_progress: Option<Digest>,
}

impl<'a> AdmissionRequest<'a> {
    /// A rollout without holds, conditions or further writes.
    pub fn of(rollout: &'a Rollout, preview: Option<PreviewTerms>) -> Self {
        Self {
            rollout,
            preview,
            uploaded: None,
            closed_at: None,
            hold: None,
            precondition: Precondition::None,
            beside: &[],
        }
    }
}

/// Admits a rollout to its stage. Wakes it and the rollouts that it supersedes. A rollout that is admitted
/// already is only woken.
///
/// # Errors
/// [`Code::PackageHeld`], [`Code::RouteChanged`], [`Code::ReleaseNotKept`] and [`Code::RefClosed`] as refusals; a conflict when the precondition no longer holds;
/// errors of the ports; [`EngineError::Contended`] when the head kept changing.
pub async fn admit(
    store: &dyn StateStore,
    queue: &dyn WorkQueue,
    clock: &dyn Clock,
    AdmissionRequest { rollout, preview, uploaded, closed_at, hold, precondition, beside }: AdmissionRequest<
        '_,
    >,
) -> Result<Rollout, EngineError> {
    check_traffic(rollout)?;
    for _ in 0..RACES_MAX {
        let now = clock.now();
        let service = &rollout.service;
        let keys = [stage_key(service, &rollout.stage), rollout_key(&rollout.id), kept_key(service)];
        let mut found = store.get(&keys).await?.into_iter();
        let mut next = || found.next().flatten();
        let (head, existing, kept) = (next(), next(), next());
        if let Some(item) = existing {
            let existing = read::<Rollout>(item)?.value;
            wake(queue, [existing.id]).await?;
            return Ok(existing);
        }
        let before = match head {
            Some(item) => read::<StageHead>(item)?,
            None => Versioned::new(StageHead::new(
                rollout.service.clone(),
                rollout.stage.clone(),
                rollout.profile.clone(),
            )),
        };
        let mut head = before.value.clone();
        let mut accepted = rollout.clone();
        if matches!(precondition, Precondition::NewestIs(known) if known != head.newest) {
            return Err(EngineError::conflict(overtaken(&head), &head));
        }
        if precondition == Precondition::Expired && !head.is_expired(now) {
            return Err(EngineError::conflict(overtaken(&head), &head));
        }
        held(rollout, Some(&head))?;
        if matches!(rollout.kind, RolloutKind::Deploy(_)) {
            head.check_route(rollout.traffic.as_ref().and_then(|traffic| traffic.mapping.as_ref()))?;
        }
        let still_kept = match rollout.release() {
            Some(release) => Some(check_kept(service, &release, kept)?),
            None => None,
        };
        let listed = match &preview {
            Some(preview) => crate::preview::begin(store, rollout, &preview.quotas, &head).await?,
            None => None,
        };
        if let Some(release) = uploaded {
            head.check_open(release.object.uploaded_at)?;
            head.uploads.add(now);
            if preview.is_some() {
                head.uploaded(&release.git_ref, release.object.uploaded_at);
            }
        }
        if let Some(closed_at) = closed_at {
            head.close(closed_at);
        }
        if let Some(hold) = hold {
            hold_others(&mut head, rollout, hold, now);
        }
        match head.admit(rollout.id) {
            Admission::OutOfDate { by } => accepted.state = RolloutState::Superseded { by: Some(by) },
            Admission::Active | Admission::Queued => match &rollout.kind {
                RolloutKind::Deploy(_) => {
                    head.profile = rollout.profile.clone();
                    record_stacks(&mut head, rollout);
                    // A revert may have to name stacks that this rollout does not contain.
                    for (part, known) in &head.stacks {
                        accepted.stacks.entry(part.clone()).or_insert_with(|| known.name.clone());
                    }
                    head.renew(now, preview.map(|preview| preview.ttl_h));
                }
                // The outcome of the removal sets the expiry again if it fails.
                RolloutKind::Remove => (head.expires_at, head.extended_to) = (None, None),
            },
        }
        let ended = accepted.state.is_terminal();
        let event = EventRecord {
            rollout: rollout.id,
            target: None,
            at: now,
            actor: rollout.requested_by.clone(),
            what: accepted.state.name().into(),
            detail: Some(detail(rollout)).filter(|detail| !detail.is_empty()),
        };
        let mut writes = vec![
            before.write(&head, head.expires_at),
            Versioned::new(accepted.clone()).write(&accepted, (!ended).then(|| crate::step::due_at(now, 0))),
            keep(&event),
        ];
        writes.extend(consumers(&accepted).iter().map(keep));
        writes.extend(still_kept);
        writes.extend(listed);
        writes.extend_from_slice(beside);
        match store.write(writes).await {
            Ok(()) => {
                tracing::info!(rollout.id = %rollout.id, service = %rollout.service, stage = %rollout.stage, state = accepted.state.name(), "rollout accepted");
                let others = [before.value.active, before.value.queued];
                wake(queue, std::iter::once(rollout.id).chain(others.into_iter().flatten())).await?;
                return Ok(accepted);
            }
            Err(WriteError::Conflict(_)) => {}
            Err(WriteError::Port(error)) => return Err(error.into()),
        }
    }
    Err(EngineError::Contended)
}

/// The condition that the service's retention record is still the one in which the release was found to be
/// kept.
///
/// # Errors
/// [`Code::ReleaseNotKept`] as a refusal.
pub(crate) fn check_kept(
    service: &ServiceName,
    release: &ReleaseId,
    kept: Option<Item>,
) -> Result<Write, EngineError> {
    let Some(item) = kept else { return Ok(Write::check(kept_key(service), Expect::Absent)) };
    let kept = read::<KeptRecord>(item)?;
    if kept.value.kept.holds(release) {
        return Ok(Write::check(kept_key(service), Expect::Version(kept.version)));
    }
    let what = format!(
        "{release} is no longer kept: it is older than the retention of {service}, and no stage needed it"
    );
    let fix = "upload it again; to keep releases longer, raise keep_releases or keep_days of the service";
    Err(Refusal::new(Code::ReleaseNotKept, what, fix).into())
}

/// The timeline detail of an admitted rollout: the release, the reason, and the resources that may be lost.
fn detail(rollout: &Rollout) -> String {
    let what =
        rollout.release().map(|release| release.to_string()).into_iter().chain(rollout.because.clone());
    let what = what.collect::<Vec<_>>().join(": ");
    let approved: Vec<&str> = rollout.policy.safeguards.approved.iter().map(String::as_str).collect();
    let lost = (!approved.is_empty()).then(|| format!("may be lost: {}", approved.join(", ")));
    storable(
        [Some(what).filter(|what| !what.is_empty()), lost]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; "),
    )
}

/// Records that this stage uses outputs of other services, so that their status can list their consumers.
fn consumers(rollout: &Rollout) -> Vec<ConsumerRecord> {
    let mut taken = BTreeMap::<_, Vec<String>>::new();
    for (_, of) in rollout.needed() {
        let from = (of.service.clone(), of.stage_for(&rollout.stage).clone());
        taken.entry(from).or_default().push(of.to_string());
    }
    let by = (rollout.service.clone(), rollout.stage.clone());
    taken.into_iter().map(|(of, outputs)| ConsumerRecord { of, by: by.clone(), outputs }).collect()
}

fn overtaken(head: &StageHead) -> Refusal {
    let newest = head.newest.map_or_else(|| "another rollout".into(), |id| id.to_string());
    let what = format!("{newest} was admitted to {} at the same time", head.stage);
    Refusal::new(
        Code::Conflict,
        what,
        format!("check it with flotilla status {}, then repeat the command", head.service),
    )
}

/// Whether the rollout's package is not held at the stage.
///
/// # Errors
/// [`Code::PackageHeld`].
pub(crate) fn held(rollout: &Rollout, head: Option<&StageHead>) -> Result<(), Refusal> {
    let hold = rollout.package().and_then(|package| head?.holds.get(&package));
    let Some(Hold { by, because, at }) = hold else { return Ok(()) };
    let what = format!("the package is held at {} by {by} since {at}: {because}", rollout.stage);
    let fix =
        format!("release the hold first: flotilla unhold {} --stage {}", rollout.service, rollout.stage);
    Err(Refusal::new(Code::PackageHeld, what, fix))
}

/// Holds every package that runs at the stage or is being deployed there, except the rollout's own.
fn hold_others(head: &mut StageHead, rollout: &Rollout, hold: HoldOthers<'_>, now: Timestamp) {
    let others = head.running().into_iter().chain(hold.in_progress);
    for package in others.filter(|other| Some(*other) != rollout.package()) {
        if head.holds.len() < StageHead::HOLDS_MAX {
            let because = hold.because.to_owned();
            head.holds.entry(package).or_insert(Hold { by: rollout.requested_by.clone(), because, at: now });
        }
    }
}

/// Records the rollout's stacks at the head. A stack that it does not deploy, as in a retry, keeps its level.
fn record_stacks(head: &mut StageHead, rollout: &Rollout) {
    for (part, name) in &rollout.stacks {
        let wave = rollout.waves.iter().find(|wave| wave.targets.iter().any(|target| target.part == *part));
        let level = wave.map(|wave| wave.level);
        let known = head
            .stacks
            .entry(part.clone())
            .or_insert_with(|| KnownStack { name: name.clone(), level: level.unwrap_or(0) });
        known.name = name.clone();
        known.level = level.unwrap_or(known.level);
    }
}

/// Refuses a rollout that is to shift traffic and has none to shift. An expedited one takes no steps.
pub(crate) fn check_traffic(rollout: &Rollout) -> Result<(), Refusal> {
    let RolloutKind::Deploy(release) = &rollout.kind else { return Ok(()) };
    let has_alias = release.stacks.iter().any(|stack| !stack.aliases.is_empty());
    let shifts_aliases =
        rollout.traffic.as_ref().is_some_and(|traffic| !traffic.has_slots() && traffic.record.is_none());
    if !shifts_aliases || has_alias || rollout.gates.expedite {
        return Ok(());
    }
    let what = format!(
        "the profile {} shifts traffic, and no function of the package has an alias",
        rollout.profile
    );
    let fix = "set alias = \"live\" in the service's configuration and upload again, or use a profile without traffic";
    Err(Refusal::new(Code::TrafficUnshiftable, what, fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::compose::blank_for_tests;
    use flotilla_domain::rollout::Wave;
    use flotilla_domain::{StackName, StackPart, Target};

    fn part(name: &str) -> Option<StackPart> {
        Some(StackPart::parse(name).unwrap())
    }

    #[test]
    fn a_retry_of_one_stack_keeps_the_levels_of_the_others() {
        let wave = |name: &str, level: usize| {
            let target = Target::parse(&format!("111122223333/eu-west-1:{name}")).unwrap();
            Wave { level, ..Wave::of(vec![target]) }
        };
        let stacks = ["A", "M", "B"].map(|name| (part(name), StackName::parse(name).unwrap()));
        let whole = Rollout {
            stacks: stacks.into(),
            waves: vec![wave("A", 0), wave("M", 1), wave("B", 2)],
            ..blank_for_tests()
        };
        let mut head = StageHead::new(whole.service.clone(), whole.stage.clone(), whole.profile.clone());
        record_stacks(&mut head, &whole);
        record_stacks(&mut head, &Rollout { waves: vec![wave("B", 2)], ..whole });
        let levels: Vec<usize> = ["A", "M", "B"].map(|name| head.stacks[&part(name)].level).into();
        assert_eq!(levels, [0, 1, 2]);
    }
}
