//! Persons: whom approvals and four eyes count.
//!
//! Whoever assumes a role chooses the session's name, unless something pins it, so two sessions of one role are not two persons.

use super::principal::{PrincipalPattern, Session};
use crate::code::{Code, Refusal};
use std::collections::{BTreeMap, BTreeSet};

/// The beginning of the names of roles that IAM Identity Center makes. It names their sessions by the user.
const IDENTITY_CENTER: &str = "AWSReservedSSO_";
const USER_OF_IDENTITY_CENTER: &str = "user of IAM Identity Center: ";

/// Which sessions are named by who uses them.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pinned: Vec<PrincipalPattern>,
    authors: BTreeMap<String, String>,
}

impl Identity {
    /// Most roles whose sessions are named by their persons.
    pub const ROLES_MAX: usize = 50;

    /// Most authors whose principals are named.
    pub const AUTHORS_MAX: usize = 1_000;

    /// Reads the roles whose trust policies pin the session's name (`sts:RoleSessionName` or `sts:SourceIdentity`), and who the authors of
    /// releases are: principals, by the names that provenance gives the authors.
    ///
    /// # Errors
    /// [`Code::ConfigInvalid`] if one is no pattern of roles or no exact principal, or if there are too many.
    pub fn parse(roles: &[String], authors: &BTreeMap<String, String>) -> Result<Self, Refusal> {
        if roles.len() > Self::ROLES_MAX {
            let what = format!("{} roles, at most {} are allowed", roles.len(), Self::ROLES_MAX);
            return Err(Refusal::new(Code::ConfigInvalid, what, "use patterns, such as role/team-*"));
        }
        if authors.len() > Self::AUTHORS_MAX {
            let what = format!("{} authors, at most {} are allowed", authors.len(), Self::AUTHORS_MAX);
            let fix = "name only authors who are not users of IAM Identity Center by the same name";
            return Err(Refusal::new(Code::ConfigInvalid, what, fix));
        }
        let pattern = |text: &String| {
            let pattern = PrincipalPattern::parse(text)?;
            if pattern.is_of_roles() {
                return Ok(pattern);
            }
            let fix = "write the ARN of a role, such as arn:aws:iam::111122223333:role/team-*";
            Err(Refusal::new(Code::ConfigInvalid, format!("{text} is not a role"), fix))
        };
        for (author, principal) in authors {
            check_author(author, principal)?;
        }
        let lower: BTreeSet<String> = authors.keys().map(|author| author.to_lowercase()).collect();
        if lower.len() < authors.len() {
            let what = "two authors differ only in upper and lower case";
            return Err(Refusal::new(Code::ConfigInvalid, what, "keep one of them"));
        }
        let pinned = roles.iter().map(pattern).collect::<Result<_, _>>()?;
        let authors = authors.iter().map(|(author, principal)| (author.to_lowercase(), principal.clone()));
        Ok(Self { pinned, authors: authors.collect() })
    }

    /// The person behind a principal: a user by its ARN, a session of Identity Center by its user, a session of a role that pins the
    /// name by both, and every other session by its role alone.
    pub fn person(&self, principal: &str) -> String {
        let Some(Session { role_arn, role, name }) = Session::parse(principal) else {
            return principal.to_owned();
        };
        if role.starts_with(IDENTITY_CENTER) {
            // A user has a role in each account and for each permission set.
            return user_of_identity_center(name);
        }
        if self.pinned.iter().any(|pattern| pattern.matches(principal)) {
            return principal.to_owned();
        }
        role_arn
    }

    /// Whether a principal is used by one person, so that it can be told apart from an author: not a session of a role whose name anybody
    /// may choose.
    pub fn is_one_person(&self, principal: &str) -> bool {
        Session::parse(principal).is_none_or(|session| self.person(principal) != session.role_arn)
    }

    /// The person that an author in the provenance of a release is: the principal that is configured for the name, else the user of IAM
    /// Identity Center of this name.
    pub fn author(&self, name: &str) -> Author {
        let listed = self.authors.get(&name.to_lowercase());
        let person = match listed {
            Some(principal) if principal.starts_with("arn:") => self.person(principal),
            Some(user) => user_of_identity_center(user),
            None => user_of_identity_center(name),
        };
        Author { name: name.to_owned(), person, is_listed: listed.is_some() }
    }
}

/// An author of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name in the provenance.
    pub name: String,
    /// The person.
    pub person: String,
    /// Whether the configuration says who it is.
    pub is_listed: bool,
}

/// Whether a person is a user of IAM Identity Center.
pub(super) fn is_user_of_identity_center(person: &str) -> bool {
    person.starts_with(USER_OF_IDENTITY_CENTER)
}

