//! What is said to gates.

use super::{World, orders, target};
use flotilla_domain::gate::Line;
use flotilla_domain::{RolloutId, StageName};
use flotilla_engine::EngineError;
use flotilla_engine::gate::Agreement;
use flotilla_engine::plan::PlanOf;
use futures::executor::block_on;

impl World {
    /// Somebody approves a rollout.
    ///
    /// # Errors
    /// As the command has them.
    pub fn approve(&mut self, id: &str, by: &str, agreement: &Agreement) -> Result<(), EngineError> {
        self.requests += 1;
        let id = RolloutId::parse(id).expect("a rollout's id");
        let caller = self.caller_named(by, "approve");
        block_on(self.driver.commands.approve(&id, agreement, &caller)).map(drop)
    }

    /// Somebody opens all gates of a rollout.
    ///
    /// # Errors
    /// As the command has them.
    pub fn break_glass(&mut self, id: &str, because: &str) -> Result<(), EngineError> {
        self.requests += 1;
        let id = RolloutId::parse(id).expect("a rollout's id");
        block_on(self.driver.commands.break_glass(&id, because, &self.caller("break"))).map(drop)
    }

    /// Somebody stops everything, or the profile `p`.
    ///
    /// # Errors
    /// As the command has them.
    pub fn stop_line(&mut self, line: &Line) -> Result<(), EngineError> {
        self.requests += 1;
        block_on(self.driver.commands.stop_line(line, "smoke", &self.caller("stop")))
    }

    /// Somebody lets it go on.
    ///
    /// # Errors
    /// As the command has them.
    pub fn lift_line(&mut self, line: &Line) -> Result<(), EngineError> {
        self.requests += 1;
        block_on(self.driver.commands.lift_line(line, &self.caller("lift")))
    }

    /// The value that a stack was given for a parameter.
    pub fn parameter(&self, region: &str, stack: &str, name: &str) -> Option<String> {
        let state = self.driver.shared.lock();
        state.parameters.get(&(target(region), stack.to_owned()))?.get(name).cloned()
    }

    /// Asks for the plan of a rollout of the newest release to a stage.
    ///
    /// # Errors
    /// As the command has them.
    pub fn plan(&mut self, stage: &str) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let stage = StageName::parse(stage).expect("a stage's name");
        let wanted = PlanOf { stage, release: None, from: None };
        block_on(self.driver.commands.plan(&orders(), &wanted, &self.caller("plan")))
            .map(|rollout| rollout.id.to_string())
    }
}
