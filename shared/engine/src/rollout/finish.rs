//! What a rollout changes at its stage's head.

use flotilla_domain::deployment::{Deployment, DeploymentKind, State};
use flotilla_domain::rollout::{Rollout, RolloutKind, RolloutState};
use flotilla_domain::stage::{Running, StageHead};
use flotilla_domain::{Direction, ReleaseId, SignedDuration, Timestamp};

/// Records what runs at the targets of ended deployments, in the order in which they ended: a rollback ends
/// after the forward deployment of its target, or of the other slot.
pub(super) fn record_targets<'d>(
    head: &mut StageHead,
    rollout: &Rollout,
    ended: impl IntoIterator<Item = &'d Deployment>,
) {
    let mut ended: Vec<&Deployment> = ended.into_iter().collect();
    ended.sort_by_key(|deployment| deployment.entered_at);
    for deployment in ended {
        let target = deployment.id.target.clone();
        if let Some(slot) = target.slot.filter(|_| deployment.is_live()) {
            head.live.insert(target.site.clone(), slot);
            head.mapping = deployment.spec.mapping.clone();
        }
        if deployment.spec.record.is_some() {
            let is_forward = deployment.id.direction == Direction::Forward;
            match deployment.state.is_success() {
                true => {
                    head.drained.remove(&target.site);
                }
                false if is_forward && deployment.is_drained() => {
                    head.drained.insert(target.site.clone());
                }
                false => {}
            }
        }
        match &deployment.spec.kind {
            DeploymentKind::Remove if deployment.state.is_success() => {
                head.targets.remove(&target);
                head.drained.remove(&target.site);
                if target.slot.is_some() && head.live.get(&target.site) == target.slot.as_ref() {
                    head.live.remove(&target.site);
                }
            }
            DeploymentKind::Remove => {}
            // Cancelled before anything was changed: the target runs what it ran before.
            DeploymentKind::Deploy(_) if deployment.state == State::Cancelled && !deployment.restores() => {}
            DeploymentKind::Deploy(release) => {
                let before = head.targets.get(&target).cloned();
                let proven = Some((release.release, release.package));
                // An operation began and was not rolled back: what the target runs is unknown.
                if matches!(deployment.state, State::Failed(_)) && deployment.operations > 0 {
                    head.unsettle(release.release);
                }
                let has_traffic =
                    before.as_ref().is_some_and(Running::serves_proven) && deployment.keeps_traffic();
                let before = before.and_then(|running| running.proven);
                let running = Running {
                    proven: if deployment.state.is_success() { proven } else { before },
                    has_traffic,
                    rollout: rollout.id,
                    status: deployment.state.name().into(),
                    at: deployment.entered_at,
                };
                head.targets.insert(target, running);
            }
        }
    }
    head.settle_targets();
}

/// Applies the end of a rollout to its stage.
pub(super) fn record_end(head: &mut StageHead, rollout: &Rollout, now: Timestamp) {
    match (&rollout.kind, &rollout.state) {
        (RolloutKind::Deploy(release), RolloutState::Succeeded)
            if rollout.retry_of.is_none() || runs_everywhere(head, rollout, release.release) =>
        {
            head.settle(release.release);
        }
        (RolloutKind::Remove, RolloutState::Succeeded) => {
            head.stable = None;
            head.mapping = None;
            head.past.clear();
            head.holds.clear();
            // A queued rollout has set an expiry of its own.
            head.expires_at = head.expires_at.filter(|_| head.queued.is_some());
        }
        // A failed or cancelled removal of a preview is tried again later, unless a newer rollout is queued.
        (RolloutKind::Remove, RolloutState::Failed(_) | RolloutState::Cancelled)
            if head.queued.is_none_or(|queued| queued == rollout.id) && rollout.removes_preview() =>
        {
            head.expires_at = now.saturating_add(SignedDuration::from_hours(1)).ok();
        }
        _ => {}
    }
}

