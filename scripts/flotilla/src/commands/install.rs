//! `flotilla install`: the control plane and its regions, through CloudFormation, on AWS or any endpoint.

use super::stacks::{Brought, OwnStack, bring, exists};
use super::zips::zip_binary;
use crate::api::Api;
use crate::args::{Global, Install};
use crate::error::{CliError, Exit};
use crate::{error_text, home, show};
use aws_config::SdkConfig;
use aws_sdk_s3::primitives::ByteStream;
use flotilla_contract::AccountConfig;
use flotilla_domain::account::artifact_bucket;
use flotilla_domain::{AccountId, Digest, Region};
use serde::Serialize;
use std::collections::BTreeMap;

const CONTROL_PLANE: &str = include_str!("../../../../infra/control-plane.yaml");
const REGIONAL: &str = include_str!("../../../../infra/regional.yaml");
const ACCOUNT: &str = include_str!("../../../../infra/account.yaml");

/// The functions, and the parameter of the control plane's template that names each one's code.
const FUNCTIONS: [(&str, &str); 5] = [
    ("ingest", "IngestCode"),
    ("replicate", "ReplicateCode"),
    ("deploy", "DeployCode"),
    ("api", "ApiCode"),
    ("cleanup", "CleanupCode"),
];

/// What was installed.
#[derive(Debug, Clone, Serialize)]
pub struct InstallReport {
    /// The account.
    pub account: String,
    /// The control plane's region.
    pub region: String,
    /// The regions that packages can be deployed to.
    pub regions: Vec<String>,
    /// The API's URL.
    pub api_url: String,
    /// Where CI uploads to.
    pub ingest_bucket: String,
}

pub async fn run(global: &Global, args: &Install) -> Result<Exit, CliError> {
    let say = |line: &str| {
        if !global.json {
            eprintln!("{line}");
        }
    };
    let report = install(global, args, &say).await?;
    if global.json {
        show::json(&report);
    } else {
        println!("API            {}", report.api_url);
        println!("ingest bucket  {}", report.ingest_bucket);
        println!("regions        {}", report.regions.join(", "));
        println!(
            "next: flotilla apply CONFIG.toml, then flotilla push PATH --service NAME --ref branch:main"
        );
    }
    Ok(Exit::Success)
}

/// Installs or updates; `say` hears of each step.
///
/// # Errors
/// The first step that failed. Running it again goes on from there.
pub async fn install(global: &Global, args: &Install, say: &dyn Fn(&str)) -> Result<InstallReport, CliError> {
    let regions = args.regions.iter().map(|text| region(text)).collect::<Result<Vec<_>, _>>()?;
    let config = home::load(global).await?;
    let home_region = region(&home::region_of(&config))?;
    let account = account(&config).await?;
    let setup = Setup { global, args, account: &account, home_region: &home_region };

    setup.regional(&config, &home_region, None, say).await?;
    let code = setup.upload_functions(&config, say).await?;
    let external_id = setup.account_roles(&config, say).await?;
    let outputs = setup.control_plane(&config, code, say).await?;
    let bus = outputs.get("EventBusArn").cloned();
    let mut all = regions.clone();
    if !all.contains(&home_region) {
        all.push(home_region.clone());
    }
    for region in &all {
        setup.regional(&home::in_region(&config, region.as_str()), region, bus.clone(), say).await?;
    }
    setup.register_account(&outputs, config, external_id).await?;
    say(&format!("account {account} is registered"));
    let output = |name: &str| outputs.get(name).cloned().unwrap_or_default();
    Ok(InstallReport {
        account: account.to_string(),
        region: home_region.to_string(),
        regions: regions.iter().map(ToString::to_string).collect(),
        api_url: output("ApiUrl"),
        ingest_bucket: output("IngestBucket"),
    })
}

fn region(text: &str) -> Result<Region, CliError> {
    let known = Region::parse(text).ok().filter(Region::is_known);
    known.ok_or_else(|| {
        CliError::usage(format!("{text:?} is no region"), "use region codes such as eu-central-1")
    })
}

async fn account(config: &SdkConfig) -> Result<AccountId, CliError> {
    let who = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let who =
        who.map_err(|e| CliError::failed("asking who you are (sts:GetCallerIdentity)", error_text(&e)))?;
    AccountId::parse(who.account().unwrap_or_default())
        .map_err(|e| CliError::failed("reading your account", e))
}

struct Setup<'a> {
    global: &'a Global,
    args: &'a Install,
    account: &'a AccountId,
    home_region: &'a Region,
}

