//! Reads and sets the API mapping of a deployment to one of two slots.

use crate::deployment::DeploymentController;
use crate::ports::{MappingSeen, Place, PortError, StackResource};
use flotilla_domain::deployment::{ApiMapping, ApiStage, Deployment, Event, MappedApis};
use flotilla_domain::{Cause, Code};
use std::collections::BTreeMap;

/// The types of resources that a mapping can point at, and those of their stages.
const KINDS: [(&str, &str); 2] = [
    ("AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage"),
    ("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage"),
];

impl DeploymentController {
    /// What the mapping points at, and the API that the stack has now.
    pub(super) async fn mapping(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let Some(mapping) = &deployment.spec.mapping else {
            return Ok(Event::MappingObserved { points_at: None, own: Vec::new() });
        };
        let points_at = self.mappings.find(place, &mapping.domain, &mapping.path).await?;
        let resources = match &deployment.stack_id {
            Some(stack_id) => self.stacks.resources(place, stack_id).await?,
            None => Vec::new(),
        };
        let own = apis(&resources).map(|api| api.physical_id.clone()).collect();
        Ok(Event::MappingObserved { points_at: points_at.map(|seen| seen.points_at), own })
    }

    /// Lets the mapping point at the new API, or at the one before. One that points at a third one was changed outside of Flotilla, and
    /// is left alone.
    pub(super) async fn switch(
        &self,
        (mapping, mapped): (&ApiMapping, &MappedApis),
        place: &Place,
        percent: u8,
    ) -> Result<Event, PortError> {
        let ApiMapping { domain, path, .. } = mapping;
        let done = Event::TrafficShifted(BTreeMap::new());
        let seen = self.mappings.find(place, domain, path).await?;
        let now = seen.as_ref().map(|seen| &seen.points_at);
        let wanted = mapped.at(percent);
        if now == wanted {
            return Ok(done);
        }
        if now != mapped.stable.as_ref() && now != mapped.new.as_ref() {
            return Ok(if percent == 0 { done } else { Event::Refused(changed(mapping, now)) });
        }
        match (seen, wanted) {
            (Some(MappingSeen { id, .. }), Some(wanted)) => {
                self.mappings.update(place, domain, &id, wanted).await?;
            }
            (None, Some(wanted)) => self.mappings.create(place, domain, path, wanted).await?,
            // There was no such mapping before.
            (Some(MappingSeen { id, .. }), None) => self.mappings.delete(place, domain, &id).await?,
            (None, None) => {}
        }
        Ok(done)
    }

    /// Deletes the mapping if it points at the API of the stack that is about to be removed: API Gateway deletes no API that has one.
    pub(super) async fn remove_mapping(
        &self,
        deployment: &Deployment,
        place: &Place,
    ) -> Result<Event, PortError> {
        let (Some(mapping), Some(stack_id)) = (&deployment.spec.mapping, &deployment.stack_id) else {
            return Ok(Event::Acted);
        };
        let ApiMapping { domain, path, .. } = mapping;
        let seen = match self.mappings.find(place, domain, path).await {
            // A domain that is gone has no mappings.
            Err(error) if error.kind == crate::ports::ErrorKind::Missing => None,
            seen => seen?,
        };
        let Some(MappingSeen { id, points_at }) = seen else { return Ok(Event::Acted) };
        let resources = self.stacks.resources(place, stack_id).await?;
        if apis(&resources).any(|api| api.physical_id == points_at.api) {
            self.mappings.delete(place, domain, &id).await?;
        }
        Ok(Event::Acted)
    }
}

/// The API of a stack, and its stage.
///
/// # Errors
/// [`Code::ApiNotFound`] as a cause: the stack has none, or several and none is named.
pub(super) fn api_of(
    deployment: &Deployment,
    mapping: &ApiMapping,
    resources: &[StackResource],
) -> Result<ApiStage, Cause> {
    let refuse = |what: String, fix: &str| Err(Cause::new(Code::ApiNotFound, what, fix));
    let is_named = |id: &str| mapping.api.as_ref().is_none_or(|named| named == id);
    let found: Vec<&StackResource> = apis(resources).filter(|api| is_named(&api.logical_id)).collect();
    let api = match (found.as_slice(), &mapping.api) {
        ([api], _) => api,
        ([], Some(named)) => {
            let fix = "name a resource of type AWS::ApiGatewayV2::Api or AWS::ApiGateway::RestApi in the profile's traffic.api";
            return refuse(format!("the stack has no API {named}"), fix);
        }
        ([], None) => {
            let fix =
                "add an HTTP, REST or WebSocket API to the template, or use a profile with another router";
            return refuse("the stack has no API".into(), fix);
        }
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|api| api.logical_id.as_str()).collect();
            let fix = "name the one that the domain is mapped to in the profile's traffic.api";
            return refuse(format!("the stack has several APIs: {}", names.join(", ")), fix);
        }
    };
    let of_kind =
        |r: &&StackResource| KINDS.contains(&(api.resource_type.as_str(), r.resource_type.as_str()));
    let stages = resources.iter().filter(of_kind).filter(|r| is_there(r));
    let stages: Vec<&str> = stages.map(|stage| stage.physical_id.as_str()).collect();
    let stage = match (&mapping.api_stage, stages.as_slice()) {
        (Some(named), _) => named.clone(),
        (None, [stage]) => (*stage).to_owned(),
        // The Serverless Framework names the stage of a REST API after its own, in its deployment.
        (None, []) => deployment.id.target.stage(&deployment.spec.stage),
        (None, several) => {
            let fix = "name the one that the domain is mapped to in the profile's traffic.api_stage";
            return refuse(format!("the stack has several stages of APIs: {}", several.join(", ")), fix);
        }
    };
    Ok(ApiStage { api: api.physical_id.clone(), stage })
}

