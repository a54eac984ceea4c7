//! Patterns of IAM principals. A pattern names the account in full, so that no grant applies to another account.

use crate::code::{Code, Refusal};
use globset::{GlobBuilder, GlobMatcher};

/// Longest pattern, in bytes: the longest ARN of a user with its path fits.
const PATTERN_BYTES_MAX: usize = 640;

/// A pattern of IAM principals: an ARN whose name may have `*` and `?`, which never match a slash, and `**`,
/// which does.
#[derive(Debug, Clone)]
pub struct PrincipalPattern {
    text: String,
    partition: String,
    account: String,
    kind: Kind,
    glob: GlobMatcher,
}

/// The kind of principal that an ARN names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The account itself.
    Root,
    /// A user, by path and name.
    User,
    /// A role, by name: every session of it.
    Role,
    /// One session of a role: `<role>/<session>`.
    Session,
    /// A federated user.
    Federated,
}

/// The parts of a principal's ARN.
struct Arn<'a> {
    partition: &'a str,
    account: &'a str,
    kind: Kind,
    /// The path and name, without the prefix of the kind.
    name: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, resource] = parts[..] else { return None };
        if !partition.starts_with("aws") || account.len() != 12 {
            return None;
        }
        if !account.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (kind, name) = match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => (Kind::Root, resource),
            ("iam", Some(("user", name))) => (Kind::User, name),
            ("iam", Some(("role", name))) => (Kind::Role, name),
            ("sts", Some(("assumed-role", name))) => (Kind::Session, name),
            ("sts", Some(("federated-user", name))) => (Kind::Federated, name),
            _ => return None,
        };
        (!name.is_empty()).then_some(Self { partition, account, kind, name })
    }
}

/// The name of a role without its path. The ARN of a session does not contain the path, and role names are unique
/// within an account whatever their paths (IAM user guide, "IAM identifiers").
fn without_path(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, name)| name)
}

/// A session of a role.
pub(super) struct Session<'a> {
    /// The role's ARN, without its path, which the ARN of a session does not contain.
    pub role_arn: String,
    /// The role's name.
    pub role: &'a str,
    /// The session's name.
    pub name: &'a str,
}

impl<'a> Session<'a> {
    /// Reads the ARN of a session; `None` if it is another principal's.
    pub fn parse(principal: &'a str) -> Option<Self> {
        let arn = Arn::parse(principal).filter(|arn| arn.kind == Kind::Session)?;
        let (role, name) = arn.name.split_once('/')?;
        let role_arn = format!("arn:{}:iam::{}:role/{role}", arn.partition, arn.account);
        Some(Self { role_arn, role, name })
    }
}

