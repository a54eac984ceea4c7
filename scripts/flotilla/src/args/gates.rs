//! Arguments of freezes.

use clap::{Args, Subcommand};

/// The freeze to create.
#[derive(Debug, Args)]
pub struct Freeze {
    /// Freeze only the rollouts of this profile.
    #[arg(long)]
    pub profile: Option<String>,
    /// Reason, shown at blocked rollouts and kept in the audit.
    #[arg(long = "reason", visible_alias = "because", value_name = "REASON")]
    pub because: String,
}

/// The freeze to end.
#[derive(Debug, Args)]
pub struct Unfreeze {
    /// End the freeze of this profile; by default, the one of all profiles.
    #[arg(long)]
    pub profile: Option<String>,
}

/// The former names of `freezes`, `freeze` and `unfreeze`.
#[derive(Debug, Subcommand)]
pub enum Line {
    /// List the freezes, as flotilla freezes does.
    #[command(after_help = "Example:\n  flotilla freezes")]
    Show,
    /// Stop rollouts from beginning anything, as flotilla freeze does.
    #[command(after_help = "Example:\n  flotilla freeze --profile production --reason \"incident 4711\"")]
    Stop(Freeze),
    /// End a freeze, as flotilla unfreeze does.
    #[command(after_help = "Example:\n  flotilla unfreeze --profile production")]
    Lift(Unfreeze),
}
