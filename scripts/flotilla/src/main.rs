//! Parses the command line, runs the command and reports errors.

use clap::Parser;
use flotilla_cli::args::Cli;
use flotilla_cli::{CliError, commands};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.global.json;
    match commands::run(cli).await {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            report(&error, json);
            ExitCode::from(error.exit() as u8)
        }
    }
}

fn report(error: &CliError, json: bool) {
    if json {
        let value = match error {
            CliError::Problem(problem) => serde_json::json!({ "error": problem }),
            other => serde_json::json!({"error": {"detail": other.to_string(), "fix": other.fix()}}),
        };
        println!("{value}");
        return;
    }
    eprintln!("{} {error}", console::style("error:").red().bold().for_stderr());
    if let Some(now) = error.now() {
        eprintln!("{} {now}", console::style("now:").bold().for_stderr());
    }
    if let Some(fix) = error.fix() {
        eprintln!("{} {fix}", console::style("fix:").bold().for_stderr());
    }
}
