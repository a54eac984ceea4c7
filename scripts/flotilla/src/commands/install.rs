//! `flotilla install`: deploys the control plane and its regions with CloudFormation, on AWS or another endpoint.

use super::concurrency;
use super::keys::Key;
use super::lists::with;
use super::names;
use super::own_stack::OwnStack;
use super::prepare::{Target, account_of, administrator, region};
use super::stacks::bring;
use super::zips::zip_binary;
use crate::api::Api;
use crate::args::{Concurrency, Global, Install};
use crate::error::{CliError, Exit};
use crate::{error_text, home, show};
use aws_config::SdkConfig;
use aws_sdk_s3::primitives::ByteStream;
use flotilla_contract::WhoAmIView;
use flotilla_domain::access::PrincipalPattern;
use flotilla_domain::config::account::artifact_bucket;
use flotilla_domain::{Digest, Region};
use serde::Serialize;
use std::collections::BTreeMap;

/// The template of the control plane.
pub const CONTROL_PLANE: &str = include_str!("../../../../infra/control-plane.yaml");

/// The functions, each with the template parameter for its code.
const FUNCTIONS: [(&str, &str); 7] = [
    ("ingest", "IngestCode"),
    ("replicate", "ReplicateCode"),
    ("deploy", "DeployCode"),
    ("api", "ApiCode"),
    ("cleanup", "CleanupCode"),
    ("notify", "NotifyCode"),
    ("guard", "GuardCode"),
];

/// The installed control plane; the JSON output.
#[derive(Debug, Clone, Serialize)]
pub struct InstallReport {
    /// The account.
    pub account: String,
    /// The control plane's region.
    pub region: String,
    /// The regions to deploy packages to.
    pub regions: Vec<String>,
    /// The URL of the API.
    pub api_url: String,
    /// The bucket that CI uploads to.
    pub ingest_bucket: String,
    /// The person that the caller counts as, for approvals and four eyes.
    pub person: String,
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
        println!("you count as   {}", report.person);
        show::next("flotilla apply CONFIG.toml, then flotilla push PATH --service NAME --ref branch:main");
    }
    Ok(Exit::Success)
}

/// Installs or updates the control plane; `say` is called with a line for each step.
///
/// # Errors
/// The first step that failed. The next run continues from there.
pub async fn install(global: &Global, args: &Install, say: &dyn Fn(&str)) -> Result<InstallReport, CliError> {
    let regions = args.regions.iter().map(|text| region(text)).collect::<Result<Vec<_>, _>>()?;
    let config = home::load(global).await?;
    let home_region = region(&home::region_of(&config))?;
    let account = account_of(&config).await?;
    let target = Target {
        global,
        account: &account,
        home_account: &account,
        home_region: &home_region,
        allow_plain_http: args.allow_plain_http,
        say,
    };
    let setup = Setup { args, target };

    let mut all = regions.clone();
    if !all.contains(&home_region) {
        all.push(home_region.clone());
    }
    let key = setup.key(&config, &all).await?;
    setup.target.regional(&config, &home_region, None, key.as_ref()).await?;
    let code = setup.upload_functions(&config).await?;
    let known = home::parameters(&config, &format!("{}-account", global.prefix)).await?;
    let keys = key.as_ref().map(|key| key.added_to(known.get("KmsKeyArns"), &all));
    let registration = setup.target.roles(&config, &args.roles, keys).await?;
    let outputs = setup.control_plane(&config, code, key.as_ref()).await?;
    let bus = outputs.get("EventBusArn").map(String::as_str);
    for region in &all {
        setup.target.regional(&config, region, bus, key.as_ref()).await?;
    }
    let api = Api::at(&outputs["ApiUrl"], config)?;
    setup.target.register(&api, registration).await?;
    let you: WhoAmIView = api.get("/v1/whoami").await?;
    let output = |name: &str| outputs.get(name).cloned().unwrap_or_default();
    Ok(InstallReport {
        account: account.to_string(),
        region: home_region.to_string(),
        regions: regions.iter().map(ToString::to_string).collect(),
        api_url: output("ApiUrl"),
        ingest_bucket: output("IngestBucket"),
        person: you.person,
    })
}

struct Setup<'a> {
    args: &'a Install,
    target: Target<'a>,
}

