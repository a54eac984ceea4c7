//! Where and how a kind of stage is deployed.

use crate::deployment::StackPolicy;
use crate::gate::output::OutputRef;
use crate::gate::{Gates, Windows};
use crate::names::{AccountId, ProfileName, Region};
use crate::plan::Safeguards;
use crate::replica::Copies;
use crate::rollout::OnFailure;
use crate::topic::TopicArn;
use std::collections::{BTreeMap, BTreeSet};

/// Regions that may proceed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileWave {
    /// The regions, in the order in which they are begun.
    pub regions: Vec<Region>,
    /// Most of them at a time.
    pub max_concurrent: usize,
    /// How many of them may fail without stopping the rollout.
    pub tolerate_failures: usize,
    /// How long the wave is left alone before the next one begins, in seconds.
    pub bake_s: u32,
    /// How many people have to approve it before it begins.
    pub approvals: usize,
}

/// A profile: account, regions in waves, and what every stack gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: ProfileName,
    /// The account of all its targets.
    pub account: AccountId,
    /// Its regions in waves; a wave begins when the one before it has ended, with no more failures than it
    /// tolerates, and has baked.
    pub waves: Vec<ProfileWave>,
    /// How packages get to the targets' buckets.
    pub copies: Copies,
    /// What becomes of the targets that a failed rollout has changed.
    pub on_failure: OnFailure,
    /// What has to hold before a wave begins.
    pub gates: Gates,
    /// When waves may begin.
    pub windows: Windows,
    /// What may be done to a stack beyond updating it. What only previews may have done to them is left out
    /// for stages that stay, see [`Profile::policy`].
    pub policy: StackPolicy,
    /// Tags that every stack must have, from the profile or the package.
    pub required_tags: BTreeSet<String>,
    /// The capabilities it grants to templates, by CloudFormation's names.
    pub capabilities: BTreeSet<String>,
    /// Values for the templates' parameters. A parameter that a template does not declare is not passed.
    pub parameters: BTreeMap<String, String>,
    /// Parameters whose values are outputs of other services.
    pub outputs: BTreeMap<String, OutputRef>,
    /// Tags of every stack.
    pub tags: BTreeMap<String, String>,
    /// Who is told what becomes of rollouts.
    pub notify: BTreeSet<TopicArn>,
}

impl Profile {
    /// Longest bake of a wave, in seconds: a week.
    pub const BAKE_S_MAX: u32 = 7 * 24 * 3_600;

    /// Most topics that are told.
    pub const TOPICS_MAX: usize = 10;

    /// Most approvals that a wave asks for.
    pub const APPROVALS_MAX: usize = 10;

    /// What may be done to a stack of a stage. Force and haste are for previews, which nobody misses, nor what
    /// is in them.
    pub fn policy(&self, preview: bool) -> StackPolicy {
        let block_stateful = self.policy.safeguards.block_stateful && !preview;
        StackPolicy {
            safeguards: Safeguards { block_stateful, ..self.policy.safeguards.clone() },
            force_delete: preview && self.policy.force_delete,
            express: preview && self.policy.express,
            ..self.policy.clone()
        }
    }

    /// Its regions, in the order of the waves.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.waves.iter().flat_map(|wave| &wave.regions)
    }

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
