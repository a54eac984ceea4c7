//! The pages show commands and configurations: the command's own parser and the control plane's own reader take each.

use clap::Parser;
use flotilla_cli::args::Cli;
use flotilla_contract::config::ConfigFile;
use flotilla_domain::{ProfileName, ServiceName};
use flotilla_tidy::pages;

/// The fenced blocks of a language, each with the number of its first line.
fn blocks(page: &str, language: &str) -> Vec<(usize, String)> {
    let (mut found, mut open) = (Vec::new(), None::<(bool, usize, String)>);
    for (n, line) in page.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        open = match (open.take(), fence) {
            (None, Some(language_of)) => Some((language_of.trim() == language, n + 2, String::new())),
            (None, None) => None,
            (Some((wanted, at, text)), Some(_)) => {
                if wanted {
                    found.push((at, text));
                }
                None
            }
            (Some((wanted, at, text)), None) => Some((wanted, at, text + line + "\n")),
        };
    }
    found
}

/// The arguments of a line that calls `flotilla`, up to a pipe or the next command.
fn arguments(line: &str) -> Option<Vec<String>> {
    let words = shlex::split(line)?;
    let at = words.iter().position(|word| word == "flotilla" || word.ends_with("/flotilla"))?;
    let is_env = |word: &String| word.contains('=') && !word.starts_with('-');
    if !words[..at].iter().all(is_env) {
        return None;
    }
    let end = |word: &&String| !["|", "&&", ";", ">", "2>", "||"].contains(&word.as_str());
    Some(words[at..].iter().take_while(end).cloned().collect())
}

#[test]
fn every_command_in_the_pages_is_one_that_the_parser_takes() {
    let mut seen = 0;
    for (path, page) in pages::all() {
        for (at, block) in blocks(&page, "sh") {
            for (n, line) in block.replace("\\\n", " ").lines().enumerate() {
                let Some(arguments) = arguments(line) else { continue };
                seen += 1;
                if let Err(error) = Cli::try_parse_from(&arguments)
                    && error.use_stderr()
                {
                    panic!("{}:{}: {line}\n{error}", path.display(), at + n);
                }
            }
        }
    }
    assert!(seen > 60, "only {seen} commands were found");
}

#[test]
fn every_configuration_in_the_pages_is_one_that_the_control_plane_takes() {
    let mut seen = 0;
    for (path, page) in pages::all() {
        for (at, block) in blocks(&page, "toml") {
            let place = format!("{}:{at}", path.display());
            let file: ConfigFile = toml::from_str(&block).unwrap_or_else(|e| panic!("{place}: {e}"));
            for (name, profile) in &file.profiles {
                let name = ProfileName::parse(name).unwrap_or_else(|e| panic!("{place}: {e}"));
                flotilla_engine::config::profile(name, profile).unwrap_or_else(|e| panic!("{place}: {e}"));
            }
            for (name, service) in &file.services {
                let name = ServiceName::parse(name).unwrap_or_else(|e| panic!("{place}: {e}"));
                let read = flotilla_engine::config::service_config(name, service);
                read.unwrap_or_else(|e| panic!("{place}: {e}"));
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} configurations were found");
}

#[test]
fn blocks_and_arguments_are_found() {
    let page = "text\n```sh\nA=b flotilla status orders | head\necho flotilla\n```\n```toml\nx = 1\n```\n";
    let found = blocks(page, "sh");
    assert_eq!(found, [(3, "A=b flotilla status orders | head\necho flotilla\n".to_owned())]);
    let words = arguments("A=b target/lambda/flotilla rollback orders --reason \"too slow\" # why");
    assert_eq!(words.unwrap()[1..], ["rollback", "orders", "--reason", "too slow"]);
    assert_eq!(arguments("echo flotilla"), None);
}
