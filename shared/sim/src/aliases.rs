//! The versions and aliases of functions: what Lambda knows of them.

use flotilla_domain::{Digest, Site};
use flotilla_engine::ports::{AliasObserved, AliasShares};
use std::collections::{BTreeMap, BTreeSet};

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
}

/// All versions and aliases of the world.
#[derive(Debug, Default)]
pub struct Aliases {
    /// The aliases by account-region and ARN, which is `<stack>/<logical id>` here.
    pub named: BTreeMap<(Site, String), Alias>,
    /// The number of revisions so far. An alias that is created again has none that another one had.
    revisions: u64,
    /// The number of versions that each function has.
    pub counts: BTreeMap<(Site, String), u64>,
    /// The templates whose update has published a version, by stack and number.
    pub published: BTreeSet<(Site, String, u64, Digest)>,
    /// The versions that stacks contain, by `<stack>/<logical id>`.
    pub versions: BTreeMap<(Site, String), u64>,
}

impl Aliases {
    /// Sets an alias and what its stack's template says of it. Returns its new revision.
    pub fn set(&mut self, key: (Site, String), shares: AliasShares, said: String) -> u64 {
        self.revisions += 1;
        self.named.insert(key, Alias { shares, said, revision: self.revisions });
        self.revisions
    }
}
