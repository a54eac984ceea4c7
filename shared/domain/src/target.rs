//! Account-regions, targets and slots.

use crate::names::{AccountId, InvalidName, Region, StackName, StackPart, StageName};
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

/// One of the two stacks of a stage that is deployed blue/green: one gets the traffic, the other one is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// `blue`
    Blue,
    /// `green`
    Green,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Blue, Self::Green];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }

    /// The name of the slot's stack, such as `orders-production-green`.
    ///
    /// # Errors
    /// [`InvalidName`] if it is too long.
    pub fn stack(self, stage_stack: &StackName) -> Result<StackName, InvalidName> {
        StackName::parse(&format!("{stage_stack}-{self}"))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blue => "blue",
            Self::Green => "green",
        })
    }
}

/// A target: one stack of a package in one account-region. Together with a service and a stage it identifies a stack.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The account that owns the stack, and the region it is in.
    pub site: Site,
    /// The stack's name within the package; `None` if the package's format has only one stack.
    pub part: Option<StackPart>,
    /// The slot of a stage that is deployed blue/green, once it is chosen.
    pub slot: Option<Slot>,
}

impl Target {
    /// Reads `<account>/<region>`, followed by `:<part>` for one of several stacks and by `@<slot>` for a slot, as [`fmt::Display`]
    /// writes it.
    ///
    /// # Errors
    /// [`InvalidName`] of the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let (text, slot) = match text.split_once('@') {
            Some((text, name)) => {
                let slot = Slot::ALL.into_iter().find(|slot| slot.to_string() == name);
                let unknown = || InvalidName {
                    kind: "slot",
                    given: name.chars().take(64).collect(),
                    rule: "a slot is blue or green",
                };
                (text, Some(slot.ok_or_else(unknown)?))
            }
            None => (text, None),
        };
        let (site, part) = match text.split_once(':') {
            Some((site, part)) => (site, Some(StackPart::parse(part)?)),
            None => (text, None),
        };
        Ok(Self { site: Site::parse(site)?, part, slot })
    }

    /// What the target's template takes for the stage. In a slot it is such as `production-green`: the names of resources contain it, so
    /// that both stacks can exist beside each other.
    pub fn stage(&self, stage: &StageName) -> String {
        self.slot.map_or_else(|| stage.to_string(), |slot| format!("{stage}-{slot}"))
    }

    /// The same target in this slot, or without any.
    #[must_use]
    pub fn in_slot(&self, slot: Option<Slot>) -> Self {
        Self { slot, ..self.clone() }
    }
}

impl From<Site> for Target {
    fn from(site: Site) -> Self {
        Self { site, part: None, slot: None }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.site.fmt(f)?;
        self.part.as_ref().map_or(Ok(()), |part| write!(f, ":{part}"))?;
        self.slot.map_or(Ok(()), |slot| write!(f, "@{slot}"))
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
    fn a_target_reads_back_with_and_without_its_part_and_slot() {
        for text in [
            "111122223333/eu-west-1",
            "111122223333/eu-west-1:Network-2",
            "111122223333/eu-west-1@blue",
            "111122223333/eu-west-1:Network-2@green",
        ] {
            assert_eq!(Target::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "111122223333",
            "111122223333/eu-west-1:",
            "111122223333/eu-west-1:a/b",
            "1/eu-west-1",
            "111122223333/eu-west-1@",
            "111122223333/eu-west-1@red",
            "111122223333/eu-west-1@blue@green",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
