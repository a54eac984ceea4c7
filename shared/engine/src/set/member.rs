//! The rollout of one member of a set.

use crate::EngineError;
use crate::ports::StateStore;
use crate::rollout::admit::Precondition;
use crate::rollout::compose::{compose_rollout, expedite};
use crate::rollout::destination::destination;
use crate::rollout::route::{RoutedRelease, way};
use flotilla_domain::config::preview::PreviewTerms;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::set::{Member, ServiceSet, SetKind};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Direction, ReleaseId, RolloutId, Timestamp};

/// A member's rollout, ready to be admitted.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The rollout.
    pub rollout: Rollout,
    /// What applies to a preview.
    pub preview: Option<PreviewTerms>,
    /// The state of the stage that the decision is based on.
    pub precondition: Precondition,
    /// Whether what runs now will be held.
    pub hold: bool,
    /// The stage's current head.
    pub head: Option<StageHead>,
}

/// Composes the rollout of a member: forward, or the revert to its earlier release.
///
/// # Errors
/// Refusals: those of a rollout of the service alone.
pub(crate) async fn compose_member(
    store: &dyn StateStore,
    set: &ServiceSet,
    member: &Member,
    (direction, id): (Direction, RolloutId),
    now: Timestamp,
) -> Result<Planned, EngineError> {
    let to: ReleaseId = match direction {
        Direction::Forward => member.release,
        Direction::Rollback => member.before.unwrap_or(member.release),
    };
    let RoutedRelease { release, route, head } = way(store, &member.service, &to, &member.stage).await?;
    // A release that never ran there has not passed its gates.
    let has_run = head.as_ref().is_some_and(|head| head.has_run(&to));
    let (back, by_waves) = match (&set.kind, direction) {
        (SetKind::Rollback { by_waves, .. }, Direction::Forward) => (has_run, *by_waves),
        (_, Direction::Forward) => (false, true),
        (_, Direction::Rollback) => (true, false),
    };
    let destination = destination(store, &route.profile).await?.for_rollback(back);
    let mut rollout = compose_rollout(id, &release, &route, &destination, &set.requested_by, now)?;
    rollout.because = Some(format!("{}: {}", set.id, set.because));
    rollout.set = Some(set.id);
    if back {
        expedite(&mut rollout, by_waves);
    }
    let precondition = match direction {
        Direction::Forward => member.newest,
        Direction::Rollback => member.forward.as_ref().map(|member_rollout| member_rollout.rollout),
    };
    let hold = direction == Direction::Forward && matches!(set.kind, SetKind::Rollback { .. });
    Ok(Planned {
        rollout,
        preview: destination.preview(&route),
        precondition: Precondition::NewestIs(precondition),
        hold,
        head,
    })
}
