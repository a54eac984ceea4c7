//! What an operator lets a rollout lose although a safeguard keeps it.

use flotilla_domain::plan::Safeguards;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::{Code, Refusal};
use std::collections::BTreeSet;

/// Resources by name: `Orders` in every region, or `Orders@eu-west-1` in one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowed(pub BTreeSet<String>);

impl Allowed {
    /// Lets a rollout lose them. Who said so is who has asked for the rollout.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`] for what is no name, and for too many.
    pub(crate) fn apply_to(&self, rollout: &mut Rollout) -> Result<(), Refusal> {
        let refused = |what: String, fix: &str| Refusal::new(Code::RequestInvalid, what, fix).at("allow");
        if self.0.len() > Safeguards::APPROVED_MAX {
            return Err(refused(format!("{} resources", self.0.len()), "allow 200 at most for one rollout"));
        }
        if let Some(wrong) = self.0.iter().find(|name| !Safeguards::is_name(name)) {
            let fix =
                "give the logical id of a resource, with @ and a region behind it or not: Orders@eu-west-1";
            return Err(refused(format!("{wrong:?} names no resource"), fix));
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
            Allowed(names).apply_to(&mut rollout).map(|()| rollout.policy.safeguards.approved.len())
        };
        assert_eq!(allowed(Safeguards::APPROVED_MAX), Ok(Safeguards::APPROVED_MAX));
        assert_eq!(allowed(Safeguards::APPROVED_MAX + 1).unwrap_err().code, Code::RequestInvalid);
        assert_eq!(allowed(Safeguards::APPROVED_MAX + 2).unwrap_err().code, Code::RequestInvalid);
    }
}
