//! The route of a release to a stage of its service.

use super::admit::{Precondition, check_kept};
use crate::access::missing;
use crate::config::document;
use crate::ports::{Item, StateStore};
use crate::records::{ConfigRecord, kept_key, read, release_key, service_key, stage_key};
use crate::{EngineError, config};
use flotilla_contract::ServiceConfigDoc;
use flotilla_domain::config::service::{Route, ServiceConfig};
use flotilla_domain::release::Release;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{ReleaseId, ServiceName, StageName};

/// A release, its route to a stage, and the stage's head.
#[derive(Debug, Clone)]
pub(crate) struct RoutedRelease {
    /// The release.
    pub release: Release,
    /// The route to the stage.
    pub route: Route,
    /// The stage's head, if anything was ever rolled out to it.
    pub head: Option<StageHead>,
}

impl RoutedRelease {
    /// The state of the stage that the decision is based on.
    pub(crate) fn precondition(&self) -> Precondition {
        Precondition::NewestIs(self.head.as_ref().and_then(|head| head.newest))
    }
}

/// The configuration of a service. One read.
///
/// # Errors
/// A refusal: the service is not configured.
pub(crate) async fn service_config(
    store: &dyn StateStore,
    service: &ServiceName,
) -> Result<ServiceConfig, EngineError> {
    configured(service, store.get(&[service_key(service)]).await?.into_iter().next().flatten())
}

fn configured(service: &ServiceName, item: Option<Item>) -> Result<ServiceConfig, EngineError> {
    let item = item.ok_or_else(|| {
        missing(format!("the service {service} is not configured"), "add it with flotilla apply")
    })?;
    let doc = document::<ServiceConfigDoc>(read::<ConfigRecord>(item)?.value)?;
    Ok(config::service_config(service.clone(), &doc)?)
}

/// Finds the route of a release to a stage of its service: by a route of the configuration, or as the stage was
/// deployed before. One read.
///
/// # Errors
/// Refusals: there is no such release, it is no longer kept, the service is not configured, or no route leads
/// to the stage.
pub(crate) async fn way(
    store: &dyn StateStore,
    service: &ServiceName,
    id: &ReleaseId,
    stage: &StageName,
) -> Result<RoutedRelease, EngineError> {
    let keys = [release_key(service, id), service_key(service), stage_key(service, stage), kept_key(service)];
    let mut found = store.get(&keys).await?.into_iter();
    let mut next = || found.next().flatten();
    let (release, config, head, kept) = (next(), next(), next(), next());
    let release = release.ok_or_else(|| {
        missing(format!("{service} has no release {id}"), "list them with flotilla releases")
    })?;
    let release = read::<Release>(release)?.value;
    check_kept(service, id, kept)?;
    let config = configured(service, config)?;
    let by_rule = config.rule_of(stage);
    let head = head.map(read::<StageHead>).transpose()?.map(|head| head.value);
    let route = match (by_rule, config.route(&release.git_ref).ok(), &head) {
        (Some(rule), ..) => {
            let (profile, ttl_h) = (rule.profile.clone(), rule.ttl_h);
            let stack_name = config.stack_name_at(stage).clone();
            let promote_to = rule.promote_to.clone();
            Route { stage: stage.clone(), profile, ttl_h, stack_name, promote_to }
        }
        (None, Some(route), _) if route.stage == *stage => route,
        (None, _, Some(head)) if head.expires_at.is_none() => {
            let stack_name = config.stack_name;
            let profile = head.profile.clone();
            Route { stage: stage.clone(), profile, ttl_h: None, stack_name, promote_to: None }
        }
        _ => {
            return Err(missing(
                format!("no route of {service} leads to the stage {stage}"),
                "add a rule that routes to it, with flotilla apply",
            )
            .into());
        }
    };
    Ok(RoutedRelease { release, route, head })
}
