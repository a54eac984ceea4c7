//! Reads configuration documents into values of the domain, or refuses them with the field that is wrong. One
//! file for each document.

mod access;
mod account;
mod change;
mod gates;
mod profile;
mod routes;
mod rules;
mod safeguards;
mod service;
mod traffic;
mod view;

pub(crate) use access::administrators;
pub use access::{access, identity};
pub use account::account;
pub(crate) use account::role_is_new;
pub(crate) use profile::check_secrets;
pub use profile::profile;
pub use rules::{check_rules, rules};
pub(crate) use service::outside_of;
pub use service::service_config;

use crate::EngineError;
use crate::records::ConfigRecord;
use flotilla_domain::names::InvalidName;
use flotilla_domain::{Code, Refusal};
use serde::de::DeserializeOwned;

/// The document of a configuration record.
pub(crate) fn document<T: DeserializeOwned>(record: ConfigRecord) -> Result<T, EngineError> {
    serde_json::from_value(record.document).map_err(|e| EngineError::Defect(format!("{:?}: {e}", record.key)))
}

fn invalid(path: impl Into<String>, what: impl Into<String>, fix: &str) -> Refusal {
    Refusal::new(Code::ConfigInvalid, what, fix).at(path)
}

fn named(path: &str, error: &InvalidName) -> Refusal {
    invalid(path, error.to_string(), "correct the name")
}

fn no_such(path: &str, given: &str, known: &str) -> Refusal {
    invalid(path, format!("{given:?} is not known"), &format!("use {known}"))
}

#[cfg(test)]
mod tests;
