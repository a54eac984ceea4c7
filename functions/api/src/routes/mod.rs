//! The routes, one file for each kind of resource.

pub mod access;
pub mod configs;
pub mod console;
pub mod gates;
pub mod health;
pub mod moves;
pub mod params;
pub mod previews;
pub mod rollouts;
pub mod services;
pub mod sets;
