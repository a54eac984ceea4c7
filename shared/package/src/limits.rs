//! What an upload may be at most.

/// Limits of one upload. Each one's refusal names it, so that a user can find it here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The upload itself. Lambda takes 250 MB of unzipped code per function; a package may hold several.
    pub upload_bytes_max: u64,
    /// The zip's directory.
    pub directory_bytes_max: u64,
    /// Entries of the upload. Files inside of an asset that is a zip itself do not count.
    pub entries_max: usize,
    /// An entry's name.
    pub name_bytes_max: usize,
    /// All entries unpacked.
    pub unpacked_bytes_max: u64,
    /// A manifest, such as `serverless-state.json`.
    pub manifest_bytes_max: u64,
    /// Manifests, templates and other small files that have to be read to know what a package is.
    pub manifests_max: usize,
    /// The template: CloudFormation takes 1 MB by URL.
    pub template_bytes_max: u64,
    /// Resources of a template: CloudFormation's quota.
    pub resources_max: usize,
    /// Parameters of a template: CloudFormation's quota.
    pub parameters_max: usize,
    /// Outputs of a template: CloudFormation's quota.
    pub outputs_max: usize,
    /// The names of a template's resources and parameters together.
    pub names_bytes_max: usize,
    /// What a rollout keeps of all stacks: names of functions and parameters, digests, tags. It stands in the
    /// rollout's item, that of the release it may go back to as well, and DynamoDB takes 400 KB for an item.
    pub described_bytes_max: usize,
    /// All manifests, templates and other small files together.
    pub manifests_bytes_max: u64,
    /// Stacks of a package.
    pub stacks_max: usize,
    /// Different files that a template takes code from.
    pub assets_max: usize,
}

impl Limits {
    /// The limits that ingest applies.
    pub const DEFAULT: Self = Self {
        upload_bytes_max: 1_000_000_000,
        directory_bytes_max: 16_000_000,
        entries_max: 50_000,
        name_bytes_max: 1_024,
        unpacked_bytes_max: 2_000_000_000,
        manifest_bytes_max: 8_000_000,
        manifests_max: 200,
        template_bytes_max: 1_000_000,
        resources_max: 500,
        parameters_max: 200,
        outputs_max: 200,
        names_bytes_max: 64_000,
        described_bytes_max: 100_000,
        manifests_bytes_max: 32_000_000,
        stacks_max: 30,
        assets_max: 250,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
