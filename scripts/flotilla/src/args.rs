//! The command line: its commands and global options.

mod gates;
mod moves;
mod packages;
mod previews;
mod setup;

pub use gates::{Freeze, Line, Traffic, Unfreeze};
pub use moves::{Consumers, Promote, Retry, Rollback, SetCommand, SetRollback};
pub use packages::{Pack, Push};
pub use previews::{Close, Preview, RemoveStage};
pub use setup::{
    AccountCommand, AccountRoles, AddAccount, Concurrency, Install, Removal, RemoveAccount, Uninstall,
};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Package once, deploy many: one serverless package to every region, account and stage.
#[derive(Debug, Parser)]
#[command(name = "flotilla", version, disable_help_subcommand = true)]
#[command(after_help = "Example:\n  flotilla push .serverless --service orders --ref branch:main")]
pub struct Cli {
    /// Connection and output.
    #[command(flatten)]
    pub global: Global,
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// Heading of the options that every command has.
const GLOBAL: &str = "Global options";

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Prefix of the control plane's resource names.
    #[arg(long, global = true, default_value = "flotilla", env = "FLOTILLA_PREFIX", help_heading = GLOBAL)]
    pub prefix: String,
    /// Region of the control plane; by default, the region of the AWS configuration.
    #[arg(long, global = true, env = "FLOTILLA_REGION", help_heading = GLOBAL)]
    pub region: Option<String>,
    /// Write JSON to standard output.
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
}

