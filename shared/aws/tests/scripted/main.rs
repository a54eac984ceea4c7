//! The adapters against replies of AWS as they come over the wire: what is sent, how often, and what each
//! answer means.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod alarms;
mod asset_buckets;
mod change_sets;
mod channels;
mod executions;
mod external_images;
mod images;
mod invocations;
mod metrics;
mod objects;
mod probes;
mod rules;
mod script;

mod validations;
mod whole_stacks;
