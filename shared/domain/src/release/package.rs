//! A package after its bytes were read and neutralised.

use crate::digest::Digest;
use crate::names::{StackPart, StageName};
use crate::release::limited_name::LimitedName;
use std::collections::{BTreeMap, BTreeSet};

pub use super::asset::{Asset, AssetKind, asset_key, template_key};

/// Immutable templates and their assets, identified by a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Identifies the package: see [`Package::digest_of`].
    pub digest: Digest,
    /// The tool that wrote it.
    pub format: PackageFormat,
    /// Its stacks, in the order of their dependencies.
    pub stacks: Vec<PackagedStack>,
    /// The assets with their sizes in bytes.
    pub assets: BTreeMap<Asset, u64>,
    /// The stage that the package is tied to, if its names contain one.
    pub made_for: Option<StageName>,
    /// The literals that were replaced to neutralise the templates.
    pub rewrites: Vec<Rewrite>,
    /// Warnings for the user, which do not prevent the deployment.
    pub warnings: Vec<Warning>,
}

/// One stack of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagedStack {
    /// The stack's name within the package; `None` if the format has only one stack.
    pub part: Option<StackPart>,
    /// The stacks that it needs, which are deployed before it.
    pub after: BTreeSet<StackPart>,
    /// The digest of the neutralised template, whose key is `templates/<digest>.json`.
    pub template: Digest,
    /// The digest of the template of each stage, if logical ids contain the stage: see [`crate::release::stage_ids`].
    pub stage_templates: BTreeMap<StageName, Digest>,
    /// The code of each Lambda function that the template defines.
    pub functions: Vec<FunctionCode>,
    /// The aliases whose version [`STABLE_VERSIONS_PARAMETER`] can name, in the order of its values.
    pub aliases: Vec<FunctionAlias>,
    /// The capabilities that the template needs, such as `CAPABILITY_IAM`.
    pub capabilities: BTreeSet<String>,
    /// The parameters that the template declares, with `true` if they have a default.
    pub parameters: BTreeMap<String, bool>,
    /// The parameters with `NoEcho`, whose values are secret.
    pub secret_parameters: BTreeSet<String>,
    /// The names that exist once for all regions, such as a role's, and would be the same in each region.
    pub global_names: Vec<GlobalName>,
    /// The names that are too long at some stage, in some region or for some name of the stack.
    pub long_names: Vec<LimitedName>,
    /// The number of resources in the template.
    pub resources: usize,
    /// The tags that the tool sets. [`STAGE_MARK`] in a value is replaced by the stage.
    pub tags: BTreeMap<String, String>,
}

/// A name that exists once for all regions, and is the same in each one that gives these parameters the same values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalName {
    /// Where it is in the template.
    pub path: String,
    /// The parameters whose values are parts of it.
    pub parameters: BTreeSet<String>,
}

/// The level of each stack. The stacks must be in the order of their dependencies: a dependency on a later stack is
/// ignored.
pub fn levels(stacks: &[PackagedStack]) -> Vec<usize> {
    let mut known: BTreeMap<&StackPart, usize> = BTreeMap::new();
    let mut levels = Vec::with_capacity(stacks.len());
    for stack in stacks {
        let needed = stack.after.iter().filter_map(|part| known.get(part));
        let level = needed.max().map_or(0, |level| level + 1);
        known.extend(stack.part.as_ref().map(|part| (part, level)));
        levels.push(level);
    }
    levels
}

/// Which tool wrote a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageFormat {
    /// Serverless Framework or osls: `serverless-state.json`.
    Serverless,
    /// AWS CDK's cloud assembly: `manifest.json`.
    Cdk,
    /// AWS SAM's build folder: `template.yaml` with the Serverless transform.
    Sam,
    /// A template with local paths: `template.yaml`.
    Cloudformation,
    /// Flotilla's own format: `flotilla.json`.
    Native,
}

impl PackageFormat {
    const ALL: [Self; 5] = [Self::Serverless, Self::Cdk, Self::Sam, Self::Cloudformation, Self::Native];

