//! The command line.

mod moves;

pub use moves::{Consumers, Promote, Rollback, SetCommand, SetRollback};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Package once, deploy many: one serverless package to every region, account and stage.
#[derive(Debug, Parser)]
#[command(name = "flotilla", version, disable_help_subcommand = true)]
pub struct Cli {
    /// Everything that concerns the connection and the output.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every subcommand.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// What the names of this control plane begin with.
    #[arg(long, global = true, default_value = "flotilla", env = "FLOTILLA_PREFIX")]
    pub prefix: String,
    /// The control plane's region; else the one of the AWS configuration.
    #[arg(long, global = true, env = "FLOTILLA_REGION")]
    pub region: Option<String>,
    /// Write JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring up or update the control plane and its regions.
    Install(Install),
    /// Target accounts beside the control plane's own.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Put services, profiles and who may do what from TOML files.
    Apply {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Make a package the same for every stage and region, and say what is in it.
    Pack(Pack),
    /// Pack a package folder, upload it and follow the rollout.
    Push(Push),
    /// Show services, or what runs at the stages of one.
    Status {
        /// The service; all of them if left out.
        service: Option<String>,
    },
    /// Follow a rollout until it ends.
    Watch {
        /// The rollout's id.
        rollout: String,
    },
    /// List a service's releases, newest first.
    Releases {
        /// The service.
        service: String,
        /// How many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
    },
    /// List a service's uploads with the reasons of refusals, newest first.
    Uploads {
        /// The service; uploads whose key names none if left out.
        service: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
    },
    /// Show a rollout with its deployments, causes and timeline.
    Rollout {
        /// The rollout's id.
        rollout: String,
    },
    /// Start a rollout of a release that exists.
    Start {
        /// The service.
        service: String,
        /// The release's id.
        release: String,
        /// The stage.
        #[arg(long)]
        stage: String,
        /// A resource that may be lost although a safeguard keeps it, by logical id (Orders, or Orders@eu-west-1 for
        /// one region); may be given several times.
        #[arg(long, value_name = "LOGICAL_ID")]
        allow: Vec<String>,
        /// Return at once.
        #[arg(long)]
        no_follow: bool,
    },
    /// Show what a rollout changes, or would change: one diff for all its targets.
    Plan(Plan),
    /// Bring the release that runs everywhere at one stage to another: the same bytes. Several services go as one
    /// unit, in the order of the outputs that they take from each other; if one does not arrive, all go back.
    Promote(Promote),
    /// Bring a stage back to an earlier release, everywhere at once, and hold what runs there now.
    Rollback(Rollback),
    /// Show sets of services that went as one unit, follow one, or bring its services back.
    #[command(subcommand)]
    Set(SetCommand),
    /// Show who takes outputs of a stage of a service, or deploy them again in order.
    Consumers(Consumers),
    /// Hold a release's package at a stage: nothing brings it there until the hold is lifted.
    Hold {
        /// The service.
        service: String,
        /// The release's id.
        release: String,
        /// The stage.
        #[arg(long)]
        stage: String,
        /// Why.
        #[arg(long, value_name = "REASON")]
        because: String,
    },
    /// Lift holds of a stage.
    Unhold {
        /// The service.
        service: String,
        /// The release's id; every hold of the stage if it is left out.
        release: Option<String>,
        /// The stage.
        #[arg(long)]
        stage: String,
    },
    /// Approve the wave that a rollout waits with, for the package and plan that it shows now.
    Approve {
        /// The rollout's id.
        rollout: String,
        /// Why.
        #[arg(long, value_name = "REASON")]
        because: Option<String>,
    },
    /// Open every gate of one rollout: approvals, windows, alarms and stopped lines.
    BreakGlass {
        /// The rollout's id.
        rollout: String,
        /// Why.
        #[arg(long, value_name = "REASON")]
        because: String,
    },
    /// Stop everything or a profile, and let it go on.
    #[command(subcommand)]
    Line(Line),
    /// Call a rollout off: what has begun is finished, nothing more is begun.
    Cancel {
        /// The rollout's id.
        rollout: String,
        /// Stop updates that run, so that CloudFormation rolls them back.
        #[arg(long)]
        stop_running: bool,
    },
    /// Hold a rollout: nothing more is begun until it is resumed.
    Pause {
        /// The rollout's id.
        rollout: String,
    },
    /// Let a rollout that is held go on.
    Resume {
        /// The rollout's id.
        rollout: String,
    },
    /// Show who asked for what, newest first; with --json one entry a line, for export.
    Audit(Audit),
    /// Do again what a rollout did not bring about, only where it did not.
    Retry(Retry),
}

/// Bring up or update the control plane and its regions.
#[derive(Debug, Args)]
pub struct Install {
    /// The regions that packages are deployed to.
    #[arg(long, value_delimiter = ',', required = true)]
    pub regions: Vec<String>,
    /// The folder of the functions' binaries, as scripts/build makes it.
    #[arg(long, default_value = "target/lambda")]
    pub binaries: PathBuf,
    /// What the binaries were built for; else this machine's.
    #[arg(long, value_parser = ["arm64", "x86_64"])]
    pub architecture: Option<String>,
    /// Do not reserve concurrency: for accounts that have too little of it.
    #[arg(long)]
    pub no_reserved_concurrency: bool,
    /// Allow calls without TLS: only for an emulator on this machine.
    #[arg(long, hide = true)]
    pub allow_plain_http: bool,
    /// A run of replicate and deploy may take this long, in seconds.
    #[arg(long, hide = true)]
    pub step_timeout_s: Option<u16>,
    /// A run of ingest may take this long, in seconds.
    #[arg(long, hide = true)]
    pub ingest_timeout_s: Option<u16>,
}

/// What is done with a line.
#[derive(Debug, Subcommand)]
pub enum Line {
    /// Show what is stopped.
    Show,
    /// Begin nothing more, whatever was approved, until it is lifted.
    Stop {
        /// Only the rollouts of this profile.
        #[arg(long)]
        profile: Option<String>,
        /// Why.
        #[arg(long, value_name = "REASON")]
        because: String,
    },
    /// Let it go on.
    Lift {
        /// Only the stop of this profile.
        #[arg(long)]
        profile: Option<String>,
    },
}

/// Which entries of the audit.
#[derive(Debug, Args)]
pub struct Audit {
    /// How far back: 12h, 7d, or a time such as 2026-11-21T00:00:00Z.
    #[arg(long, default_value = "7d")]
    pub since: String,
    /// Of this service.
    #[arg(long)]
    pub service: Option<String>,
    /// Of this stage.
    #[arg(long)]
    pub stage: Option<String>,
    /// By this principal: its ARN, or a part of it.
    #[arg(long, value_name = "PRINCIPAL")]
    pub by: Option<String>,
}

/// What is done about an account.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Prepare another account and its regions, and register it; running it again updates them.
    Add(AddAccount),
}

