//! The API's view of the configuration: the documents as they were put, with their versions.

use super::document;
use crate::EngineError;
use crate::ports::Key;
use crate::records::{ConfigRecord, access_key, profile_key, read, service_key};
use crate::status::{Status, missing};
use flotilla_contract as view;
use flotilla_domain::{ProfileName, ServiceName};

impl Status {
    /// A service's configuration.
    ///
    /// # Errors
    /// Errors of the state store; a refusal if the service is not configured.
    pub async fn service_config(
        &self,
        service: &ServiceName,
    ) -> Result<view::VersionedServiceConfig, EngineError> {
        let record = self.record(service_key(service)).await?;
        let record = record.ok_or_else(|| missing(format!("the service {service} is not configured")))?;
        Ok(view::VersionedServiceConfig {
            version: record.config_version,
            changed_by: record.changed_by.clone(),
            changed_at: record.changed_at.to_string(),
            config: document(record)?,
        })
    }

    /// A profile.
    ///
    /// # Errors
    /// Errors of the state store; a refusal if the profile is not configured.
    pub async fn profile(&self, profile: &ProfileName) -> Result<view::VersionedProfileConfig, EngineError> {
        let record = self.record(profile_key(profile)).await?;
        let record = record.ok_or_else(|| missing(format!("the profile {profile} is not configured")))?;
        Ok(view::VersionedProfileConfig {
            version: record.config_version,
            changed_by: record.changed_by.clone(),
            changed_at: record.changed_at.to_string(),
            config: document(record)?,
        })
    }

    /// The grants of access.
    ///
    /// # Errors
    /// Errors of the state store; a refusal if access is not configured.
    pub async fn access(&self) -> Result<view::VersionedAccessConfig, EngineError> {
        let record = self.record(access_key()).await?;
        let record = record.ok_or_else(|| missing("access is not configured".into()))?;
        Ok(view::VersionedAccessConfig {
            version: record.config_version,
            changed_by: record.changed_by.clone(),
            changed_at: record.changed_at.to_string(),
            config: document(record)?,
        })
    }

    async fn record(&self, key: Key) -> Result<Option<ConfigRecord>, EngineError> {
        let found = self.store.get(&[key]).await?.into_iter().next().flatten();
        Ok(found.map(read::<ConfigRecord>).transpose()?.map(|record| record.value))
    }
}
