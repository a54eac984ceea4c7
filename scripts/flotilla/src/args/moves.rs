//! Releases brought on and back.

use clap::{Args, Subcommand};

/// What goes where.
#[derive(Debug, Args)]
pub struct Promote {
    /// The service, or several.
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The stage where it runs.
    #[arg(long)]
    pub from: String,
    /// The stage where it is to run.
    #[arg(long)]
    pub to: String,
    /// Another release than the one that runs everywhere at the first stage: needs --because.
    #[arg(long)]
    pub release: Option<String>,
    /// Why.
    #[arg(long, value_name = "REASON")]
    pub because: Option<String>,
    /// A resource that may be lost although a safeguard keeps it, by logical id (Orders, or Orders@eu-west-1 for
    /// one region); may be given several times.
    #[arg(long, value_name = "LOGICAL_ID")]
    pub allow: Vec<String>,
    /// Return at once.
    #[arg(long)]
    pub no_follow: bool,
}

/// What goes back, and to what.
#[derive(Debug, Args)]
pub struct Rollback {
    /// The service.
    pub service: String,
    /// The stage.
    #[arg(long)]
    pub stage: String,
    /// The release; the one that ran everywhere before the present one if it is left out.
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
    /// In the profile's waves, instead of everywhere at once.
    #[arg(long)]
    pub by_waves: bool,
    /// Why.
    #[arg(long, value_name = "REASON")]
    pub because: Option<String>,
    /// A resource that may be lost although a safeguard keeps it, by logical id (Orders, or Orders@eu-west-1 for
    /// one region); may be given several times.
    #[arg(long, value_name = "LOGICAL_ID")]
    pub allow: Vec<String>,
    /// Return at once.
    #[arg(long)]
    pub no_follow: bool,
}

/// What is done with sets of services.
#[derive(Debug, Subcommand)]
pub enum SetCommand {
    /// List them, newest first.
    List {
        /// How many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
    },
    /// Show one with how its services stand.
    Show {
        /// The set's id.
        set: String,
    },
    /// Follow one until it ends.
    Watch {
        /// The set's id.
        set: String,
    },
    /// Bring its services back to what it brought, everywhere at once, and hold what runs there now.
    Rollback(SetRollback),
    /// Call one off that is under way: no other service begins, and a promotion brings back what it has brought.
    Cancel {
        /// The set's id.
        set: String,
        /// Stop updates that run, so that CloudFormation rolls them back.
        #[arg(long)]
        stop_running: bool,
        /// Return at once.
        #[arg(long)]
        no_follow: bool,
    },
}

/// Which set, and how.
#[derive(Debug, Args)]
pub struct SetRollback {
    /// The set's id.
    pub set: String,
    /// To what ran before the set, instead of what it brought.
    #[arg(long)]
    pub before: bool,
    /// In the profiles' waves, instead of everywhere at once.
    #[arg(long)]
    pub by_waves: bool,
    /// Why.
    #[arg(long, value_name = "REASON")]
    pub because: Option<String>,
    /// Return at once.
    #[arg(long)]
    pub no_follow: bool,
}

/// Whose outputs.
#[derive(Debug, Args)]
pub struct Consumers {
    /// The service whose outputs are taken.
    pub service: String,
    /// Its stage.
    #[arg(long)]
    pub stage: String,
    /// Deploy everybody who takes some again, as it is, directly or through others.
    #[arg(long)]
    pub redeploy: bool,
    /// Why.
    #[arg(long, value_name = "REASON", requires = "redeploy")]
    pub because: Option<String>,
    /// Return at once.
    #[arg(long, requires = "redeploy")]
    pub no_follow: bool,
}
