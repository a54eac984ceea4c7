//! Runs the commands.

mod account;
mod apply;
mod audit;
mod concurrency;
mod confirm;
mod create;
mod doctor;
mod find;
mod follow;
mod gates;
mod install;
mod keys;
mod lists;
mod manual;
mod moves;
mod names;
mod open;
mod own_stack;
mod pack;
mod plan;
mod polling;
mod prepare;
mod previews;
mod push;
mod read;
mod rollouts;
mod sets;
mod stacks;
mod uninstall;
mod warnings;
mod zips;

use crate::args::{AccountCommand, Cli, Command, Line};
use crate::error::{CliError, Exit};
use flotilla_contract::StartRollout;

pub use install::{InstallReport, install};
pub use zips::{pack_folder, zip_binary};

/// Runs a command.
///
/// # Errors
/// Why the command failed.
pub async fn run(cli: Cli) -> Result<Exit, CliError> {
    let global = &cli.global;
    match cli.command {
        Command::Install(args) => install::run(global, &args).await,
        Command::WhoAmI => read::who_am_i(global).await,
        Command::Doctor => doctor::run(global).await,
        Command::Uninstall(args) => uninstall::uninstall(global, &args).await,
        Command::Account(AccountCommand::Remove(args)) => uninstall::remove_account(global, &args).await,
        Command::Account(AccountCommand::Add(args)) => account::add(global, &args).await,
        Command::Apply { files } => apply::run(global, &files).await,
        Command::Pack(args) => pack::run(global, &args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(&folder),
        Command::Push(args) => push::run(global, &args).await,
        Command::Open { print } => open::run(global, print).await,
        Command::Status { service } => read::status(global, service.as_deref()).await,
        Command::Releases { service, limit } => read::releases(global, &service, limit).await,
        Command::Where { service, what } => find::run(global, &service, &what).await,
        Command::Uploads { service, limit } => read::uploads(global, service.as_deref(), limit).await,
        Command::Watch { rollout } => rollouts::watch(global, &rollout).await,
        Command::Rollout { rollout } => rollouts::show(global, &rollout).await,
        Command::Start { service, release, stage, allow, no_follow } => {
            let allow = allow.into_iter().collect();
            rollouts::start(global, &StartRollout { service, release, stage, allow }, no_follow).await
        }
        Command::Plan(args) => plan::run(global, args).await,
        Command::Promote(args) if args.services.len() > 1 => sets::promote(global, args).await,
        Command::Promote(args) => moves::promote(global, args).await,
        Command::Rollback(args) => moves::roll_back(global, args).await,
        Command::Set(command) => sets::run(global, command).await,
        Command::Consumers(args) => sets::consumers(global, args).await,
        Command::Hold { service, release, stage, because } => {
            moves::hold(global, &service, &stage, &release, &because).await
        }
        Command::Unhold { service, release, stage } => moves::unhold(global, &service, &stage, release).await,
        Command::Approve { rollout, because } => gates::approve(global, &rollout, because).await,
        Command::BreakGlass { rollout, because } => gates::break_glass(global, &rollout, because).await,
        Command::Freeze(freeze) => gates::line(global, Line::Stop(freeze)).await,
        Command::Unfreeze(unfreeze) => gates::line(global, Line::Lift(unfreeze)).await,
        Command::Freezes => gates::line(global, Line::Show).await,
        Command::Line(line) => gates::line(global, line).await,
        Command::Cancel { rollout, stop_running } => rollouts::cancel(global, &rollout, stop_running).await,
        Command::Pause { rollout } => rollouts::ask(global, &rollout, "pause").await,
        Command::Resume { rollout } => rollouts::ask(global, &rollout, "resume").await,
        Command::Traffic(order) => rollouts::traffic(global, &order).await,
        Command::Audit(args) => audit::run(global, &args).await,
        Command::Preview(command) => previews::run(global, command).await,
        Command::Remove(args) => previews::remove_stage(global, args).await,
        Command::Retry(retry) => rollouts::retry(global, retry).await,
    }
}
