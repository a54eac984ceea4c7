//! Protected resources that an operator lets a rollout lose.

use flotilla_domain::plan::Safeguards;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::{Code, Refusal};
use std::collections::BTreeSet;

/// Resources by name: `Orders` in every region, or `Orders@eu-west-1` in one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedLosses(pub BTreeSet<String>);

impl AllowedLosses {
    /// Permits a rollout to lose them. The requester of the rollout is the one who permits it.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`] for an invalid name, or too many names.
    pub(crate) fn apply_to(&self, rollout: &mut Rollout) -> Result<(), Refusal> {
        let refused = |what: String, fix: &str| Refusal::new(Code::RequestInvalid, what, fix).at("allow");
        if self.0.len() > Safeguards::APPROVED_MAX {
            return Err(refused(format!("{} resources", self.0.len()), "allow 200 at most for one rollout"));
        }
        if let Some(wrong) = self.0.iter().find(|name| !Safeguards::is_name(name)) {
            let fix = "give the logical id of a resource, optionally with @ and a region: Orders@eu-west-1";
            return Err(refused(format!("{wrong:?} is not the name of a resource"), fix));
        }
        rollout.policy.safeguards.approved = self.0.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::compose::blank_for_tests;

    #[test]
    fn two_hundred_resources_may_be_lost_by_name_at_most() {
        let allowed = |count: usize| {
            let mut rollout = blank_for_tests();
            let names = (0..count).map(|n| format!("Table{n}")).collect();
            AllowedLosses(names).apply_to(&mut rollout).map(|()| rollout.policy.safeguards.approved.len())
        };
        assert_eq!(allowed(Safeguards::APPROVED_MAX), Ok(Safeguards::APPROVED_MAX));
        assert_eq!(allowed(Safeguards::APPROVED_MAX + 1).unwrap_err().code, Code::RequestInvalid);
        assert_eq!(allowed(Safeguards::APPROVED_MAX + 2).unwrap_err().code, Code::RequestInvalid);
    }
}
