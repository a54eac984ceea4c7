//! What a package is, once its bytes have been read and made neutral.

use crate::digest::Digest;
use crate::names::StageName;
use std::collections::{BTreeMap, BTreeSet};

/// An immutable template and its assets, named by a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Names the package: the digest of everything below.
    pub digest: Digest,
    /// What made it, such as `serverless`.
    pub format: PackageFormat,
    /// The digest of the neutral template: its key is `templates/<digest>.json`.
    pub template: Digest,
    /// The assets by digest, with their sizes: their keys are `assets/<digest>.zip`.
    pub assets: BTreeMap<Digest, u64>,
    /// The code of each Lambda function that the template defines.
    pub functions: Vec<FunctionCode>,
    /// The capabilities the template needs, by CloudFormation's names.
    pub capabilities: BTreeSet<String>,
    /// The parameters that the template declares: `true` if one has a default.
    pub parameters: BTreeMap<String, bool>,
    /// The one stage whose names are baked into the package, if so.
    pub made_for: Option<StageName>,
    /// What the user should know although it does not prevent the deployment.
    pub warnings: Vec<Warning>,
}

/// Which tool wrote a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageFormat {
    /// Serverless Framework or osls: `serverless-state.json`.
    Serverless,
    /// Flotilla's own: `flotilla.json`.
    Native,
}

impl PackageFormat {
    /// Its name in the API and the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serverless => "serverless",
            Self::Native => "native",
        }
    }

    /// Reads what [`PackageFormat::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Serverless, Self::Native].into_iter().find(|format| format.as_str() == text)
    }
}

/// The code of one Lambda function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionCode {
    /// The function's logical id in the template.
    pub logical_id: String,
    /// The asset it runs.
    pub asset: Digest,
}

/// Something the user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where: a path in the template or a file of the package.
    pub path: String,
    /// What.
    pub message: String,
}

/// The template parameter that names the region's artifact bucket; Flotilla gives its value.
pub const ASSETS_BUCKET_PARAMETER: &str = "FlotillaAssetsBucket";

/// Where a template is kept in every bucket.
pub fn template_key(digest: &Digest) -> String {
    format!("templates/{digest}.json")
}

/// Where an asset is kept in every bucket.
pub fn asset_key(digest: &Digest) -> String {
    format!("assets/{digest}.zip")
}

impl Package {
    /// The keys of all its objects, with the digests their bytes must have.
    pub fn objects(&self) -> Vec<(String, Digest)> {
        let assets = self.assets.keys().map(|digest| (asset_key(digest), *digest));
        std::iter::once((template_key(&self.template), self.template)).chain(assets).collect()
    }

    /// The digest of a package's parts: contract version, template and assets.
    pub fn digest_of(template: &Digest, assets: impl Iterator<Item = Digest>) -> Digest {
        let mut assets: Vec<String> = assets.map(|digest| digest.to_string()).collect();
        assets.sort();
        Digest::of(
            format!("flotilla package 1\ntemplate {template}\nassets {}\n", assets.join(" ")).as_bytes(),
        )
    }
}
