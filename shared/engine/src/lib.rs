//! Flotilla's use cases, over ports.
//!
//! A use case loads the saved state, observes, lets `flotilla-domain` decide, saves, and acts. It reaches the
//! world only through its [`ports`], which the AWS adapters and the simulation implement. [`records`] defines
//! how values are stored.
//!
//! One folder for each subject, with the same name as in `flotilla-domain`. A package becomes a [`release`], is
//! copied as a [`replica`], and is deployed to the targets of a [`stage`] by a [`rollout`] of [`deployment`]s
//! that pass its [`gate`]s. A [`set`] is several rollouts as one. [`step`] takes all three forward with their
//! [`controllers`]. The rest: planned changes ([`plan`]), permissions and audit ([`access`]), the documents of
//! [`config`], the expiry of [`preview`]s, garbage collection ([`retention`]), notices ([`notice`]), and signing in to the [`console`].

pub mod access;
pub mod config;
pub mod console;
pub mod controllers;
pub mod deployment;
pub mod error;
#[cfg(test)]
mod fixtures;
pub mod gate;
pub mod notice;
pub mod plan;
pub mod ports;
pub mod preview;
mod reads;
pub mod records;
pub mod release;
pub mod replica;
pub mod retention;
pub mod rollout;
pub mod set;
pub mod stage;
pub mod status;
pub mod step;

pub use error::{Conflict, Current, EngineError};
