//! API Gateway: the API mappings of custom domains.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::deployment::ApiStage;

/// An API mapping of a custom domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingSeen {
    /// Its id.
    pub id: String,
    /// What it points at.
    pub points_at: ApiStage,
}

/// The API mappings of the custom domains in the target accounts.
#[async_trait]
pub trait ApiMappings: Send + Sync {
    /// The mapping of a path, empty for the whole domain; `None` if there is none. A domain that does not exist is an error of kind
    /// [`super::ErrorKind::Missing`].
    async fn find(&self, place: &Place, domain: &str, path: &str) -> Result<Option<MappingSeen>, PortError>;

    /// Creates the mapping of a path. One that was created meanwhile is an error of kind [`super::ErrorKind::Transient`].
    async fn create(&self, place: &Place, domain: &str, path: &str, to: &ApiStage) -> Result<(), PortError>;

    /// Lets a mapping point at another API.
    async fn update(&self, place: &Place, domain: &str, id: &str, to: &ApiStage) -> Result<(), PortError>;

    /// Deletes a mapping. Succeeds if it is deleted already.
    async fn delete(&self, place: &Place, domain: &str, id: &str) -> Result<(), PortError>;
}
