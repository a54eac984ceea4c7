//! Accounts: their roles and the external id.

use super::invalid;
use crate::EngineError;
use crate::ports::{PortError, StateStore};
use crate::records::{ConfigRecord, account_key, read};
use flotilla_contract::{AccountConfig, PreviewRolesConfig};
use flotilla_domain::config::account::PreviewRoles;
use flotilla_domain::{AccountId, Refusal, SignedDuration, TargetAccount, Timestamp};

/// How long after a registration a refused role may be a role that AWS does not know everywhere yet: "changes that you make in
/// IAM might take time to become visible from all possible endpoints" (IAM User Guide, "Troubleshoot IAM").
const ROLE_IS_NEW: SignedDuration = SignedDuration::from_secs(120);

/// Whether a call failed because the account's role is too new to be assumed: the same call may succeed later.
pub(crate) async fn role_is_new(
    store: &dyn StateStore,
    account: &AccountId,
    error: &PortError,
    now: Timestamp,
) -> Result<bool, EngineError> {
    if !error.is_refused_role() {
        return Ok(false);
    }
    let registered = store.get(&[account_key(account)]).await?.into_iter().next().flatten();
    let registered = registered.map(read::<ConfigRecord>).transpose()?;
    Ok(registered.is_some_and(|record| now.duration_since(record.value.changed_at) < ROLE_IS_NEW))
}

/// Reads an account.
///
/// # Errors
/// [`Code::ConfigInvalid`] if a role is not one of this account, or the external id is too weak.
pub fn account(account: AccountId, doc: &AccountConfig) -> Result<TargetAccount, Refusal> {
    let of_previews = doc.previews.iter().map(|roles| ("previews.service_role_arn", &roles.service_role_arn));
    let roles = [("role_arn", &doc.role_arn), ("service_role_arn", &doc.service_role_arn)];
    for (path, arn) in roles.into_iter().chain(of_previews) {
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
    boundary(doc.role_boundary.as_deref())?;
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
    let previews = doc.previews.as_ref().map(preview_roles).transpose()?;
    let AccountConfig { role_arn, external_id, service_role_arn, role_boundary, .. } = doc.clone();
    Ok(TargetAccount { account, role_arn, external_id, service_role_arn, role_boundary, previews })
}

/// Reads the roles of previews.
fn preview_roles(doc: &PreviewRolesConfig) -> Result<PreviewRoles, Refusal> {
    boundary(Some(&doc.role_boundary)).map_err(|refusal| refusal.at("previews.role_boundary"))?;
    let is_mark = |mark: &str| {
        (3..=16).contains(&mark.len())
            && mark.starts_with(|c: char| c.is_ascii_lowercase())
            && mark.ends_with('-')
            && mark.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if !is_mark(&doc.mark) {
        let fix = "give 3 to 16 lowercase letters, digits and hyphens that end with a hyphen, such as pr-";
        return Err(invalid("previews.mark", format!("{:?} is not a mark", doc.mark), fix));
    }
    let PreviewRolesConfig { service_role_arn, role_boundary, mark } = doc.clone();
    Ok(PreviewRoles { service_role_arn, role_boundary, mark })
}

/// Checks the ARN of the policy that bounds roles.
pub(super) fn boundary(arn: Option<&str>) -> Result<(), Refusal> {
    let is_policy = |arn: &str| {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let policy = matches!(parts[..], ["arn", partition, "iam", "", owner, policy]
            if partition.starts_with("aws") && (owner == "aws" || AccountId::parse(owner).is_ok()) && policy.starts_with("policy/"));
        policy && arn.len() <= 512
    };
    if arn.is_none_or(is_policy) {
        return Ok(());
    }
    let fix = "give the ARN of a managed policy, such as arn:aws:iam::111122223333:policy/flotilla-workload";
    Err(invalid("role_boundary", "not the ARN of a managed policy", fix))
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
            role_boundary: None,
            previews: None,
        };
        let id = || AccountId::parse("111122223333").unwrap();
        assert!(account(id(), &doc("111122223333")).is_ok());
        assert!(account(id(), &doc("999999999999")).is_err());
        assert!(
            account(id(), &AccountConfig { external_id: "short".into(), ..doc("111122223333") }).is_err()
        );
    }
}
