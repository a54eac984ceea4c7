//! Arguments of the installation: the control plane and the target accounts.

use clap::{Args, Subcommand, ValueEnum};
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
    /// How much Lambda concurrency to take. By default, the first installation decides by the account's limit, and later ones
    /// keep it.
    #[arg(long, value_enum)]
    pub concurrency: Option<Concurrency>,
    /// The former name of --concurrency shared.
    #[arg(long, hide = true, conflicts_with = "concurrency")]
    pub no_reserved_concurrency: bool,
    /// SNS topic for the alarms of the control plane; an empty value removes it. By default, it is kept.
    #[arg(long, value_name = "ARN")]
    pub alarm_topic: Option<String>,
    /// ARNs of the users and roles that may do everything as long as no access is granted, separated by commas. By default, they are
    /// kept; at first: you.
    #[arg(long, value_name = "ARNS")]
    pub administrators: Option<String>,
    /// KMS key for the buckets, the table, the queues and the logs; a multi-Region key if there are several regions. An empty value
    /// returns to keys of AWS. By default, it is kept; at first: keys of AWS.
    #[arg(long, value_name = "ARN")]
    pub kms_key: Option<String>,
    /// ARNs of objects in buckets of others, separated by commas, such as arn:aws:s3:::vendor-layers-*/*, which services may take code
    /// from (`external_code`). An empty value removes them. By default, they are kept.
    #[arg(long, value_name = "ARNS")]
    pub external_code: Option<String>,
    /// ARNs of repositories in Amazon ECR, separated by commas, such as arn:aws:ecr:eu-west-1:111122223333:repository/*, from which services
    /// may take container images (`external_images`). An empty value removes them. By default, they are kept.
    #[arg(long, value_name = "ARNS")]
    pub external_images: Option<String>,
    /// What Flotilla may do in the account.
    #[command(flatten)]
    pub roles: AccountRoles,
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

/// How much Lambda concurrency the control plane takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Concurrency {
    /// Decide by the account's limit.
    Auto,
    /// Reserve some for the API and the schedule.
    Reserved,
    /// Reserve none.
    Shared,
    /// Reserve none, and use little; for accounts with a limit as low as 10.
    Low,
}

impl std::fmt::Display for Concurrency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// Parameters of the roles of an account, which are kept unless they are given.
#[derive(Debug, Clone, Default, Args)]
pub struct AccountRoles {
    /// What the names of a preview's resources begin with, or have after a hyphen: previews may have no others, and Flotilla may empty
    /// their buckets. By default, it is kept; at first: pr-.
    #[arg(long, value_name = "MARK")]
    pub preview_mark: Option<String>,
    /// Name pattern of the functions that verify deployments, which Flotilla may invoke. By default, it is kept; at first: *-verify.
    #[arg(long, value_name = "PATTERN")]
    pub verify_functions: Option<String>,
    /// Name pattern of the custom domains of API Gateway whose traffic Flotilla may switch, and of the records of Route 53 whose weights it
    /// may set, such as *.example.com; an empty value allows none. By default, it is kept; at first: none.
    #[arg(long, value_name = "PATTERN")]
    pub traffic_domains: Option<String>,
    /// Id of the hosted zone of Route 53 in which Flotilla may set the weights of these records, or a pattern of ids; an empty value allows
    /// none. By default, it is kept; at first: none.
    #[arg(long, value_name = "ID")]
    pub traffic_zones: Option<String>,
    /// Name pattern of the account's own CloudFormation macros that templates may use, such as *; an empty value allows none. By
    /// default, it is kept; at first: none.
    #[arg(long, value_name = "PATTERN")]
    pub macros: Option<String>,
    /// ARNs of more policies that roles of stacks may have as their permissions boundary, separated by commas; an empty value
    /// removes them. By default, they are kept.
    #[arg(long, value_name = "ARNS")]
    pub role_boundaries: Option<String>,
    /// ARN patterns of more roles that stacks may neither change nor pass to a service, separated by commas; an empty value leaves the
    /// usual roles of administrators. By default, they are kept.
    #[arg(long, value_name = "PATTERNS")]
    pub protected_roles: Option<String>,
    /// Actions that CloudFormation needs for the stacks beside the usual services, separated by commas, such as rds:*; an empty
    /// value removes them. By default, they are kept.
    #[arg(long, value_name = "ACTIONS")]
    pub extra_actions: Option<String>,
    /// ARNs of managed policies for CloudFormation's role, separated by commas; an empty value removes them. By default, they are
    /// kept.
    #[arg(long, value_name = "ARNS")]
    pub extra_policies: Option<String>,
    /// ARNs of managed policies for CloudFormation's role for previews, separated by commas; an empty value removes them. By default,
    /// they are kept.
    #[arg(long, value_name = "ARNS")]
    pub preview_policies: Option<String>,
}

/// Commands for target accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Prepare another account and its regions, and register it; run it again to update them.
    #[command(
        after_help = "Example:\n  flotilla account add 333344445555 --regions us-east-1 --aws-profile production"
    )]
    Add(Box<AddAccount>),
    /// Remove what account add has created; deployed services stay.
    #[command(after_help = "Example:\n  flotilla account remove 333344445555 --aws-profile production")]
    Remove(RemoveAccount),
}

/// How to remove.
#[derive(Debug, Clone, Args)]
pub struct Removal {
    /// Keep the buckets and the table.
    #[arg(long)]
    pub keep_data: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// The control plane to remove.
#[derive(Debug, Args)]
pub struct Uninstall {
    /// How to remove.
    #[command(flatten)]
    pub removal: Removal,
}

/// The account to remove, and its credentials. The control plane is reached with the default credentials.
#[derive(Debug, Args)]
pub struct RemoveAccount {
    /// Account ID: 12 digits.
    pub account: String,
    /// Profile of the AWS configuration with credentials for the account.
    #[arg(long, value_name = "NAME")]
    pub aws_profile: Option<String>,
    /// Role of the account to assume, with the default credentials or those of --aws-profile.
    #[arg(long, value_name = "ROLE_ARN")]
    pub assume_role: Option<String>,
    /// How to remove.
    #[command(flatten)]
    pub removal: Removal,
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
    /// KMS key for the account's buckets; a multi-Region key if there are several regions. An empty value returns to keys of AWS. By
    /// default, it is kept in regions that have one.
    #[arg(long, value_name = "ARN")]
    pub kms_key: Option<String>,
    /// What Flotilla may do in the account.
    #[command(flatten)]
    pub roles: AccountRoles,
    /// Allow calls without TLS; only for an emulator on this machine.
    #[arg(long, hide = true)]
    pub allow_plain_http: bool,
}