/// The commands, in the order of the help.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Install or update the control plane and its regions.
    #[command(
        after_help = "Example:\n  flotilla install --region eu-central-1 --regions eu-central-1,us-east-1"
    )]
    Install(Box<Install>),
    /// Show who you are for Flotilla, which person you count as, and what you may do.
    #[command(name = "whoami", after_help = "Example:\n  flotilla whoami")]
    WhoAmI,
    /// Check what an installation needs, and name what repairs each finding; changes nothing.
    #[command(after_help = "Example:\n  flotilla doctor")]
    Doctor,
    /// Remove the control plane and its regions, after showing what; deployed services stay.
    #[command(after_help = "Example:\n  flotilla uninstall --keep-data")]
    Uninstall(Uninstall),
    /// Manage target accounts other than the control plane's own.
    #[command(subcommand)]
    #[command(after_help = "Example:\n  flotilla account add 333344445555 --regions us-east-1")]
    Account(AccountCommand),
    /// Apply profiles, services and access grants from TOML files.
    #[command(after_help = "Example:\n  flotilla apply flotilla.toml")]
    Apply {
        /// Configuration files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Build a package that fits every stage and region, and show its contents.
    #[command(after_help = "Example:\n  flotilla pack .serverless -o orders.zip")]
    Pack(Pack),
    /// Pack a folder, upload it and follow the rollout.
    #[command(after_help = "Example:\n  flotilla push .serverless --service orders --ref branch:main")]
    Push(Push),
    /// Open the console in a browser, signed in as you.
    #[command(after_help = "Example:\n  flotilla open")]
    Open {
        /// Print the link instead of opening a browser. It works once, within a minute.
        #[arg(long)]
        print: bool,
    },
    /// List services, or show what runs at the stages of one service.
    #[command(after_help = "Example:\n  flotilla status orders")]
    Status {
        /// Service to show; by default, all services are listed.
        service: Option<String>,
    },
    /// Follow a rollout until it ends.
    #[command(after_help = "Example:\n  flotilla watch rlo_01K9Z3M4")]
    Watch {
        /// Rollout ID.
        rollout: String,
    },
    /// Show a rollout with its deployments, causes and timeline.
    #[command(after_help = "Example:\n  flotilla rollout rlo_01K9Z3M4")]
    Rollout {
        /// Rollout ID.
        rollout: String,
    },
    /// List the releases of a service, newest first.
    #[command(after_help = "Example:\n  flotilla releases orders --limit 5")]
    Releases {
        /// Service name.
        service: String,
        /// Number of releases to show, 1 to 100.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
    },
    /// Show in which stages and regions a release or commit runs.
    #[command(after_help = "Example:\n  flotilla where orders 4f2a9c1")]
    Where {
        /// Service name.
        service: String,
        /// Release ID, build, or the beginning of a commit or package digest: 7 characters at least.
        what: String,
    },
    /// List uploads, newest first, with the cause of each refusal.
    #[command(after_help = "Example:\n  flotilla uploads orders")]
    Uploads {
        /// Service name; by default, uploads whose key names no service are listed.
        service: Option<String>,
        /// Number of uploads to show, 1 to 100.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
    },
    /// Start a rollout of an existing release.
    #[command(after_help = "Example:\n  flotilla start orders rel_01K9Z3M4 --stage staging")]
    Start {
        /// Service name.
        service: String,
        /// Release ID.
        release: String,
        /// Stage to deploy to.
        #[arg(long)]
        stage: String,
        /// Allow the loss of a resource that a safeguard protects, by logical ID (Orders, or Orders@eu-west-1 for one
        /// region); can be repeated.
        #[arg(long, value_name = "LOGICAL_ID")]
        allow: Vec<String>,
        /// Return without following the rollout.
        #[arg(long)]
        no_follow: bool,
    },
    /// Show what a rollout changes or would change, as one diff for all targets.
    #[command(after_help = "Example:\n  flotilla plan orders --stage production --from staging")]
    Plan(Plan),
    /// Promote a stable release to another stage; several services are promoted as a set.
    #[command(after_help = "Example:\n  flotilla promote orders --from staging --to production")]
    Promote(Promote),
    /// Roll a stage back to an earlier release, and hold the current one.
    #[command(
        after_help = "Example:\n  flotilla rollback orders --stage production --reason \"checkout fails\""
    )]
    Rollback(Rollback),
    /// List, show, extend, close or remove previews.
    #[command(subcommand)]
    #[command(after_help = "Example:\n  flotilla preview list")]
    Preview(Preview),
    /// Remove a stage: delete its stacks in every region. A permanent stage is removed only after confirmation.
    #[command(after_help = "Example:\n  flotilla remove orders --stage staging --allow OrdersTable")]
    Remove(RemoveStage),
    /// Start a new rollout for the targets that a rollout did not change as asked.
    #[command(after_help = "Example:\n  flotilla retry rlo_01K9Z3M4")]
    Retry(Retry),
    /// Cancel a rollout: running deployments finish, and nothing new begins.
    #[command(after_help = "Example:\n  flotilla cancel rlo_01K9Z3M4 --stop")]
    Cancel {
        /// Rollout ID.
        rollout: String,
        /// Also cancel running updates; CloudFormation rolls them back.
        #[arg(long = "stop", visible_alias = "stop-running")]
        stop_running: bool,
    },
    /// Pause a rollout before its next step.
    #[command(after_help = "Example:\n  flotilla pause rlo_01K9Z3M4")]
    Pause {
        /// Rollout ID.
        rollout: String,
    },
    /// Resume a paused rollout.
    #[command(after_help = "Example:\n  flotilla resume rlo_01K9Z3M4")]
    Resume {
        /// Rollout ID.
        rollout: String,
    },
    /// Shift the traffic of a rollout by hand.
    #[command(subcommand, after_help = "Example:\n  flotilla traffic promote rlo_01K9Z3M4")]
    Traffic(Traffic),
    /// Approve the next wave of a rollout, for its current package and plan.
    #[command(after_help = "Example:\n  flotilla approve rlo_01K9Z3M4 --reason \"plan reviewed\"")]
    Approve {
        /// Rollout ID.
        rollout: String,
        /// Reason, kept in the timeline and the audit.
        #[arg(long = "reason", visible_alias = "because", value_name = "REASON")]
        because: Option<String>,
    },
    /// Open every gate of one rollout: approvals, windows, alarms and freezes.
    #[command(after_help = "Example:\n  flotilla break-glass rlo_01K9Z3M4 --reason \"incident 4711\"")]
    BreakGlass {
        /// Rollout ID.
        rollout: String,
        /// Reason, kept in the timeline and the audit.
        #[arg(long = "reason", visible_alias = "because", value_name = "REASON")]
        because: String,
    },
    /// Stop all rollouts, or those of one profile, from beginning anything.
    #[command(after_help = "Example:\n  flotilla freeze --profile production --reason \"incident 4711\"")]
    Freeze(Freeze),
    /// End a freeze.
    #[command(after_help = "Example:\n  flotilla unfreeze --profile production")]
    Unfreeze(Unfreeze),
    /// List the freezes.
    #[command(after_help = "Example:\n  flotilla freezes")]
    Freezes,
    /// Use freeze, unfreeze or freezes: this is their former name.
    #[command(subcommand)]
    #[command(after_help = "Example:\n  flotilla line stop --reason \"incident 4711\"")]
    Line(Line),
    /// Forbid the package of a release at a stage until the hold is released.
    #[command(
        after_help = "Example:\n  flotilla hold orders rel_01K9Z3M4 --stage production --reason \"data loss\""
    )]
    Hold {
        /// Service name.
        service: String,
        /// Release ID.
        release: String,
        /// Stage of the hold.
        #[arg(long)]
        stage: String,
        /// Reason, kept with the hold and in the audit.
        #[arg(long = "reason", visible_alias = "because", value_name = "REASON")]
        because: String,
    },
    /// Release one hold, or all holds, of a stage.
    #[command(after_help = "Example:\n  flotilla unhold orders rel_01K9Z3M4 --stage production")]
    Unhold {
        /// Service name.
        service: String,
        /// Release ID; by default, all holds of the stage are released.
        release: Option<String>,
        /// Stage of the hold.
        #[arg(long)]
        stage: String,
    },
    /// List, show, follow, roll back or cancel sets of services.
    #[command(subcommand)]
    #[command(after_help = "Example:\n  flotilla set show set_01K9Z3M4")]
    Set(SetCommand),
    /// Show which services use outputs of a stage, or redeploy them.
    #[command(after_help = "Example:\n  flotilla consumers database --stage production --redeploy")]
    Consumers(Consumers),
    /// Write completions for a shell to standard output.
    #[command(
        after_help = "Example:\n  flotilla completions bash > ~/.local/share/bash-completion/completions/flotilla"
    )]
    Completions {
        /// Shell.
        shell: clap_complete::Shell,
    },
    /// Write manual pages, one for each command, into a folder.
    #[command(after_help = "Example:\n  flotilla man ~/.local/share/man/man1")]
    Man {
        /// Existing folder.
        folder: PathBuf,
    },
    /// List the commands of operators, newest first; with --json, one entry per line.
    #[command(after_help = "Example:\n  flotilla audit --since 30d --service orders")]
    Audit(Audit),
}

