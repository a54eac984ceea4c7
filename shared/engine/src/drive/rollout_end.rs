//! What a rollout leaves at its stage's head.

use flotilla_domain::deployment::{Deployment, DeploymentKind, State};
use flotilla_domain::rollout::{Rollout, RolloutKind, RolloutState};
use flotilla_domain::stage::{Running, StageHead};
use flotilla_domain::{ReleaseId, SignedDuration, Timestamp};

/// Writes down what the deployments that have ended left at their targets, in the order of their ends:
/// what went back went forward before.
pub(super) fn note_targets(head: &mut StageHead, rollout: &Rollout, ended: &[Deployment]) {
    for deployment in ended {
        let target = deployment.id.target.clone();
        match &deployment.spec.kind {
            DeploymentKind::Remove if deployment.state.is_success() => {
                head.targets.remove(&target);
            }
            DeploymentKind::Remove => {}
            // Called off before anything was changed: what runs there is as before.
            DeploymentKind::Deploy(_) if deployment.state == State::Cancelled => {}
            DeploymentKind::Deploy(release) => {
                let before = head.targets.get(&target).and_then(|running| running.proven);
                let proven = Some((release.release, release.package));
                let running = Running {
                    proven: if deployment.state.is_success() { proven } else { before },
                    rollout: rollout.id,
                    status: deployment.state.name().into(),
                    at: deployment.entered_at,
                };
                head.targets.insert(target, running);
            }
        }
    }
}

/// What the end of a rollout means for its stage.
pub(super) fn note_end(head: &mut StageHead, rollout: &Rollout, now: Timestamp) {
    match (&rollout.kind, &rollout.state) {
        (RolloutKind::Deploy(release), RolloutState::Succeeded)
            if rollout.retry_of.is_none() || runs_everywhere(head, rollout, release.release) =>
        {
            head.settle(release.release);
        }
        (RolloutKind::Remove, RolloutState::Succeeded) => {
            head.stable = None;
            head.past.clear();
            head.holds.clear();
            // An upload that waits has set an end of its own.
            head.expires_at = head.expires_at.filter(|_| head.queued.is_some());
        }
        // A removal that did not come to its end is tried again, unless a newer upload wants the stage.
        (RolloutKind::Remove, RolloutState::Failed(_) | RolloutState::Cancelled) if head.queued.is_none() => {
            head.expires_at = now.saturating_add(SignedDuration::from_hours(1)).ok();
        }
        _ => {}
    }
}

/// Whether a retry has brought its release to the last of the targets that the first rollout was for.
fn runs_everywhere(head: &StageHead, rollout: &Rollout, release: ReleaseId) -> bool {
    let since = rollout.retry_of.unwrap_or(rollout.id);
    let mut touched = head.targets.values().filter(|running| running.rollout >= since);
    touched.all(|running| running.proven.is_some_and(|(runs, _)| runs == release))
}
