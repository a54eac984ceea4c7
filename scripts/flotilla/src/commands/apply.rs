//! `flotilla apply`: services, profiles and access from TOML files.

use crate::api::Api;
use crate::args::Global;
use crate::error::{CliError, Exit};
use crate::show;
use flotilla_contract::AccessConfig;
use flotilla_contract::config::ConfigFile;
use serde::Serialize;
use std::path::PathBuf;

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
            .map_err(|e| CliError::failed(format!("reading {}", path.display()), e))?;
        let file: ConfigFile = toml::from_str(&text).map_err(|e| {
            CliError::usage(
                format!("{} is not a configuration: {e}", path.display()),
                "see docs/configuration.md",
            )
        })?;
        parsed.push(file);
    }
    let api = Api::connect(global).await?;
    let mut applied = Vec::new();
    // Profiles first: services name them.
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
    // Access last: until then, what one may do is what one may do now.
    let grants: Vec<_> = parsed.iter().flat_map(|file| file.access.clone()).collect();
    if !grants.is_empty() {
        let reply = api.put("/v1/access", &AccessConfig { grants }).await?;
        let version = reply["version"].as_u64().unwrap_or(0);
        applied.push(Applied { kind: "access", name: "of everybody".into(), version });
    }
    if global.json {
        show::json(&applied);
    } else {
        for one in &applied {
            println!("{} {} is at version {}", one.kind, one.name, one.version);
        }
    }
    Ok(Exit::Success)
}
