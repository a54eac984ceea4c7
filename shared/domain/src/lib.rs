//! Flotilla's terms and decisions.
//!
//! Everything here is a value or a pure function: no async, no AWS SDK, no clock, no randomness. Callers pass the
//! time and random values in. [`deployment::Deployment`], [`rollout::Rollout`] and [`stage::StageHead`] decide what
//! Flotilla does; the engine carries their decisions out.
//!
//! One folder per subject, named as in `flotilla-engine`. An upload becomes a [`release`]. A [`rollout`] brings it to
//! a [`stage`] through the [`gate`]s, with one [`deployment`] per target. All of them use the basic types in
//! [`names`], [`ids`] and [`digest`].

pub mod access;
pub mod analysis;
pub mod cause;
pub mod channel;
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
pub mod secret;
pub mod set;
pub mod stage;
pub mod target;

pub use cause::Cause;
pub use code::{Code, Refusal};
pub use config::account::TargetAccount;
pub use digest::{Digest, Digester};
pub use gate::alarm::AlarmState;
pub use git_ref::GitRef;
pub use ids::{DeploymentId, Direction, ReleaseId, RolloutId, SetId, UploadId};
pub use jiff::{SignedDuration, Timestamp};
pub use names::{
    AccountId, AliasName, ProfileName, Region, ServiceName, StackName, StackPart, StackPattern, StageName,
};
pub use target::{Site, Slot, Target};
