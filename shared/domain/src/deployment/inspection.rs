//! What follows from the stack as it is found before anything is changed.

use super::event::{StackObserved, StackOwner};
use super::stack_status::{Standing, standing};
use super::state::{ChangeSetKind, Effort, StackRollback, State};
use super::{Deployment, causes};
use crate::plan::TargetPlan;

impl Deployment {
    /// The state after an observation of the stack.
    pub(super) fn inspected(&mut self, seen: Option<StackObserved>) -> State {
        let absent = if self.removes() { State::Removed } else { State::Planning(ChangeSetKind::Create) };
        let Some(seen) = seen.filter(|seen| standing(&seen.status) != Standing::Gone) else {
            self.stack_id = None;
            if self.protects_data() {
                // Approvals are bound to the plans of all targets.
                self.plan_digest = Some(TargetPlan::empty().digest);
            }
            self.keeps_bucket = false;
            return absent;
        };
        if let Some(owner) = seen.owner.as_ref().filter(|owner| !self.owns(owner)) {
            return State::Failed(causes::foreign(owner));
        }
        self.stack_id = Some(seen.stack_id.clone());
        self.keep_outputs(&seen);
        self.keeps_bucket = seen.has_deployment_bucket;
        let policy = &self.spec.policy;
        match standing(&seen.status) {
            // Another actor's operation is running: observe again later.
            Standing::Busy | Standing::Unknown => State::Inspecting,
            _ if self.protects_data() => State::PlanningRemoval,
            _ if self.removes() => State::Planned,
            Standing::InReview => State::Planning(ChangeSetKind::Create),
            Standing::Stable if self.reads_aliases() => State::ReadingAliases,
            Standing::Stable => State::Planning(ChangeSetKind::Update),
            Standing::NeverStable if policy.recreate_failed => State::DeletingFailedStack(Effort::First),
            Standing::NeverStable => State::Failed(causes::never_stable(&seen.status)),
            Standing::UpdateFailed => State::RollingBackStack { how: StackRollback::RollBack, cause: None },
            Standing::RollbackFailed => {
                State::RollingBackStack { how: StackRollback::ContinueRollback, cause: None }
            }
            Standing::DeleteFailed if policy.force_delete => State::DeletingFailedStack(Effort::First),
            Standing::DeleteFailed => State::Failed(causes::half_deleted(&seen.status)),
            Standing::ImportFailed => State::Failed(causes::import_failed(&seen.status)),
            Standing::Gone => absent,
        }
    }

    /// Whether a stack that is tagged with this owner is ours to change.
    fn owns(&self, owner: &StackOwner) -> bool {
        owner.service == self.spec.service.as_str() && owner.stage == self.spec.stage.as_str()
    }
}
