//! The output gate: outputs of other services' stacks, used as values of parameters.

use crate::code::{Code, Refusal};
use crate::names::{Region, ServiceName, StackPart, StageName};
use crate::target::{Site, Target};
use std::fmt;

/// An output of another service's stack: `fullstack-database.TableName`, or `shop:Net.VpcId` for one of several
/// stacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRef {
    /// The service.
    pub service: ServiceName,
    /// Its stack, if it has several.
    pub part: Option<StackPart>,
    /// Name of the output.
    pub output: String,
    /// The stage of the output, if it is not the one that is deployed to.
    pub stage: Option<StageName>,
    /// The region of the output, if it is not the target's.
    pub region: Option<Region>,
}

impl OutputRef {
    /// Reads a reference of the same stage and region.
    ///
    /// # Errors
    /// [`Code::ConfigInvalid`] if the text is not a reference.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = || {
            Refusal::new(
                Code::ConfigInvalid,
                format!("{text:?} is not a reference to an output"),
                "write it like fullstack-database.TableName, or shop:Net.VpcId for one of several stacks",
            )
        };
        let (stack, output) = text.split_once('.').ok_or_else(refuse)?;
        let (service, part) = match stack.split_once(':') {
            Some((service, part)) => (service, Some(StackPart::parse(part).map_err(|_| refuse())?)),
            None => (stack, None),
        };
        let is_name = (1..=255).contains(&output.len()) && output.bytes().all(|b| b.is_ascii_alphanumeric());
        if !is_name {
            return Err(refuse());
        }
        let service = ServiceName::parse(service).map_err(|_| refuse())?;
        Ok(Self { service, part, output: output.to_owned(), stage: None, region: None })
    }

    /// The stage of the output, for a rollout to the stage `own`.
    pub fn stage_for<'s>(&'s self, own: &'s StageName) -> &'s StageName {
        self.stage.as_ref().unwrap_or(own)
    }

    /// The target of the output, for a target in the account-region `site`.
    pub fn target_for(&self, site: &Site) -> Target {
        let region = self.region.clone().unwrap_or_else(|| site.region.clone());
        Target { part: self.part.clone(), ..Site { account: site.account.clone(), region }.into() }
    }
}

impl fmt::Display for OutputRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.part.as_ref().map(|part| format!(":{part}")).unwrap_or_default();
        write!(f, "{}{part}.{}", self.service, self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_service_stack_and_output() {
        for text in ["fullstack-database.TableName", "shop:Net.VpcId"] {
            assert_eq!(OutputRef::parse(text).unwrap().to_string(), text);
        }
        for bad in
            ["", "database", ".Table", "database.", "database.A.B", "Database.A", "shop:.VpcId", "a.b c"]
        {
            assert!(OutputRef::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn it_is_of_the_same_stage_account_and_region_unless_it_says_otherwise() {
        let site = Site::parse("111122223333/eu-west-1").unwrap();
        let own = StageName::parse("staging").unwrap();
        let plain = OutputRef::parse("shop:Net.VpcId").unwrap();
        assert_eq!(plain.stage_for(&own), &own);
        assert_eq!(plain.target_for(&site).to_string(), "111122223333/eu-west-1:Net");
        let other = OutputRef {
            stage: Some(StageName::parse("shared").unwrap()),
            region: Some(Region::parse("us-east-1").unwrap()),
            ..plain
        };
        assert_eq!(other.stage_for(&own).as_str(), "shared");
        assert_eq!(other.target_for(&site).to_string(), "111122223333/us-east-1:Net");
    }
}
