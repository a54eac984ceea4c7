//! Where a deployment goes.

use crate::names::{AccountId, InvalidName, Region};
use std::fmt;

/// An account and a region: with a rollout's service and stage exactly one stack.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The AWS account that owns the stack.
    pub account: AccountId,
    /// The region it is in.
    pub region: Region,
}

impl Target {
    /// Reads `<account>/<region>`, as [`fmt::Display`] writes it.
    ///
    /// # Errors
    /// [`InvalidName`] of the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let (account, region) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self { account: AccountId::parse(account)?, region: Region::parse(region)? })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
