//! The engine in the simulated world, case by case: one binary, linked once.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod audit;
mod collecting;
mod collection_runs;
mod commands;
mod contract;
mod copies;
mod driving;
mod gates;
mod ingest;
mod layered;
mod leases;
mod lives;
mod moves;
mod operators;
mod pace;
mod packages;
mod plans;
mod queues;
mod retries;
mod rollouts;
mod scenarios;
mod sets;
mod sizes;
mod stacks;
mod sweeping;
mod throttling;
mod triggers;
mod vetting;
mod views;
mod waits;
