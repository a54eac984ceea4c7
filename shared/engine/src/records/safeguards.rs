//! Safeguards, as part of a stack's policy.

use flotilla_domain::plan::Safeguards;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Safeguards, and the resources that may be lost. Older items have none.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredSafeguards {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    block_stateful: bool,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    allow_types: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    forbidden_types: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_deletions: Option<usize>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    approved: BTreeSet<String>,
}

impl StoredSafeguards {
    pub fn of(safeguards: &Safeguards) -> Self {
        let Safeguards { block_stateful, allow_types, forbidden_types, max_deletions, approved } =
            safeguards.clone();
        Self { block_stateful, allow_types, forbidden_types, max_deletions, approved }
    }

    pub fn read(self) -> Safeguards {
        let Self { block_stateful, allow_types, forbidden_types, max_deletions, approved } = self;
        Safeguards { block_stateful, allow_types, forbidden_types, max_deletions, approved }
    }
}
