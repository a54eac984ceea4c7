//! Promotion of a release from one stage to another.

use super::admit::AdmissionRequest;
use super::compose::compose_rollout;
use super::route::RoutedRelease;
use crate::EngineError;
use crate::access::{Caller, Commands, conflict, reason};
use crate::plan::AllowedLosses;
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::rollout::Rollout;
use flotilla_domain::{Code, Refusal, ReleaseId, RolloutId, ServiceName, StageName};

/// Which release to promote, and between which stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The stage where it runs.
    pub from: StageName,
    /// The stage to deploy it to.
    pub to: StageName,
    /// The release. Default: the stable release of `from`.
    pub release: Option<ReleaseId>,
    /// The reason. Required if the release is not the stable one.
    pub because: Option<String>,
    /// Resources that may be lost although a safeguard protects them.
    pub allow: AllowedLosses,
}

impl Commands {
    /// Promotes the stable release of one stage to another. The bytes are the same: nothing is uploaded or
    /// built.
    ///
    /// # Errors
    /// Refusals: there is no stable release, or another one is requested without a reason; those of
    /// [`Commands::start`].
    pub async fn promote(
        &self,
        service: &ServiceName,
        promotion: &Promotion,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let order = self.order(caller, Act::Promote, Scope::stage(service, &promotion.to)).await?;
        let because = reason(promotion.because.as_deref())?;
        let from = self.head_of(service, &promotion.from).await?.value;
        let stable =
            from.stable.ok_or_else(|| conflict(format!("{} has no stable release yet", promotion.from)))?;
        let release = promotion.release.unwrap_or(stable);
        if release != stable && because.is_none() {
            let what = format!("{release} is not the stable release of {}: that is {stable}", promotion.from);
            let fix = "promote the stable release, or give a reason with --because";
            return Err(Refusal::new(Code::Conflict, what, fix).into());
        }
        let because = because.unwrap_or_else(|| format!("promoted from {}", promotion.from));
        let way = self.store.way(service, &release, &promotion.to).await?;
        let precondition = way.precondition();
        let RoutedRelease { release, route, .. } = way;
        let destination = self.store.destination(&route.profile).await?;
        let now = self.clock.now();
        let id = RolloutId::derive(now, &[&caller.request_id]);
        let plan = compose_rollout(id, &release, &route, &destination, &caller.principal, now)?;
        let mut rollout = Rollout { because: Some(because), ..plan };
        promotion.allow.apply_to(&mut rollout)?;
        let preview = destination.preview(&route);
        self.admit(order, AdmissionRequest { precondition, ..AdmissionRequest::of(&rollout, preview) }).await
    }
}
