//! Names of resources that may become too long where a package is deployed.

use crate::code::{Code, Refusal};
use crate::names::{StackName, StageName};

/// A name in a template, with the longest that AWS accepts. Its length is known but for what each deployment puts in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitedName {
    /// Where: a path in the template, such as `Resources.Role.Properties.RoleName`.
    pub path: String,
    /// The most characters that AWS accepts.
    pub max: usize,
    /// The characters that are the same everywhere.
    pub literal: usize,
    /// How often the stage occurs in it.
    pub stages: usize,
    /// How often the region occurs in it.
    pub regions: usize,
    /// How often the stack's name occurs in it.
    pub stacks: usize,
}

impl LimitedName {
    /// The number of characters at a stage, in a region, for a stack.
    pub fn length(&self, stage: &StageName, region: &str, stack: &StackName) -> usize {
        self.literal
            + self.stages * stage.as_str().len()
            + self.regions * region.len()
            + self.stacks * stack.as_str().len()
    }

    /// Whether AWS accepts the name at a stage.
    ///
    /// # Errors
    /// [`Code::NameTooLong`].
    pub fn check(&self, stage: &StageName, region: &str, stack: &StackName) -> Result<(), Refusal> {
        let length = self.length(stage, region, stack);
        if length <= self.max {
            return Ok(());
        }
        let what =
            format!("at the stage {stage} the name has {length} characters, and AWS accepts {}", self.max);
        let fix = format!(
            "shorten the name by {}, or leave it out: CloudFormation then makes one that fits",
            length - self.max
        );
        Err(Refusal::new(Code::NameTooLong, what, fix).at(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_the_region_and_the_stacks_name_count_as_often_as_they_occur() {
        let name = LimitedName {
            path: "Resources.Role.Properties.RoleName".into(),
            max: 64,
            literal: 20,
            stages: 2,
            regions: 1,
            stacks: 1,
        };
        let (stage, stack) =
            (StageName::parse("production").unwrap(), StackName::parse("orders-production").unwrap());
        assert_eq!(name.length(&stage, "us-east-1", &stack), 20 + 2 * 10 + 9 + 17);
        let refused = name.check(&stage, "us-east-1", &stack).unwrap_err();
        assert_eq!(
            (refused.code, refused.path.as_deref()),
            (Code::NameTooLong, Some("Resources.Role.Properties.RoleName"))
        );
        assert!(refused.message.contains("66 characters, and AWS accepts 64"), "{}", refused.message);
        assert_eq!(LimitedName { literal: 18, ..name }.check(&stage, "us-east-1", &stack), Ok(()));
    }
}
