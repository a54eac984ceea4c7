//! The rollout of one member of a set.

use crate::EngineError;
use crate::ports::StateStore;
use crate::rollout::admit::Upon;
use crate::rollout::compose::{destination, hurry, plan_rollout};
use crate::rollout::route::{Way, way};
use flotilla_domain::rollout::Rollout;
use flotilla_domain::set::{Member, ServiceSet, SetKind};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{ReleaseId, RolloutId, Timestamp, Turn};

/// A member's rollout, as it would be let in.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The rollout.
    pub rollout: Rollout,
    /// A preview's life in hours.
    pub ttl_h: Option<u32>,
    /// What it has to be decided upon.
    pub upon: Upon,
    /// Whether what runs now is held.
    pub hold: bool,
    /// The stage as it is.
    pub head: Option<StageHead>,
}

/// Plans the rollout of a member, forward or back to what it had.
///
/// # Errors
/// Refusals: those of a rollout of the service alone.
pub(crate) async fn plan_member(
    store: &dyn StateStore,
    set: &ServiceSet,
    member: &Member,
    (turn, id): (Turn, RolloutId),
    now: Timestamp,
) -> Result<Planned, EngineError> {
    let to: ReleaseId = match turn {
        Turn::Forward => member.release,
        Turn::Back => member.before.unwrap_or(member.release),
    };
    let Way { release, route, head } = way(store, &member.service, &to, &member.stage).await?;
    let destination = destination(store, &route.profile).await?;
    let mut rollout = plan_rollout(id, &release, &route, &destination, &set.requested_by, now)?;
    rollout.because = Some(format!("{}: {}", set.id, set.because));
    rollout.set = Some(set.id);
    // What never ran there has passed none of its gates.
    let has_run = head.as_ref().is_some_and(|head| head.has_run(&to));
    let (back, by_waves) = match (&set.kind, turn) {
        (SetKind::Rollback { by_waves, .. }, Turn::Forward) => (has_run, *by_waves),
        (_, Turn::Forward) => (false, true),
        (_, Turn::Back) => (true, false),
    };
    if back {
        hurry(&mut rollout, by_waves);
    }
    let upon = match turn {
        Turn::Forward => member.newest,
        Turn::Back => member.forward.as_ref().map(|leg| leg.rollout),
    };
    let hold = turn == Turn::Forward && matches!(set.kind, SetKind::Rollback { .. });
    Ok(Planned { rollout, ttl_h: route.ttl_h, upon: Upon::Newest(upon), hold, head })
}
