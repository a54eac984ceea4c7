//! The engine in the simulated world, case by case: one binary, linked once.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod audit;
mod call_counts;
mod closed_refs;
mod concurrent_commands;
mod contract;
mod deployment_steps;
mod external_code;
mod external_images;
mod floods;
mod garbage_collection;
mod garbage_collection_runs;
mod gates;
mod gates_waiting;
mod images;
mod ingest;
mod leases;
mod lives;
mod meddled;
mod names;
mod operator_commands;
mod packages;
mod persons;
mod plans;
mod policies;
mod previews;
mod promotion_rules;
mod promotions;
mod queues;
mod rate_budget;
mod replicas;
mod retries;
mod rollback_triggers;
mod rollouts;
mod scenarios;
mod sets;
mod several_stacks;
mod signatures;
mod sizes;
mod stacks;
mod stage_removal;
mod sweep;
mod traffic;
mod traffic_hooks;
mod views;
