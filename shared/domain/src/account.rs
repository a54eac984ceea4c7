//! A target account as Flotilla reaches it.

use crate::names::{AccountId, Region};

/// How Flotilla acts in one account. Made by `infra/account.yaml` and registered by an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetAccount {
    /// The account.
    pub account: AccountId,
    /// The role that Flotilla assumes there.
    pub role_arn: String,
    /// The external id that the role asks for: made by Flotilla, one per account
    /// (the confused-deputy rule of AWS IAM's user guide).
    pub external_id: String,
    /// The role that CloudFormation acts with.
    pub service_role_arn: String,
}

/// The artifact bucket of an account and region. Its name carries both, so that nobody else can hold it
/// for us, and every call also names the owner it expects.
pub fn artifact_bucket(prefix: &str, account: &AccountId, region: &Region) -> String {
    format!("{prefix}-artifacts-{account}-{region}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_bucket_names_account_and_region() {
        let account = AccountId::parse("111122223333").unwrap();
        let region = Region::parse("eu-west-1").unwrap();
        assert_eq!(
            artifact_bucket("flotilla", &account, &region),
            "flotilla-artifacts-111122223333-eu-west-1"
        );
    }
}
