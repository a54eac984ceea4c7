//! Flotilla on an emulator of AWS on this machine: what the demo and the end-to-end tests share.
//!
//! [`emulator`] starts and ends MiniStack, [`world`] installs Flotilla there and uses it as people do,
//! [`report`] measures one push, [`everywhere`] brings one package to two stages, [`calls`] counts the AWS calls
//! of the functions, [`crash_sweep`] spoils one call after the other with the help of [`proxy`] and [`points`].

#![allow(clippy::disallowed_methods, reason = "a laboratory measures real time and reads its environment")]

pub mod accounts;
pub mod calls;
pub mod config;
pub mod crash_sweep;
pub mod emulator;
pub mod error;
pub mod everywhere;
pub mod points;
pub mod proxy;
pub mod report;
pub mod samples;
pub mod world;

pub use error::LabError;
pub use world::World;
