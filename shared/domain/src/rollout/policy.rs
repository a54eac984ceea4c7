//! The policy check: the profile's rules evaluated against a release's templates.

use super::Rollout;
use super::state::RolloutState;
use crate::cause::Cause;
use crate::code::{Code, cut_to, storable};
use crate::gate::{Blocked, Gate, PolicyResult, Violation};

impl Rollout {
    /// Most violations that a cause shows.
    const VIOLATIONS_SHOWN: usize = 5;
    /// The length to which each of them is cut, in bytes.
    const BROKEN_BYTES_MAX: usize = 350;
    /// The interval at which a policy check that could not be made is repeated, in seconds.
    pub(super) const POLICY_CHECK_S: i64 = 20;
    /// How long it is repeated, in minutes.
    pub const POLICY_CHECK_MIN_MAX: i64 = 10;

    /// Whether it needs a policy check. An expedited rollout, such as a
    /// rollback, deploys a release that has run before.
    pub(super) fn needs_policy_check(&self) -> bool {
        !self.gates.expedite && self.break_glass.is_none()
    }

    /// The state after a policy check; `None` to repeat it.
    pub(super) fn after_policy_check(&mut self, policy_result: PolicyResult) -> Option<RolloutState> {
        match policy_result {
            _ if !self.needs_policy_check() => Some(RolloutState::Replicating),
            PolicyResult::Passed => Some(RolloutState::Replicating),
            PolicyResult::Violated { first, count } => Some(RolloutState::Failed(self.broken(&first, count))),
            PolicyResult::Unknown { why, may_pass } => {
                self.blocked_by = vec![Blocked { gate: Gate::PolicyCheck, why: storable(why), until: None }];
                (!may_pass).then(|| RolloutState::Failed(self.policy_check_failed()))
            }
        }
    }

    fn broken(&self, first: &[Violation], count: usize) -> Cause {
        let one = |broken: &Violation| cut_to(broken.to_string(), Self::BROKEN_BYTES_MAX);
        let mut lines: Vec<String> = first.iter().take(Self::VIOLATIONS_SHOWN).map(one).collect();
        let more = count.saturating_sub(lines.len());
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        let text = format!("the package violates rules of profile {}: {}", self.profile, lines.join("; "));
        let fix = "change what the rules refuse and upload again, or change the rules (safeguards.guard) and retry the rollout";
        let resource = first.iter().find_map(|broken| broken.resource.clone());
        Cause { resource, ..Cause::new(Code::RuleBroken, text, fix) }
    }

    /// The cause of a failure to make the policy check.
    pub(super) fn policy_check_failed(&self) -> Cause {
        let why: Vec<&str> = self.blocked_by.iter().map(|closed| closed.why.as_str()).collect();
        let why = if why.is_empty() { "no answer in time".to_owned() } else { why.join("; ") };
        let text = format!("the rules of profile {} could not be applied: {why}", self.profile);
        let fix = "fix the rules if they are the reason, else read the guard function's log; then retry the rollout";
        Cause::new(Code::RulesUnapplied, text, fix)
    }
}
