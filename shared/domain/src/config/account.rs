//! A target account as Flotilla reaches it.

use crate::names::{AccountId, Region};
use crate::target::Site;

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

/// The role that lists and removes what no package needs any more in the artifact buckets of an account, and
/// nothing else. It asks for the account's external id, as the deployer does.
pub fn collector_role_arn(prefix: &str, site: &Site) -> String {
    let Site { account, region } = site;
    format!("arn:{}:iam::{account}:role/{prefix}-collector", region.partition())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collector_is_a_role_of_the_account_in_its_partition() {
        let site = Site::parse("111122223333/cn-north-1").unwrap();
        let wanted = "arn:aws-cn:iam::111122223333:role/flotilla-collector";
        assert_eq!(collector_role_arn("flotilla", &site), wanted);
    }

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
