//! Flotilla's use cases, over ports.
//!
//! Here decisions of `flotilla-domain` meet the world: a use case loads what was saved, observes, lets the
//! domain decide, saves, acts. It knows the world only by its [`ports`]; AWS and the simulation implement
//! them. [`records`] fixes how values are stored.
//!
//! One folder a subject, under the name that it has in `flotilla-domain`. A package becomes a [`release`],
//! is copied as a [`replica`], and comes to the targets of a [`stage`] by a [`rollout`] of [`deployment`]s
//! that pass its [`gate`]s; a [`set`] is several rollouts as one. [`step`] takes all three forward by their [`controllers`]. Beside
//! them: what would change ([`plan`]), who may do what ([`access`]), the documents of [`config`], the end of
//! [`preview`]s and of packages ([`retention`]), and what is sent to people ([`notice`]).

pub mod access;
pub mod config;
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
