//! Arguments of packages: built, explained, uploaded.

use clap::Args;
use flotilla_domain::AliasName;
use std::path::PathBuf;

/// The package to build or explain.
#[derive(Debug, Args)]
pub struct Pack {
    /// Folder that the packaging tool wrote (.serverless, cdk.out, .aws-sam/build, …), or a zip of it.
    pub path: PathBuf,
    /// Folder above PATH that contains what its symbolic links lead to and what its template names by ../, such as the root of a repository; by default, PATH itself.
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// File to write; by default, it is named after the service and the digest.
    #[arg(short, long, value_name = "ZIP", conflicts_with = "explain")]
    pub output: Option<PathBuf>,
    /// Give each Lambda function an alias of this name, as a service with `alias` in its configuration does.
    #[arg(long, value_name = "NAME", value_parser = AliasName::parse)]
    pub alias: Option<AliasName>,
    /// Keep code that the templates take from other buckets: the service has to name it (`external_code`).
    #[arg(long)]
    pub external_code: bool,
    /// Show the contents in full and write no file.
    #[arg(long)]
    pub explain: bool,
}

/// The package to upload, and its key.
#[derive(Debug, Args)]
pub struct Push {
    /// Folder that the packaging tool wrote, or a zip of it.
    pub path: PathBuf,
    /// Folder above PATH that contains what its symbolic links lead to and what its template names by ../, such as the root of a repository; by default, PATH itself.
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// Keep code that the templates take from other buckets: the service has to name it (`external_code`).
    #[arg(long)]
    pub external_code: bool,
    /// Service name.
    #[arg(long)]
    pub service: String,
    /// Ref that the package was built from: branch:main, tag:v1.2 or pr:42, or as CI has it: refs/heads/main.
    #[arg(long = "ref", value_name = "REF")]
    pub git_ref: String,
    /// Name of the build; by default, the first digits of the zip's digest.
    #[arg(long)]
    pub build: Option<String>,
    /// Sigstore bundle that signs the package, uploaded beside it: as actions/attest-build-provenance or cosign attest-blob writes it.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Ingest bucket; uploads with s3:PutObject as the only permission, and does not follow the rollout.
    #[arg(long)]
    pub bucket: Option<String>,
    /// Return after the upload.
    #[arg(long)]
    pub no_follow: bool,
}
