//! Arguments of previews, and of the removal of stages.

use clap::{Args, Subcommand};

/// Commands for previews.
#[derive(Debug, Subcommand)]
pub enum Preview {
    /// List the previews that exist, with their refs and when they end.
    #[command(after_help = "Example:\n  flotilla preview list orders")]
    List {
        /// Service name; by default, the previews of all services are listed.
        service: Option<String>,
    },
    /// Show what runs at a preview.
    #[command(after_help = "Example:\n  flotilla preview show orders pr-42")]
    Show {
        /// Service name.
        service: String,
        /// Stage of the preview.
        stage: String,
    },
    /// Let a preview end as late as its profile allows; it still ends with its ref.
    #[command(after_help = "Example:\n  flotilla preview keep orders pr-42")]
    Keep {
        /// Service name.
        service: String,
        /// Stage of the preview.
        stage: String,
    },
    /// Let a preview end later.
    #[command(after_help = "Example:\n  flotilla preview extend orders pr-42 --hours 48")]
    Extend {
        /// Service name.
        service: String,
        /// Stage of the preview.
        stage: String,
        /// Hours from now.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        hours: u32,
    },
    /// Remove a preview in every region and follow the removal.
    #[command(after_help = "Example:\n  flotilla preview remove orders pr-42")]
    Remove {
        /// Service name.
        service: String,
        /// Stage of the preview.
        stage: String,
        /// Return without following the removal.
        #[arg(long)]
        no_follow: bool,
    },
    /// Say that a ref is gone: its preview is removed. CI runs this, with the right to upload as its only permission.
    #[command(after_help = "Example:\n  flotilla preview close orders pr:42")]
    Close(Close),
}

/// The ref to close.
#[derive(Debug, Args)]
pub struct Close {
    /// Service name.
    pub service: String,
    /// Ref that is gone: pr:42 or branch:feature/x, or as CI has it: refs/pull/42/merge.
    #[arg(value_name = "REF")]
    pub git_ref: String,
    /// Ingest bucket; uploads the marker with s3:PutObject as the only permission, and does not follow the removal.
    #[arg(long)]
    pub bucket: Option<String>,
    /// Return after the upload.
    #[arg(long)]
    pub no_follow: bool,
}

/// The stage to remove.
#[derive(Debug, Args)]
pub struct RemoveStage {
    /// Service name.
    pub service: String,
    /// Stage to remove.
    #[arg(long)]
    pub stage: String,
    /// Remove a permanent stage without asking for its name.
    #[arg(long)]
    pub yes: bool,
    /// Reason, kept in the timeline and the audit.
    #[arg(long = "reason", visible_alias = "because", value_name = "REASON")]
    pub because: Option<String>,
    /// Allow the loss of a resource of a permanent stage that holds data, by logical ID (Orders, or Orders@eu-west-1 for one
    /// region); can be repeated.
    #[arg(long, value_name = "LOGICAL_ID")]
    pub allow: Vec<String>,
    /// Return without following the removal.
    #[arg(long)]
    pub no_follow: bool,
}
