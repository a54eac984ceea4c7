//! The limits of an upload.

/// The maxima for one upload. A refusal names the field of the limit that is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The size of the upload. Lambda accepts 250 MB of unzipped code per function; a package may hold several.
    pub upload_bytes_max: u64,
    /// The size of the zip's directory.
    pub directory_bytes_max: u64,
    /// The number of entries of the upload. Files inside an asset that is itself a zip do not count.
    pub entries_max: usize,
    /// The length of an entry's name.
    pub name_bytes_max: usize,
    /// The size of all entries unpacked.
    pub unpacked_bytes_max: u64,
    /// The size of a manifest, such as `serverless-state.json`.
    pub manifest_bytes_max: u64,
    /// The number of manifests, templates and other small files that must be read to interpret a package.
    pub manifests_max: usize,
    /// The size of a template: CloudFormation accepts 1 MB by URL.
    pub template_bytes_max: u64,
    /// The number of resources of a template: CloudFormation's quota.
    pub resources_max: usize,
    /// The number of parameters of a template: CloudFormation's quota.
    pub parameters_max: usize,
    /// The number of mappings of a template: CloudFormation's quota.
    pub mappings_max: usize,
    /// The number of outputs of a template: CloudFormation's quota.
    pub outputs_max: usize,
    /// The total length of the names of a template's resources and parameters.
    pub names_bytes_max: usize,
    /// The size of what a rollout stores about all stacks: names of functions and parameters, digests, tags. The
    /// rollout's item holds it for its release and for the release it may revert to, and a DynamoDB item is limited
    /// to 400 KB.
    pub described_bytes_max: usize,
    /// The size of all manifests, templates and other small files together.
    pub manifests_bytes_max: u64,
    /// The number of stacks of a package.
    pub stacks_max: usize,
    /// The number of templates for single stages, of all stacks whose logical ids contain the stage.
    pub stage_templates_max: usize,
    /// The number of different assets that the templates name.
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
        mappings_max: 200,
        outputs_max: 200,
        names_bytes_max: 64_000,
        described_bytes_max: 100_000,
        manifests_bytes_max: 32_000_000,
        stacks_max: 30,
        stage_templates_max: 100,
        assets_max: 250,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
