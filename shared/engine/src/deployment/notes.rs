//! What an invocation keeps beside a deployment between two saves, and its timeline entries.

use crate::records::{BudgetRecord, PlanRecord, Versioned};
use crate::step::Step;
use flotilla_domain::deployment::lease::StackLease;
use flotilla_domain::deployment::{Deployment, Event, State};
use flotilla_domain::plan::TargetPlan;
use flotilla_domain::{Direction, Timestamp};

/// What an invocation keeps beside a deployment.
pub(crate) struct Notes {
    /// What the change set would change, from its observation until it is saved.
    pub plan: Option<TargetPlan>,
    /// The lease as it was read, if the next save takes it.
    pub lease: Option<StackLease>,
    /// The rate budget of the account-region, if one applies.
    pub budget: Option<Versioned<BudgetRecord>>,
    /// When the saved state was last read or written.
    pub fresh_at: Timestamp,
    /// Whether the last event came from a command.
    pub acted: bool,
}

/// A deployment between two saves.
pub(crate) type DeploymentStep = Step<Deployment, Notes>;

impl DeploymentStep {
    pub fn loaded(
        saved: Versioned<Deployment>,
        budget: Option<Versioned<BudgetRecord>>,
        now: Timestamp,
    ) -> Self {
        Self::new(saved, Notes { plan: None, lease: None, budget, fresh_at: now, acted: false })
    }

    /// Whether a rate budget applies to CloudFormation in the account-region.
    pub fn is_limited(&self, now: Timestamp) -> bool {
        self.notes.budget.as_ref().is_some_and(|saved| !saved.value.budget.is_quiet(now))
    }

    /// Delay before the next observation, in seconds. Under a rate budget, each wait is twice as long.
    pub fn delay_s(&self, now: Timestamp) -> u32 {
        const LIMITED_S: (u32, u32) = (8, 120);
        let delay_s = self.now.delay_s(now);
        if !self.is_limited(now) {
            return delay_s;
        }
        let age_s = now.duration_since(self.now.entered_at).as_secs();
        delay_s.max(u32::try_from(age_s).unwrap_or(0).clamp(LIMITED_S.0, LIMITED_S.1))
    }

    /// Drops what was not saved, including the plan.
    pub fn forget_unsaved(&mut self) {
        self.discard_unsaved();
        self.notes.plan = None;
    }

    /// Keeps the plan of an event, and whether the event came from a command.
    pub fn note(&mut self, event: &Event) {
        self.notes.acted = *event == Event::Acted;
        match event {
            // The second update of a shift is no part of the plan.
            _ if self.now.completes => {}
            Event::PlanReady(plan) => self.notes.plan = Some(plan.changes.clone()),
            Event::DeletionsPlanned(plan) => self.notes.plan = Some(plan.clone()),
            Event::PlanEmpty { .. } => self.notes.plan = Some(TargetPlan::empty()),
            _ => {}
        }
    }

    /// The plan to save. A rollback has none: it undoes a plan that was saved.
    pub fn plan_record(&self, at: Timestamp) -> Option<PlanRecord> {
        let plan = self.notes.plan.clone().filter(|_| self.now.id.direction == Direction::Forward)?;
        let blocked = match &self.now.state {
            State::DiscardingChangeSet(then) => then.cause().cloned(),
            // A removal has no change set to discard.
            State::Failed(cause) if self.now.removes() => Some(cause.clone()),
            _ => None,
        };
        Some(PlanRecord {
            rollout: self.now.id.rollout,
            target: self.now.id.target.clone(),
            stack: self.now.spec.stack.clone(),
            plan,
            blocked,
            at,
        })
    }

    /// Takes the deployment into its next state, with a timeline entry if the state's name changes.
    pub fn enter(&mut self, after: Deployment, now: Timestamp) {
        if after.state != self.now.state {
            let target = Some(after.id.target.clone());
            self.record(after.id.rollout, target, now, after.state.name(), detail(&after));
        }
        self.now = after;
    }
}

