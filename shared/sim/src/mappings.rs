//! API Gateway: custom domains, and the API mappings that point at the APIs of stacks.
//!
//! | rule | source |
//! |---|---|
//! | a domain has one mapping of each path | API reference, `CreateApiMapping` (`ConflictException`) |
//! | no condition protects an update | API reference, `UpdateApiMapping` |
//! | an API that a mapping points at cannot be deleted | API Gateway's message "Please remove all base path mappings related to the API in your domains" |

use crate::checker::slots;
use crate::state::{Shared, State};
use async_trait::async_trait;
use flotilla_domain::deployment::ApiStage;
use flotilla_engine::ports::{ApiMappings, ErrorKind, MappingSeen, Place, PortError};
use std::collections::BTreeMap;

/// The fake.
pub struct SimMappings(pub Shared);

fn domain<'s>(
    state: &'s mut State,
    place: &Place,
    name: &str,
    operation: &'static str,
) -> Result<&'s mut BTreeMap<String, MappingSeen>, PortError> {
    let missing =
        || PortError::new(ErrorKind::Missing, operation, "Invalid domain name identifier specified");
    state.domains.named.get_mut(&(place.site.clone(), name.to_owned())).ok_or_else(missing)
}

/// Has the checker verify a change of a mapping.
fn changes(state: &mut State, place: &Place, domain: &str, to: &ApiStage) {
    let breach = slots::switches(state, &place.site, domain, &to.api);
    state.stacks.breaches.extend(breach);
}

#[async_trait]
impl ApiMappings for SimMappings {
    async fn find(&self, place: &Place, name: &str, path: &str) -> Result<Option<MappingSeen>, PortError> {
        const OPERATION: &str = "apigateway:GetApiMappings";
        let read = |state: &mut State| Ok(domain(state, place, name, OPERATION)?.get(path).cloned());
        self.0.call(OPERATION, Some(&place.site), read).await
    }

    async fn create(&self, place: &Place, name: &str, path: &str, to: &ApiStage) -> Result<(), PortError> {
        const OPERATION: &str = "apigateway:CreateApiMapping";
        let create = |state: &mut State| {
            if domain(state, place, name, OPERATION)?.contains_key(path) {
                let text = "ApiMapping key already exists for this domain name";
                return Err(PortError::new(ErrorKind::Transient, OPERATION, text));
            }
            changes(state, place, name, to);
            let mapping = MappingSeen { id: state.domains.next_id(), points_at: to.clone() };
            domain(state, place, name, OPERATION)?.insert(path.to_owned(), mapping);
            Ok(())
        };
        self.0.call(OPERATION, Some(&place.site), create).await
    }

    async fn update(&self, place: &Place, name: &str, id: &str, to: &ApiStage) -> Result<(), PortError> {
        const OPERATION: &str = "apigateway:UpdateApiMapping";
        let update = |state: &mut State| {
            changes(state, place, name, to);
            let found = domain(state, place, name, OPERATION)?.values_mut().find(|mapping| mapping.id == id);
            let missing = || PortError::new(ErrorKind::Missing, OPERATION, "Invalid API mapping identifier");
            found.ok_or_else(missing)?.points_at = to.clone();
            Ok(())
        };
        self.0.call(OPERATION, Some(&place.site), update).await
    }

    async fn delete(&self, place: &Place, name: &str, id: &str) -> Result<(), PortError> {
        const OPERATION: &str = "apigateway:DeleteApiMapping";
        let delete = |state: &mut State| {
            domain(state, place, name, OPERATION)?.retain(|_, mapping| mapping.id != id);
            Ok(())
        };
        self.0.call(OPERATION, Some(&place.site), delete).await
    }
}
