//! Runs Flotilla on an emulator of AWS on this machine, for the demo and the end-to-end tests.
//!
//! [`emulator`] starts and stops MiniStack, [`world`] installs Flotilla there and uses it,
//! [`report`] measures one push, [`everywhere`] deploys one package to two stages, [`calls`] counts the AWS calls
//! of the functions, `recorder` records all calls for `scripts/aws-calls`, [`crash_sweep`] injects a fault into one call after the other, with [`proxy`] and [`points`].

#![allow(clippy::disallowed_methods, reason = "the lab measures real time and reads its environment")]

pub mod accounts;
pub mod calls;
pub mod config;
pub mod crash_sweep;
pub mod domain;
pub mod emulator;
pub mod error;
pub mod everywhere;
pub mod manners;
pub mod points;
pub mod proxy;
mod recorder;
pub mod registry;
pub mod report;
pub mod samples;
mod wire;
pub mod world;
pub mod zone;

pub use error::LabError;
pub use world::World;
