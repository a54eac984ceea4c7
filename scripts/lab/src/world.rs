//! Flotilla installed on an emulator, used through its command and its API.

use crate::emulator::{ACCOUNT, Emulator, program};
use crate::error::{Doing, LabError};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_cloudformation::types::Capability;
use flotilla_cli::api::Api;
use flotilla_cli::http;
use flotilla_contract::config::ConfigFile;
use flotilla_contract::{Page, RolloutView, UploadView};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// The control plane's region.
pub const HOME: &str = "eu-central-1";

/// An emulator with Flotilla on it.
pub struct World {
    /// The emulator.
    pub emulator: Emulator,
    /// The regions to deploy packages to.
    pub regions: Vec<String>,
    /// The ID of the API in API Gateway.
    pub api_id: String,
    api: Api,
}

/// The folder with the binaries of the functions and of the command: `FLOTILLA_BINARIES`, which scripts/build prints.
fn binaries() -> Result<PathBuf, LabError> {
    let path = std::env::var("FLOTILLA_BINARIES").map_err(|_| {
        LabError("FLOTILLA_BINARIES is not set. Run scripts/demo or scripts/test, which set it".into())
    })?;
    Ok(PathBuf::from(path))
}

impl World {
    /// Starts an emulator and installs Flotilla on it.
    ///
    /// # Errors
    /// The first step that failed.
    pub async fn start(regions: &[&str], install_args: &[&str], quiet: bool) -> Result<Self, LabError> {
        Self::install(Emulator::start(&program()?, None).await?, regions, install_args, quiet).await
    }

    /// Installs Flotilla on an emulator.
    ///
    /// # Errors
    /// The first step that failed.
    pub async fn install(
        emulator: Emulator,
        regions: &[&str],
        install_args: &[&str],
        quiet: bool,
    ) -> Result<Self, LabError> {
        let regions: Vec<String> = regions.iter().map(|region| (*region).to_owned()).collect();
        let list = regions.join(",");
        let binaries = binaries()?;
        let mut args = vec!["install", "--regions", &list, "--allow-plain-http", "--binaries"];
        args.push(binaries.to_str().unwrap_or_default());
        args.extend(install_args);
        let mut command = flotilla(&emulator.endpoint())?;
        command.args(&args);
        if quiet {
            let output = command.output().await.doing("flotilla install")?;
            if !output.status.success() {
                return Err(LabError(format!("flotilla install: {}", text(&output))));
            }
        } else if !command.status().await.doing("flotilla install")?.success() {
            return Err(LabError("flotilla install failed".into()));
        }
        Self::connect(emulator, regions).await
    }

    /// Connects to a control plane that is installed on an emulator.
    ///
    /// # Errors
    /// There is none.
    pub async fn connect(emulator: Emulator, regions: Vec<String>) -> Result<Self, LabError> {
        let config = sdk_config(&emulator.endpoint(), HOME, ACCOUNT, "test");
        let outputs = flotilla_cli::home::control_plane(&config, "flotilla")
            .await
            .doing("finding the control plane")?;
        let url = &outputs["ApiUrl"];
        let api_id = url.trim_start_matches("http://").split('.').next().unwrap_or_default().to_owned();
        let api = Api::at(url, config).doing("connecting to the API")?;
        Ok(Self { emulator, regions, api_id, api })
    }

    /// The SDK configuration of an administrator of the control plane's account.
    pub fn config(&self, region: &str) -> SdkConfig {
        self.config_in(ACCOUNT, region)
    }

    /// The SDK configuration of an administrator of any account.
    pub fn config_in(&self, account: &str, region: &str) -> SdkConfig {
        sdk_config(&self.emulator.endpoint(), region, account, "test")
    }

    /// The API with the credentials of an administrator.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// The name of the ingest bucket.
    pub fn ingest_bucket(&self) -> String {
        format!("flotilla-ingest-{ACCOUNT}-{HOME}")
    }

    /// Prepares the `flotilla` command with arguments.
    ///
    /// # Errors
    /// The program is missing.
    pub fn command(&self, args: &[&str]) -> Result<Command, LabError> {
        let mut command = flotilla(&self.emulator.endpoint())?;
        command.args(args);
        Ok(command)
    }

    /// Runs the `flotilla` command.
    ///
    /// # Errors
    /// The command cannot be started.
    pub async fn run(&self, args: &[&str]) -> Result<Output, LabError> {
        self.command(args)?.output().await.doing("running flotilla")
    }

    /// Allows the deployer an action on everything, where MiniStack checks another action or resource than AWS: see `docs/emulator.md`. The
    /// template allows what AWS checks.
    ///
    /// # Errors
    /// The policy cannot be written.
    pub async fn allow(&self, action: &str) -> Result<(), LabError> {
        let template = serde_json::json!({"Resources": {"Policy": {"Type": "AWS::IAM::Policy", "Properties": {
            "PolicyName": "emulator", "Roles": ["flotilla-deployer"],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": action, "Resource": "*"}]},
        }}}});
        let create = aws_sdk_cloudformation::Client::new(&self.config(HOME)).create_stack();
        let create = create.stack_name("emulator").template_body(template.to_string());
        create
            .capabilities(Capability::CapabilityIam)
            .send()
            .await
            .doing("allowing what the emulator asks for")?;
        Ok(())
    }