    /// Its name in the API and the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serverless => "serverless",
            Self::Cdk => "cdk",
            Self::Sam => "sam",
            Self::Cloudformation => "cloudformation",
            Self::Native => "native",
        }
    }

    /// Reads what [`PackageFormat::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }
}

/// The code of one Lambda function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionCode {
    /// The function's logical id in the template.
    pub logical_id: String,
    /// The digest of its zip, or of its container image.
    pub asset: Digest,
}

/// An alias of a Lambda function, by logical ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionAlias {
    /// The alias.
    pub alias: String,
    /// Its function.
    pub function: String,
    /// The version that the template publishes, which the alias names at the end of a rollout.
    pub version: String,
}

/// A literal that was replaced to neutralise the template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rewrite {
    /// Where: a path in the template, such as `Resources.Api.Properties.Name`.
    pub path: String,
    /// The literal before.
    pub from: String,
    /// The replacement, such as `AWS::Region`.
    pub to: String,
}

/// A warning about a package, which does not prevent the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The stable code: see [`crate::Code`], group 06xx.
    pub code: crate::Code,
    /// Where: a path in the template or a file of the package.
    pub path: String,
    /// What is wrong, and what to do about it.
    pub message: String,
}

/// The prefix of the parameters that Flotilla sets. A template that declares one of them gets its value.
pub const GIVEN_PREFIX: &str = "Flotilla";

/// The template parameter that names the region's artifact bucket.
pub const ASSETS_BUCKET_PARAMETER: &str = "FlotillaAssetsBucket";

/// The template parameter that names the stage.
pub const STAGE_PARAMETER: &str = "FlotillaStage";

/// The template parameter with the ARN of the permissions boundary of the roles that the template makes. Empty for none.
pub const ROLE_BOUNDARY_PARAMETER: &str = "FlotillaRoleBoundary";

/// The template parameter that lists the versions that aliases keep while a new version is tried, separated by commas:
/// for each alias a version's number, or [`NO_VERSION`].
pub const STABLE_VERSIONS_PARAMETER: &str = "FlotillaStableVersions";

/// Stands for "the version that this template publishes" in [`STABLE_VERSIONS_PARAMETER`].
pub const NO_VERSION: &str = "-";

/// The template parameter that tells whether the stack keeps the deployment bucket that a packaging tool created in
/// it: `true` or `false`.
pub const KEEP_BUCKET_PARAMETER: &str = "FlotillaKeepDeploymentBucket";

/// The prefix of the template parameters that name another stack of the package. The part follows, without hyphens.
pub const STACK_PARAMETER_PREFIX: &str = "FlotillaStackNameOf";

/// The placeholder stage for packages that fit every stage: wherever a tool writes it, it is replaced by
/// [`STAGE_PARAMETER`].
pub const STAGE_PLACEHOLDER: &str = "flotillastage";

/// The prefix of a placeholder for a parameter; the parameter's name follows.
pub const PARAMETER_PLACEHOLDER: &str = "flotillaparam-";

/// The placeholder of the stage in the value of a tag.
pub const STAGE_MARK: &str = "${FlotillaStage}";

/// The parameter that names the stack of a part.
pub fn stack_parameter(part: &StackPart) -> String {
    format!("{STACK_PARAMETER_PREFIX}{}", part.as_str().replace('-', ""))
}

impl Package {
    /// The objects that each region's bucket has: templates and assets, but no container images.
    pub fn regional_objects(&self) -> Vec<Asset> {
        self.objects().into_iter().filter(|asset| !asset.kind.is_of_image()).collect()
    }

    /// The container images, by the digests of their manifests.
    pub fn images(&self) -> impl Iterator<Item = &Digest> {
        let manifests = self.assets.keys().filter(|asset| asset.kind == AssetKind::ImageManifest);
        manifests.map(|asset| &asset.digest)
    }

    /// All its objects: the templates of its stacks, and the assets.
    pub fn objects(&self) -> BTreeSet<Asset> {
        let templates = self
            .stacks
            .iter()
            .flat_map(|stack| std::iter::once(&stack.template).chain(stack.stage_templates.values()));
        let templates = templates.map(|digest| Asset { kind: AssetKind::Template, digest: *digest });
        templates.chain(self.assets.keys().copied()).collect()
    }

