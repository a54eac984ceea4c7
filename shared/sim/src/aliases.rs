//! The versions and aliases of functions: what Lambda knows of them.

use flotilla_domain::Site;
use flotilla_engine::ports::{AliasObserved, AliasShares};
use std::collections::BTreeMap;

/// An alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The versions that it names.
    pub shares: AliasShares,
    /// The version that the stack's template says.
    pub said: String,
    pub revision: u64,
}

impl Alias {
    pub fn observed(&self) -> AliasObserved {
        AliasObserved { shares: self.shares.clone(), revision: self.revision.to_string() }
    }

    pub fn set(&mut self, shares: AliasShares) {
        self.shares = shares;
        self.revision += 1;
    }
}

/// All versions and aliases of the world.
#[derive(Debug, Default)]
pub struct Aliases {
    /// The aliases by account-region and ARN, which is `<stack>/<logical id>` here.
    pub named: BTreeMap<(Site, String), Alias>,
    /// The revisions that were given: an alias that is created again has none that another one had.
    pub revisions: u64,
    /// The number of versions that each function has.
    pub counts: BTreeMap<(Site, String), u64>,
    /// The versions that stacks contain, by `<stack>/<logical id>`.
    pub versions: BTreeMap<(Site, String), u64>,
}