/// Whether, after a retry, the release runs at all targets of the original rollout.
fn runs_everywhere(head: &StageHead, rollout: &Rollout, release: ReleaseId) -> bool {
    let since = rollout.retry_of.unwrap_or(rollout.id);
    let mut touched = head.serving().filter(|running| running.rollout >= since);
    touched.all(|running| running.proven.is_some_and(|(runs, _)| runs == release))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, deployment, release, rollout, target};
    use flotilla_domain::{Cause, Code};

    fn cause() -> Cause {
        Cause::new(Code::RolledBack, "because", "fix it")
    }

    /// A head at which a release runs in both regions, deployed by a rollout created at this second.
    fn head(name: &str, second: i64) -> StageHead {
        let rollout = rollout(name, second);
        let mut head =
            StageHead::new(rollout.service.clone(), rollout.stage.clone(), rollout.profile.clone());
        let done = State::Succeeded { changed: true };
        let ended = ["eu-west-1", "us-east-1"].map(|region| deployment(&rollout, region, done.clone()));
        record_targets(&mut head, &rollout, &ended);
        head
    }

    /// What runs in the first region, and how the last rollout ended there.
    fn runs(head: &StageHead) -> Option<(Option<ReleaseId>, String)> {
        let running = head.targets.get(&target("eu-west-1"))?;
        Some((running.proven.map(|(release, _)| release), running.status.clone()))
    }

    #[test]
    fn a_target_runs_what_was_last_proven_there() {
        let (one, two) = (Some(release("one").0), Some(release("two").0));
        let ends = [
            (State::Succeeded { changed: false }, two, "succeeded"),
            (State::RolledBack(cause()), one, "rolled_back"),
            (State::Failed(cause()), one, "failed"),
            (State::Cancelled, one, "succeeded"),
        ];
        for (state, proven, status) in ends {
            let (mut head, rollout) = (head("one", 1), rollout("two", 2));
            let ended = deployment(&rollout, "eu-west-1", state);
            record_targets(&mut head, &rollout, &[ended]);
            assert_eq!(runs(&head), Some((proven, status.to_owned())));
        }
        let (mut empty, rollout) = (head("one", 1), rollout("two", 2));
        empty.targets.clear();
        record_targets(&mut empty, &rollout, &[deployment(&rollout, "eu-west-1", State::Failed(cause()))]);
        assert_eq!(runs(&empty), Some((None, "failed".to_owned())), "nothing ever ran there");
        let running = &empty.targets[&target("eu-west-1")];
        assert_eq!((running.rollout, running.at), (rollout.id, at(100)));
    }

    #[test]
    fn what_failed_after_it_had_begun_may_run_until_all_targets_are_proven_again() {
        let mut head = head("one", 1);
        let two = rollout("two", 2);
        let failed = |region, operations| Deployment {
            operations,
            ..deployment(&two, region, State::Failed(cause()))
        };
        record_targets(&mut head, &two, &[failed("eu-west-1", 0)]);
        assert_eq!(head.unsettled, [], "no operation began");
        record_targets(&mut head, &two, &[failed("eu-west-1", 1), failed("us-east-1", 2)]);
        assert_eq!(head.unsettled, [release("two").0]);
        let three = rollout("three", 3);
        let rolled_back = deployment(&three, "eu-west-1", State::RolledBack(cause()));
        record_targets(&mut head, &three, &[rolled_back]);
        assert_eq!(
            head.unsettled,
            [release("two").0],
            "it was rolled back to what may be the second release"
        );
        let done = |region| deployment(&three, region, State::Succeeded { changed: true });
        record_targets(&mut head, &three, &[done("eu-west-1")]);
        assert_eq!(head.unsettled, [release("two").0], "the other target is not known");
        record_targets(&mut head, &three, &[done("us-east-1")]);
        assert_eq!(head.unsettled, []);
    }

    #[test]
    fn a_removed_target_is_forgotten_and_one_that_resists_is_not() {
        let removal = Rollout { kind: RolloutKind::Remove, ..rollout("one", 2) };
        for (state, left) in [(State::Removed, 1), (State::Failed(cause()), 2)] {
            let mut head = head("one", 1);
            record_targets(&mut head, &removal, &[deployment(&removal, "eu-west-1", state)]);
            assert_eq!(head.targets.len(), left);
        }
    }

    #[test]
    fn a_retry_is_stable_when_its_release_runs_wherever_the_first_rollout_was() {
        let first = rollout("two", 10);
        let retry = |ended: &[&str], before: StageHead| {
            let retry =
                Rollout { retry_of: Some(first.id), state: RolloutState::Succeeded, ..rollout("two", 11) };
            let mut head = before;
            let done = |region: &&str| deployment(&retry, region, State::Succeeded { changed: true });
            record_targets(&mut head, &retry, &ended.iter().map(done).collect::<Vec<_>>());
            record_end(&mut head, &retry, at(200));
            head.stable
        };
        let stable = Some(release("two").0);
        // The first rollout reached both regions and failed in one.
        let mut half = head("one", 1);
        let ended = [
            deployment(&first, "eu-west-1", State::Succeeded { changed: true }),
            deployment(&first, "us-east-1", State::RolledBack(cause())),
        ];
        record_targets(&mut half, &first, &ended);
        assert_eq!(retry(&["us-east-1"], half.clone()), stable);
        assert_eq!(retry(&[], half), None, "the old release still runs in one region");
        // The first rollout never reached the second region.
        assert_eq!(retry(&["eu-west-1"], head("one", 1)), stable);
    }

    #[test]
    fn a_rollout_that_succeeds_is_stable_and_one_that_does_not_changes_nothing() {
        let end = |state| {
            let mut head = head("two", 2);
            record_end(&mut head, &Rollout { state, ..rollout("two", 2) }, at(200));
            head.stable
        };
        assert_eq!(end(RolloutState::Succeeded), Some(release("two").0));
        assert_eq!(end(RolloutState::Failed(cause())), None);
    }

    #[test]
    fn a_removals_end_decides_what_becomes_of_the_preview() {
        let end = |state, waits: bool| {
            let mut head = head("one", 1);
            head.settle(release("zero").0);
            head.settle(release("one").0);
            head.expires_at = Some(at(5_000));
            head.queued = waits.then(|| rollout("three", 3).id);
            record_end(
                &mut head,
                &Rollout { kind: RolloutKind::Remove, state, ..rollout("one", 2) },
                at(200),
            );
            (head.stable.is_some(), head.past.len(), head.expires_at)
        };
        assert_eq!(end(RolloutState::Succeeded, false), (false, 0, None));
        assert_eq!(
            end(RolloutState::Succeeded, true),
            (false, 0, Some(at(5_000))),
            "the expiry of the queued rollout"
        );
        for state in [RolloutState::Cancelled, RolloutState::Failed(cause())] {
            let again = Some(at(200 + 3_600));
            assert_eq!(end(state.clone(), false), (true, 1, again), "it is tried again in an hour");
            assert_eq!(end(state, true), (true, 1, Some(at(5_000))), "unless a newer rollout is queued");
        }
    }
}
