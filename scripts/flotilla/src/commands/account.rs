//! `flotilla account add`: prepares another account as a target. Creates its roles and buckets, grants the permissions
//! between it and the control plane, and registers it. Every step can be repeated.

use super::keys::Key;
use super::lists::with;
use super::own_stack::OwnStack;
use super::prepare::{Target, account_of, region};
use super::stacks::bring;
use crate::api::Api;
use crate::args::{AddAccount, Global};
use crate::error::{CliError, Exit};
use crate::{home, show};
use aws_config::SdkConfig;
use flotilla_domain::{AccountId, Region};
use serde::Serialize;

#[derive(Serialize)]
struct Added {
    account: String,
    regions: Vec<String>,
    role_arn: String,
}

pub async fn add(global: &Global, args: &AddAccount) -> Result<Exit, CliError> {
    let say = |line: &str| {
        if !global.json {
            eprintln!("{line}");
        }
    };
    let wanted = AccountId::parse(&args.account)
        .map_err(|e| CliError::usage(e.to_string(), "use an account ID of 12 digits"))?;
    let regions = args.regions.iter().map(|text| region(text)).collect::<Result<Vec<_>, _>>()?;
    let config = home::load(global).await?;
    let home_region = region(&home::region_of(&config))?;
    let outputs = home::control_plane(&config, &global.prefix).await?;
    let home_account = account_of(&config).await?;
    let theirs = home::acting(&config, args.aws_profile.as_deref(), args.assume_role.as_deref()).await;
    let target = Target {
        global,
        account: &wanted,
        home_account: &home_account,
        home_region: &home_region,
        allow_plain_http: args.allow_plain_http,
        say: &say,
    };
    check(&target, account_of(&theirs).await?, &regions)?;

    let key = args.kms_key.as_ref().map(|arn| Key::parse(arn, &regions)).transpose()?;
    let keys = keys(&config, &theirs, &target, key.as_ref(), &regions).await?;
    let registration = target.roles(&theirs, &args.roles, keys).await?;
    // Before the regions: their rules send to the control plane's bus.
    grant_access(&config, &target).await?;
    for region in &regions {
        target
            .regional(&theirs, region, outputs.get("EventBusArn").map(String::as_str), key.as_ref())
            .await?;
    }
    target.register(&Api::at(&outputs["ApiUrl"], config)?, registration).await?;
    let added = Added {
        account: wanted.to_string(),
        regions: regions.iter().map(ToString::to_string).collect(),
        role_arn: target.role_arn("deployer"),
    };
    if global.json {
        show::json(&added);
    } else {
        show::next(&format!("set account = \"{wanted}\" in a profile, then run flotilla apply CONFIG.toml"));
    }
    Ok(Exit::Success)
}

/// Checks that the account is not the control plane's own, that the credentials belong to it, and that its regions are
/// in the control plane's partition.
fn check(target: &Target<'_>, theirs: AccountId, regions: &[Region]) -> Result<(), CliError> {
    let Target { account, home_account, home_region, .. } = target;
    if account == home_account {
        let what = format!("{account} is the control plane's own account");
        return Err(CliError::usage(what, "prepare it with flotilla install"));
    }
    if theirs != **account {
        let what = format!("the credentials belong to account {theirs}, not to {account}");
        let fix = format!("select credentials of {account} with --aws-profile or --assume-role");
        return Err(CliError::usage(what, fix));
    }
    match regions.iter().find(|region| region.partition() != home_region.partition()) {
        None => Ok(()),
        Some(region) => {
            let what = format!(
                "{region} and the control plane's {home_region} are in different AWS partitions: no role can be \
                 assumed across them"
            );
            Err(CliError::usage(what, "install another control plane there"))
        }
    }
}

/// The keys that the account's role may use: that of the ingest bucket, which it copies from, and that of its own buckets. `None` if
/// there is nothing to change.
async fn keys(
    config: &SdkConfig,
    theirs: &SdkConfig,
    target: &Target<'_>,
    key: Option<&Key>,
    regions: &[Region],
) -> Result<Option<String>, CliError> {
    let Target { global, home_region, .. } = target;
    let home =
        home::parameters(config, &home::control_plane_stack(&global.prefix)).await?.remove("KmsKeyArn");
    let home = home.filter(|arn| !arn.is_empty());
    if home.is_none() && key.is_none() {
        return Ok(None);
    }
    let theirs = home::in_region(theirs, home_region.as_str());
    let known = home::parameters(&theirs, &format!("{}-account", global.prefix)).await?.remove("KmsKeyArns");
    let own = key.map_or(known.clone().unwrap_or_default(), |key| key.added_to(known.as_ref(), regions));
    Ok(Some(home.map_or(own.clone(), |home| with(Some(&own), &home))))
}

/// Lets the control plane assume the account's role, the role read packages, and the account send its stack-status
/// events, by two parameters of the control plane's stack.
async fn grant_access(config: &SdkConfig, target: &Target<'_>) -> Result<(), CliError> {
    let name = home::control_plane_stack(&target.global.prefix);
    let known = home::parameters(config, &name).await?;
    if !known.contains_key("TargetAccounts") {
        let what = format!("stack {name} is of an older version, which has no other accounts");
        return Err(CliError::usage(what, "update it with flotilla install, then run this command again"));
    }
    let list = |name: &str, one: &str| (name.to_owned(), with(known.get(name), one));
    let parameters = vec![
        list("DeployerRoleArns", &target.role_arn("deployer")),
        list("TargetAccounts", target.account.as_str()),
    ];
    let brought = bring(config, &OwnStack { name, template: None, template_url: None, parameters }).await?;
    (target.say)(&format!("control plane: {brought}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_for(wanted: &str, theirs: &str, region: &str) -> Result<(), CliError> {
        let global = Global { prefix: "flotilla".into(), region: None, json: false };
        let [account, home_account, theirs] =
            [wanted, "111122223333", theirs].map(|id| AccountId::parse(id).unwrap());
        let [home_region, region] = ["eu-central-1", region].map(|code| Region::parse(code).unwrap());
        let target = Target {
            global: &global,
            account: &account,
            home_account: &home_account,
            home_region: &home_region,
            allow_plain_http: false,
            say: &|_| {},
        };
        check(&target, theirs, &[region])
    }

    #[test]
    fn an_account_is_added_with_its_own_credentials_and_in_its_own_partition() {
        assert!(check_for("222233334444", "222233334444", "us-east-1").is_ok());
        for (wanted, theirs, region, says) in [
            ("111122223333", "111122223333", "us-east-1", "flotilla install"),
            ("222233334444", "111122223333", "us-east-1", "--aws-profile"),
            ("222233334444", "222233334444", "cn-north-1", "control plane there"),
        ] {
            let error = check_for(wanted, theirs, region).expect_err("a refusal");
            assert!(error.fix().is_some_and(|fix| fix.contains(says)), "{error}");
        }
    }
}