/// Checks whom the configuration says an author is.
fn check_author(author: &str, principal: &str) -> Result<(), Refusal> {
    let is_name = |text: &str| !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control);
    let is_exact = !principal.contains(['*', '?']);
    let is_principal = if principal.starts_with("arn:") {
        let session = Session::parse(principal).is_some();
        is_exact && (session || principal.contains(":user/") && PrincipalPattern::parse(principal).is_ok())
    } else {
        is_exact && is_name(principal) && !principal.contains([':', '/', ' '])
    };
    if is_principal && is_name(author) {
        return Ok(());
    }
    let what = format!("the author {author:?} cannot be {principal:?}");
    let fix = "give the ARN of a user or of a session of a role (assumed-role/ROLE/NAME), or the name of a user of IAM Identity Center";
    Err(Refusal::new(Code::ConfigInvalid, what, fix))
}

fn user_of_identity_center(name: &str) -> String {
    format!("{USER_OF_IDENTITY_CENTER}{}", name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "arn:aws:sts::111122223333:assumed-role";

    fn pinned(roles: &[String]) -> Result<Identity, Refusal> {
        Identity::parse(roles, &BTreeMap::new())
    }

    #[test]
    fn two_sessions_of_a_role_are_one_person_unless_their_names_are_pinned() {
        let nobody = Identity::default();
        let role = "arn:aws:iam::111122223333:role/release";
        assert_eq!(nobody.person(&format!("{ACCOUNT}/release/ann")), role);
        assert_eq!(nobody.person(&format!("{ACCOUNT}/release/bob")), role);
        let pinned = pinned(&["arn:aws:iam::111122223333:role/rel*".to_owned()]).unwrap();
        let ann = format!("{ACCOUNT}/release/ann");
        assert_eq!(pinned.person(&ann), ann);
        assert_ne!(pinned.person(&ann), pinned.person(&format!("{ACCOUNT}/release/bob")));
        assert_eq!(pinned.person(&format!("{ACCOUNT}/other/ann")), "arn:aws:iam::111122223333:role/other");
        let center = format!("{ACCOUNT}/AWSReservedSSO_Admin_0123456789abcdef/ann");
        for one in [ann.as_str(), &center, "arn:aws:iam::111122223333:user/ann"] {
            assert!(pinned.is_one_person(one), "{one}");
        }
        assert!(!pinned.is_one_person(&format!("{ACCOUNT}/other/ann")) && !nobody.is_one_person(&ann));
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
    fn an_author_is_a_user_of_identity_center_unless_a_principal_is_named() {
        let bob = "arn:aws:iam::111122223333:user/bob";
        let authors = [("Bob@example.com", bob), ("cy@old.example.com", "Cy@example.com")]
            .map(|(author, principal)| (author.to_owned(), principal.to_owned()));
        let identity = Identity::parse(&[], &authors.into()).unwrap();
        let session =
            |name: &str| identity.person(&format!("{ACCOUNT}/AWSReservedSSO_Dev_0123456789abcdef/{name}"));
        assert_eq!(identity.author("Ann@example.com").person, session("ann@example.com"));
        assert_eq!(identity.author("bob@Example.com").person, identity.person(bob));
        assert_eq!(identity.author("cy@old.example.com").person, session("cy@example.com"));
        assert!(
            identity.author("BOB@example.com").is_listed && !identity.author("ann@example.com").is_listed
        );
        for bad in [
            "arn:aws:iam::111122223333:role/ops",
            "arn:aws:iam::111122223333:user/*",
            "arn:aws:iam",
            "a b",
            "",
        ] {
            let authors = [("ann".to_owned(), bad.to_owned())].into();
            assert_eq!(Identity::parse(&[], &authors).unwrap_err().code, Code::ConfigInvalid, "{bad}");
        }
        let twice = ["ann", "Ann"].map(|author| (author.to_owned(), bob.to_owned())).into();
        assert!(Identity::parse(&[], &twice).is_err());
        let many = (0..=Identity::AUTHORS_MAX).map(|n| (n.to_string(), bob.to_owned())).collect();
        assert_eq!(Identity::parse(&[], &many).unwrap_err().code, Code::ConfigInvalid);
    }

    #[test]
    fn only_roles_can_be_pinned() {
        for bad in
            ["arn:aws:iam::111122223333:user/ann", "release", "arn:aws:sts::111122223333:assumed-role/a/b"]
        {
            assert_eq!(pinned(&[bad.to_owned()]).unwrap_err().code, Code::ConfigInvalid, "{bad}");
        }
        let many = vec!["arn:aws:iam::111122223333:role/a".to_owned(); Identity::ROLES_MAX + 1];
        assert!(pinned(&many).is_err());
    }
}
