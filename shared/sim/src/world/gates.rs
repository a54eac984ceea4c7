//! Commands about gates.

use super::{World, orders, target};
use flotilla_domain::gate::FreezeScope;
use flotilla_domain::{RolloutId, StageName};
use flotilla_engine::EngineError;
use flotilla_engine::gate::ApprovalRequest;
use flotilla_engine::plan::PlanOptions;
use futures::executor::block_on;

impl World {
    /// Approves a rollout.
    ///
    /// # Errors
    /// Those of the command.
    pub fn approve(&mut self, id: &str, by: &str, agreement: &ApprovalRequest) -> Result<(), EngineError> {
        self.requests += 1;
        let id = RolloutId::parse(id).expect("a rollout's id");
        let caller = self.caller_named(by, "approve");
        block_on(self.driver.commands.approve(&id, agreement, &caller)).map(drop)
    }

    /// Opens all gates of a rollout by break-glass.
    ///
    /// # Errors
    /// Those of the command.
    pub fn break_glass(&mut self, id: &str, because: &str) -> Result<(), EngineError> {
        self.requests += 1;
        let id = RolloutId::parse(id).expect("a rollout's id");
        block_on(self.driver.commands.break_glass(&id, because, &self.caller("break"))).map(drop)
    }

    /// Freezes everything, or the profile `p`.
    ///
    /// # Errors
    /// Those of the command.
    pub fn freeze(&mut self, line: &FreezeScope) -> Result<(), EngineError> {
        self.requests += 1;
        block_on(self.driver.commands.freeze(line, "smoke", &self.caller("stop")))
    }

    /// Unfreezes everything, or the profile `p`.
    ///
    /// # Errors
    /// Those of the command.
    pub fn unfreeze(&mut self, line: &FreezeScope) -> Result<(), EngineError> {
        self.requests += 1;
        block_on(self.driver.commands.unfreeze(line, &self.caller("lift")))
    }

    /// The value of a stack's parameter.
    pub fn parameter(&self, region: &str, stack: &str, name: &str) -> Option<String> {
        let state = self.driver.shared.lock();
        state.parameters.get(&(target(region), stack.to_owned()))?.get(name).cloned()
    }

    /// Plans a rollout of the newest release to a stage.
    ///
    /// # Errors
    /// Those of the command.
    pub fn plan(&mut self, stage: &str) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let stage = StageName::parse(stage).expect("a stage's name");
        let wanted = PlanOptions { stage, release: None, from: None };
        block_on(self.driver.commands.plan(&orders(), &wanted, &self.caller("plan")))
            .map(|rollout| rollout.id.to_string())
    }
}