/// Which account, and how it is reached. The control plane is reached as ever.
#[derive(Debug, Args)]
pub struct AddAccount {
    /// The account: 12 digits.
    pub account: String,
    /// The regions that packages are deployed to there.
    #[arg(long, value_delimiter = ',', required = true)]
    pub regions: Vec<String>,
    /// The profile of the AWS configuration that has the account's credentials.
    #[arg(long, value_name = "NAME")]
    pub aws_profile: Option<String>,
    /// A role of the account to assume, with the ordinary credentials or those of --aws-profile.
    #[arg(long, value_name = "ROLE_ARN")]
    pub assume_role: Option<String>,
    /// Allow calls without TLS: only for an emulator on this machine.
    #[arg(long, hide = true)]
    pub allow_plain_http: bool,
}

/// What an operator allows for one retry.
#[derive(Debug, Args)]
pub struct Retry {
    /// The rollout's id.
    pub rollout: String,
    /// A resource that a stuck rollback may leave as it is, by logical id; may be given several times.
    #[arg(long, value_name = "LOGICAL_ID")]
    pub skip: Vec<String>,
    /// Change back what was changed outside of CloudFormation.
    #[arg(long)]
    pub accept_drift: bool,
    /// Delete a stack by force if it resists.
    #[arg(long)]
    pub force: bool,
    /// A resource that may be lost although a safeguard keeps it, by logical id (Orders, or Orders@eu-west-1 for
    /// one region); may be given several times.
    #[arg(long, value_name = "LOGICAL_ID")]
    pub allow: Vec<String>,
    /// Return at once.
    #[arg(long)]
    pub no_follow: bool,
}

/// What to pack.
#[derive(Debug, Args)]
pub struct Pack {
    /// The folder that the packaging tool wrote (.serverless, cdk.out, .aws-sam/build, …), or a zip of it.
    pub path: PathBuf,
    /// Where to write the packed package; named after service and digest if it is left out.
    #[arg(short, long, value_name = "ZIP", conflicts_with = "explain")]
    pub output: Option<PathBuf>,
    /// Only show what was found, all of it.
    #[arg(long)]
    pub explain: bool,
}

/// What is to be shown, or planned and shown.
#[derive(Debug, Args)]
pub struct Plan {
    /// A rollout's id, or with --stage a service: its change sets are made, shown and removed again.
    #[arg(value_name = "ROLLOUT|SERVICE")]
    pub what: String,
    /// The stage to plan for.
    #[arg(long)]
    pub stage: Option<String>,
    /// The release to plan; else the stable one of --from, else the service's newest.
    #[arg(long, requires = "stage")]
    pub release: Option<String>,
    /// The stage whose stable release is to be planned.
    #[arg(long, requires = "stage", conflicts_with = "release")]
    pub from: Option<String>,
    /// Show properties, before and after.
    #[arg(short, long)]
    pub verbose: bool,
}

/// What to upload, and as what.
#[derive(Debug, Args)]
pub struct Push {
    /// The folder that the packaging tool wrote, or a zip of it.
    pub path: PathBuf,
    /// The service.
    #[arg(long)]
    pub service: String,
    /// What it was built from: branch:main, tag:v1.2, pr:42.
    #[arg(long = "ref", value_name = "REF")]
    pub git_ref: String,
    /// What to call this build; else the beginning of the zip's digest.
    #[arg(long)]
    pub build: Option<String>,
    /// Upload to this bucket without asking for the control plane's: all that CI's role may do.
    #[arg(long)]
    pub bucket: Option<String>,
    /// Return after the upload.
    #[arg(long)]
    pub no_follow: bool,
}
