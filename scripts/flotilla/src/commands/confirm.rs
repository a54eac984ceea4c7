//! Asks a person to confirm a removal.

use crate::error::CliError;
use std::io::{BufRead, IsTerminal, Write};

/// Shows what will be removed, and asks on a terminal to type a name. Elsewhere, the command needs `--yes`: `check` says what to look at
/// first.
///
/// # Errors
/// If there is no terminal, or another text was typed.
pub fn confirm(name: &str, will: &str, check: &str) -> Result<(), CliError> {
    if !std::io::stdin().is_terminal() {
        let what = format!("nothing was removed: the removal of {name} is not confirmed");
        return Err(CliError::usage(what, format!("{check}, then run the command again with --yes")));
    }
    eprint!("{will} Type {name} to confirm: ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(_) if line.trim() == name => Ok(()),
        Ok(_) => Err(CliError::usage("nothing was removed", format!("type {name} to confirm the removal"))),
        Err(error) => Err(CliError::failed("cannot read the confirmation", error)),
    }
}
