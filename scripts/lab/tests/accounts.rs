//! Target accounts other than the control plane's own: each is accessed with its own role, and is isolated from the
//! others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sdk_cloudformation::Client as CloudFormation;
use aws_sdk_iam::Client as Iam;
use flotilla_contract::config::{AccountConfig, ConfigFile, RuleConfig, ServiceConfigDoc};
use flotilla_contract::{CauseView, ProfileConfig};
use flotilla_domain::Digest;
use flotilla_lab::accounts::{PRODUCTION, STAGING};
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::ballast_package;
use flotilla_lab::world::text;
use flotilla_lab::{World, report};
use serde_json::json;
use std::time::Duration;

const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];

async fn world() -> World {
    let args = ["--step-timeout-s", "10", "--ingest-timeout-s", "10"];
    World::start(&["eu-central-1"], &args, true).await.expect("Flotilla")
}

/// One route per profile; branch, stage and profile have the same name.
fn config<const N: usize>(profiles: [(&str, ProfileConfig); N]) -> ConfigFile {
    let rule = |name: &str| RuleConfig {
        git_ref: format!("branch:{name}"),
        stage: name.into(),
        profile: name.into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    };
    let rules = profiles.iter().map(|(name, _)| rule(name)).collect();
    ConfigFile {
        services: [("app".to_owned(), ServiceConfigDoc { rules, ..ServiceConfigDoc::default() })].into(),
        profiles: profiles.map(|(name, profile)| (name.to_owned(), profile)).into(),
        ..ConfigFile::default()
    }
}

/// The stacks of an account and region that Flotilla has deployed.
async fn stacks(world: &World, account: &str, region: &str) -> Vec<String> {
    let client = CloudFormation::new(&world.config_in(account, region));
    let found = client.describe_stacks().send().await.expect("the stacks");
    let names = found.stacks().iter().filter_map(|stack| stack.stack_name());
    names.filter(|name| name.starts_with("app-")).map(str::to_owned).collect()
}

#[tokio::test]
async fn one_package_runs_in_two_accounts_and_each_has_only_its_own_stacks() {
    let world = world().await;
    for account in [STAGING, PRODUCTION] {
        world.add_account(account, &REGIONS).await.expect("an account");
    }
    let profiles = [("staging", STAGING), ("production", PRODUCTION)];
    world
        .apply(&config(profiles.map(|(name, account)| (name, world.profile_in(account, &REGIONS)))))
        .await
        .expect("the configuration");
    // Large enough for many chunks.
    let package = ballast_package(3_000_000, 1).unwrap();
    let mut code = Vec::new();
    for (stage, account) in profiles {
        let rollout = world.push("app", &format!("branch/{stage}"), package.clone()).await.expect("a push");
        assert_eq!(rollout.status, "succeeded", "{rollout:#?}");
        let targets = report::targets(&world, &rollout).await.unwrap();
        assert_eq!(targets.len(), REGIONS.len());
        assert!(targets.iter().all(|target| target.account == account), "{targets:#?}");
        code.extend(targets.into_iter().flat_map(|target| target.code_sha256.into_values()));
    }
    assert_eq!(code.len(), 4, "a function in two regions of two accounts");
    assert!(code.iter().all(|digest| *digest == code[0] && Digest::parse_hex(digest).is_ok()), "{code:?}");
    for region in REGIONS {
        assert_eq!(stacks(&world, ACCOUNT, region).await, Vec::<String>::new());
        assert_eq!(stacks(&world, STAGING, region).await, ["app-staging"]);
        assert_eq!(stacks(&world, PRODUCTION, region).await, ["app-production"]);
    }
    // Garbage collection can list every bucket and repository, with the role of its account. All objects are too young to be removed.
    let found = world.sweep(json!({"dry_run": true})).await.expect("a dry run");
    assert_eq!(found["failures"], json!([]), "{found:#}");
    // Two prefixes in each of five buckets (the ingest bucket, and two regions in two accounts) and a repository in each of four places.
    assert_eq!(found["collected"], json!({"pages": 14, "objects": 0, "bytes": 0}));
}

