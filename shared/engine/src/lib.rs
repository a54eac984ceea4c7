//! Flotilla's use cases, over ports.
//!
//! Here decisions of `flotilla-domain` meet the world: a use case loads what was saved, looks, lets the
//! domain decide, saves, acts. It knows the world only by its [`ports`]; AWS and the simulation implement
//! them. [`records`] fixes how values are stored.
//!
//! The use cases in the order of a package's way: [`ingest`] → [`plan`] → [`accept`] → [`replicate`] → [`drive`];
//! beside it [`commands`] and [`status`] for operators, [`sweep`] and [`collect`] for the schedule.

pub mod accept;
pub mod change_values;
pub mod collect;
pub mod commands;
pub mod configure;
pub mod drive;
pub mod error;
pub mod ingest;
pub mod notify;
pub mod plan;
pub mod ports;
pub mod records;
pub mod replicate;
mod route;
pub mod status;
pub mod sweep;

pub use error::{Conflict, Current, EngineError};
