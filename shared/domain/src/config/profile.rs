//! Profiles: how rollouts go to one account.

use super::preview::PreviewQuotas;
use crate::channel::ChannelArn;
use crate::code::{Code, Refusal};
use crate::deployment::StackPolicy;
use crate::gate::output::OutputRef;
use crate::gate::{Gates, Windows};
use crate::names::{AccountId, ProfileName, Region, StackPart};
use crate::plan::Safeguards;
use crate::release::Release;
use crate::release::provenance::ProvenancePolicy;
use crate::replica::Copies;
use crate::rollout::{OnFailure, TrafficPolicy};
use std::collections::{BTreeMap, BTreeSet};

/// A wave of a profile: regions that are deployed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileWave {
    /// The regions, in the order in which their deployments are opened.
    pub regions: Vec<Region>,
    /// Most regions that are deployed concurrently.
    pub max_concurrent: usize,
    /// How many regions may fail without failing the rollout.
    pub tolerate_failures: usize,
    /// How long the wave bakes before the next one begins, in seconds.
    pub bake_s: u32,
    /// How many people must approve the wave before it begins.
    pub approvals: usize,
}

/// A profile: an account, its regions in waves, gates, policies, and the parameters and tags of every stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: ProfileName,
    /// The account of all its targets.
    pub account: AccountId,
    /// Its regions in waves. A wave begins when the one before it has ended with tolerated failures at most, and has
    /// baked.
    pub waves: Vec<ProfileWave>,
    /// How packages are copied to the targets' buckets.
    pub copies: Copies,
    /// What happens to the targets that a failed rollout changed.
    pub on_failure: OnFailure,
    /// The gates of its waves.
    pub gates: Gates,
    /// Whose signature it requires of releases, if it requires one.
    pub provenance: Option<ProvenancePolicy>,
    /// When waves may begin.
    pub windows: Windows,
    /// What Flotilla may do to a stack beyond updating it. Some of it applies to previews only: see
    /// [`Profile::policy`].
    pub policy: StackPolicy,
    /// Tags that every stack must have, from the profile or the package.
    pub required_tags: BTreeSet<String>,
    /// The capabilities that it grants to templates, such as `CAPABILITY_IAM`.
    pub capabilities: BTreeSet<String>,
    /// The permissions boundary of the roles that templates make, instead of the account's own: a policy's ARN.
    pub role_boundary: Option<String>,
    /// Values for the templates' parameters. A parameter that a template does not declare is not passed.
    pub parameters: BTreeMap<String, String>,
    /// Parameters whose values are outputs of other services.
    pub outputs: BTreeMap<String, OutputRef>,
    /// Tags of every stack.
    pub tags: BTreeMap<String, String>,
    /// The region of each stack of packages that is deployed in one region only.
    pub only: BTreeMap<StackPart, Region>,
    /// How traffic is shifted to new versions, if it is.
    pub traffic: Option<TrafficPolicy>,
    /// For a profile of previews: what they may use. `None` for one of stages that stay.
    pub previews: Option<PreviewQuotas>,
    /// The topics and event buses that get notices of its rollouts.
    pub notify: BTreeSet<ChannelArn>,
}

impl Profile {
    /// Longest bake of a wave, in seconds: a week.
    pub const BAKE_S_MAX: u32 = 7 * 24 * 3_600;

    /// Most stacks that a profile deploys in one region only.
    pub const ONLY_MAX: usize = 30;

    /// Most topics and event buses of a profile.
    pub const CHANNELS_MAX: usize = 10;

    /// Most approvals that a wave can require.
    pub const APPROVALS_MAX: usize = 10;

    /// What Flotilla may do to the stacks of a stage. Force deletion and express operations apply to previews only,
    /// and previews may lose stateful resources.
    pub fn policy(&self, preview: bool) -> StackPolicy {
        let block_stateful = self.policy.safeguards.block_stateful && !preview;
        StackPolicy {
            safeguards: Safeguards { block_stateful, ..self.policy.safeguards.clone() },
            force_delete: preview && self.policy.force_delete,
            express: preview && self.policy.express,
            ..self.policy.clone()
        }
    }

    /// Whether a route fits the profile: stages that end use profiles of previews, and stages that stay use others.
    ///
    /// # Errors
    /// [`Code::ProfileNotForPreviews`].
    pub fn check_lifetime(&self, ttl_h: Option<u32>) -> Result<(), Refusal> {
        let (what, fix) = match (ttl_h.is_some(), self.previews.is_some()) {
            (true, false) => (
                format!("the route is for previews, and the profile {} is for stages that stay", self.name),
                "name a profile with previews = true in the route",
            ),
            (false, true) => (
                format!("the route has no ttl_h, and the profile {} is for previews", self.name),
                "give the route a ttl_h, or name a profile without previews = true",
            ),
            _ => return Ok(()),
        };
        Err(Refusal::new(Code::ProfileNotForPreviews, what, fix))
    }

    /// Whether a release was signed as the profile requires, and names its authors if they may not approve it.
    ///
    /// # Errors
    /// [`Code::ProvenanceMissing`], [`Code::ProvenanceRefused`], [`Code::AuthorUnknown`].
    pub fn check_signature(&self, release: &Release) -> Result<(), Refusal> {
        let Some(policy) = &self.provenance else { return Ok(()) };
        policy.check(&self.name, release)?;
        let has_author = release.provenance.iter().any(|provenance| !provenance.authors.is_empty());
        if self.gates.four_eyes.author && !has_author {
            let what = format!(
                "the profile {} excludes the authors from its approvals, and the signature names none",
                self.name
            );
            let fix = "annotate the source in the signed provenance with its author, or remove author from four_eyes";
            return Err(Refusal::new(Code::AuthorUnknown, what, fix));
        }
        Ok(())
    }

    /// Whether a stack of a package is deployed in a region of the profile.
    pub fn deploys(&self, part: Option<&StackPart>, region: &Region) -> bool {
        part.and_then(|part| self.only.get(part)).is_none_or(|only| only == region)
    }

    /// Its regions, in the order of the waves.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.waves.iter().flat_map(|wave| &wave.regions)
    }

    /// Most waves, and most regions of all waves together.
    pub const REGIONS_MAX: usize = 40;
    /// CloudFormation's quota of parameters in a template.
    pub const PARAMETERS_MAX: usize = 200;
    /// CloudFormation's limit for one parameter's value, in bytes.
    pub const PARAMETER_BYTES_MAX: usize = 4_096;
    /// Limit for all values together, in bytes: an item of DynamoDB holds at most 400 KB.
    pub const PARAMETERS_BYTES_MAX: usize = 64 * 1024;
    /// CloudFormation's quota of tags on a stack, minus those that Flotilla adds.
    pub const TAGS_MAX: usize = 44;
    /// The capabilities of CloudFormation.
    pub const CAPABILITIES: &'static [&'static str] =
        &["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];
}
