//! The demo: installs Flotilla on an emulator and pushes a real package to several regions.

#![allow(clippy::disallowed_methods, reason = "the demo reads its environment")]

use clap::Parser;
use flotilla_cli::commands::pack_folder;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::{MadeFor, fixture, made_for};
use flotilla_lab::{LabError, World, config, report};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Install Flotilla on an emulator on this machine and push a package.
#[derive(Debug, Parser)]
#[command(
    name = "scripts/demo",
    after_help = "Example:\n  scripts/demo --ci --regions eu-central-1,us-east-1 --json report.json"
)]
struct Args {
    /// Run without a terminal: push, write the report and exit.
    #[arg(long)]
    ci: bool,
    /// Regions to deploy to, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "eu-central-1,us-east-1,ap-southeast-2")]
    regions: Vec<String>,
    /// Package folder, or a zip of one; by default, a sample of this project.
    #[arg(long)]
    package: Option<PathBuf>,
    /// Second package of the same service, pushed after the first; the report is then about this update.
    #[arg(long)]
    update: Option<PathBuf>,
    /// File to write the report to; by default, standard output.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a sample package of BYTES bytes to PATH and exit; for measurements.
    #[arg(long, value_names = ["BYTES", "SEED", "PATH"], num_args = 3)]
    make_package: Option<Vec<String>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let ran = if args.ci { ci(&args).await } else { show(&args).await };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn package(path: &Path) -> Result<Vec<u8>, LabError> {
    if path.is_dir() {
        let zip = pack_folder(path, Cursor::new(Vec::new())).map_err(|e| LabError(e.to_string()))?;
        return Ok(zip.into_inner());
    }
    std::fs::read(path).map_err(|e| LabError(format!("cannot read {}: {e}", path.display())))
}

fn make_package(words: &[String]) -> Result<bool, LabError> {
    let number = |text: &str| text.parse::<u64>().map_err(|e| LabError(format!("{text}: {e}")));
    let bytes = usize::try_from(number(&words[0])?).map_err(|e| LabError(e.to_string()))?;
    let zip = flotilla_lab::samples::ballast_package(bytes, number(&words[1])?)?;
    std::fs::write(&words[2], zip).map_err(|e| LabError(format!("{}: {e}", words[2])))?;
    Ok(true)
}

/// Pushes, writes the report and exits.
async fn ci(args: &Args) -> Result<bool, LabError> {
    if let Some(words) = &args.make_package {
        return make_package(words);
    }
    let (path, MadeFor { service, stage }) = chosen(args)?;
    let regions: Vec<&str> = args.regions.iter().map(String::as_str).collect();
    let world = World::start(&regions, &[], true).await?;
    world.apply(&config::for_service(ACCOUNT, &service, &stage, &args.regions)).await?;
    let mut done = report::push(&world, &service, package(&path)?).await?;
    if let Some(update) = args.update.as_ref().filter(|_| done.status == "succeeded") {
        done = report::push(&world, &service, package(update)?).await?;
    }
    let json = serde_json::to_string_pretty(&done).map_err(|e| LabError(e.to_string()))?;
    match &args.json {
        Some(path) => {
            std::fs::write(path, &json).map_err(|e| LabError(format!("{}: {e}", path.display())))?
        }
        None => println!("{json}"),
    }
    eprintln!("{} in {} ms at {} targets", done.status, done.upload_to_done_ms, done.targets.len());
    Ok(!done.targets.is_empty() && done.targets.iter().all(|target| target.status == "succeeded"))
}

fn chosen(args: &Args) -> Result<(PathBuf, MadeFor), LabError> {
    let path = args.package.clone().unwrap_or_else(|| fixture("hello/package-staging"));
    if !path.exists() {
        return Err(LabError(format!("{} does not exist", path.display())));
    }
    let made_for = made_for(&path)?;
    Ok((path, made_for))
}

/// Shows every step and keeps running until Ctrl-C.
async fn show(args: &Args) -> Result<bool, LabError> {
    if let Some(words) = &args.make_package {
        return make_package(words);
    }
    let (path, MadeFor { service, stage }) = chosen(args)?;
    let regions: Vec<&str> = args.regions.iter().map(String::as_str).collect();
    title("Start an emulator of AWS and install the control plane: flotilla install");
    let world = World::start(&regions, &[], false).await?;
    title("Configure where the service is deployed: flotilla apply");
    let config = config::for_service(ACCOUNT, &service, &stage, &args.regions);
    println!("{}", toml::to_string(&config).map_err(|e| LabError(e.to_string()))?);
    world.apply(&config).await?;
    title("Upload one package and follow its rollout to all regions: flotilla push");
    let source = path.to_str().unwrap_or_default().to_owned();
    let push = ["push", &source, "--service", &service, "--ref", "branch:main"];
    let pushed = world.command(&push)?.status().await.map_err(|e| LabError(e.to_string()))?;
    title("Invoke the function in each region");
    for region in &args.regions {
        match report::invoke_first(&world, region, &format!("{service}-{stage}")).await {
            Ok(reply) => println!("{region:16} {reply}"),
            Err(error) => println!("{region:16} {error}"),
        }
    }
    title("Try next, in another terminal");
    print_hints(&world, &service, &source);
    tokio::signal::ctrl_c().await.map_err(|e| LabError(e.to_string()))?;
    println!("\nThe emulator stops.");
    Ok(pushed.success())
}

fn title(text: &str) {
    println!("\n{}", console::style(text).bold());
}

fn print_hints(world: &World, service: &str, source: &str) {
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.parent()?.join("flotilla").display().to_string()));
    let flotilla = program.unwrap_or_else(|| "flotilla".into());
    println!(
        "
  export AWS_ENDPOINT_URL={endpoint} AWS_REGION=eu-central-1 AWS_ACCESS_KEY_ID={ACCOUNT} AWS_SECRET_ACCESS_KEY=test
  alias flotilla={flotilla}

  flotilla status {service}                  what runs where
  flotilla releases {service}                what was uploaded
  flotilla push {source} --service {service} --ref branch:main
                                         the same bytes again: no changes, in any region
  flotilla push {broken} --service hello --ref branch:main
                                         an update that fails: rolled back in all regions, with its cause
  flotilla push {preview} --service hello --ref pr:42
                                         a preview, removed after 72 hours
  curl --aws-sigv4 aws:amz:eu-central-1:execute-api -u {ACCOUNT}:test \\
    '{endpoint}/_aws/execute-api/{api_id}/$default/v1/services/{service}'
                                         the HTTP API, described by /openapi.json

Press Ctrl-C to stop the demo and everything that it started.",
        endpoint = world.emulator.endpoint(),
        api_id = world.api_id,
        broken = fixture("broken/package-staging").display(),
        preview = fixture("hello/package-pr-42").display(),
    );
}
