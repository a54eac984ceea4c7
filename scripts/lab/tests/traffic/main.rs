//! Traffic: canaries by the aliases of functions, blue/green behind a domain, and regions that are drained by their records.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod canary;
mod drain;
mod slots;

use flotilla_contract::config::RuleConfig;
use flotilla_lab::World;
use flotilla_lab::world::text;

/// The only rule of the service `app`.
fn rule() -> RuleConfig {
    RuleConfig {
        git_ref: "branch:main".into(),
        stage: "production".into(),
        profile: "production".into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    }
}

/// Runs a command that must succeed; answers and prints what it says.
async fn says(world: &World, args: &[&str]) -> String {
    let output = world.run(args).await.unwrap();
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    said
}
