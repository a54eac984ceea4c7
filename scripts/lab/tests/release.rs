//! Installs from a release archive, with the commands of the how-to page and without `flotilla install`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the lab reads its environment")]

#[allow(dead_code, reason = "the tutorials use more of a page")]
#[path = "tutorial/page.rs"]
mod page;

use flotilla_lab::World;
use flotilla_lab::config::for_service;
use flotilla_lab::emulator::{ACCOUNT, Emulator, program};
use flotilla_lab::samples::ballast_package;
use flotilla_lab::world::{HOME, text};
use page::{Block, blocks};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const REGIONS: [&str; 2] = [HOME, "us-east-1"];

/// The archive, made from the binaries of the test.
fn archive() -> PathBuf {
    let binaries = std::env::var("FLOTILLA_BINARIES").unwrap();
    let made = Command::new("../release").args(["--binaries", &binaries]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}

/// Runs a command of the page in the folder.
fn run(line: &str, folder: &Path, endpoint: &str) -> Output {
    let tools = std::env::var("FLOTILLA_AWS_CLI").expect("FLOTILLA_AWS_CLI, which scripts/tools sets");
    let path = format!("{tools}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(folder).env("PATH", path).env("HOME", folder);
    shell.env("AWS_ENDPOINT_URL", endpoint).env("AWS_DEFAULT_REGION", HOME);
    shell.env("AWS_ACCESS_KEY_ID", ACCOUNT).env("AWS_SECRET_ACCESS_KEY", "test");
    shell.output().unwrap()
}

/// The bill of materials names the crates that are linked, each with its licence and digest, and none that only tests use.
fn lists_what_it_is_made_of(archive: &Path) {
    let member = "flotilla-0.1.0-x86_64/sbom.cdx.json";
    let bill = Command::new("tar").arg("-xzOf").arg(archive).arg(member).output().unwrap();
    let bill: serde_json::Value = serde_json::from_slice(&bill.stdout).unwrap();
    assert_eq!(bill["specVersion"], "1.6");
    let components = bill["components"].as_array().unwrap();
    let named = |name: &str| components.iter().filter(|component| component["name"] == name).count();
    assert!(named("aws-sdk-cloudformation") == 1 && named("tokio") == 1 && named("flotilla-engine") == 1);
    assert_eq!(named("proptest") + named("flotilla-sim"), 0);
    for component in components {
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
        let own = component["name"].as_str().unwrap().starts_with("flotilla");
        assert!(own || component["hashes"][0]["content"].is_string(), "{component}");
    }
}

#[tokio::test]
async fn a_pipeline_installs_from_the_release_archive_and_the_command_can_take_over() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is not installed");
        return;
    }
    let first = archive();
    let bytes = std::fs::read(&first).unwrap();
    assert!(bytes == std::fs::read(archive()).unwrap(), "the same binaries make another archive");
    lists_what_it_is_made_of(&first);
    let page = std::fs::read_to_string("../../docs/how-to/install-from-a-pipeline.md").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let name = "flotilla-0.1.0-x86_64.tar.gz";
    std::fs::copy(first, folder.path().join(name)).unwrap();

    let emulator = Emulator::start(&program().unwrap(), None).await.expect("an emulator");
    let mut commands = Vec::new();
    for block in blocks(&page) {
        match block {
            Block::File { path, content, .. } => {
                // The emulator has no TLS.
                let content = content.replace(r#""Prefix=$prefix""#, r#""Prefix=$prefix" RequireTls=false"#);
                std::fs::write(folder.path().join(path), content).unwrap();
            }
            Block::Commands { lines, .. } => commands.extend(lines),
        }
    }
    commands.retain(|line| line != "scripts/release");
    assert!(commands.iter().any(|line| line.contains("install.sh")), "{commands:?}");
    let install = || {
        for line in &commands {
            let done = run(line, folder.path(), &emulator.endpoint());
            assert!(done.status.success(), "{line}\n{}", text(&done));
        }
    };
    install();
    install();

    let world = World::connect(emulator, REGIONS.map(str::to_owned).to_vec()).await.expect("Flotilla");
    let doctor = world.run(&["doctor"]).await.unwrap();
    assert_eq!(doctor.status.code(), Some(0), "{}", text(&doctor));
    world.apply(&for_service(ACCOUNT, "orders", "staging", &world.regions)).await.expect("a configuration");
    let done = world.push("orders", "branch/main", ballast_package(1_000, 1).unwrap()).await.expect("a push");
    assert_eq!(done.status, "succeeded", "{done:#?}");

    let world = World::install(world.emulator, &REGIONS, &[], true).await.expect("the command takes over");
    let doctor = world.run(&["doctor"]).await.unwrap();
    assert_eq!(doctor.status.code(), Some(0), "{}", text(&doctor));
}
