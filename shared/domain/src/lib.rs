//! Flotilla's words and decisions.
//!
//! Everything here is a value or a pure function: nothing is async, nothing knows AWS's SDK, nothing
//! asks for the time or for randomness. Callers pass both in. What Flotilla *does* is decided here, by
//! [`deployment::Deployment`], [`rollout::Rollout`] and [`stage::StageHead`]; the engine only carries
//! their decisions out.
//!
//! The files read in the order in which an upload passes: [`upload_key`] → [`rules`] → [`package`] →
//! [`rollout`] → [`deployment`], with the small words ([`names`], [`ids`], [`digest`]) underneath.

pub mod account;
pub mod alarm;
pub mod authority;
pub mod call_budget;
pub mod cause;
pub mod code;
pub mod deployment;
pub mod digest;
pub mod gates;
pub mod git_ref;
pub mod ids;
pub mod names;
pub mod notice;
pub mod outputs;
pub mod package;
pub mod plan;
pub mod profile;
pub mod release;
pub mod retention;
pub mod rollout;
pub mod rules;
pub mod set;
pub mod stack_lease;
pub mod stack_status;
pub mod stage;
pub mod target;
pub mod upload_key;

pub use account::TargetAccount;
pub use alarm::AlarmState;
pub use cause::Cause;
pub use code::{Code, Refusal};
pub use digest::{Digest, Digester};
pub use git_ref::GitRef;
pub use ids::{DeploymentId, ReleaseId, RolloutId, SetId, Turn, UploadId};
pub use jiff::{SignedDuration, Timestamp};
pub use names::{AccountId, ProfileName, Region, ServiceName, StackName, StackPart, StackPattern, StageName};
pub use target::{Site, Target};
