//! The engine's interfaces to AWS, as small object-safe traits.
//!
//! `flotilla-aws` implements them on the AWS SDK, `flotilla-sim` in a deterministic simulation. One test suite
//! checks that both behave the same.

mod alarms;
mod api_mappings;
mod asset_buckets;
mod buckets;
mod channels;
mod clock;
mod error;
mod functions;
mod images;
mod metrics;
mod package_store;
mod policies;
mod probes;
mod records;
mod replica_store;
mod stacks;
mod state_store;
mod work_queue;

pub use alarms::Alarms;
pub use api_mappings::{ApiMappings, MappingSeen};
pub use asset_buckets::{AssetBucket, AssetBuckets, ListMark, Unremoved, VersionPage};
pub use buckets::{Buckets, Emptied};
pub use channels::{Channels, Said};
pub use clock::Clock;
pub use error::{ErrorKind, PortError};
pub use functions::{AliasObserved, AliasShares, FunctionCodeObserved, Functions, Invoked};
pub use images::{ExternalImages, ImageManifest, ImagePage, ImageRegistry, StoredImages};
pub use metrics::{Metrics, VersionsMeasured};
pub use package_store::{
    Body, ChunkStream, ExternalObject, Incoming, IncomingPage, ObjectRef, PackageStore, Tail,
};
pub use policies::{Evaluation, Policies};
pub use probes::{HttpObserved, Probes};
pub use records::WeightedRecords;
pub use replica_store::{CopySource, Presence, ReplicaStore, Seen};
pub use stacks::{
    ChangeSetObserved, ChangeSetRequest, ChangeSetStatus, Executed, RollbackTriggers, StackEventPage,
    StackResource, Stacks, Validation,
};
pub use state_store::{
    Change, DUE_SHARDS, DueKey, Expect, Item, ItemPage, Key, Query, StateStore, Write, WriteError, due_shard,
};
pub use work_queue::{Subject, Work, WorkQueue};

use flotilla_domain::Site;
use flotilla_domain::deployment::Access;

/// An account-region and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Account and region.
    pub site: Site,
    /// The roles to use there.
    pub access: Access,
}
