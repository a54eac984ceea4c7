//! A rollout meets a stage: it is let in at the stage's head, or held back.

use crate::EngineError;
use crate::ports::{Clock, Expect, Item, StateStore, WorkQueue, Write, WriteError};
use crate::records::{
    ConsumerRecord, EventRecord, KeptRecord, Versioned, keep, kept_key, read, rollout_key, stage_key,
};
use crate::step::wake;
use flotilla_domain::code::cut;
use flotilla_domain::rollout::{Rollout, RolloutKind, RolloutState};
use flotilla_domain::stage::{Admission, Hold, KnownStack, StageHead};
use flotilla_domain::{Code, Refusal, ReleaseId, RolloutId, ServiceName, Timestamp};
use std::collections::BTreeMap;

/// How often a lost race for a stage's head is run again.
const RACES_MAX: usize = 8;

/// What was known of a stage when a rollout to it was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upon {
    /// It does not matter: the newer one counts.
    Whatever,
    /// This was its newest rollout. If it is not any more, somebody else was faster.
    Newest(Option<RolloutId>),
}

/// A rollout that is to be let in, and what comes with it.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The rollout.
    pub rollout: &'a Rollout,
    /// A preview's life in hours.
    pub ttl_h: Option<u32>,
    /// Holds what runs at the stage now and is not the rollout's package, for this reason.
    pub hold: Option<&'a str>,
    /// What it was decided upon.
    pub upon: Upon,
    /// What is saved with it.
    pub beside: &'a [Write],
}

impl<'a> Arrival<'a> {
    /// A rollout alone.
    pub fn of(rollout: &'a Rollout, ttl_h: Option<u32>) -> Self {
        Self { rollout, ttl_h, hold: None, upon: Upon::Whatever, beside: &[] }
    }
}

/// Lets a rollout in at its stage's head. Wakes it, and whom it puts out. The same rollout again only wakes it.
///
/// # Errors
/// [`Code::PackageHeld`] and [`Code::ReleaseNotKept`] as refusals; a conflict when somebody else was faster; ports' errors; [`EngineError::Contended`] when the head kept changing.
pub async fn accept(
    store: &dyn StateStore,
    queue: &dyn WorkQueue,
    clock: &dyn Clock,
    Arrival { rollout, ttl_h, hold, upon, beside }: Arrival<'_>,
) -> Result<Rollout, EngineError> {
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
        if matches!(upon, Upon::Newest(known) if known != head.newest) {
            return Err(EngineError::conflict(overtaken(&head), &head));
        }
        held(rollout, Some(&head))?;
        let still_kept = match rollout.release() {
            Some(release) => Some(check_kept(service, &release, kept)?),
            None => None,
        };
        if let Some(because) = hold {
            hold_others(&mut head, rollout, because, now);
        }
        match head.admit(rollout.id) {
            Admission::OutOfDate { by } => accepted.state = RolloutState::Superseded { by: Some(by) },
            Admission::Active | Admission::Queued => match &rollout.kind {
                RolloutKind::Deploy(_) => {
                    head.profile = rollout.profile.clone();
                    know_stacks(&mut head, rollout);
                    // Other stacks of the stage may be named as well, on the way back.
                    for (part, known) in &head.stacks {
                        accepted.stacks.entry(part.clone()).or_insert_with(|| known.name.clone());
                    }
                    head.renew(now, ttl_h);
                }
                // Whether it succeeds decides what becomes of the preview.
                RolloutKind::Remove => head.expires_at = None,
            },
        }
        let ended = accepted.state.is_terminal();
        let event = EventRecord {
            rollout: rollout.id,
            target: None,
            at: now,
            actor: rollout.requested_by.clone(),
            what: accepted.state.name().into(),
            detail: rollout.release().map(|release| detail(rollout, release)),
        };
        let mut writes = vec![
            before.write(&head, head.expires_at),
            Versioned::new(accepted.clone()).write(&accepted, (!ended).then(|| crate::step::due_at(now, 0))),
            keep(&event),
        ];
        writes.extend(consumers(&accepted).iter().map(keep));
        writes.extend(still_kept);
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

/// The condition that what is kept of the service is what it was when its release was found to be kept.
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
    let what = format!("{release} is older than what is kept of {service}, and no stage needed it");
    let fix = "upload it again; keep_releases and keep_days of the service say how long others are kept";
    Err(Refusal::new(Code::ReleaseNotKept, what, fix).into())
}

/// What the timeline says of a rollout that brings a release: why, and what may be lost by whose word.
fn detail(rollout: &Rollout, release: ReleaseId) -> String {
    let mut detail = release.to_string();
    if let Some(because) = &rollout.because {
        detail.push_str(&format!(": {because}"));
    }
    let approved = &rollout.policy.safeguards.approved;
    if !approved.is_empty() {
        let names: Vec<&str> = approved.iter().map(String::as_str).collect();
        detail.push_str(&format!("; may be lost: {}", names.join(", ")));
    }
    cut(detail)
}

/// Whose outputs the rollout takes: they can say by whom they are taken.
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
    let what = format!("{newest} came to {} at the same time and was first", head.stage);
    Refusal::new(
        Code::Conflict,
        what,
        format!("look at it (flotilla status {}), then decide again", head.service),
    )
}

/// Whether nobody holds the package that a rollout brings.
///
/// # Errors
/// [`Code::PackageHeld`].
pub(crate) fn held(rollout: &Rollout, head: Option<&StageHead>) -> Result<(), Refusal> {
    let hold = rollout.package().and_then(|package| head?.holds.get(&package));
    let Some(Hold { by, because, at }) = hold else { return Ok(()) };
    let what = format!("{by} holds the package at {} since {at}: {because}", rollout.stage);
    let fix = format!("lift the hold first: flotilla unhold {} --stage {}", rollout.service, rollout.stage);
    Err(Refusal::new(Code::PackageHeld, what, fix))
}

/// Holds every package that runs at the stage and is not the one that comes.
fn hold_others(head: &mut StageHead, rollout: &Rollout, because: &str, now: Timestamp) {
    for package in head.running().into_iter().filter(|running| Some(*running) != rollout.package()) {
        let hold = Hold { by: rollout.requested_by.clone(), because: because.to_owned(), at: now };
        if head.holds.len() < StageHead::HOLDS_MAX {
            head.holds.entry(package).or_insert(hold);
        }
    }
}

/// Notes the stacks that a rollout brings. One that it does not touch, as in a retry, keeps its level.
fn know_stacks(head: &mut StageHead, rollout: &Rollout) {
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
        know_stacks(&mut head, &whole);
        know_stacks(&mut head, &Rollout { waves: vec![wave("B", 2)], ..whole });
        let levels: Vec<usize> = ["A", "M", "B"].map(|name| head.stacks[&part(name)].level).into();
        assert_eq!(levels, [0, 1, 2]);
    }
}