fn apis(resources: &[StackResource]) -> impl Iterator<Item = &StackResource> {
    let is_api = |r: &&StackResource| KINDS.iter().any(|(api, _)| *api == r.resource_type);
    resources.iter().filter(is_api).filter(|r| is_there(r))
}

fn is_there(resource: &StackResource) -> bool {
    resource.status != "DELETE_COMPLETE" && !resource.physical_id.is_empty()
}

fn changed(mapping: &ApiMapping, now: Option<&ApiStage>) -> Cause {
    let what = match now {
        Some(now) => {
            format!("the API mapping {mapping} points at the API {now}, which is that of neither slot")
        }
        None => format!("the API mapping {mapping} was deleted"),
    };
    let fix = "find out who changed it; the next rollout takes what it points at for what is live";
    Cause::new(Code::MappingChanged, what, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{deployment, rollout};
    use flotilla_domain::deployment::State;
    use flotilla_domain::{Slot, Target};

    fn resource(logical_id: &str, physical_id: &str, resource_type: &str) -> StackResource {
        StackResource {
            logical_id: logical_id.into(),
            physical_id: physical_id.into(),
            resource_type: resource_type.into(),
            status: "CREATE_COMPLETE".into(),
        }
    }

    fn found(
        api: Option<&str>,
        api_stage: Option<&str>,
        resources: &[StackResource],
    ) -> Result<String, String> {
        let mut deployment = deployment(&rollout("one", 1), "eu-west-1", State::Inspecting);
        deployment.id.target = Target { slot: Some(Slot::Green), ..deployment.id.target.clone() };
        let mapping = ApiMapping {
            domain: "api.example.com".into(),
            path: String::new(),
            api: api.map(Into::into),
            api_stage: api_stage.map(Into::into),
        };
        api_of(&deployment, &mapping, resources)
            .map(|api| api.to_string())
            .map_err(|cause| format!("{} {}", cause.code, cause.message))
    }

    #[test]
    fn the_only_api_is_found_with_its_stage() {
        let http = resource("Http", "a1", "AWS::ApiGatewayV2::Api");
        let rest = resource("Rest", "r1", "AWS::ApiGateway::RestApi");
        let default = resource("Default", "$default", "AWS::ApiGatewayV2::Stage");
        let prod = resource("Prod", "v1", "AWS::ApiGateway::Stage");
        let gone = StackResource { status: "DELETE_COMPLETE".into(), ..http.clone() };
        let is = |api: &str| Ok(api.to_owned());
        assert_eq!(found(None, None, &[http.clone(), default.clone()]), is("a1 (stage $default)"));
        assert_eq!(found(None, None, &[rest.clone(), prod.clone(), gone]), is("r1 (stage v1)"));
        assert_eq!(found(None, None, std::slice::from_ref(&rest)), is("r1 (stage production-green)"));
        assert_eq!(found(Some("Rest"), Some("x"), &[http.clone(), rest.clone()]), is("r1 (stage x)"));
        let beside = [http.clone(), rest.clone(), default.clone()];
        assert_eq!(
            found(Some("Rest"), None, &beside),
            is("r1 (stage production-green)"),
            "that is no stage of its"
        );
        for (api, resources) in [
            (None, vec![]),
            (None, vec![default.clone()]),
            (Some("Other"), vec![http.clone()]),
            (None, vec![http.clone(), rest]),
            (None, vec![http, default.clone(), StackResource { logical_id: "Other".into(), ..default }]),
        ] {
            assert!(found(api, None, &resources).unwrap_err().starts_with("FL0557"), "{resources:?}");
        }
    }
}
