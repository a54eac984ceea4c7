//! Arguments of the installation: the control plane and the target accounts.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// The control plane to install or update.
#[derive(Debug, Args)]
pub struct Install {
    /// Regions to deploy packages to, separated by commas.
    #[arg(long, value_delimiter = ',', required = true)]
    pub regions: Vec<String>,
    /// Folder with the binaries of the functions, as scripts/build creates it.
    #[arg(long, default_value = "target/lambda")]
    pub binaries: PathBuf,
    /// Architecture of the binaries; by default, this machine's.
    #[arg(long, value_parser = ["arm64", "x86_64"])]
    pub architecture: Option<String>,
    /// Reserve no concurrency; for accounts with a low concurrency limit.
    #[arg(long)]
    pub no_reserved_concurrency: bool,
    /// Allow calls without TLS; only for an emulator on this machine.
    #[arg(long, hide = true)]
    pub allow_plain_http: bool,
    /// Timeout of replicate and deploy, in seconds.
    #[arg(long, hide = true)]
    pub step_timeout_s: Option<u16>,
    /// Timeout of ingest, in seconds.
    #[arg(long, hide = true)]
    pub ingest_timeout_s: Option<u16>,
}

/// Commands for target accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Prepare another account and its regions, and register it; run it again to update them.
    #[command(
        after_help = "Example:\n  flotilla account add 333344445555 --regions us-east-1 --aws-profile production"
    )]
    Add(AddAccount),
}

/// The account to add, and its credentials. The control plane is reached with the default credentials.
#[derive(Debug, Args)]
pub struct AddAccount {
    /// Account ID: 12 digits.
    pub account: String,
    /// Regions of the account to deploy packages to, separated by commas.
    #[arg(long, value_delimiter = ',', required = true)]
    pub regions: Vec<String>,
    /// Profile of the AWS configuration with credentials for the account.
    #[arg(long, value_name = "NAME")]
    pub aws_profile: Option<String>,
    /// Role of the account to assume, with the default credentials or those of --aws-profile.
    #[arg(long, value_name = "ROLE_ARN")]
    pub assume_role: Option<String>,
    /// Allow calls without TLS; only for an emulator on this machine.
    #[arg(long, hide = true)]
    pub allow_plain_http: bool,
}
