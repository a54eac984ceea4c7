//! Arguments of promotions, rollbacks and retries, of one service or of a set.

use clap::{Args, Subcommand};

/// The promotion to start.
#[derive(Debug, Args)]
pub struct Promote {
    /// Services to promote.
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Stage to promote from.
    #[arg(long)]
    pub from: String,
    /// Stage to promote to.
    #[arg(long)]
    pub to: String,
    /// Release to promote instead of the stable one of --from; requires --reason. For one service only.
    #[arg(long)]
    pub release: Option<String>,
    /// Reason, kept in the timeline and the audit.
    #[arg(long = "reason", visible_alias = "because", value_name = "REASON")]
    pub because: Option<String>,
    /// Allow the loss of a resource that a safeguard protects, by logical ID (Orders, or Orders@eu-west-1 for one
    /// region); can be repeated. For one service only.
    #[arg(long, value_name = "LOGICAL_ID")]
    pub allow: Vec<String>,
    /// Return without following the rollout or the set.
    #[arg(long)]
    pub no_follow: bool,
}

/// The rollback to start.
#[derive(Debug, Args)]
pub struct Rollback {
    /// Service name.
    pub service: String,
    /// Stage to roll back.
    #[arg(long)]
    pub stage: String,
    /// Release to roll back to; by default, the one that was stable before the current one.
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
    /// Follow the waves of the profile; by default, all targets are rolled back at once.
    #[arg(long)]
    pub by_waves: bool,
    /// Reason, kept in the timeline and the audit.
    #[arg(long = "reason", visible_alias = "because", value_name = "REASON")]
    pub because: Option<String>,
    /// Allow the loss of a resource that a safeguard protects, by logical ID (Orders, or Orders@eu-west-1 for one
    /// region); can be repeated.
    #[arg(long, value_name = "LOGICAL_ID")]
    pub allow: Vec<String>,
    /// Return without following the rollout.
    #[arg(long)]
    pub no_follow: bool,
}

/// The rollout to retry, and what is allowed for this one retry.
#[derive(Debug, Args)]
pub struct Retry {
    /// Rollout ID.
    pub rollout: String,
    /// Let a stuck rollback (UPDATE_ROLLBACK_FAILED) skip a resource, by logical ID; can be repeated.
    #[arg(long, value_name = "LOGICAL_ID")]
    pub skip: Vec<String>,
    /// Overwrite changes that were made outside of CloudFormation.
    #[arg(long)]
    pub accept_drift: bool,
    /// Delete a stack by force if its deletion fails.
    #[arg(long)]
    pub force: bool,
    /// Allow the loss of a resource that a safeguard protects, by logical ID (Orders, or Orders@eu-west-1 for one
    /// region); can be repeated.
    #[arg(long, value_name = "LOGICAL_ID")]
    pub allow: Vec<String>,
    /// Return without following the rollout.
    #[arg(long)]
    pub no_follow: bool,
}

/// Commands for sets of services.
#[derive(Debug, Subcommand)]
pub enum SetCommand {
    /// List sets, newest first.
    #[command(after_help = "Example:\n  flotilla set list --limit 5")]
    List {
        /// Number of sets to show, 1 to 100.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
    },
    /// Show a set with the status of its services.
    #[command(after_help = "Example:\n  flotilla set show set_01K9Z3M4")]
    Show {
        /// Set ID.
        set: String,
    },
    /// Follow a set until it ends.
    #[command(after_help = "Example:\n  flotilla set watch set_01K9Z3M4")]
    Watch {
        /// Set ID.
        set: String,
    },
    /// Roll the services back to the releases that a set deployed, and hold the current ones.
    #[command(after_help = "Example:\n  flotilla set rollback set_01K9Z3M4 --before")]
    Rollback(SetRollback),
    /// Cancel a set: no further service begins, and a promotion is reverted.
    #[command(after_help = "Example:\n  flotilla set cancel set_01K9Z3M4")]
    Cancel {
        /// Set ID.
        set: String,
        /// Also cancel running updates; CloudFormation rolls them back.
        #[arg(long = "stop", visible_alias = "stop-running")]
        stop_running: bool,
        /// Return without following the set.
        #[arg(long)]
        no_follow: bool,
    },
}

/// The set to roll back to.
#[derive(Debug, Args)]
pub struct SetRollback {
    /// Set ID.
    pub set: String,
    /// Roll back to the releases that ran before the set.
    #[arg(long)]
    pub before: bool,
    /// Follow the waves of the profiles; by default, all targets are rolled back at once.
    #[arg(long)]
    pub by_waves: bool,
    /// Reason, kept in the timeline and the audit.
    #[arg(long = "reason", visible_alias = "because", value_name = "REASON")]
    pub because: Option<String>,
    /// Return without following the set.
    #[arg(long)]
    pub no_follow: bool,
}

/// The stage whose consumers are shown or redeployed.
#[derive(Debug, Args)]
pub struct Consumers {
    /// Service whose outputs are used.
    pub service: String,
    /// Stage of the service.
    #[arg(long)]
    pub stage: String,
    /// Redeploy the running releases of all consumers, direct and indirect, in order.
    #[arg(long)]
    pub redeploy: bool,
    /// Reason, kept in the timeline and the audit.
    #[arg(long = "reason", visible_alias = "because", value_name = "REASON", requires = "redeploy")]
    pub because: Option<String>,
    /// Return without following the set.
    #[arg(long, requires = "redeploy")]
    pub no_follow: bool,
}
