//! Persons: whom approvals and four eyes count.
//!
//! Whoever assumes a role chooses the session's name, unless something pins it, so two sessions of one role are not two persons.

use super::principal::{PrincipalPattern, Session};
use crate::code::{Code, Refusal};

/// The beginning of the names of roles that IAM Identity Center makes. It names their sessions by the user.
const IDENTITY_CENTER: &str = "AWSReservedSSO_";

/// Which sessions are named by who uses them.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pinned: Vec<PrincipalPattern>,
}

impl Identity {
    /// Most roles whose sessions are named by their persons.
    pub const ROLES_MAX: usize = 50;

    /// Reads the roles whose trust policies pin the session's name: `sts:RoleSessionName` or `sts:SourceIdentity`.
    ///
    /// # Errors
    /// [`Code::ConfigInvalid`] if one is no pattern of roles, or if there are too many.
    pub fn parse(roles: &[String]) -> Result<Self, Refusal> {
        if roles.len() > Self::ROLES_MAX {
            let what = format!("{} roles, at most {} are allowed", roles.len(), Self::ROLES_MAX);
            return Err(Refusal::new(Code::ConfigInvalid, what, "use patterns, such as role/team-*"));
        }
        let pattern = |text: &String| {
            let pattern = PrincipalPattern::parse(text)?;
            if pattern.is_of_roles() {
                return Ok(pattern);
            }
            let fix = "write the ARN of a role, such as arn:aws:iam::111122223333:role/team-*";
            Err(Refusal::new(Code::ConfigInvalid, format!("{text} is not a role"), fix))
        };
        Ok(Self { pinned: roles.iter().map(pattern).collect::<Result<_, _>>()? })
    }

    /// The person behind a principal: a user by its ARN, a session of Identity Center by its user, a session of a role that pins the
    /// name by both, and every other session by its role alone.
    pub fn person(&self, principal: &str) -> String {
        let Some(Session { role_arn, role, name }) = Session::parse(principal) else {
            return principal.to_owned();
        };
        if role.starts_with(IDENTITY_CENTER) {
            // A user has a role in each account and for each permission set.
            return format!("user of IAM Identity Center: {}", name.to_lowercase());
        }
        if self.pinned.iter().any(|pattern| pattern.matches(principal)) {
            return principal.to_owned();
        }
        role_arn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "arn:aws:sts::111122223333:assumed-role";

    #[test]
    fn two_sessions_of_a_role_are_one_person_unless_their_names_are_pinned() {
        let nobody = Identity::default();
        let role = "arn:aws:iam::111122223333:role/release";
        assert_eq!(nobody.person(&format!("{ACCOUNT}/release/ann")), role);
        assert_eq!(nobody.person(&format!("{ACCOUNT}/release/bob")), role);
        let pinned = Identity::parse(&["arn:aws:iam::111122223333:role/rel*".to_owned()]).unwrap();
        let ann = format!("{ACCOUNT}/release/ann");
        assert_eq!(pinned.person(&ann), ann);
        assert_ne!(pinned.person(&ann), pinned.person(&format!("{ACCOUNT}/release/bob")));
        assert_eq!(pinned.person(&format!("{ACCOUNT}/other/ann")), "arn:aws:iam::111122223333:role/other");
    }

    #[test]
    fn a_user_of_identity_center_is_one_person_in_every_account_and_with_every_permission_set() {
        let identity = Identity::default();
        let ann =
            identity.person(&format!("{ACCOUNT}/AWSReservedSSO_Admin_0123456789abcdef/Ann@example.com"));
        let elsewhere =
            "arn:aws:sts::444455556666:assumed-role/AWSReservedSSO_Dev_fedcba9876543210/ann@example.com";
        assert_eq!(ann, identity.person(elsewhere));
        let bob =
            identity.person(&format!("{ACCOUNT}/AWSReservedSSO_Admin_0123456789abcdef/bob@example.com"));
        assert_ne!(ann, bob);
    }

    #[test]
    fn users_are_persons_and_what_is_no_arn_stays() {
        let identity = Identity::default();
        for principal in ["arn:aws:iam::111122223333:user/ann", "the preview's end", ""] {
            assert_eq!(identity.person(principal), principal);
        }
    }

    #[test]
    fn only_roles_can_be_pinned() {
        for bad in
            ["arn:aws:iam::111122223333:user/ann", "release", "arn:aws:sts::111122223333:assumed-role/a/b"]
        {
            assert_eq!(Identity::parse(&[bad.to_owned()]).unwrap_err().code, Code::ConfigInvalid, "{bad}");
        }
        let many = vec!["arn:aws:iam::111122223333:role/a".to_owned(); Identity::ROLES_MAX + 1];
        assert!(Identity::parse(&many).is_err());
    }
}
