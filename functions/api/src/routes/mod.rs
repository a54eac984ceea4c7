//! The routes, one file a kind of thing.

pub mod access;
pub mod configs;
pub mod gates;
pub mod health;
pub mod moves;
pub mod params;
pub mod rollouts;
pub mod services;
pub mod sets;
