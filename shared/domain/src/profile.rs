//! Where and how a kind of stage is deployed.

use crate::names::{AccountId, ProfileName, Region};
use std::collections::{BTreeMap, BTreeSet};

/// A profile: account, regions in waves, and what every stack gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: ProfileName,
    /// The account of all its targets.
    pub account: AccountId,
    /// Its regions; those of one wave proceed together, and a wave begins when the one before it has
    /// succeeded.
    pub waves: Vec<Vec<Region>>,
    /// The capabilities it grants to templates, by CloudFormation's names.
    pub capabilities: BTreeSet<String>,
    /// Values for the templates' parameters. A parameter that a template does not declare is not passed.
    pub parameters: BTreeMap<String, String>,
    /// Tags of every stack.
    pub tags: BTreeMap<String, String>,
}

impl Profile {
    /// Most waves, and most regions in all.
    pub const REGIONS_MAX: usize = 40;
    /// CloudFormation's quota of parameters in a template.
    pub const PARAMETERS_MAX: usize = 200;
    /// CloudFormation's limit for one parameter's value, in bytes.
    pub const PARAMETER_BYTES_MAX: usize = 4_096;
    /// Limit for all values together, so that a deployment's item stays far below 400 KB.
    pub const PARAMETERS_BYTES_MAX: usize = 64 * 1024;
    /// CloudFormation's quota of tags on a stack, less those that Flotilla adds.
    pub const TAGS_MAX: usize = 44;
    /// The capabilities CloudFormation knows.
    pub const CAPABILITIES: &'static [&'static str] =
        &["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];
}
