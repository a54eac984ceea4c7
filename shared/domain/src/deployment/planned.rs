//! Checks of a plan: its change set waits for the gates, or is refused and deleted.

use super::event::Plan;
use super::state::State;
use super::{Deployment, Drift, causes};

impl Deployment {
    /// The state after a change set became ready.
    pub(super) fn planned(&mut self, plan: Plan) -> State {
        self.stack_id = Some(plan.stack_id);
        self.change_set_id = Some(plan.change_set_id);
        if !self.completes {
            self.changes = Some(plan.changes.summary());
        }
        self.plan_digest = Some(plan.changes.digest);
        for warning in &plan.warnings {
            self.note(format!("CloudFormation warns: {warning}"));
        }
        for property in &plan.reverted {
            self.note(format!("changed outside of CloudFormation and reverted: {property}"));
        }
        for remark in self.spec.policy.safeguards.remarks(&plan.changes) {
            self.note(remark);
        }
        let policy = &self.spec.policy;
        let breaches = policy.safeguards.check(&plan.changes, &self.id.target.site.region);
        if let Some(cause) = causes::breached(&breaches, false) {
            return State::DiscardingChangeSet(Box::new(State::Failed(cause)));
        }
        if policy.refuse_warnings && !plan.warnings.is_empty() {
            return State::DiscardingChangeSet(Box::new(State::Failed(causes::warned(&plan.warnings))));
        }
        if policy.drift == Drift::Refuse && !plan.reverted.is_empty() {
            return State::DiscardingChangeSet(Box::new(State::Failed(causes::drifted(&plan.reverted))));
        }
        State::Planned
    }

    /// Adds a note, unless it is there already.
    pub(super) fn note(&mut self, text: String) {
        let text = crate::code::storable(text);
        if self.notes.len() < Self::NOTES_MAX && !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }
}