impl Setup<'_> {
    fn tls(&self) -> Option<String> {
        Some((!self.args.allow_plain_http).to_string())
    }

    /// The artifact bucket of a region, and its rule once there is a bus.
    async fn regional(
        &self,
        config: &SdkConfig,
        region: &Region,
        bus: Option<String>,
        say: &dyn Fn(&str),
    ) -> Result<(), CliError> {
        let name = format!("{}-regional", self.global.prefix);
        if bus.is_none() && exists(&aws_sdk_cloudformation::Client::new(config), &name).await? {
            return Ok(());
        }
        let parameters = vec![
            ("Prefix", Some(self.global.prefix.clone())),
            ("EventBusArn", Some(bus.unwrap_or_default())),
            ("RequireTls", self.tls()),
        ];
        let brought = bring(config, &OwnStack { name, template: REGIONAL, parameters }).await?;
        say(&format!("region {region}: {}", word(brought)));
        Ok(())
    }

    /// Uploads the functions' zips under their digests; answers the templates' parameters for them.
    async fn upload_functions(
        &self,
        config: &SdkConfig,
        say: &dyn Fn(&str),
    ) -> Result<Vec<(&'static str, Option<String>)>, CliError> {
        let bucket = artifact_bucket(&self.global.prefix, self.account, self.home_region);
        let client = aws_sdk_s3::Client::new(config);
        let mut parameters = vec![("CodeBucket", Some(bucket.clone()))];
        for (function, parameter) in FUNCTIONS {
            let binary = self.args.binaries.join(function);
            if !binary.is_file() {
                let what = format!("there is no binary {}", binary.display());
                return Err(CliError::usage(what, "build the functions with scripts/build"));
            }
            let zip = zip_binary(&binary)?;
            let (digest, size) = (Digest::of(&zip), zip.len());
            let key = format!("functions/{digest}.zip");
            let there = client.head_object().bucket(&bucket).key(&key).send().await.is_ok();
            if !there {
                let request =
                    client.put_object().bucket(&bucket).key(&key).checksum_sha256(digest.to_base64());
                let sent = request
                    .body(ByteStream::from(zip))
                    .expected_bucket_owner(self.account.as_str())
                    .send()
                    .await;
                sent.map_err(|e| CliError::failed(format!("uploading {function}"), error_text(&e)))?;
            }
            say(&format!("function {function}: {size} bytes"));
            parameters.push((parameter, Some(key)));
        }
        Ok(parameters)
    }

    /// The account's roles. Answers the external id they ask for.
    async fn account_roles(&self, config: &SdkConfig, say: &dyn Fn(&str)) -> Result<String, CliError> {
        let name = format!("{}-account", self.global.prefix);
        let known =
            home::outputs(config, &name).await?.and_then(|outputs| outputs.get("ExternalId").cloned());
        let external_id = match known {
            Some(external_id) => external_id,
            None => random_id()?,
        };
        let parameters = vec![
            ("Prefix", Some(self.global.prefix.clone())),
            ("ControlPlaneAccount", Some(self.account.to_string())),
            ("ControlPlaneRegion", Some(self.home_region.to_string())),
            ("ExternalId", Some(external_id.clone())),
        ];
        let brought = bring(config, &OwnStack { name, template: ACCOUNT, parameters }).await?;
        say(&format!("account roles: {}", word(brought)));
        Ok(external_id)
    }

    async fn control_plane(
        &self,
        config: &SdkConfig,
        mut parameters: Vec<(&'static str, Option<String>)>,
        say: &dyn Fn(&str),
    ) -> Result<BTreeMap<String, String>, CliError> {
        let name = home::control_plane_stack(&self.global.prefix);
        let architecture = self.args.architecture.clone().unwrap_or_else(|| match std::env::consts::ARCH {
            "aarch64" => "arm64".into(),
            _ => "x86_64".into(),
        });
        parameters.extend([
            ("Prefix", Some(self.global.prefix.clone())),
            ("Architecture", Some(architecture)),
            ("DeployerRoleArns", Some(self.role_arn("deployer"))),
            ("ReserveConcurrency", Some((!self.args.no_reserved_concurrency).to_string())),
            ("RequireTls", self.tls()),
        ]);
        for (name, value) in [
            ("StepTimeoutS", self.args.step_timeout_s),
            ("CopyTimeoutS", self.args.step_timeout_s),
            ("IngestTimeoutS", self.args.ingest_timeout_s),
        ] {
            parameters.extend(value.map(|value| (name, Some(value.to_string()))));
        }
        let brought = bring(config, &OwnStack { name, template: CONTROL_PLANE, parameters }).await?;
        say(&format!("control plane: {}", word(brought)));
        home::control_plane(config, &self.global.prefix).await
    }

    fn role_arn(&self, role: &str) -> String {
        format!(
            "arn:{}:iam::{}:role/{}-{role}",
            self.home_region.partition(),
            self.account,
            self.global.prefix
        )
    }

    async fn register_account(
        &self,
        outputs: &BTreeMap<String, String>,
        config: SdkConfig,
        external_id: String,
    ) -> Result<(), CliError> {
        let api = Api::at(&outputs["ApiUrl"], config)?;
        let body = AccountConfig {
            role_arn: self.role_arn("deployer"),
            external_id,
            service_role_arn: self.role_arn("cloudformation"),
        };
        api.put(&format!("/v1/accounts/{}", self.account), &body).await.map(drop)
    }
}

fn word(brought: Brought) -> &'static str {
    match brought {
        Brought::Created => "created",
        Brought::Updated => "updated",
        Brought::Unchanged => "as it was",
    }
}

/// 128 random bits: an external id must not be guessed.
fn random_id() -> Result<String, CliError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| CliError::failed("making an external id", e.to_string()))?;
    Ok(format!("flotilla-{}", hex::encode(bytes)))
}