/// The entries of the audit to list.
#[derive(Debug, Args)]
pub struct Audit {
    /// Oldest time to include: 12h, 7d or 2026-11-21T00:00:00Z.
    #[arg(long, default_value = "7d")]
    pub since: String,
    /// Show only commands for this service.
    #[arg(long)]
    pub service: Option<String>,
    /// Show only commands for this stage.
    #[arg(long)]
    pub stage: Option<String>,
    /// Show only commands of this principal: its ARN, or a part of it.
    #[arg(long = "principal", visible_alias = "by", value_name = "PRINCIPAL")]
    pub by: Option<String>,
}

/// The plan to show, or to create and show.
#[derive(Debug, Args)]
pub struct Plan {
    /// Rollout ID; or, with --stage, a service: its change sets are created, shown and deleted.
    #[arg(value_name = "ROLLOUT|SERVICE")]
    pub what: String,
    /// Stage to plan for.
    #[arg(long)]
    pub stage: Option<String>,
    /// Release to plan; by default, the stable release of --from, else the newest of the service.
    #[arg(long, requires = "stage")]
    pub release: Option<String>,
    /// Stage whose stable release to plan.
    #[arg(long, requires = "stage", conflicts_with = "release")]
    pub from: Option<String>,
    /// Show the properties before and after.
    #[arg(short, long)]
    pub verbose: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn without_example(command: &clap::Command, path: &str) -> Vec<String> {
        let path = format!("{path} {}", command.get_name());
        let own = command.get_after_help().is_none().then(|| path.clone());
        own.into_iter().chain(command.get_subcommands().flat_map(|c| without_example(c, &path))).collect()
    }

    #[test]
    fn every_command_shows_an_example() {
        let command = Cli::command();
        command.clone().debug_assert();
        assert_eq!(without_example(&command, ""), Vec::<String>::new());
    }

    #[test]
    fn former_names_still_work() {
        for (former, name) in [
            ("line stop --because why --profile p", "freeze --reason why --profile p"),
            ("line lift --profile p", "unfreeze --profile p"),
            ("line show", "freezes"),
            ("cancel rlo --stop-running", "cancel rlo --stop"),
            ("set cancel set --stop-running", "set cancel set --stop"),
            ("audit --by ann", "audit --principal ann"),
            ("approve rlo --because why", "approve rlo --reason why"),
            ("break-glass rlo --because why", "break-glass rlo --reason why"),
            ("hold s rel --stage t --because why", "hold s rel --stage t --reason why"),
            ("promote s --from a --to b --because why", "promote s --from a --to b --reason why"),
            ("rollback s --stage t --because why", "rollback s --stage t --reason why"),
            ("set rollback set --because why", "set rollback set --reason why"),
            (
                "consumers s --stage t --redeploy --because why",
                "consumers s --stage t --redeploy --reason why",
            ),
        ] {
            for line in [former, name] {
                let parsed = Cli::try_parse_from(format!("flotilla {line}").split(' '));
                assert!(
                    parsed.is_ok(),
                    "{line}: {}",
                    parsed.err().map(|e| e.to_string()).unwrap_or_default()
                );
            }
        }
    }
}
