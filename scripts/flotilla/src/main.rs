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
    eprint!("{}", text(error));
}

/// The error with its place, the current state and the fix, each in a line.
fn text(error: &CliError) -> String {
    let label = |label| console::style(label).bold().for_stderr();
    let mut text = format!("{} {error}\n", label("error:").red());
    let now = error.now();
    for (name, value) in [("at:", error.path()), ("now:", now.as_deref()), ("fix:", error.fix())] {
        if let Some(value) = value {
            text.push_str(&format!("{} {value}\n", label(name)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_contract::Problem;

    fn problem(path: Option<&str>) -> CliError {
        CliError::Problem(Box::new(Problem {
            kind: "urn:flotilla:error:FL0301".into(),
            title: "the configuration is invalid".into(),
            status: 400,
            detail: "\"yes\" is not known".into(),
            code: "FL0301".into(),
            fix: "use halt or revert".into(),
            path: path.map(str::to_owned),
            current: None,
        }))
    }

    #[test]
    fn an_error_of_the_api_says_which_field_is_wrong() {
        console::set_colors_enabled_stderr(false);
        assert_eq!(
            text(&problem(Some("on_failure"))),
            "error: FL0301: \"yes\" is not known\nat: on_failure\nfix: use halt or revert\n"
        );
        assert_eq!(text(&problem(None)), "error: FL0301: \"yes\" is not known\nfix: use halt or revert\n");
    }
}