impl Setup<'_> {
    /// The key that is given, or the one that an earlier run was given: a new region gets it too.
    async fn key(&self, config: &SdkConfig, regions: &[Region]) -> Result<Option<Key>, CliError> {
        let name = home::control_plane_stack(&self.target.global.prefix);
        let arn = match &self.args.kms_key {
            Some(arn) => Some(arn.clone()),
            None => home::parameters(config, &name).await?.remove("KmsKeyArn").filter(|arn| !arn.is_empty()),
        };
        arn.map(|arn| Key::parse(&arn, regions)).transpose()
    }

    /// Uploads the zips of the functions, named by their digests; answers the template parameters for them.
    async fn upload_functions(&self, config: &SdkConfig) -> Result<Vec<(String, String)>, CliError> {
        let Target { global, account, home_region, say, .. } = &self.target;
        let bucket = artifact_bucket(&global.prefix, account, home_region);
        let mut parameters = vec![("CodeBucket".to_owned(), bucket.clone())];
        for (function, parameter) in FUNCTIONS {
            let binary = self.args.binaries.join(function);
            if !binary.is_file() {
                let what = format!("the binary {} does not exist", binary.display());
                return Err(CliError::usage(
                    what,
                    "build the functions with scripts/build, or set --binaries",
                ));
            }
            let zip = zip_binary(&binary)?;
            let (digest, size) = (Digest::of(&zip), zip.len());
            let key = format!("functions/{digest}.zip");
            self.upload(config, &key, zip, &format!("the function {function}")).await?;
            say(&format!("function {function}: {size} bytes"));
            parameters.push((parameter.to_owned(), key));
        }
        Ok(parameters)
    }

    /// Stores an object that is named by its digest in the home region's artifact bucket, unless it is there.
    async fn upload(
        &self,
        config: &SdkConfig,
        key: &str,
        bytes: Vec<u8>,
        what: &str,
    ) -> Result<(), CliError> {
        let Target { global, account, home_region, .. } = &self.target;
        let bucket = artifact_bucket(&global.prefix, account, home_region);
        let client = aws_sdk_s3::Client::new(config);
        if client.head_object().bucket(&bucket).key(key).send().await.is_ok() {
            return Ok(());
        }
        let request = client.put_object().bucket(&bucket).key(key);
        let request = request.checksum_sha256(Digest::of(&bytes).to_base64()).body(ByteStream::from(bytes));
        let sent = request.expected_bucket_owner(account.as_str()).send().await;
        sent.map(|_| ()).map_err(|e| CliError::failed(format!("cannot upload {what}"), error_text(&e)))
    }

    /// Uploads the template of the control plane; answers its URL.
    async fn upload_template(&self, config: &SdkConfig) -> Result<String, CliError> {
        let Target { global, account, home_region, .. } = &self.target;
        let template = names::literal(CONTROL_PLANE, &global.prefix, account, home_region);
        let key = format!("control-plane/{}.yaml", Digest::of(template.as_bytes()));
        self.upload(config, &key, template.into(), "the template of the control plane").await?;
        Ok(home_region.object_url(&artifact_bucket(&global.prefix, account, home_region), &key))
    }

    async fn control_plane(
        &self,
        config: &SdkConfig,
        mut parameters: Vec<(String, String)>,
        key: Option<&Key>,
    ) -> Result<BTreeMap<String, String>, CliError> {
        let Target { global, say, .. } = &self.target;
        let name = home::control_plane_stack(&global.prefix);
        // Keeps the accounts that flotilla account add has added.
        let known = home::parameters(config, &name).await?;
        let roles = with(known.get("DeployerRoleArns"), &self.target.role_arn("deployer"));
        let others = known.get("TargetAccounts").cloned().unwrap_or_default();
        let architecture = self.args.architecture.clone().unwrap_or_else(|| match std::env::consts::ARCH {
            "aarch64" => "arm64".into(),
            _ => "x86_64".into(),
        });
        let given = [
            ("Prefix", global.prefix.clone()),
            ("Architecture", architecture),
            ("DeployerRoleArns", roles),
            ("TargetAccounts", others),
            ("RequireTls", (!self.args.allow_plain_http).to_string()),
        ];
        parameters.extend(given.map(|(name, value)| (name.to_owned(), value)));
        for (name, value) in [
            ("StepTimeoutS", self.args.step_timeout_s),
            ("CopyTimeoutS", self.args.step_timeout_s),
            ("IngestTimeoutS", self.args.ingest_timeout_s),
        ] {
            parameters.extend(value.map(|value| (name.to_owned(), value.to_string())));
        }
        parameters.extend(self.args.alarm_topic.clone().map(|arn| ("AlarmTopicArn".to_owned(), arn)));
        let external = self.args.external_code.clone();
        parameters.extend(external.map(|arns| ("ExternalCodeArns".to_owned(), arns)));
        let images = self.args.external_images.clone();
        parameters.extend(images.map(|arns| ("ExternalImageArns".to_owned(), arns)));
        let named = known.get("Administrators").is_some_and(|arns| !arns.is_empty());
        let administrators = match &self.args.administrators {
            None if named => None,
            None => Some(administrator(config).await?),
            Some(given) => Some(principals(given)?),
        };
        parameters.extend(administrators.map(|arns| ("Administrators".to_owned(), arns)));
        parameters.extend(key.map(|key| ("KmsKeyArn".to_owned(), key.in_region(self.target.home_region))));
        let asked =
            self.args.concurrency.or(self.args.no_reserved_concurrency.then_some(Concurrency::Shared));
        parameters.extend(concurrency::parameters(config, asked, &name, say).await?);
        let template_url = Some(self.upload_template(config).await?);
        let stack = OwnStack { name, template: Some(CONTROL_PLANE), template_url, parameters };
        let brought = bring(config, &stack).await?;
        say(&format!("control plane: {brought}"));
        home::control_plane(config, &global.prefix).await
    }
}

/// Checks a list of principals: the API does not start with one that it cannot read.
fn principals(list: &str) -> Result<String, CliError> {
    for arn in list.split(',').filter(|arn| !arn.is_empty()) {
        PrincipalPattern::parse(arn).map_err(|refusal| CliError::usage(refusal.message, refusal.fix))?;
    }
    Ok(list.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrators_are_principals_that_the_api_can_read() {
        for good in [
            "",
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:role/ops,arn:aws:iam::111122223333:user/*",
        ] {
            assert_eq!(principals(good).unwrap(), good);
        }
        for bad in ["ann", "arn:aws:iam::111122223333:role/ops,ann", "arn:aws:iam::1:role/ops"] {
            assert!(principals(bad).is_err(), "{bad}");
        }
    }
}
