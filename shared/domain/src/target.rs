//! Account-regions and targets.

use crate::names::{AccountId, InvalidName, Region, StackPart};
use std::fmt;

/// An account-region: it has one artifact bucket and one rate budget.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The AWS account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}

impl Site {
    /// Reads `<account>/<region>`, as [`fmt::Display`] writes it.
    ///
    /// # Errors
    /// [`InvalidName`] of the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let (account, region) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self { account: AccountId::parse(account)?, region: Region::parse(region)? })
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A target: one stack of a package in one account-region. Together with a service and a stage it identifies a stack.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The account that owns the stack, and the region it is in.
    pub site: Site,
    /// The stack's name within the package; `None` if the package's format has only one stack.
    pub part: Option<StackPart>,
}

impl Target {
    /// Reads `<account>/<region>`, followed by `:<part>` for one of several stacks, as [`fmt::Display`] writes it.
    ///
    /// # Errors
    /// [`InvalidName`] of the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let (site, part) = match text.split_once(':') {
            Some((site, part)) => (site, Some(StackPart::parse(part)?)),
            None => (text, None),
        };
        Ok(Self { site: Site::parse(site)?, part })
    }
}

impl From<Site> for Target {
    fn from(site: Site) -> Self {
        Self { site, part: None }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.site.fmt(f)?;
        self.part.as_ref().map_or(Ok(()), |part| write!(f, ":{part}"))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_back_with_and_without_its_part() {
        for text in ["111122223333/eu-west-1", "111122223333/eu-west-1:Network-2"] {
            assert_eq!(Target::parse(text).unwrap().to_string(), text);
        }
        for text in
            ["", "111122223333", "111122223333/eu-west-1:", "111122223333/eu-west-1:a/b", "1/eu-west-1"]
        {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
