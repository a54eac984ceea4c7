//! `flotilla completions` and `flotilla man`: both follow from the command line itself.

use crate::args::Cli;
use crate::error::{CliError, Exit};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;
use std::path::Path;

/// Writes the completions of a shell to standard output.
pub fn completions(shell: Shell) -> Result<Exit, CliError> {
    // clap_complete panics where it cannot write, as into a pipe that is closed.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "flotilla", &mut text);
    let written = std::io::stdout().write_all(&text);
    written.map(|()| Exit::Success).map_err(|e| CliError::failed("cannot write the completions", e))
}

/// Writes `flotilla.1`, `flotilla-push.1` and so on.
pub fn pages(folder: &Path) -> Result<Exit, CliError> {
    let failed = |e| CliError::failed(format!("cannot write manual pages into {}", folder.display()), e);
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), folder).map_err(failed)?;
    println!("wrote the manual pages into {}", folder.display());
    Ok(Exit::Success)
}
