//! Custom domains of API Gateway, and the APIs of stacks.

use crate::stack_books::api_of;
use flotilla_domain::Site;
use flotilla_engine::ports::{MappingSeen, StackResource};
use std::collections::BTreeMap;

/// The domains of the world, by account-region and name, with their mappings by path.
#[derive(Debug, Default)]
pub struct Domains {
    pub named: BTreeMap<(Site, String), BTreeMap<String, MappingSeen>>,
    /// The number of mappings that were ever created.
    made: u64,
}

impl Domains {
    /// The id of a new mapping.
    pub fn next_id(&mut self) -> String {
        self.made += 1;
        format!("m{}", self.made)
    }

    /// The API that a domain's mappings point at, if one of them points at this API.
    pub fn point_at(&self, site: &Site, api: &str) -> bool {
        let here = self.named.iter().filter(|((at, _), _)| at == site);
        here.flat_map(|(_, mappings)| mappings.values()).any(|mapping| mapping.points_at.api == api)
    }
}

/// The API of a stack and its stage, of every stack that is a slot.
pub fn resources((_, stack): &(Site, String), stack_id: &str) -> Vec<StackResource> {
    let is_slot = stack.ends_with("-blue") || stack.ends_with("-green");
    let resource = |logical_id: &str, physical_id: String, resource_type: &str| StackResource {
        logical_id: logical_id.into(),
        physical_id,
        resource_type: resource_type.into(),
        status: "UPDATE_COMPLETE".into(),
    };
    let api = resource("Http", api_of(stack_id), "AWS::ApiGatewayV2::Api");
    let stage = resource("Default", "$default".into(), "AWS::ApiGatewayV2::Stage");
    if is_slot { vec![api, stage] } else { Vec::new() }
}
