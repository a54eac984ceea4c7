//! Creates all ports of a process from its environment.

use crate::patience::patient;
use crate::{
    ApiGatewayMappings, AwsChannels, CloudFormationStacks, CloudWatchAlarms, CloudWatchMetrics,
    DynamoStateStore, EcrExternalImages, EcrRegistry, EcrRepositories, GuardPolicies, HttpsProbes,
    LambdaFunctions, MissingSetting, Route53Records, S3AssetBuckets, S3Buckets, S3PackageStore,
    S3ReplicaStore, Sessions, Settings, SqsWorkQueue, SystemClock, load_config,
};
use aws_config::SdkConfig;
use flotilla_domain::Region;
use flotilla_engine::ports::{
    Alarms, ApiMappings, AssetBuckets, Buckets, Channels, Clock, ExternalImages, Functions, ImageRegistry,
    Metrics, PackageStore, Policies, Probes, ReplicaStore, Stacks, StateStore, StoredImages, WeightedRecords,
    WorkQueue,
};
use std::sync::Arc;

/// Creates ports.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
    settings: Settings,
    sessions: Sessions,
}

impl Aws {
    /// Reads settings and credentials from the environment.
    ///
    /// # Errors
    /// The first setting that is missing or wrong.
    pub async fn from_env() -> Result<Self, MissingSetting> {
        Ok(Self::new(load_config().await, Settings::from_env()?))
    }

    /// Ports on this configuration.
    pub fn new(config: SdkConfig, settings: Settings) -> Self {
        let sessions = Sessions::new(config.clone());
        Self { config, settings, sessions }
    }

    /// The installation's prefix.
    pub fn prefix(&self) -> String {
        self.settings.prefix.clone()
    }

    /// The control plane's region.
    pub fn region(&self) -> Region {
        self.settings.region.clone()
    }

    /// The principals that may do everything as long as no access is granted.
    pub fn administrators(&self) -> &[String] {
        &self.settings.administrators
    }

    /// The system clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// The state store.
    pub fn store(&self) -> Arc<dyn StateStore> {
        Arc::new(DynamoStateStore::new(aws_sdk_dynamodb::Client::new(&self.config), &self.settings.table))
    }

    /// The queues.
    pub fn queue(&self) -> Arc<dyn WorkQueue> {
        Arc::new(SqsWorkQueue::new(aws_sdk_sqs::Client::new(&self.config), &self.settings))
    }

    /// The ingest bucket. A large package takes one long call, whose timeout is the function's.
    pub fn packages(&self) -> Arc<dyn PackageStore> {
        Arc::new(S3PackageStore::new(patient(&self.config), &self.settings))
    }

    /// The artifact buckets of the account-regions.
    pub fn replicas(&self) -> Arc<dyn ReplicaStore> {
        Arc::new(S3ReplicaStore::new(self.sessions.clone(), &self.settings))
    }

    /// The repositories of container images.
    pub fn images(&self) -> Arc<dyn ImageRegistry> {
        Arc::new(EcrRegistry::new(self.sessions.clone(), &self.settings))
    }

    /// Repositories of container images that are not Flotilla's.
    pub fn external_images(&self) -> Arc<dyn ExternalImages> {
        Arc::new(EcrExternalImages::new(self.config.clone()))
    }

    /// The repositories of container images, for garbage collection.
    pub fn stored_images(&self) -> Arc<dyn StoredImages> {
        Arc::new(EcrRepositories::new(self.sessions.clone(), &self.settings))
    }

    /// CloudFormation.
    pub fn stacks(&self) -> Arc<dyn Stacks> {
        Arc::new(CloudFormationStacks::new(self.sessions.clone(), &self.settings))
    }

    /// Lambda.
    pub fn functions(&self) -> Arc<dyn Functions> {
        Arc::new(LambdaFunctions::new(self.sessions.clone()))
    }

    /// API Gateway, for the mappings of domains.
    pub fn mappings(&self) -> Arc<dyn ApiMappings> {
        Arc::new(ApiGatewayMappings::new(self.sessions.clone()))
    }

    /// Route 53, for weighted records.
    pub fn records(&self) -> Arc<dyn WeightedRecords> {
        Arc::new(Route53Records::new(self.sessions.clone()))
    }

    /// The buckets that hold packages.
    pub fn asset_buckets(&self) -> Arc<dyn AssetBuckets> {
        Arc::new(S3AssetBuckets::new(self.sessions.clone(), &self.settings))
    }

    /// Buckets of previews.
    pub fn buckets(&self) -> Arc<dyn Buckets> {
        Arc::new(S3Buckets::new(self.sessions.clone()))
    }

    /// CloudWatch.
    pub fn alarms(&self) -> Arc<dyn Alarms> {
        Arc::new(CloudWatchAlarms::new(self.sessions.clone()))
    }

    /// CloudWatch, for metrics.
    pub fn metrics(&self) -> Arc<dyn Metrics> {
        Arc::new(CloudWatchMetrics::new(self.sessions.clone()))
    }

    /// SNS.
    pub fn channels(&self) -> Arc<dyn Channels> {
        Arc::new(AwsChannels::new(self.config.clone()))
    }

    /// Policy checks.
    pub fn policies(&self) -> Arc<dyn Policies> {
        Arc::new(GuardPolicies::new(&self.config, &self.settings))
    }

    /// The network; this host too, if AWS is an emulator on it.
    pub fn probes(&self) -> Arc<dyn Probes> {
        let endpoint = self.config.endpoint_url().unwrap_or_default();
        Arc::new(HttpsProbes::new(endpoint.starts_with("http://127.0.0.1:")))
    }
}
