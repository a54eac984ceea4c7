//! Target accounts other than the control plane's own, added with `flotilla account add` and one AWS profile each.

use crate::emulator::ACCOUNT;
use crate::error::{Doing, LabError};
use crate::{World, world};
use flotilla_contract::ProfileConfig;
use std::path::PathBuf;
use std::process::Output;

/// The account of staging.
pub const STAGING: &str = "222233334444";
/// The account of production.
pub const PRODUCTION: &str = "333344445555";

impl World {
    /// Prepares an account and its regions, and registers it.
    ///
    /// # Errors
    /// The command fails.
    pub async fn add_account(&self, account: &str, regions: &[&str]) -> Result<(), LabError> {
        let output = self.try_add_account(account, account, regions).await?;
        match output.status.success() {
            true => Ok(()),
            false => Err(LabError(format!("flotilla account add: {}", world::text(&output)))),
        }
    }

    /// Runs `flotilla account add` with the credentials of this or another account.
    ///
    /// # Errors
    /// The command cannot be started.
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

    /// Runs `flotilla account remove` with the credentials of the account.
    ///
    /// # Errors
    /// The command cannot be started.
    pub async fn remove_account(&self, account: &str, args: &[&str]) -> Result<Output, LabError> {
        let path = self.credentials_file(account)?;
        let mut command = self.command(&["account", "remove", account, "--aws-profile", account])?;
        command.args(args).env("AWS_SHARED_CREDENTIALS_FILE", path);
        command.output().await.doing("running flotilla")
    }

    /// Writes a credentials file with a profile named after the account. In the emulator an access key of 12 digits
    /// belongs to an administrator of that account.
    fn credentials_file(&self, account: &str) -> Result<PathBuf, LabError> {
        let path = self.emulator.folder.path().join(format!("credentials-{account}"));
        let text = format!("[{account}]\naws_access_key_id = {account}\naws_secret_access_key = test\n");
        std::fs::write(&path, text).doing("writing the credentials")?;
        Ok(path)
    }

    /// A profile for regions of an account. The emulator's S3 does not copy between accounts, so copies are streamed
    /// there.
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