/// The timeline detail of a state.
fn detail(deployment: &Deployment) -> Option<String> {
    match &deployment.state {
        State::Planning(_) => Some(deployment.change_set_name()),
        State::Planned => deployment.changes.map(|c| {
            format!(
                "{} to add, {} to change, {} to replace, {} to remove",
                c.add, c.modify, c.replace, c.remove
            )
        }),
        State::Executing
        | State::RollingBackStack { .. }
        | State::DeletingFailedStack(_)
        | State::Deleting(_) => Some(deployment.operation_token()),
        State::FindingCause { status, .. } => Some(status.clone()),
        State::Shifting { percent: 0 } => Some("the new versions have no traffic yet".into()),
        State::Shifting { percent } => Some(format!("{percent} % at the new versions")),
        State::Succeeded { changed: false } => Some("nothing to change".into()),
        state => state.cause().map(|cause| format!("{}: {}", cause.code, cause.message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, deployment, rollout};
    use crate::records::nth_moment;
    use flotilla_domain::deployment::rate_budget::RateBudget;
    use flotilla_domain::deployment::{ChangeSetKind, Effort};
    use flotilla_domain::plan::ChangeSummary;
    use flotilla_domain::{Cause, Code};

    fn hand(state: State, throttled_at: Option<i64>) -> DeploymentStep {
        let value = deployment(&rollout("one", 1), "eu-west-1", state);
        let budget = throttled_at.map(|second| BudgetRecord {
            site: value.id.target.site.clone(),
            budget: RateBudget::throttled(None, at(second)),
        });
        DeploymentStep::loaded(
            Versioned { value, version: 3, due_at: None },
            budget.map(Versioned::new),
            at(100),
        )
    }

    #[test]
    fn where_calls_are_rationed_each_wait_is_as_long_as_the_state_is_old() {
        let waits = |throttled_at| {
            let hand = hand(State::Inspecting, throttled_at);
            [100, 110, 150, 220, 400].map(|now| hand.delay_s(at(now)))
        };
        assert_eq!(waits(None), [1, 1, 5, 12, 30]);
        assert_eq!(waits(Some(90)), [8, 10, 50, 120, 120]);
        let long_ago = hand(State::Inspecting, Some(90));
        assert!(long_ago.is_limited(at(100)) && !long_ago.is_limited(at(90 + 600)));
        assert!(!hand(State::Inspecting, None).is_limited(at(100)));
    }

    #[test]
    fn what_is_entered_is_told_in_order_and_forgotten_if_it_is_not_saved() {
        let mut hand = hand(State::Inspecting, None);
        assert!(!hand.is_dirty());
        let planning = Deployment { state: State::Planning(ChangeSetKind::Create), ..hand.now.clone() };
        hand.enter(planning.clone(), at(100));
        hand.enter(Deployment { acted: true, ..planning.clone() }, at(100));
        hand.enter(Deployment { state: State::Planned, ..planning }, at(100));
        let noted: Vec<_> = hand.timeline.iter().map(|event| (event.what.as_str(), event.at)).collect();
        assert_eq!(noted, [("planning", nth_moment(at(100), 1)), ("planned", nth_moment(at(100), 2))]);
        assert!(hand.is_dirty());
        hand.forget_unsaved();
        assert!(!hand.is_dirty() && hand.timeline.is_empty());
    }

    #[test]
    fn the_timeline_says_more_than_a_states_name() {
        let noted = |state| {
            let deployment = deployment(&rollout("one", 1), "eu-west-1", state);
            let changes = ChangeSummary { add: 1, modify: 2, replace: 3, remove: 4 };
            let deployment = Deployment { changes: Some(changes), ..deployment };
            (detail(&deployment), deployment.change_set_name(), deployment.operation_token())
        };
        let (planning, change_set, _) = noted(State::Planning(ChangeSetKind::Update));
        assert_eq!(planning, Some(change_set));
        let changes = "1 to add, 2 to change, 3 to replace, 4 to remove";
        assert_eq!(noted(State::Planned).0.as_deref(), Some(changes));
        for state in
            [State::Executing, State::DeletingFailedStack(Effort::First), State::Deleting(Effort::Force)]
        {
            let (said, _, token) = noted(state);
            assert_eq!(said, Some(token));
        }
        assert_eq!(noted(State::Succeeded { changed: false }).0.as_deref(), Some("nothing to change"));
        assert_eq!((noted(State::Succeeded { changed: true }).0, noted(State::Waiting).0), (None, None));
        let cause = Cause::new(Code::RolledBack, "the name is taken", "take another");
        assert_eq!(noted(State::RolledBack(cause)).0.as_deref(), Some("FL0511: the name is taken"));
    }
}