impl PrincipalPattern {
    /// Whether it is a pattern of roles, and so of all their sessions.
    pub fn is_of_roles(&self) -> bool {
        self.kind == Kind::Role
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// [`Code::ConfigInvalid`] when it is not a principal's ARN, or has a wildcard where none is allowed.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: &str, fix: &str| {
            let shown: String = text.chars().take(100).collect();
            Refusal::new(Code::ConfigInvalid, format!("{shown:?} is not a principal: {why}"), fix)
        };
        const FIX: &str = "write the ARN of a user or role with the account's 12 digits, such as arn:aws:iam::111122223333:role/ops-*";
        if text.len() > PATTERN_BYTES_MAX {
            return Err(refuse("it is too long", FIX));
        }
        if text.bytes().any(|b| !b.is_ascii_graphic() || b"[]{}\\!".contains(&b)) {
            return Err(refuse("the only wildcards are * and ?", FIX));
        }
        let arn = Arn::parse(text).ok_or_else(|| refuse("it is not the ARN of a user or role", FIX))?;
        let mut name = arn.name;
        if arn.kind == Kind::Role {
            name = without_path(name);
            if name.is_empty() || (name != arn.name && arn.name.contains(['*', '?'])) {
                let fix = "write role/NAME without the path";
                return Err(refuse("the ARN of an assumed role does not contain the role's path", fix));
            }
        }
        if arn.kind == Kind::Session && name.split_once('/').is_none_or(|(role, _)| role.contains(['*', '?']))
        {
            return Err(refuse(
                "the role of a session is named without wildcards",
                "write assumed-role/NAME/SESSION",
            ));
        }
        let glob = GlobBuilder::new(name).literal_separator(true).build();
        let glob = glob.map_err(|e| refuse(&e.kind().to_string(), FIX))?;
        Ok(Self {
            text: text.to_owned(),
            partition: arn.partition.to_owned(),
            account: arn.account.to_owned(),
            kind: arn.kind,
            glob: glob.compile_matcher(),
        })
    }

    /// Whether it matches a principal, by the ARN of the request's signature. A pattern of a role matches all its
    /// sessions.
    pub fn matches(&self, principal: &str) -> bool {
        let Some(arn) = Arn::parse(principal) else { return false };
        if (arn.partition, arn.account) != (self.partition.as_str(), self.account.as_str()) {
            return false;
        }
        match (self.kind, arn.kind) {
            (Kind::Role, Kind::Role) => self.glob.is_match(without_path(arn.name)),
            (Kind::Role, Kind::Session) => {
                arn.name.split_once('/').is_some_and(|(role, _)| self.glob.is_match(role))
            }
            (own, other) => own == other && self.glob.is_match(arn.name),
        }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(rest: &str) -> PrincipalPattern {
        PrincipalPattern::parse(&format!("arn:aws:iam::111122223333:{rest}")).unwrap()
    }

    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/deployer/ann";

    #[test]
    fn a_role_is_granted_to_whoever_has_assumed_it() {
        for of_role in ["role/deployer", "role/team/deep/deployer", "role/deploy*", "role/d?ployer"] {
            assert!(pattern(of_role).matches(SESSION), "{of_role}");
            assert!(pattern(of_role).matches("arn:aws:iam::111122223333:role/team/deployer"), "{of_role}");
        }
        for other in ["role/deploy", "role/deployer-2", "user/deployer", "user/**", "role/ann", "root"] {
            assert!(!pattern(other).matches(SESSION), "{other}");
        }
        let one = PrincipalPattern::parse("arn:aws:sts::111122223333:assumed-role/deployer/ann").unwrap();
        assert!(one.matches(SESSION));
        assert!(!one.matches("arn:aws:sts::111122223333:assumed-role/deployer/bob"));
    }

    #[test]
    fn nothing_is_granted_across_accounts_partitions_or_by_a_part_of_a_name() {
        let own = pattern("role/deployer");
        for other in [
            "arn:aws:sts::111122223334:assumed-role/deployer/ann",
            "arn:aws-cn:sts::111122223333:assumed-role/deployer/ann",
            "arn:aws:sts::111122223333:assumed-role/deployer",
            "arn:aws:sts::111122223333:assumed-role/x-deployer/ann",
            "arn:aws:sts::111122223333:assumed-role/x/deployer",
            "arn:aws:sts::111122223333:federated-user/deployer",
            "arn:aws:s3:::111122223333:assumed-role/deployer/ann",
            "x arn:aws:sts::111122223333:assumed-role/deployer/ann",
            "deployer",
            "",
        ] {
            assert!(!own.matches(other), "{other}");
        }
    }

    #[test]
    fn a_wildcard_stays_within_one_part_of_a_path() {
        let user = |path: &str| format!("arn:aws:iam::111122223333:user/{path}");
        assert!(pattern("user/*").matches(&user("ann")));
        assert!(!pattern("user/*").matches(&user("team/ann")));
        assert!(pattern("user/**").matches(&user("team/ann")));
        assert!(pattern("user/team/*").matches(&user("team/ann")));
        assert!(!pattern("user/team/*").matches(&user("other/team/ann")));
    }

    #[test]
    fn a_pattern_that_could_mean_more_than_it_says_is_refused() {
        for bad in [
            "",
            "*",
            "arn:aws:iam::*:role/deployer",
            "arn:aws:iam::11112222333?:role/deployer",
            "arn:*:iam::111122223333:role/deployer",
            "arn:aws:iam::111122223333:*",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/team/",
            "arn:aws:iam::111122223333:role/team/*",
            "arn:aws:iam::111122223333:role/*/deployer",
            "arn:aws:iam::111122223333:role/{a,b}",
            "arn:aws:iam::111122223333:role/[a-z]",
            "arn:aws:iam::111122223333:group/ops",
            "arn:aws:sts::111122223333:assumed-role/**",
            "arn:aws:sts::111122223333:assumed-role/*/ann",
            "arn:aws:sts::111122223333:assumed-role/deployer",
            "arn:aws:iam::111122223333:role/a b",
        ] {
            assert!(PrincipalPattern::parse(bad).is_err(), "{bad}");
        }
        assert!(
            PrincipalPattern::parse(&format!("arn:aws:iam::111122223333:user/{}", "a".repeat(700))).is_err()
        );
    }

    #[test]
    fn a_federated_user_is_granted_by_name_and_no_pattern_is_longer_than_it_may_be() {
        let federated = "arn:aws:sts::111122223333:federated-user/ann";
        assert!(PrincipalPattern::parse(federated).unwrap().matches(federated));
        assert!(!PrincipalPattern::parse(federated).unwrap().matches(&federated.replace("ann", "bob")));
        let long = |bytes: usize| {
            let arn = "arn:aws:iam::111122223333:user/";
            PrincipalPattern::parse(&format!("{arn}{}", "u".repeat(bytes - arn.len())))
        };
        assert!(long(PATTERN_BYTES_MAX).is_ok() && long(PATTERN_BYTES_MAX + 1).is_err());
    }
}
