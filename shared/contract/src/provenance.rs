//! Signatures of releases: whose a profile requires, and what one says.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whose signature the releases of a profile need. Each is compared exactly; `{service}` is replaced by the service's name, and `{ref}`
/// by the full name of the ref of the upload, such as `refs/heads/main`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProvenanceConfig {
    /// The issuer of the signer's identity token.
    #[schema(example = "https://token.actions.githubusercontent.com")]
    pub issuer: String,
    /// The signer: the URI of the workflow, or an email address.
    #[schema(example = "https://github.com/acme/{service}/.github/workflows/release.yml@{ref}")]
    pub subject: String,
    /// The repository that was built; default: the signer's own. Needed if a reusable workflow of another repository signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://github.com/acme/{service}")]
    pub repository: Option<String>,
    /// The builder that the SLSA provenance names; default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// The lowest SLSA build level, 1 to 3; default: any signature suffices, with SLSA provenance or without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3)]
    pub level: Option<u8>,
}

/// Who signed a release, and what it was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProvenanceView {
    /// The issuer of the signer's identity token.
    #[schema(example = "https://token.actions.githubusercontent.com")]
    pub issuer: String,
    /// The signer.
    #[schema(example = "https://github.com/acme/orders/.github/workflows/release.yml@refs/heads/main")]
    pub subject: String,
    /// The repository that was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The full name of the ref that was built.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The commit that was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The builder that the SLSA provenance names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// The SLSA build level that is proven; 0 if it is signed without SLSA provenance.
    pub level: u8,
    /// Who wrote what was built.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// The digest that was signed: the package's, or that of the uploaded zip.
    pub signed: String,
    /// The time of the signature.
    pub signed_at: String,
}
