//! Target accounts beside the control plane's own, as an operator makes them: by `flotilla account add`, with a
//! profile of the AWS configuration for each.

use crate::emulator::ACCOUNT;
use crate::error::{Doing, LabError};
use crate::{World, world};
use flotilla_contract::ProfileConfig;
use std::path::PathBuf;
use std::process::Output;

/// Where staging runs.
pub const STAGING: &str = "222233334444";
/// Where production runs.
pub const PRODUCTION: &str = "333344445555";

impl World {
    /// Prepares an account and its regions, and registers it.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn add_account(&self, account: &str, regions: &[&str]) -> Result<(), LabError> {
        let output = self.try_add_account(account, account, regions).await?;
        match output.status.success() {
            true => Ok(()),
            false => Err(LabError(format!("flotilla account add: {}", world::text(&output)))),
        }
    }

    /// Runs `flotilla account add` with the credentials of an account, of the same one or not.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn try_add_account(
        &self,
        account: &str,
        credentials_of: &str,
        regions: &[&str],
    ) -> Result<Output, LabError> {
        let path = self.credentials_file(credentials_of)?;
        let regions = regions.join(",");
        let args = ["account", "add", account, "--regions", &regions, "--allow-plain-http"];
        let mut command = self.command(&args)?;
        command.args(["--aws-profile", credentials_of]).env("AWS_SHARED_CREDENTIALS_FILE", path);
        command.output().await.doing("running flotilla")
    }

    /// A file of the AWS configuration with a profile that is called like the account. A key of 12 digits is an
    /// administrator's of that account.
    fn credentials_file(&self, account: &str) -> Result<PathBuf, LabError> {
        let path = self.emulator.folder.path().join(format!("credentials-{account}"));
        let text = format!("[{account}]\naws_access_key_id = {account}\naws_secret_access_key = test\n");
        std::fs::write(&path, text).doing("writing the credentials")?;
        Ok(path)
    }

    /// A profile that brings a service to regions of an account. The emulator's S3 copies nothing from one
    /// account to another: there, copies are streamed.
    pub fn profile_in(&self, account: &str, regions: &[&str]) -> ProfileConfig {
        ProfileConfig {
            account: account.into(),
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
            copies: (account != ACCOUNT).then(|| "streamed".into()),
            capabilities: vec!["CAPABILITY_NAMED_IAM".into()],
            ..ProfileConfig::default()
        }
    }
}
