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

/// What to do with the traffic of a rollout that shifts it.
#[derive(Debug, Subcommand)]
pub enum Traffic {
    /// Give the new versions this share now; the step's time begins again.
    #[command(after_help = "Example:\n  flotilla traffic set rlo_01K9Z3M4 50")]
    Set {
        /// Rollout ID.
        rollout: String,
        /// Share of the new versions, in percent.
        #[arg(value_parser = clap::value_parser!(u8).range(1..=99))]
        percent: u8,
    },
    /// Give the new versions everything now, without the remaining steps.
    #[command(after_help = "Example:\n  flotilla traffic promote rlo_01K9Z3M4")]
    Promote {
        /// Rollout ID.
        rollout: String,
    },
    /// Give the old versions everything back; the rollout then fails.
    #[command(after_help = "Example:\n  flotilla traffic abort rlo_01K9Z3M4")]
    Abort {
        /// Rollout ID.
        rollout: String,
    },
}