/// Pushes a new package whose rollout must fail; answers the cause. A role that is refused within two minutes of its registration is tried
/// again.
async fn failure(world: &World, seed: u64) -> CauseView {
    let package = ballast_package(1_000, seed).unwrap();
    let key = format!("incoming/app/branch/staging/{seed}.zip");
    let version = world.upload(&key, package).await.expect("an upload");
    let upload = world.verdict(Some("app"), &version, Duration::from_secs(30)).await.expect("a verdict");
    let rollout = upload.rollout.expect("a rollout");
    let rollout = world.end_of(&rollout, Duration::from_secs(240)).await.expect("an end");
    assert_eq!(rollout.status, "failed", "{rollout:#?}");
    let of_target = rollout.deployments.iter().find_map(|deployment| deployment.cause.clone());
    of_target.or(rollout.cause).expect("a cause")
}

/// Checks that a cause has this code, contains AWS's message, and that its fix contains these parts.
#[track_caller]
fn says(cause: &CauseView, code: &str, words: &str, fix: &[&str]) {
    assert_eq!(cause.code, code, "{cause:#?}");
    assert!(cause.message.contains(words), "{cause:#?}");
    assert!(fix.iter().all(|part| cause.fix.contains(part)), "{cause:#?}");
}

#[tokio::test]
async fn what_an_account_lacks_is_told_with_the_sentence_that_mends_it() {
    let world = world().await;
    // Credentials of another account.
    let refused = world.try_add_account(STAGING, PRODUCTION, &REGIONS).await.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused).contains("select credentials of 222233334444 with --aws-profile"),
        "{}",
        text(&refused)
    );
    // One region only.
    world.add_account(STAGING, &REGIONS[..1]).await.expect("an account");
    let apply = async |regions: &[&str]| {
        let config = config([("staging", world.profile_in(STAGING, regions))]);
        world.apply(&config).await.expect("the configuration");
    };
    let add = "flotilla account add 222233334444";
    let role = "arn:aws:iam::222233334444:role/flotilla-deployer";

    apply(&REGIONS).await;
    let cause = failure(&world, 1).await;
    says(&cause, "FL0305", "NoSuchBucket", &[add, "us-east-1"]);
    apply(&REGIONS[..1]).await;

    // The registered external ID differs from the one in the role.
    let service_role_arn = "arn:aws:iam::222233334444:role/flotilla-cloudformation".to_owned();
    let wrong = AccountConfig {
        role_arn: role.into(),
        external_id: "flotilla-00000000000000000000000000000000".into(),
        service_role_arn,
        role_boundary: None,
        previews: None,
    };
    world.api().put(&format!("/v1/accounts/{STAGING}"), &wrong).await.expect("a registration");
    let cause = failure(&world, 2).await;
    says(&cause, "FL0306", "is not authorized to perform: sts:AssumeRole on resource", &[add, role]);
    // The command in the fix repairs it.
    world.add_account(STAGING, &REGIONS[..1]).await.expect("the account again");

    // The role lacks a permission.
    let iam = Iam::new(&world.config_in(STAGING, "eu-central-1"));
    let forbid = async |action: &str| {
        let policy = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Deny", "Action": "{action}", "Resource": "*"}}]}}"#
        );
        let put = iam.put_role_policy().role_name("flotilla-deployer").policy_name("forbidden");
        put.policy_document(policy).send().await.expect("a policy");
    };
    for (seed, action) in [(3, "cloudformation:CreateChangeSet"), (4, "s3:PutObject")] {
        forbid(action).await;
        let cause = failure(&world, seed).await;
        says(&cause, "FL0515", action, &[add, role]);
    }
    let allowed = iam.delete_role_policy().role_name("flotilla-deployer").policy_name("forbidden");
    allowed.send().await.expect("no policy");
    let package = ballast_package(1_000, 5).unwrap();
    let rollout = world.push("app", "branch/staging", package).await.expect("a push");
    assert_eq!(rollout.status, "succeeded", "{rollout:#?}");
}
