//! The four-eyes rule: who may not approve a rollout.

use super::person::{Author, is_user_of_identity_center};
use crate::code::{Code, Refusal};
use crate::gate::FourEyes;

/// Who wants to approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approver<'a> {
    /// The [person](super::Identity::person).
    pub person: &'a str,
    /// Whether that is [one person](super::Identity::is_one_person).
    pub is_one: bool,
}

/// The four-eyes rule: whether a person may approve a rollout that `starter` started, of a release that `authors` wrote. Where it cannot be
/// told that the approver is none of them, the approval does not count.
///
/// # Errors
/// [`Code::OwnApproval`].
pub fn may_approve(
    approver: Approver<'_>,
    starter: &str,
    authors: &[Author],
    four_eyes: FourEyes,
) -> Result<(), Refusal> {
    let Approver { person, is_one } = approver;
    let refuse = |what: String, fix: &str| {
        Err(Refusal::new(
            Code::OwnApproval,
            format!("{what}, and the profile requires another approver (four_eyes)"),
            fix,
        ))
    };
    let ask = "ask another person to approve it; sessions of one role count as one person, unless [identity] names the role";
    if four_eyes.starter && starter == person {
        return refuse(format!("{person} started the rollout"), ask);
    }
    if !four_eyes.author {
        return Ok(());
    }
    if authors.iter().any(|author| author.person == person) {
        return refuse(format!("{person} wrote what is deployed"), ask);
    }
    if !is_one {
        let fix = "approve as a user of IAM, of IAM Identity Center, or of a role under pinned_session_names";
        return refuse(format!("{person} is a role, and an author may have assumed it"), fix);
    }
    let unknown = authors.iter().find(|author| !author.is_listed);
    match unknown.filter(|_| !is_user_of_identity_center(person)) {
        Some(author) => refuse(
            format!("{person} may be the author {}", author.name),
            "say who the author is under [identity.authors], or approve as a user of IAM Identity Center",
        ),
        None => Ok(()),
    }
}
