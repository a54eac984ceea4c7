//! `flotilla apply`: applies profiles, services and access grants from TOML files.

use crate::api::Api;
use crate::args::Global;
use crate::error::{CliError, Exit};
use crate::show;
use flotilla_contract::config::ConfigFile;
use flotilla_contract::{AccessConfig, IdentityConfig, ProfileConfig};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Applied {
    kind: &'static str,
    name: String,
    version: u64,
}

pub async fn run(global: &Global, files: &[PathBuf]) -> Result<Exit, CliError> {
    let mut parsed = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(path)
            .map_err(|e| CliError::failed(format!("cannot read {}", path.display()), e))?;
        let mut file: ConfigFile = toml::from_str(&text).map_err(|e| {
            CliError::usage(
                format!("{} is not a valid configuration: {e}", path.display()),
                "correct the file; docs/configuration.md describes it",
            )
        })?;
        read_rules(&mut file, path.parent().unwrap_or(Path::new("")))?;
        parsed.push(file);
    }
    for warning in shared_accounts(parsed.iter().flat_map(|file| &file.profiles)) {
        eprintln!("warning: {warning}");
    }
    let api = Api::connect(global).await?;
    let mut applied = Vec::new();
    // Profiles first: services refer to them.
    for (name, profile) in parsed.iter().flat_map(|file| &file.profiles) {
        let reply = api.put(&format!("/v1/profiles/{name}"), profile).await?;
        applied.push(Applied {
            kind: "profile",
            name: name.clone(),
            version: reply["version"].as_u64().unwrap_or(0),
        });
    }
    for (name, service) in parsed.iter().flat_map(|file| &file.services) {
        let reply = api.put(&format!("/v1/services/{name}/config"), service).await?;
        applied.push(Applied {
            kind: "service",
            name: name.clone(),
            version: reply["version"].as_u64().unwrap_or(0),
        });
    }
    // Access last, so that the current grants apply to the whole command.
    let grants: Vec<_> = parsed.iter().flat_map(|file| file.access.clone()).collect();
    let identity = identity(parsed.iter().filter_map(|file| file.identity.as_ref()))?;
    if grants.is_empty() && identity.is_some() {
        let fix =
            "add the grants ([[access]]) to the same command: they are one configuration with [identity]";
        return Err(CliError::usage("[identity] was given without grants", fix));
    }
    if !grants.is_empty() {
        let reply = api.put("/v1/access", &AccessConfig { grants, identity }).await?;
        let version = reply["version"].as_u64().unwrap_or(0);
        applied.push(Applied { kind: "access", name: "of everybody".into(), version });
    }
    if global.json {
        show::json(&applied);
    } else {
        for one in &applied {
            match one.kind {
                "access" => println!("access: version {}", one.version),
                kind => println!("{kind} {}: version {}", one.name, one.version),
            }
        }
    }
    Ok(Exit::Success)
}

/// The only `[identity]` of all files.
fn identity<'a>(found: impl Iterator<Item = &'a IdentityConfig>) -> Result<Option<IdentityConfig>, CliError> {
    let found: Vec<_> = found.collect();
    match found[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        _ => {
            let fix = "keep one: it replaces the one before as a whole";
            Err(CliError::usage(format!("[identity] was given in {} files", found.len()), fix))
        }
    }
}

/// Says which profiles of previews share their account with profiles of stages that stay.
fn shared_accounts<'a>(
    profiles: impl Iterator<Item = (&'a String, &'a ProfileConfig)> + Clone,
) -> Vec<String> {
    let of_previews = |profile: &ProfileConfig| profile.previews == Some(true);
    let mut warnings = Vec::new();
    for (name, profile) in profiles.clone().filter(|(_, profile)| of_previews(profile)) {
        let others =
            profiles.clone().filter(|(_, other)| !of_previews(other) && other.account == profile.account);
        let others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
        if !others.is_empty() {
            warnings.push(format!(
                "the previews of {name} share the account {} with {}: give previews an account of their own",
                profile.account,
                others.join(", ")
            ));
        }
    }
    warnings
}

/// Replaces the path of a rules file with its contents. The path is relative to the configuration file. A value of
/// several lines is not a path but the rules.
fn read_rules(file: &mut ConfigFile, folder: &Path) -> Result<(), CliError> {
    for (name, profile) in &mut file.profiles {
        let guard = profile.safeguards.as_mut().and_then(|safeguards| safeguards.guard.as_mut());
        let Some(guard) = guard.filter(|guard| !guard.contains('\n')) else { continue };
        let path = folder.join(&*guard);
        *guard = std::fs::read_to_string(&path).map_err(|e| {
            CliError::usage(
                format!("cannot read the policy rules of profile {name} from {}: {e}", path.display()),
                "set safeguards.guard to the path of a file, relative to the configuration file",
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(guard: &str, folder: &Path) -> Result<String, CliError> {
        let text = format!("[profiles.p]\naccount = \"1\"\nsafeguards.guard = {guard:?}");
        let mut file: ConfigFile = toml::from_str(&text).expect("a configuration");
        read_rules(&mut file, folder)?;
        Ok(file.profiles["p"].safeguards.clone().and_then(|safeguards| safeguards.guard).expect("rules"))
    }

    #[test]
    fn identity_is_given_once() {
        let one = IdentityConfig { pinned_session_names: vec!["a".into()], ..IdentityConfig::default() };
        assert_eq!(identity([].into_iter()).expect("none"), None);
        assert_eq!(identity([&one].into_iter()).expect("one"), Some(one.clone()));
        let two = identity([&one, &one].into_iter()).expect_err("two").to_string();
        assert!(two.contains("in 2 files"), "{two}");
    }

    #[test]
    fn previews_that_share_an_account_are_reported() {
        let text = "[profiles.p]\naccount = \"1\"\npreviews = true\n[profiles.q]\naccount = \"2\"\n[profiles.r]\naccount = \"1\"\n";
        let file: ConfigFile = toml::from_str(text).expect("a configuration");
        let warnings = shared_accounts(file.profiles.iter());
        assert!(
            warnings.len() == 1 && warnings[0].contains("previews of p share the account 1 with r:"),
            "{warnings:?}"
        );
        let apart: ConfigFile =
            toml::from_str(&text.replace("\"2\"", "\"3\"").replace("previews = true\n", ""))
                .expect("a configuration");
        assert!(shared_accounts(apart.profiles.iter()).is_empty());
    }

    #[test]
    fn a_path_becomes_the_rules_that_are_there_and_rules_stay_what_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("p.guard"), "rule a {\n}\n").expect("a file");
        assert_eq!(read("p.guard", folder.path()).expect("rules"), "rule a {\n}\n");
        assert_eq!(read("rule b {\n}\n", folder.path()).expect("rules"), "rule b {\n}\n");
        let missing = read("q.guard", folder.path()).expect_err("there is no such file").to_string();
        assert!(missing.contains("q.guard") && missing.contains("profile p"), "{missing}");
    }
}
