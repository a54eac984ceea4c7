//! The engine's ports on the AWS SDK, one file for each port.
//!
//! SDK errors are classified in [`mod@classify`] only. Adapters make no decisions: they convert a port's call
//! into AWS's, and AWS's response into the port's.

mod alarms;
mod api_mappings;
mod asset_buckets;
mod buckets;
mod change_set;
mod channels;
mod classify;
mod clock;
mod excerpt;
mod external_images;
mod functions;
mod image_registry;
mod image_repositories;
pub mod messages;
mod metrics;
mod package_store;
mod patience;
mod policies;
mod probe_addresses;
mod probes;
mod records;
mod replica_store;
mod sessions;
mod settings;
mod stack_seen;
mod stacks;
mod state_store;
pub mod stream;
mod wiring;
mod work_queue;

pub use alarms::CloudWatchAlarms;
pub use api_mappings::ApiGatewayMappings;
pub use asset_buckets::S3AssetBuckets;
pub use buckets::S3Buckets;
pub use channels::AwsChannels;
pub use clock::SystemClock;
pub use external_images::EcrExternalImages;
pub use functions::LambdaFunctions;
pub use image_registry::EcrRegistry;
pub use image_repositories::EcrRepositories;
pub use metrics::CloudWatchMetrics;
pub use package_store::S3PackageStore;
pub use policies::GuardPolicies;
pub use probes::HttpsProbes;
pub use records::Route53Records;
pub use replica_store::S3ReplicaStore;
pub use sessions::{Sessions, https_client, load_config};
pub use settings::{MissingSetting, Settings};
pub use stacks::CloudFormationStacks;
pub use state_store::DynamoStateStore;
pub use wiring::Aws;
pub use work_queue::SqsWorkQueue;
