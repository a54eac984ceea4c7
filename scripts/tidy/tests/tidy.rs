//! The rules of this repository, as tests.

use flotilla_domain::Code;
use flotilla_tidy::imports::Imports;
use flotilla_tidy::pages::root;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(path.as_ref()))
        .unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

/// All Rust files of the project.
fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["functions", "shared", "scripts"].iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true if path.ends_with("target") => {}
                true => folders.push(path),
                false if path.extension().is_some_and(|e| e == "rs") => files.push(path),
                false => {}
            }
        }
    }
    files
}

/// The crates of this workspace that a manifest depends on, without dev-dependencies.
fn own_dependencies(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = toml::from_str(&read(manifest)).expect("a manifest");
    let dependencies =
        manifest.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    dependencies.keys().filter_map(|name| name.strip_prefix("flotilla-")).map(str::to_owned).collect()
}

#[test]
fn dependencies_point_one_way() {
    let allowed: [(&str, &[&str]); 8] = [
        ("shared/domain", &[]),
        ("shared/contract", &[]),
        ("shared/telemetry", &[]),
        ("shared/package", &["domain"]),
        ("shared/provenance", &["domain"]),
        ("shared/engine", &["domain", "contract", "package", "provenance"]),
        ("shared/aws", &["contract", "domain", "engine"]),
        ("shared/sim", &["domain", "contract", "package", "engine"]),
    ];
    for (folder, allowed) in allowed {
        let found = own_dependencies(&format!("{folder}/Cargo.toml"));
        let more: Vec<_> = found.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(more.is_empty(), "{folder} may not depend on {more:?}");
    }
}

#[test]
fn a_function_never_calls_the_sdk_and_never_depends_on_another_function() {
    for function in ["ingest", "replicate", "deploy", "api", "cleanup", "notify", "guard"] {
        let manifest = read(format!("functions/{function}/Cargo.toml"));
        assert!(!manifest.contains("aws-sdk-"), "{function} depends on an SDK");
        let own = own_dependencies(&format!("functions/{function}/Cargo.toml"));
        assert!(!own.iter().any(|name| name.starts_with("fn-")), "{function} depends on a function: {own:?}");
        let main = read(format!("functions/{function}/src/main.rs"));
        assert!(main.lines().count() <= 40, "{function}/main.rs must contain only wiring");
    }
}

#[test]
fn guard_is_built_and_tested_apart_from_all_others() {
    // Its library enables `preserve_order` of serde_json, and Cargo unifies features of crates that are built together.
    for script in ["scripts/build", "scripts/test"] {
        let text = read(script).replace("\\\n", " ");
        let alone: Vec<&str> = text.lines().filter(|line| line.contains("-p flotilla-fn-guard")).collect();
        assert!(!alone.is_empty(), "{script}");
        assert!(alone.iter().all(|line| line.matches(" -p ").count() == 1), "{script}: {alone:?}");
        let builds = |line: &str| line.contains("cargo test") || line.contains("cargo build");
        let all = |line: &&str| builds(line) && line.contains("--workspace");
        assert!(
            text.lines().filter(all).all(|line| line.contains("--exclude flotilla-fn-guard")),
            "{script}"
        );
    }
}

#[test]
fn the_domain_is_pure() {
    let manifest = read("shared/domain/Cargo.toml");
    for forbidden in ["tokio", "async-trait", "futures", "aws-", "serde", "rand"] {
        assert!(
            !manifest.lines().any(|line| line.starts_with(forbidden)),
            "the domain depends on {forbidden}"
        );
    }
    for file in rust_files().iter().filter(|f| f.starts_with(root().join("shared/domain"))) {
        let text = std::fs::read_to_string(file).expect("a file");
        for forbidden in ["async fn", "Timestamp::now", "std::env", "std::fs"] {
            assert!(!text.contains(forbidden), "{} has {forbidden}", file.display());
        }
    }
}

#[test]
fn no_code_that_runs_on_lambda_starts_a_process() {
    let is_shipped = |path: &&PathBuf| {
        let path = path.to_string_lossy().into_owned();
        (path.contains("/shared/") || path.contains("/functions/")) && path.contains("/src/")
    };
    for path in rust_files().iter().filter(is_shipped) {
        assert!(!read(path).contains("Command::new"), "{} starts a process", path.display());
    }
}

#[test]
fn no_two_files_import_each_other() {
    let crates = ["functions", "shared", "scripts"].iter().flat_map(|folder| {
        std::fs::read_dir(root().join(folder)).expect("a folder").flatten().map(|entry| entry.path())
    });
    for package in crates.filter(|path| path.join("src").is_dir()) {
        let circle = Imports::of(&package.join("src")).circle();
        assert_eq!(circle, None, "a cycle of imports in {}", package.display());
    }
}

#[test]
fn files_are_short_and_say_what_they_own() {
    for file in rust_files() {
        let text = std::fs::read_to_string(&file).expect("a file");
        let lines = text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines, at most 400 are allowed; split it", file.display());
        let first = text.lines().next().unwrap_or_default();
        let is_tests = file.file_name().is_some_and(|n| n.to_string_lossy().ends_with("tests.rs"));
        assert!(is_tests || first.starts_with("//!"), "{} does not begin with //!", file.display());
    }
}

#[test]
fn every_error_code_is_documented_and_no_other() {
    let page = read("docs/errors.md");
    for code in Code::ALL {
        let heading = format!("### {code} {}", code.title());
        assert!(page.contains(&heading), "docs/errors.md lacks: {heading}");
    }
    let headings = page.lines().filter(|line| line.starts_with("### FL")).count();
    assert_eq!(headings, Code::ALL.len(), "docs/errors.md has codes that do not exist");
}

#[test]
fn nothing_else_stands_at_the_top() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "functions",
        "shared",
        "infra",
        "scripts",
        "docs",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "clippy.toml",
        "rustfmt.toml",
        "deny.toml",
        "target",
    ];
    for entry in std::fs::read_dir(root()).expect("the project").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.') || allowed.contains(&name.as_str()), "{name}: not allowed at the top");
    }
}

#[test]
fn every_planted_bug_can_still_be_planted() {
    let mut check = std::process::Command::new("python3");
    let done = check.arg(root().join("scripts/planted")).arg("--check").output().expect("python3");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
