//! Traffic: canaries by the aliases of functions, blue/green behind a domain, and regions that are drained by their records.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod canary;
mod drain;
mod slots;

use flotilla_contract::ProfileConfig;
use flotilla_contract::config::{ConfigFile, RuleConfig, ServiceConfigDoc};
use flotilla_lab::World;
use flotilla_lab::samples::{app_template, zip};
use flotilla_lab::world::text;
use serde_json::{Value, json};

/// The configuration of the service `app`, which is deployed from `main` to production with this profile.
fn app(service: ServiceConfigDoc, profile: ProfileConfig) -> ConfigFile {
    let rule = RuleConfig {
        git_ref: "branch:main".into(),
        stage: "production".into(),
        profile: "production".into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    };
    ConfigFile {
        services: [("app".to_owned(), ServiceConfigDoc { rules: vec![rule], ..service })].into(),
        profiles: [("production".to_owned(), profile)].into(),
        ..ConfigFile::default()
    }
}

/// A template, and the ZIP file of its code: a function that returns this text, and one named `app-STAGE-verify` that verifies it.
fn verified(says: &str, verifies: bool) -> (Value, Vec<u8>) {
    let verdict = if verifies { "return 'it works'" } else { "raise Exception('it is broken')" };
    let code = format!(
        "def handler(event, context):\n    return '{says}'\n\ndef verify(event, context):\n    {verdict}\n"
    );
    let mut template = app_template();
    template["Parameters"] = json!({"FlotillaStage": {"Type": "String"}});
    let resources = &mut template["Resources"];
    let mut verifier = resources["App"].clone();
    verifier["Properties"]["FunctionName"] = json!({"Fn::Sub": "app-${FlotillaStage}-verify"});
    verifier["Properties"]["Handler"] = json!("app.verify");
    resources["Verifier"] = verifier;
    (template, zip(&[("app.py", code.into_bytes())]).unwrap())
}

/// Runs a command that must succeed; answers and prints what it says.
async fn says(world: &World, args: &[&str]) -> String {
    let output = world.run(args).await.unwrap();
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    said
}
