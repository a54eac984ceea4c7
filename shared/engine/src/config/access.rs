//! Access: the grants of roles.

use super::{invalid, no_such};
use flotilla_contract::{AccessConfig, GrantConfig};
use flotilla_domain::Refusal;
use flotilla_domain::access::{Authority, Grant, Identity, NamePatterns, PrincipalPattern, Role};

/// Reads the grants.
///
/// # Errors
/// [`flotilla_domain::Code::ConfigInvalid`], with the path of the grant.
pub fn access(doc: &AccessConfig) -> Result<Authority, Refusal> {
    let max = Authority::GRANTS_MAX;
    if doc.grants.len() > max {
        let fix = format!("give {max} at most: grant to IAM roles instead of single users");
        return Err(invalid("access", format!("{} grants", doc.grants.len()), &fix));
    }
    let grants = doc.grants.iter().enumerate();
    let grants = grants.map(|(n, doc)| grant(doc).map_err(|refusal| refusal.at(format!("access.{n}"))));
    Ok(Authority::Granted(grants.collect::<Result<_, _>>()?))
}

/// Makes these principals admins of everything.
///
/// # Errors
/// [`flotilla_domain::Code::ConfigInvalid`] if one is not a principal's ARN.
pub(crate) fn administrators(principals: &[String]) -> Result<Authority, Refusal> {
    let admin = |principal: &String| {
        let doc =
            GrantConfig { principal: principal.clone(), role: "admin".into(), stages: None, services: None };
        grant(&doc)
    };
    Ok(Authority::Granted(principals.iter().map(admin).collect::<Result<_, _>>()?))
}

/// Reads who is a person.
///
/// # Errors
/// [`flotilla_domain::Code::ConfigInvalid`].
pub fn identity(doc: &AccessConfig) -> Result<Identity, Refusal> {
    let Some(identity) = &doc.identity else { return Ok(Identity::default()) };
    Identity::parse(&identity.pinned_session_names, &identity.authors)
        .map_err(|refusal| refusal.at("identity"))
}

fn grant(doc: &GrantConfig) -> Result<Grant, Refusal> {
    let role = Role::parse(&doc.role);
    Ok(Grant {
        principal: PrincipalPattern::parse(&doc.principal)?,
        role: role.ok_or_else(|| no_such("role", &doc.role, "viewer, deployer, approver or admin"))?,
        stages: names("stages", doc.stages.as_deref())?,
        services: names("services", doc.services.as_deref())?,
    })
}

/// Reads patterns of names. A missing list matches all names. An empty list is refused, because it may be a
/// mistake.
fn names(field: &str, patterns: Option<&[String]>) -> Result<NamePatterns, Refusal> {
    if patterns.is_some_and(<[String]>::is_empty) {
        let fix = format!("omit {field} if the grant is for all of them");
        return Err(invalid(field, format!("{field} is empty"), &fix));
    }
    NamePatterns::parse(patterns.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_domain::access::Scope;

    fn doc() -> GrantConfig {
        GrantConfig {
            principal: "arn:aws:iam::111122223333:role/ops".into(),
            role: "admin".into(),
            stages: None,
            services: None,
        }
    }

    #[test]
    fn a_grant_without_stages_and_services_is_for_all_of_them() {
        let authority = access(&AccessConfig { grants: vec![doc()], identity: None }).unwrap();
        let session = "arn:aws:sts::111122223333:assumed-role/ops/ann";
        assert!(authority.allows(session, Role::Admin, Scope::EVERYTHING).is_ok());
    }

    #[test]
    fn a_grant_that_is_not_understood_is_refused_with_its_place() {
        let place =
            |doc: GrantConfig| access(&AccessConfig { grants: vec![doc], identity: None }).unwrap_err().path;
        for wrong in [
            GrantConfig { principal: "ops".into(), ..doc() },
            GrantConfig { role: "owner".into(), ..doc() },
            GrantConfig { stages: Some(Vec::new()), ..doc() },
            GrantConfig { services: Some(vec!["Orders".into()]), ..doc() },
        ] {
            assert_eq!(place(wrong).as_deref(), Some("access.0"));
        }
        let many = |count| access(&AccessConfig { grants: vec![doc(); count], identity: None });
        assert!(many(Authority::GRANTS_MAX).is_ok() && many(Authority::GRANTS_MAX + 1).is_err());
    }
}
