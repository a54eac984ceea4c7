//! Where a rollout goes: a profile, its account, and how the account is accessed.

use crate::config::document;
use crate::ports::StateStore;
use crate::records::{ConfigRecord, account_key, profile_key, read};
use crate::{EngineError, config};
use flotilla_contract::{AccountConfig, ProfileConfig};
use flotilla_domain::config::preview::PreviewTerms;
use flotilla_domain::config::profile::Profile;
use flotilla_domain::config::service::Route;
use flotilla_domain::deployment::Access;
use flotilla_domain::{Code, ProfileName, Refusal, TargetAccount};

/// A profile and the account it deploys to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The profile.
    pub profile: Profile,
    /// Its account.
    pub account: TargetAccount,
}

impl Destination {
    /// What applies to a rollout by this route if it leads to a preview. The lifetime is the route's, within the profile's quota.
    pub(crate) fn preview(&self, route: &Route) -> Option<PreviewTerms> {
        let (ttl_h, quotas) = (route.ttl_h?, self.profile.previews?);
        Some(PreviewTerms { ttl_h: ttl_h.min(quotas.hours), quotas })
    }

    /// The destination of a rollback. A release that ran at the stage before needs no signature that was not required then.
    pub(crate) fn for_rollback(mut self, has_run: bool) -> Self {
        if has_run {
            self.profile.provenance = None;
        }
        self
    }
}

/// Reads a profile and its account.
///
/// # Errors
/// [`Code::ProfileUnknown`] and [`Code::AccountUnknown`] as refusals.
pub async fn destination(store: &dyn StateStore, name: &ProfileName) -> Result<Destination, EngineError> {
    let found = store.get(&[profile_key(name)]).await?.into_iter().next().flatten();
    let item = found.ok_or_else(|| {
        let what = format!("the profile {name} is not configured");
        Refusal::new(Code::ProfileUnknown, what, "add the profile to the configuration (flotilla apply)")
    })?;
    let profile =
        config::profile(name.clone(), &document::<ProfileConfig>(read::<ConfigRecord>(item)?.value)?)?;
    let found = store.get(&[account_key(&profile.account)]).await?.into_iter().next().flatten();
    let item = found.ok_or_else(|| {
        let what = format!("the account {} of profile {name} is not registered", profile.account);
        Refusal::new(
            Code::AccountUnknown,
            what,
            format!("prepare and register it: flotilla account add {}", profile.account),
        )
    })?;
    let doc = document::<AccountConfig>(read::<ConfigRecord>(item)?.value)?;
    let account = config::account(profile.account.clone(), &doc)?;
    Ok(Destination { profile, account })
}

pub(crate) fn access(account: &TargetAccount) -> Access {
    let TargetAccount { role_arn, external_id, service_role_arn, role_boundary, .. } = account.clone();
    Access { role_arn, external_id, service_role_arn, role_boundary }
}

/// How a profile's account is accessed: previews with roles and a boundary of their own; else the boundary of the profile takes precedence.
///
/// # Errors
/// [`Code::PreviewsNotPrepared`] if the account has no roles for previews.
pub(super) fn access_with(profile: &Profile, account: &TargetAccount) -> Result<Access, Refusal> {
    let mut own = access(account);
    if profile.previews.is_some() {
        let roles = account.previews.as_ref().ok_or_else(|| {
            let id = &account.account;
            let what = format!("the account {id} of the profile {} has no roles for previews", profile.name);
            let fix = format!("create them: flotilla install, or flotilla account add {id} for another account than the control plane's");
            Refusal::new(Code::PreviewsNotPrepared, what, fix)
        })?;
        own.service_role_arn = roles.service_role_arn.clone();
        own.role_boundary = Some(roles.role_boundary.clone());
    }
    Ok(Access { role_boundary: profile.role_boundary.clone().or(own.role_boundary), ..own })
}
