//! Packages as the tools write them, and as nobody should: one binary, linked once.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod cdk;
mod cdk_names;
mod cdk_refusals;
mod cloudformation;
mod code_places;
mod external;
mod external_images;
mod formats;
mod hostile_zips;
mod images;
mod loops;
mod neutral_values;
mod nulls;
mod sam;
mod sam_globals;
mod serverless_artifacts;
mod serverless_samples;
mod support;
mod template_text;
mod two_zips;
mod yaml;
