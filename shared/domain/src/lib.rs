//! Flotilla's words and decisions.
//!
//! Everything here is a value or a pure function: nothing is async, nothing knows AWS's SDK, nothing
//! asks for the time or for randomness. Callers pass both in. What Flotilla *does* is decided here, by
//! [`deployment::Deployment`], [`rollout::Rollout`] and [`stage::StageHead`]; the engine only carries
//! their decisions out.
//!
//! One folder a subject, under the name that it has in `flotilla-engine`. An upload becomes a [`release`], comes
//! to a [`stage`] as a [`rollout`], and at each target by a [`deployment`] that passes the [`gate`]s; the small
//! words ([`names`], [`ids`], [`digest`]) are underneath.

pub mod access;
pub mod cause;
pub mod code;
pub mod config;
pub mod deployment;
pub mod digest;
pub mod gate;
pub mod git_ref;
pub mod ids;
pub mod names;
pub mod notice;
pub mod plan;
pub mod release;
pub mod replica;
pub mod retention;
pub mod rollout;
pub mod set;
pub mod stage;
pub mod target;
pub mod topic;

pub use cause::Cause;
pub use code::{Code, Refusal};
pub use config::account::TargetAccount;
pub use digest::{Digest, Digester};
pub use gate::alarm::AlarmState;
pub use git_ref::GitRef;
pub use ids::{DeploymentId, Direction, ReleaseId, RolloutId, SetId, UploadId};
pub use jiff::{SignedDuration, Timestamp};
pub use names::{AccountId, ProfileName, Region, ServiceName, StackName, StackPart, StackPattern, StageName};
pub use target::{Site, Target};
