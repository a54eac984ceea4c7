//! Accounts: their roles and the external id.

use super::invalid;
use flotilla_contract::AccountConfig;
use flotilla_domain::{AccountId, Refusal, TargetAccount};

/// Reads an account.
///
/// # Errors
/// [`Code::ConfigInvalid`] if a role is not one of this account, or the external id is too weak.
pub fn account(account: AccountId, doc: &AccountConfig) -> Result<TargetAccount, Refusal> {
    for (path, arn) in [("role_arn", &doc.role_arn), ("service_role_arn", &doc.service_role_arn)] {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ok = matches!(parts[..], ["arn", partition, "iam", "", id, role]
            if partition.starts_with("aws") && id == account.as_str() && role.starts_with("role/") && role.len() > 5);
        if !ok || arn.len() > 512 {
            return Err(invalid(
                path,
                format!("not an IAM role of account {account}"),
                "use the outputs of the stack of infra/account.yaml",
            ));
        }
    }
    let id = &doc.external_id;
    if !(16..=128).contains(&id.len())
        || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=,.@:/".contains(&b))
    {
        return Err(invalid(
            "external_id",
            "an external id has 16 to 128 letters, digits or -_=,.@:/",
            "let flotilla install generate it",
        ));
    }
    let AccountConfig { role_arn, external_id, service_role_arn } = doc.clone();
    Ok(TargetAccount { account, role_arn, external_id, service_role_arn })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accounts_roles_must_be_its_own() {
        let doc = |id: &str| AccountConfig {
            role_arn: format!("arn:aws:iam::{id}:role/flotilla-deployer"),
            external_id: "0123456789abcdef".into(),
            service_role_arn: format!("arn:aws:iam::{id}:role/flotilla-cloudformation"),
        };
        let id = || AccountId::parse("111122223333").unwrap();
        assert!(account(id(), &doc("111122223333")).is_ok());
        assert!(account(id(), &doc("999999999999")).is_err());
        assert!(
            account(id(), &AccountConfig { external_id: "short".into(), ..doc("111122223333") }).is_err()
        );
    }
}