    /// Applies a configuration with `flotilla apply`.
    ///
    /// # Errors
    /// The configuration is refused.
    pub async fn apply(&self, config: &ConfigFile) -> Result<(), LabError> {
        let path = self.emulator.folder.path().join("config.toml");
        std::fs::write(&path, toml::to_string(config).doing("writing the configuration")?)
            .doing("writing the configuration")?;
        let output = self.run(&["apply", path.to_str().unwrap_or_default()]).await?;
        if output.status.success() {
            Ok(())
        } else {
            Err(LabError(format!("flotilla apply: {}", text(&output))))
        }
    }

    /// Uploads bytes as CI does, with S3 only; answers the version ID of the object.
    ///
    /// # Errors
    /// S3 refuses.
    pub async fn upload(&self, key: &str, bytes: Vec<u8>) -> Result<String, LabError> {
        let s3 = aws_sdk_s3::Client::new(&self.config(HOME));
        let sent = s3
            .put_object()
            .bucket(self.ingest_bucket())
            .key(key)
            .body(bytes.into())
            .send()
            .await
            .doing("uploading")?;
        Ok(sent.version_id().unwrap_or_default().to_owned())
    }

    /// Waits until ingest has accepted or refused an upload. Without a service, the key of the upload names none.
    ///
    /// # Errors
    /// Ingest has not decided within this time.
    pub async fn verdict(
        &self,
        service: Option<&str>,
        version: &str,
        within: Duration,
    ) -> Result<UploadView, LabError> {
        let path =
            service.map_or("/v1/uploads".to_owned(), |service| format!("/v1/services/{service}/uploads"));
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            let page: Page<UploadView> = self.api.get(&path).await.doing("reading the uploads")?;
            if let Some(found) = page.items.into_iter().find(|upload| upload.version_id == version) {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(LabError(format!(
            "ingest did not decide on the upload within {within:?}:\n{}",
            self.emulator.log()
        )))
    }

    /// Waits until a rollout has ended.
    ///
    /// # Errors
    /// The rollout has not ended within this time.
    pub async fn end_of(&self, rollout: &str, within: Duration) -> Result<RolloutView, LabError> {
        let deadline = Instant::now() + within;
        let mut last = None;
        while Instant::now() < deadline {
            let view: RolloutView =
                self.api.get(&format!("/v1/rollouts/{rollout}")).await.doing("reading the rollout")?;
            if view.ended {
                return Ok(view);
            }
            last = Some(view);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(LabError(format!("the rollout did not end within {within:?}: {last:#?}")))
    }

    /// Uploads a package and waits until its rollout has ended.
    ///
    /// # Errors
    /// The package is refused, or the rollout does not end.
    pub async fn push(
        &self,
        service: &str,
        git_ref: &str,
        package: Vec<u8>,
    ) -> Result<RolloutView, LabError> {
        let build = &flotilla_domain::Digest::of(&package).to_string()[..12];
        let version = self.upload(&format!("incoming/{service}/{git_ref}/{build}.zip"), package).await?;
        let upload = self.verdict(Some(service), &version, Duration::from_secs(30)).await?;
        let rollout = upload
            .rollout
            .ok_or_else(|| LabError(format!("the upload was refused: {:#?}", upload.refusal)))?;
        self.end_of(&rollout, Duration::from_secs(60)).await
    }

    /// Invokes the sweep with this event; answers its reply.
    ///
    /// # Errors
    /// The sweep fails.
    pub async fn sweep(&self, event: serde_json::Value) -> Result<serde_json::Value, LabError> {
        let lambda = aws_sdk_lambda::Client::new(&self.config(HOME));
        let payload = aws_sdk_lambda::primitives::Blob::new(event.to_string());
        let reply = lambda
            .invoke()
            .function_name("flotilla-cleanup")
            .payload(payload)
            .send()
            .await
            .doing("invoking the sweep")?;
        let body = reply.payload().map(|blob| blob.as_ref().to_vec()).unwrap_or_default();
        if reply.function_error().is_some() {
            return Err(LabError(format!("the sweep failed: {}", String::from_utf8_lossy(&body))));
        }
        serde_json::from_slice(&body).doing("reading the sweep's reply")
    }
}

/// An SDK configuration for an emulator.
pub fn sdk_config(endpoint: &str, region: &str, key: &str, secret: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http::sdk_client())
        .endpoint_url(endpoint)
        .region(Region::new(region.to_owned()))
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(Credentials::new(
            key, secret, None, None, "lab",
        )))
        .build()
}

/// The `flotilla` command with the endpoint and the credentials of an emulator.
fn flotilla(endpoint: &str) -> Result<Command, LabError> {
    let program = binaries()?.join("flotilla");
    if !Path::new(&program).is_file() {
        return Err(LabError(format!("{} is missing. Run scripts/build", program.display())));
    }
    let mut command = Command::new(program);
    command
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", ACCOUNT)
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", HOME)
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .kill_on_drop(true);
    Ok(command)
}

/// The output of a command: standard output, then standard error.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