    /// The digest of what is deployed: contract version, stacks with their order, templates and tags, and assets. The
    /// format and the warnings are not part of it.
    pub fn digest_of<'a>(stacks: &[PackagedStack], assets: impl Iterator<Item = &'a Asset>) -> Digest {
        let mut text = String::from("flotilla package 1\n");
        let mut line = |words: &[&str]| {
            text.push_str(&words.join(" "));
            text.push('\n');
        };
        for stack in stacks {
            let part = stack.part.as_ref().map_or("", StackPart::as_str);
            line(&["stack", part, &stack.template.to_string()]);
            stack.after.iter().for_each(|other| line(&["after", other.as_str()]));
            // Quoted, so that a tag cannot imitate another line.
            stack.tags.iter().for_each(|(key, value)| line(&["tag", &format!("{key:?} {value:?}")]));
        }
        for asset in assets {
            line(&["asset", &asset.key()]);
        }
        Digest::of(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(part: &str, after: &[&str]) -> PackagedStack {
        PackagedStack {
            part: Some(StackPart::parse(part).unwrap()),
            after: after.iter().map(|name| StackPart::parse(name).unwrap()).collect(),
            template: Digest::of(part.as_bytes()),
            stage_templates: BTreeMap::new(),
            functions: Vec::new(),
            aliases: Vec::new(),
            capabilities: BTreeSet::new(),
            parameters: BTreeMap::new(),
            secret_parameters: BTreeSet::new(),
            global_names: Vec::new(),
            long_names: Vec::new(),
            resources: 1,
            tags: BTreeMap::new(),
        }
    }

    #[test]
    fn a_stacks_level_is_the_longest_way_to_it() {
        let stacks = [stack("A", &[]), stack("B", &["A"]), stack("C", &["A", "B"]), stack("D", &[])];
        assert_eq!(levels(&stacks), [0, 1, 2, 0]);
    }

    #[test]
    fn the_digest_depends_on_everything_that_is_deployed() {
        let asset = Asset { kind: AssetKind::Zip, digest: Digest::of(b"a") };
        let one = Package::digest_of(&[stack("A", &[]), stack("B", &["A"])], std::iter::once(&asset));
        assert_ne!(one, Package::digest_of(&[stack("A", &[]), stack("B", &[])], std::iter::once(&asset)));
        assert_ne!(one, Package::digest_of(&[stack("A", &[]), stack("B", &["A"])], std::iter::empty()));
        let mut tagged = stack("B", &["A"]);
        tagged.tags.insert("team".into(), "x".into());
        assert_ne!(one, Package::digest_of(&[stack("A", &[]), tagged], std::iter::once(&asset)));
    }

    #[test]
    fn objects_that_two_stacks_share_are_copied_once() {
        let digest = Digest::of(b"d");
        let stacks = vec![stack("A", &[]), PackagedStack { template: Digest::of(b"A"), ..stack("B", &[]) }];
        let package = Package {
            digest,
            format: PackageFormat::Cdk,
            stacks,
            assets: BTreeMap::new(),
            made_for: None,
            rewrites: Vec::new(),
            warnings: Vec::new(),
        };
        assert_eq!(package.objects().len(), 1);
    }

    #[test]
    fn container_images_are_not_in_the_buckets_of_regions() {
        let image = |kind| Asset { kind, digest: Digest::of(b"image") };
        let zip = Asset { kind: AssetKind::Zip, digest: Digest::of(b"zip") };
        let manifest = image(AssetKind::ImageManifest);
        let package = Package {
            digest: Digest::of(b"d"),
            format: PackageFormat::Native,
            stacks: Vec::new(),
            assets: [manifest, image(AssetKind::ImageBlob), zip].map(|asset| (asset, 1)).into(),
            made_for: None,
            rewrites: Vec::new(),
            warnings: Vec::new(),
        };
        assert_eq!(package.regional_objects(), [zip]);
        assert_eq!(package.images().collect::<Vec<_>>(), [&manifest.digest]);
        assert_eq!(package.objects().len(), 3);
    }
}
